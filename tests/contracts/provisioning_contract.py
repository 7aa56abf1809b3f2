"""Provisioning: CloudEvents in structured mode and what the service answers."""

from __future__ import annotations

from typing import Any

from tests.contracts.schema_problems import definition, problems

MESSAGES = "provisioning/messages.json"
MAX_EVENT_BYTES = 64 * 1024


def event_problems(event: Any) -> list[str]:
    return problems(definition(MESSAGES, "event"), event)


def request_problems(method: str, path: str, body: Any) -> list[str]:
    if (method, path) == ("POST", "/events"):
        return event_problems(body)
    known = method == "GET" and path.startswith(("/entitlements", "/events"))
    return [] if known else [f"no such operation: {method} {path}"]


def reply_problems(path: str, status: int, body: Any) -> list[str]:
    if status >= 400:
        return problems(definition(MESSAGES, "problem"), body)
    if path == "/entitlements":
        items = body["items"]
        return [p for item in items for p in problems(definition(MESSAGES, "entitlement"), item)]
    if path == "/events" and "items" in body:
        return [p for item in body["items"] for p in event_problems(item)]
    if path.startswith("/entitlements/"):
        return problems(definition(MESSAGES, "entitlement"), body)
    return []
