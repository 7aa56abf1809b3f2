"""The hub's own public doors: the domain API as a program, the console as a person."""

import os
import re
import time
from typing import Any

import httpx

API_KEY = "q2c_demo_key_0123456789abcdef"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class HubRefused(Exception):
    """The hub answered otherwise than the scenario needs."""


def hub_address() -> str:
    return os.environ["HUB_URL"].rstrip("/")


class Api:
    """The domain API with the demo's key."""

    def __init__(self) -> None:
        self.http = httpx.Client(
            base_url=f"{hub_address()}/api/v1",
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=30,
        )

    def get(self, path: str, **query: Any) -> Any:
        response = self.http.get(path, params=query)
        if response.status_code != 200:
            raise HubRefused(f"GET {path}: {response.status_code} {response.text[:300]}")
        return response.json()

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every row of a list, page by page."""
        page = self.get(path, **query)
        found: list[dict[str, Any]] = list(page["results"])
        while page.get("next"):
            response = self.http.get(page["next"])
            page = response.json()
            found += page["results"]
        return found


class Person:
    """Somebody signed in to the console."""

    def __init__(self, username: str) -> None:
        self.http = httpx.Client(base_url=hub_address(), timeout=30, follow_redirects=True)
        form = self.http.get("/sign-in/")
        answer = self.http.post(
            "/sign-in/",
            data={
                "username": username,
                "password": f"demo-{username}",
                "csrfmiddlewaretoken": _token(form.text),
            },
            headers={"Referer": f"{hub_address()}/sign-in/"},
        )
        if "/sign-in/" in str(answer.url):
            raise HubRefused(f"{username} could not sign in")

    def page(self, path: str) -> str:
        response = self.http.get(path)
        if response.status_code != 200:
            raise HubRefused(f"GET {path}: {response.status_code}")
        return response.text

    def post(self, path: str, **form: Any) -> httpx.Response:
        """Submit a form as the page's own script does."""
        response = self.http.post(
            path,
            data=form,
            headers={
                "X-CSRFToken": str(self.http.cookies.get("csrftoken") or ""),
                "Referer": f"{hub_address()}/",
                "HX-Request": "true",
            },
        )
        if response.status_code >= 400:
            words = re.sub(r"<[^>]+>|\s+", " ", response.text)
            raise HubRefused(f"POST {path}: {response.status_code} {words[:400]}")
        return response


def _token(page: str) -> str:
    found = TOKEN.search(page)
    return found.group(1) if found else ""


def wait_until(holds: Any, seconds: float, every: float = 1.0) -> bool:
    """Ask again and again until ``holds()`` is true; False when the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(every)
    return False
