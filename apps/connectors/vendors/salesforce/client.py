"""Calls of the Salesforce REST API: token, queries to the last page, and the error arrays."""

import re
from collections.abc import Mapping
from typing import Any

import jwt

from apps.connectors.errors import broken, error_for, silence
from apps.connectors.http import Answer, Request, Session, form_content, json_content
from apps.connectors.limits import Limits
from apps.core.errors import ConfigurationError, HubError

API = "/services/data/v67.0"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - an address
FORM = "application/x-www-form-urlencoded"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 180  # Salesforce refuses assertions that live longer than 3 minutes

_CODES = {
    "REQUEST_LIMIT_EXCEEDED": "rate_limited",
    "UNABLE_TO_LOCK_ROW": "locked",
    "QUERY_TIMEOUT": "locked",
    "INVALID_CROSS_REFERENCE_KEY": "unknown_reference",
    "NOT_FOUND": "not_found",
    "ENTITY_IS_DELETED": "not_found",
    "DUPLICATE_VALUE": "conflict",
    "DUPLICATES_DETECTED": "conflict",
    "INVALID_FIELD": "field_refused",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "field_refused",
    "REQUIRED_FIELD_MISSING": "field_refused",
    "STRING_TOO_LONG": "field_refused",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "field_refused",
    "JSON_PARSER_ERROR": "field_refused",
    "MALFORMED_QUERY": "field_refused",
}


