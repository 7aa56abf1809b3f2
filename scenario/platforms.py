"""The platforms' own doors, as their users and administrators use them."""

import json
import os
from typing import Any

import httpx


class PlatformRefused(Exception):
    """A platform answered otherwise than the scenario needs; the message holds its words."""


def address(name: str) -> str:
    """The base address of a platform from its variable."""
    variable = f"SIM_{name.upper()}_URL"
    if variable not in os.environ:
        raise SystemExit(f"{variable} is not set; start the scenario with `make demo`.")
    return os.environ[variable].rstrip("/")


class Platform:
    """HTTP to one platform, with its control API below /_sim/."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.http = httpx.Client(base_url=address(name), timeout=30)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The decoded answer. Raises ``PlatformRefused`` for any status from 400 up."""
        response = self.http.request(method, path, **options)
        if response.status_code >= 400:
            raise PlatformRefused(f"{self.name} {method} {path}: {response.text[:400]}")
        if not response.content:
            return None
        return response.json()

    def control(self, path: str, **body: Any) -> Any:
        return self.call("POST", f"/_sim/{path}", json=body)

    def acknowledged(self) -> set[str]:
        """Ids of the messages that the hub answered with 2xx, as the hub names them."""
        query = {"state": "delivered", "limit": 1_000_000}
        found = self.call("GET", "/_sim/webhooks/deliveries", params=query)["deliveries"]
        return {self._message_id(delivery) for delivery in found}

    def _message_id(self, delivery: dict[str, Any]) -> str:
        """An outbound message of the CRM is known by its bytes, the others by the sender's id."""
        if self.name == "salesforce":
            return f"salesforce:om-{delivery['sha256'][:40]}"
        return f"{self.name}:{delivery['message']}"

    def ledger(self) -> list[dict[str, Any]]:
        """Every committed change of the platform's own append-only ledger."""
        text = self.http.get("/_sim/ledger").text
        return [json.loads(line) for line in text.splitlines() if line]


class Salesforce(Platform):
    """The CRM as a sales person and a deal desk use it."""

    API = "/services/data/v67.0"

    def __init__(self) -> None:
        super().__init__("salesforce")
        token = self.http.post(
            "/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": os.environ.get("SCENARIO_SF_CLIENT_ID", "hub"),
                "client_secret": os.environ.get("SCENARIO_SF_CLIENT_SECRET", "hub-secret"),
            },
        )
        if token.status_code != 200:
            raise PlatformRefused(f"salesforce sign-in: {token.text[:300]}")
        self.http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        self.organization = str(token.json()["id"]).split("/")[-2]

    def create(self, sobject: str, **values: Any) -> str:
        """Insert a record; returns its 18-character id."""
        answer = self.call("POST", f"{self.API}/sobjects/{sobject}", json=values)
        return str(answer["id"])

    def update(self, sobject: str, record_id: str, **values: Any) -> None:
        self.call("PATCH", f"{self.API}/sobjects/{sobject}/{record_id}", json=values)

    def query(self, soql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        answer = self.call("GET", f"{self.API}/query", params={"q": soql})
        while True:
            found += answer["records"]
            if answer["done"]:
                return found
            answer = self.call("GET", answer["nextRecordsUrl"])
