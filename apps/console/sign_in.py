"""Signing in: the form, and the demo's users where this is a demo."""

import json
from pathlib import Path

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """User name and password."""


def demo_users() -> list[dict[str, str]]:
    """Users of the demo's setup file with their passwords: username, password, name, role."""
    source = Path(settings.BASE_DIR) / "scenario" / "setup.json"
    if not source.is_file():
        return []
    setup = json.loads(source.read_text())
    return [
        {
            "username": user["username"],
            "password": user["password"],
            "name": user["name"],
            "role": ", ".join(_grant_words(grant) for grant in user["roles"]),
        }
        for user in setup.get("users", [])
        if user.get("password")
    ]


def _grant_words(grant: dict[str, str]) -> str:
    """``Operations`` or ``Operations in US01``."""
    role = grant["role"].title()
    return f"{role} in {grant['entity']}" if grant.get("entity") else role
