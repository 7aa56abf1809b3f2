"""Stripe: requests and replies against the schemas of the pinned package."""

from __future__ import annotations

import functools
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.contracts.form_bodies import decode_form, typed
from tests.contracts.schema_problems import problems
from tests.contracts.stripe_requests import request_schema
from tests.contracts.stripe_resources import RESOURCES, reply_schema

ERROR_TYPES = ("api_error", "card_error", "idempotency_error", "invalid_request_error")
ERROR_TEXTS = ("message", "code", "param", "doc_url", "decline_code")
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"enum": list(ERROR_TYPES)},
                **{name: {"type": "string"} for name in ERROR_TEXTS},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}


def request_problems(method: str, path: str, query: str, body: str) -> list[str]:
    schema = request_schema(method, path)
    if schema is None:
        return [f"no such operation: {method} {path}"]
    form = typed(decode_form(body if method == "POST" else body or query), schema, schema)
    return problems(Draft202012Validator(schema), form)


def reply_problems(status: int, body: Any) -> list[str]:
    """Problems of a reply; lists are checked element by element."""
    if status >= 400:
        return problems(Draft202012Validator(ERROR), body)
    if body.get("deleted"):
        return []
    if body.get("object") in ("list", "search_result"):
        found = [problem for item in body["data"] for problem in object_problems(item)]
        return [*found, *([] if isinstance(body.get("has_more"), bool) else ["has_more absent"])]
    return object_problems(body)


def object_problems(document: Any) -> list[str]:
    name = document.get("object")
    if name not in RESOURCES:
        return [f"unknown object type {name!r}"]
    found = problems(_validator(name), document)
    if name == "event":
        found += object_problems(document["data"]["object"])
    return found


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(reply_schema(name))
