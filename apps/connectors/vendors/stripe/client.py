"""Calls of the Stripe API and its error format."""

from collections.abc import Mapping
from typing import Any

from apps.connectors.errors import broken, error_for, silence
from apps.connectors.http import Answer, Request, Session, form_content
from apps.connectors.limits import Limits, retry_after
from apps.connectors.vendors.stripe.schemas import flatten
from apps.core.errors import HubError

API_VERSION = "2026-10-28.endive"
FORM = "application/x-www-form-urlencoded"
PAGE = 100
_REFERENCE_CODES = frozenset({"resource_missing", "tax_id_invalid"})


class StripeClient:
    """Calls under one session. A POST always carries an idempotency key."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(
        self, operation: str, path: str, parameters: Mapping[str, Any] | None = None
    ) -> Any:
        """One object or page. Raises the errors of ``refusal``."""
        query = flatten(parameters or {})
        request = Request(operation, "GET", path, query=query, headers=self._headers())
        return (await self._session.send(request, self._reading)).json()

    async def find(self, operation: str, path: str) -> Any | None:
        """One object, or None when it does not exist."""
        try:
            return await self.get(operation, path)
        except HubError as error:
            if error.facts.code == "not_found":
                return None
            raise

    async def list_all(
        self, operation: str, path: str, parameters: Mapping[str, Any]
    ) -> list[Any]:
        """Every object of a list, page by page."""
        found: list[Any] = []
        more: dict[str, Any] = {}
        while True:
            page = await self.get(operation, path, {"limit": PAGE, **parameters, **more})
            found += page["data"]
            if not page["has_more"] or not page["data"]:
                return found
            more = {"starting_after": page["data"][-1]["id"]}

    async def post(self, operation: str, path: str, form: Mapping[str, Any], key: str) -> Any:
        """Write with an idempotency key: the same key and form give the first answer again."""
        request = Request(
            operation,
            "POST",
            path,
            headers={**self._headers(), "idempotency-key": key},
            content=form_content(flatten(form)),
            content_type=FORM,
            writes=True,
        )
        return (await self._session.send(request, self._writing)).json()

    async def delete(self, operation: str, path: str, parameters: Mapping[str, Any]) -> Any:
        """End an object; Stripe keeps it and shows its last state."""
        request = Request(
            operation,
            "DELETE",
            path,
            query=flatten(parameters),
            headers=self._headers(),
            writes=True,
        )
        return (await self._session.send(request, self._writing)).json()

    def _headers(self) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self._session.secret('api_key')}",
            "stripe-version": API_VERSION,
        }

    def _reading(self, answer: Answer) -> HubError | None:
        return refusal(self._session.vendor_name, answer, writes=False)

    def _writing(self, answer: Answer) -> HubError | None:
        return refusal(self._session.vendor_name, answer, writes=True)


def read_limits(status: int, headers: Mapping[str, str], _body: bytes) -> Limits | None:
    """Stripe names what a 429 exceeded: global-rate, endpoint-rate, global-concurrency,
    endpoint-concurrency or resource-specific (docs.stripe.com/rate-limits)."""
    if status != 429:
        return None
    named = headers.get("stripe-rate-limited-reason", "")
    reason = next((word for word in ("rate", "concurrency") if named.endswith(f"-{word}")), "")
    return Limits(True, reason, retry_after(headers))


def refusal(vendor: str, answer: Answer, *, writes: bool) -> HubError | None:
    """The error of an answer by Stripe's own classes (docs.stripe.com/api/errors)."""
    body = answer.json_or_none()
    if answer.is_success:
        if isinstance(body, dict):
            return None
        return silence(vendor, writes=writes, detail="the answer is cut off or no JSON object")
    error = body.get("error") if isinstance(body, dict) else None
    if answer.status >= 500 or not isinstance(error, dict):
        detail = str((error or {}).get("message", "")) or answer.content[:200].decode("latin-1")
        request_id = answer.headers.get("request-id", "")
        return broken(vendor, answer.status, writes=writes, detail=detail, request_id=request_id)
    return _refused(vendor, answer, error)


def _refused(vendor: str, answer: Answer, error: Mapping[str, Any]) -> HubError:
    code = str(error.get("code") or error.get("type") or "")
    words = str(error.get("message") or code)
    traces = {
        "detail": words,
        "vendor_code": code,
        "field": str(error.get("param") or ""),
        "request_id": answer.headers.get("request-id", ""),
    }
    if answer.status in (401, 403):
        name = "not_authorised" if answer.status == 401 else "permission_missing"
        return error_for(name, f"{vendor} refuses the hub: {words} Correct the API key.", **traces)
    if answer.status == 429 or code == "rate_limit":
        wait = retry_after(answer.headers, 1.0)
        message = f"{vendor} asks the hub to slow down. It goes on in {wait:.0f} s."
        return error_for("rate_limited", message, retry_after=wait, **traces)
    if answer.status == 409 or code == "lock_timeout":
        return error_for(
            "locked", f"{vendor} is still busy with the same object. The hub tries again.",
            retry_after=1.0, **traces,
        )  # fmt: skip
    return error_for(
        _taxonomy_code(answer.status, code, str(error.get("type"))),
        f"{vendor} refuses the document: {words}",
        **traces,
    )


def _taxonomy_code(status: int, code: str, kind: str) -> str:
    if status == 404:
        return "not_found"
    if kind == "idempotency_error":
        return "conflict"
    if code in _REFERENCE_CODES:
        return "unknown_reference"
    if code.startswith("parameter_"):
        return "field_refused"
    return "rejected_by_vendor"
