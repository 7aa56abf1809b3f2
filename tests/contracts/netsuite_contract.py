"""NetSuite: record bodies, SuiteQL and replies against our schemas."""

from __future__ import annotations

import re
from typing import Any

from tests.contracts.schema_problems import definition, problems, schema_file

REQUESTS, REPLIES = "netsuite/requests.json", "netsuite/replies.json"
_RECORD = re.compile(r"^/services/rest/record/v1/(\w+)(?:/([^/]+))?(?:/(!transform/\w+|\w+))?$")
READ_ONLY = frozenset({"accountingPeriod"})
TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"
SUITEQL_PATH = "/services/rest/query/v1/suiteql"


def request_problems(method: str, path: str, body: Any) -> list[str]:
    if path == SUITEQL_PATH:
        found = [] if method == "POST" else [f"{method} is not allowed on {path}"]
        return found + problems(definition(REQUESTS, "suiteql"), body)
    if path == TOKEN_PATH:
        return [] if method == "POST" else ["a token is fetched by POST"]
    record = _RECORD.match(path)
    if record is None:
        return [] if path.startswith("/services/rest/async/v1/job/") else [f"no such path: {path}"]
    if method in ("GET", "DELETE"):
        return []
    return _write_problems(method, record[1], record[2], record[3], body)


def _write_problems(
    method: str, kind: str, key: str | None, action: str | None, body: Any
) -> list[str]:
    if kind in READ_ONLY:
        return [f"{kind} is read-only"]
    if method == "PUT" and not (key or "").startswith("eid:"):
        return ["PUT needs an external id: eid:…"]
    if (method == "POST") == (key is not None) and action is None:
        return [f"{method} {'needs no' if key else 'needs an'} id in its path"]
    target = action.rpartition("/")[2] if action else kind
    try:
        validator = definition(REQUESTS, target)
    except KeyError:
        return [f"no contract for the record type {target}"]
    required = schema_file(REQUESTS)["x-required"].get(target, [])
    creates = method == "POST" and action is None
    absent = [f"{name} is required" for name in required if creates and name not in body]
    return absent + problems(validator, body)


def reply_problems(path: str, status: int, body: Any) -> list[str]:
    if body is None:
        return [] if status in (202, 204) else [f"status {status} without a body"]
    name = _reply_name(path, status)
    return [] if name is None else problems(definition(REPLIES, name), body)


def _reply_name(path: str, status: int) -> str | None:
    """Which definition a reply is held to; None for a single sublist."""
    if path == TOKEN_PATH:
        return "token" if status < 400 else "grantError"
    if status >= 400:
        return "error"
    if path == SUITEQL_PATH:
        return "suiteql"
    record = _RECORD.match(path)
    if record is None or record[3]:
        return None if record else "job"
    return record[1] if record[2] else "collection"
