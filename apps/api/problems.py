"""Errors of the API as RFC 9457 problem documents: a code, plain words, and what to do."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from apps.approvals.errors import ApprovalError
from apps.core.codec import dumps
from apps.core.errors import StaleWriteError
from apps.exceptions.errors import CaseActionError
from apps.resolutions.errors import RemedyError
from apps.users.errors import NotAllowedError
from apps.workflows.errors import RunActionError

CONTENT_TYPE = "application/problem+json"

TITLES = {
    400: "The request cannot be read",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported content",
    422: "The content is not accepted",
    429: "Too many requests",
    503: "Not available now",
}


class Problem(exceptions.APIException):
    """A refusal with a code of its own; ``fields`` says which field and what to do about it."""

    def __init__(
        self, status: int, code: str, detail: str, fields: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.problem_code = code
        self.fields = fields or {}


def problem_body(
    status: int, code: str, detail: str, fields: dict[str, str] | None = None
) -> dict[str, Any]:
    """The document: ``code`` is stable, ``detail`` is for people."""
    body: dict[str, Any] = {
        "type": f"urn:q2c:problem:{code}",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    if fields:
        body["errors"] = [{"field": name, "detail": text} for name, text in fields.items()]
    return body


def plain_problem(status: int, code: str, detail: str) -> HttpResponse:
    """The same document from a plain Django view."""
    return HttpResponse(
        dumps(problem_body(status, code, detail)), status=status, content_type=CONTENT_TYPE
    )


def problem_response(error: Exception, _context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. Returns None for a fault of ours, which becomes a 500."""
    known = _known(error)
    if known is None:
        return None
    response = Response(
        problem_body(known.status_code, known.problem_code, str(known.detail), known.fields),
        status=known.status_code,
        content_type=CONTENT_TYPE,
    )
    header = getattr(error, "auth_header", None)
    if header:
        response.headers["WWW-Authenticate"] = header
    wait = getattr(error, "wait", None)
    if wait:
        response.headers["Retry-After"] = str(int(wait))
    return response


def _known(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    for kinds, make in _PROBLEMS:
        if isinstance(error, kinds):
            return make(error)
    return None


def _not_found(_: Any) -> Problem:
    return Problem(404, "not_found", "There is no such record, or it is not yours to see.")


def _too_large(_: Any) -> Problem:
    return Problem(413, "too_large", "The body is larger than 4 MiB. Send less in one request.")


_PROBLEMS: tuple[tuple[tuple[type[Exception], ...], Callable[[Any], Problem]], ...] = (
    ((Http404, ObjectDoesNotExist, exceptions.NotFound), _not_found),
    ((RequestDataTooBig,), _too_large),
    ((NotAllowedError,), lambda e: Problem(403, "not_allowed", str(e))),
    ((StaleWriteError,), lambda e: Problem(409, "stale", str(e))),
    ((RemedyError,), lambda e: Problem(422, "remedy_refused", str(e), e.fields)),
    ((RunActionError,), lambda e: Problem(409, "run_refused", str(e))),
    ((CaseActionError, ApprovalError), lambda e: Problem(422, "refused", str(e))),
    (
        (exceptions.ValidationError,),
        lambda e: Problem(422, "invalid", "Correct the named fields.", field_errors(e.detail)),
    ),
    (
        (exceptions.APIException,),
        lambda e: Problem(e.status_code, str(e.default_code), str(e.detail)),
    ),
)


def field_errors(detail: Any, path: str = "") -> dict[str, str]:
    """``lines[0].quantity`` → message, from the nested errors of a serializer."""
    if isinstance(detail, dict):
        parts = [(_step(path, name), inner) for name, inner in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict) for item in detail):
        parts = [(f"{path}[{place}]", inner) for place, inner in enumerate(detail)]
    else:
        words = " ".join(str(i) for i in (detail if isinstance(detail, list) else [detail]))
        return {path or "body": words} if words else {}
    found: dict[str, str] = {}
    for step, inner in parts:
        found.update(field_errors(inner, step))
    return found


def _step(path: str, name: str | int) -> str:
    if name == "non_field_errors":
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name
