"""Calls of SuiteTalk REST: token by signed assertion, records, SuiteQL, and the problem format."""

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from apps.connectors.errors import broken, error_for, silence
from apps.connectors.http import Answer, Request, Session, form_content, json_content, path_part
from apps.connectors.limits import Limits, retry_after
from apps.connectors.vendors.netsuite.schemas import NUMBERS, Reading, field_of, read_user_error
from apps.core.errors import ConfigurationError, HubError

RECORD = "/services/rest/record/v1"
SUITEQL = "/services/rest/query/v1/suiteql"
TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - an address
FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 300
EARLY = 60  # seconds before its end at which a token is no longer used

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_CODES = {
    "INVALID_KEY_OR_REF": "unknown_reference",
    "INVALID_CONTENT": "field_refused",
    "INVALID_PARAMETER": "field_refused",
    "NONEXISTENT_ID": "not_found",
    "IDEMPOTENCY_ERROR": "conflict",
}


class NetSuiteClient:
    """Calls under one session; a token that ended is asked for again once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(
        self, operation: str, path: str, query: Sequence[tuple[str, str]] = ()
    ) -> dict[str, Any]:
        """One record. Raises ``RejectedError`` (not_found) when it does not exist."""
        answer = await self._send(Request(operation, "GET", RECORD + path, query))
        return dict(answer.json())

    async def find(
        self, operation: str, path: str, query: Sequence[tuple[str, str]] = ()
    ) -> dict[str, Any] | None:
        """One record, or None when it does not exist."""
        try:
            return await self.get(operation, path, query)
        except HubError as error:
            if error.facts.code == "not_found":
                return None
            raise

    async def write(
        self, operation: str, method: str, path: str, document: Mapping[str, Any], query: str = ""
    ) -> str:
        """Create or upsert; returns the internal id, the last part of Location.

        Unknown fields are refused: by default NetSuite would drop them silently.
        """
        request = Request(
            operation,
            method,
            f"{RECORD}{path}{query}",
            headers={"x-netsuite-propertynamevalidation": "Error"},
            content=json_content(document, NUMBERS),
            content_type="application/json",
            writes=True,
        )
        answer = await self._send(request)
        location: str = answer.headers.get("location", "")
        return location.rstrip("/").rpartition("/")[2]

    async def query(
        self, operation: str, statement: str, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """One page of SuiteQL: (rows, lower-case names and text values; whether more follow)."""
        request = Request(
            operation,
            "POST",
            SUITEQL,
            query=(("limit", str(limit)), ("offset", str(offset))),
            headers={"prefer": "transient"},
            content=json_content({"q": statement}),
            content_type="application/json",
        )
        body = (await self._send(request)).json()
        return list(body["items"]), bool(body["hasMore"])

    async def query_all(self, operation: str, statement: str) -> list[dict[str, Any]]:
        """All rows of SuiteQL, 1,000 a page."""
        rows, more = await self.query(operation, statement, 1000, 0)
        while more:
            page, more = await self.query(operation, statement, 1000, len(rows))
            rows += page
        return rows

    async def _send(self, request: Request) -> Answer:
        try:
            return await self._send_with_token(request)
        except ConfigurationError as error:
            if error.facts.vendor_code != "INVALID_LOGIN":
                raise
            self._session.tokens.clear()
            return await self._send_with_token(request)

    async def _send_with_token(self, request: Request) -> Answer:
        async with self._session.granting:
            token = await self._token()
        signed = Request(
            request.operation, request.method, request.path, request.query,
            {**request.headers, "authorization": f"Bearer {token}"},
            request.content, request.content_type, request.writes,
        )  # fmt: skip
        vendor, writes = self._session.vendor_name, request.writes
        return await self._session.send(signed, lambda a: refusal(vendor, a, writes=writes))

    async def _token(self) -> str:
        now, tokens = self._session.clock().timestamp(), self._session.tokens
        if tokens.get("until", 0) > now:
            return str(tokens["access"])
        content = form_content(self._grant(int(now)))
        answer = await self._session.send(
            Request("token", "POST", TOKEN_PATH, content=content, content_type=FORM),
            lambda a: token_refusal(self._session.vendor_name, a),
        )
        body = answer.json()
        tokens.update(access=body["access_token"], until=now + int(body["expires_in"]) - EARLY)
        return str(body["access_token"])

    def _grant(self, now: int) -> list[tuple[str, str]]:
        """Client credentials by an assertion under the mapped certificate (M2M)."""
        session = self._session
        claims = {
            "iss": session.setting("client_id"),
            "scope": ["rest_webservices"],
            "aud": f"{session.base_url}{TOKEN_PATH}",
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": uuid.uuid4().hex,
        }
        key, algorithm = signing_key(session.secret("private_key"))
        assertion = jwt.encode(
            claims, key, algorithm=algorithm, headers={"kid": session.setting("certificate_id")}
        )
        return [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
        ]


@lru_cache(maxsize=32)  # OpenSSL checks a key as it loads it: tens of milliseconds for RSA
def signing_key(private_key: str) -> tuple[RSAPrivateKey | EllipticCurvePrivateKey, str]:
    """The key of a PEM text, and how it signs: PS256 for RSA, ES256 … ES512 for a curve.

    Raises ``ConfigurationError`` for anything else.
    """
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key() from error
    if isinstance(key, RSAPrivateKey):
        return key, "PS256"
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key, _CURVES[key.curve.name]
    raise _bad_key()


def _bad_key() -> HubError:
    return error_for(
        "misconfigured",
        "The private key of NetSuite is no unencrypted PEM key of RSA or an elliptic curve. Enter "
        "it again, then resume the connection.",
    )


def record_path(kind: str, key: str) -> str:
    """``/invoice/12`` or, for an external id, ``/invoice/eid:Q…``."""
    return f"/{kind}/{path_part(key)}"


def read_limits(status: int, headers: Mapping[str, str], body: bytes) -> Limits | None:
    """NetSuite limits the calls at once of a whole account and says so only when it refuses; its
    older governance code names calls in a time window."""
    if status != 429:
        return None
    reason = "rate" if b"SSS_REQUEST_LIMIT_EXCEEDED" in body else "concurrency"
    return Limits(True, reason, retry_after(headers))


def token_refusal(vendor: str, answer: Answer) -> HubError | None:
    """The error of the token address."""
    body = answer.json_or_none()
    if answer.is_success and isinstance(body, dict) and body.get("access_token"):
        return None
    if answer.status >= 500 or not isinstance(body, dict) or answer.is_success:
        return broken(vendor, answer.status, writes=False, detail="token not granted")
    words = str(body.get("error") or "")
    return error_for(
        "not_authorised",
        f"{vendor} refuses the hub's certificate ({words}). Check the integration, its "
        f"certificate mapping and the key.",
        detail=words,
        vendor_code=words,
    )


def refusal(vendor: str, answer: Answer, *, writes: bool) -> HubError | None:
    """The error of an answer; NetSuite sends a problem with ``o:errorDetails``."""
    body = answer.json_or_none()
    if answer.is_success:
        if answer.status == 204 or isinstance(body, dict):
            return None
        return silence(vendor, writes=writes, detail="the answer is cut off or no JSON object")
    entries = body.get("o:errorDetails") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        detail = answer.content[:200].decode("latin-1")
        return broken(vendor, answer.status, writes=writes, detail=detail)
    return _refused(vendor, answer, entries[0], writes=writes)


def _reading(code: str, words: str) -> Reading:
    if code == "USER_ERROR":
        return read_user_error(words)
    if code == "INVALID_CONTENT" and "Invalid Field Value" in words:
        return Reading("unknown_reference")
    return Reading(_CODES.get(code, "rejected_by_vendor"))


def _refused(vendor: str, answer: Answer, entry: Mapping[str, Any], *, writes: bool) -> HubError:
    code, words = str(entry.get("o:errorCode") or ""), str(entry.get("detail") or "")
    traces = {
        "detail": words,
        "vendor_code": code,
        "field": field_of(entry),
        "request_id": answer.headers.get("x-n-operationid", ""),
    }
    if answer.status == 429 or code in (
        "CONCURRENCY_LIMIT_EXCEEDED",
        "SSS_REQUEST_LIMIT_EXCEEDED",
    ):
        return error_for(
            "rate_limited",
            f"All concurrent calls of {vendor} are in use. The hub goes on when one is free.",
            retry_after=retry_after(answer.headers, 1.0),
            **traces,
        )
    if answer.status in (401, 403):
        name = "not_authorised" if answer.status == 401 else "permission_missing"
        return error_for(name, f"{vendor} refuses the hub: {words} Check its role.", **traces)
    if answer.status >= 500 or code in ("UNEXPECTED_ERROR", "ACCT_TEMP_UNAVAILABLE"):
        return broken(vendor, answer.status, writes=writes, **traces)
    reading = _reading(code, words)
    traces["field"] = reading.field or traces["field"]
    said = words.removeprefix("Error while accessing a resource. ")
    return error_for(reading.code, f"{vendor} refuses the document: {said}", **traces)