class SalesforceClient:
    """Calls under one session; a token that ended is minted again once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def query(self, operation: str, soql: str) -> list[dict[str, Any]]:
        """All records of a query, page by page."""
        records, following = await self.query_page(operation, soql)
        while following:
            page, following = await self.query_page(operation, following)
            records += page
        return records

    async def query_page(
        self, operation: str, soql_or_path: str
    ) -> tuple[list[dict[str, Any]], str]:
        """One page: (records, path of the next page or empty)."""
        if soql_or_path.startswith("/"):
            request = Request(operation, "GET", soql_or_path)
        else:
            request = Request(operation, "GET", f"{API}/query", query=(("q", soql_or_path),))
        body = (await self._send(request)).json()
        return list(body["records"]), str(body.get("nextRecordsUrl") or "")

    async def update(self, operation: str, path: str, values: Mapping[str, Any]) -> None:
        """PATCH a record: the same values twice are the same record."""
        content = json_content(values)
        await self._send(
            Request(operation, "PATCH", f"{API}{path}", content=content,
                    content_type="application/json", writes=True)
        )  # fmt: skip

    async def _send(self, request: Request) -> Answer:
        try:
            return await self._send_with_token(request)
        except ConfigurationError as error:
            if error.facts.vendor_code != "INVALID_SESSION_ID":
                raise
            self._session.tokens.pop("access", None)
            return await self._send_with_token(request)

    async def _send_with_token(self, request: Request) -> Answer:
        async with self._session.granting:
            token = self._session.tokens.get("access") or await self._mint()
        signed = Request(
            request.operation, request.method, request.path, request.query,
            {**request.headers, "authorization": f"Bearer {token}"},
            request.content, request.content_type, request.writes,
        )  # fmt: skip
        vendor, writes = self._session.vendor_name, request.writes
        return await self._session.send(signed, lambda a: refusal(vendor, a, writes=writes))

    async def _mint(self) -> str:
        request = Request(
            "token", "POST", TOKEN_PATH, content=form_content(self._grant()), content_type=FORM
        )
        answer = await self._session.send(
            request, lambda a: token_refusal(self._session.vendor_name, a)
        )
        token = str(answer.json()["access_token"])
        self._session.tokens["access"] = token
        return token

    def _grant(self) -> list[tuple[str, str]]:
        """JWT bearer when a private key is there, else client credentials."""
        session = self._session
        if not session.secrets.get("private_key"):
            return [
                ("grant_type", "client_credentials"),
                ("client_id", session.setting("client_id")),
                ("client_secret", session.secret("client_secret")),
            ]
        claims = {
            "iss": session.setting("client_id"),
            "sub": session.setting("username"),
            "aud": session.config.get("audience") or session.base_url,
            "exp": int(session.clock().timestamp()) + ASSERTION_SECONDS - 10,
        }
        assertion = jwt.encode(claims, session.secret("private_key"), algorithm="RS256")
        return [("grant_type", JWT_BEARER), ("assertion", assertion)]


_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
_DAY = 86_400.0


def read_limits(status: int, headers: Mapping[str, str], body: bytes) -> Limits | None:
    """``Sforce-Limit-Info: api-usage=18/5000``: calls of the rolling day, on every answer."""
    usage = _USAGE.search(headers.get("sforce-limit-info", ""))
    refused = status == 403 and b"REQUEST_LIMIT_EXCEEDED" in body
    if usage is None and not refused:
        return None
    used, allowance = (int(usage[1]), int(usage[2])) if usage else (0, 0)
    return Limits(
        refused=refused,
        reason="rate" if refused else "",
        retry_after=15.0 if refused else None,  # a place comes free as the day rolls on
        allowance=allowance or None,
        remaining=max(0, allowance - used) if usage else None,
        resets_in=_DAY if usage else None,
    )


def token_refusal(vendor: str, answer: Answer) -> HubError | None:
    """The error of the token address: `{error, error_description}`."""
    body = answer.json_or_none()
    if answer.is_success and isinstance(body, dict) and body.get("access_token"):
        return None
    if answer.status >= 500 or not isinstance(body, dict) or answer.is_success:
        return broken(vendor, answer.status, writes=False, detail="token not granted")
    words = str(body.get("error_description") or body.get("error") or "")
    return error_for(
        "not_authorised",
        f"{vendor} refuses the hub's credentials: {words}. Check the connected app and its key.",
        detail=words,
        vendor_code=str(body.get("error") or ""),
    )


def refusal(vendor: str, answer: Answer, *, writes: bool) -> HubError | None:
    """The error of an answer; Salesforce sends an array of {message, errorCode, fields}."""
    body = answer.json_or_none()
    if answer.status == 204:
        return None
    if answer.is_success:
        if isinstance(body, dict):
            return None
        return silence(vendor, writes=writes, detail="the answer is cut off or no JSON object")
    first = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else None
    if first is None:
        detail = answer.content[:200].decode("latin-1")
        return broken(vendor, answer.status, writes=writes, detail=detail)
    return _refused(vendor, answer.status, first, writes=writes)


def _refused(vendor: str, status: int, first: Mapping[str, Any], *, writes: bool) -> HubError:
    code, words = str(first.get("errorCode") or ""), str(first.get("message") or "")
    fields = first.get("fields") or []
    traces = {"detail": words, "vendor_code": code, "field": str(fields[0]) if fields else ""}
    if status >= 500:
        return broken(vendor, status, writes=writes, **traces)
    name = _taxonomy_code(status, code)
    message = _MESSAGES.get(name, "{vendor} refuses the document: {words}")
    # There is no Retry-After: the allowance of calls is of a rolling day.
    wait = 60.0 if name == "rate_limited" else None
    return error_for(name, message.format(vendor=vendor, words=words), retry_after=wait, **traces)


_MESSAGES = {
    "not_authorised": "{vendor} ended the hub's session: {words}",
    "rate_limited": "The daily calls of {vendor} are used up. The hub goes on when some are free.",
    "locked": "{vendor} is busy with the same record. The hub tries again.",
    "permission_missing": "The hub's user at {vendor} may not do this: {words}. Grant the "
    "permission there, then resume the connection.",
}


def _taxonomy_code(status: int, code: str) -> str:
    if code == "INVALID_SESSION_ID" or status == 401:
        return "not_authorised"
    if code in _CODES:
        return _CODES[code]
    if status == 403:
        return "permission_missing"
    return "conflict" if status in (300, 409, 412) else "rejected_by_vendor"


def locator_ended(error: HubError) -> bool:
    """The next page's address is no longer known there: the query must begin again."""
    return error.facts.vendor_code == "INVALID_QUERY_LOCATOR"
