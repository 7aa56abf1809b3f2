"""NetSuite's error bodies: an RFC 7807 problem with `o:errorDetails`."""

from __future__ import annotations

from apps.simulators.core.calls import Reply
from apps.simulators.core.codec import Document

CONTENT_TYPE = "application/vnd.oracle.resource+json; type=error; charset=UTF-8"
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_SECTIONS = {400: "4.1", 401: "4.2", 404: "4.5", 405: "4.6", 500: "5.1", 503: "5.4"}
_RFC = "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10."


class NetSuiteError(Exception):
    """One problem; `path` names the field at fault, e.g. item.items[0].item."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        path: str | None = None,
        status: int = 400,
        title: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.path = code, detail, path
        self.status, self.title = status, title

    def reply(self) -> Reply:
        entry: Document = {"detail": self.detail, "o:errorCode": self.code}
        if self.path:
            entry["o:errorPath"] = self.path
        body: Document = {
            "type": _RFC + _SECTIONS.get(self.status, "4"),
            "title": self.title or _TITLES.get(self.status, "Error"),
            "status": self.status,
            "o:errorDetails": [entry],
        }
        return Reply(self.status, body, content_type=CONTENT_TYPE)


def user_error(detail: str, path: str | None = None) -> NetSuiteError:
    """USER_ERROR: the catch-all of every business rule."""
    return NetSuiteError("USER_ERROR", f"Error while accessing a resource. {detail}", path=path)


def missing_values(*labels: str) -> NetSuiteError:
    return user_error(f"Please enter value(s) for: {', '.join(labels)}")


def nonexistent() -> NetSuiteError:
    return NetSuiteError(
        "NONEXISTENT_ID",
        "The record instance does not exist. Provide a valid record instance ID. Record does "
        "not exist.",
        status=404,
    )


def invalid_value(value: object, path: str) -> NetSuiteError:
    name = path.rpartition(".")[2]
    return NetSuiteError(
        "INVALID_CONTENT",
        f"Error while accessing a resource. Invalid Field Value {value} for the following field: "
        f"{name}",
        path=path,
    )


def invalid_login() -> NetSuiteError:
    return NetSuiteError("INVALID_LOGIN", "Invalid login attempt.", status=401)


def too_many() -> NetSuiteError:
    return NetSuiteError(
        "CONCURRENCY_LIMIT_EXCEEDED",
        "Concurrent request limit exceeded. Request blocked.",
        status=429,
    )


def unexpected(status: int) -> NetSuiteError:
    return NetSuiteError(
        "UNEXPECTED_ERROR",
        "An unexpected error occurred. Error ID: ls3k2z9x8q1",
        status=status,
    )
