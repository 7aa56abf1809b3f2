"""Salesforce's error bodies: an array of {message, errorCode, fields}."""

from __future__ import annotations

from apps.simulators.core.calls import Reply
from apps.simulators.core.codec import Document


class SalesforceError(Exception):
    """One error of the REST API; `fields` names the fields at fault."""

    def __init__(
        self, code: str, message: str, *, fields: tuple[str, ...] = (), status: int = 400
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.fields, self.status = code, message, fields, status

    def entry(self) -> Document:
        entry: Document = {"message": self.message, "errorCode": self.code}
        if self.fields:
            entry["fields"] = list(self.fields)
        return entry

    def reply(self) -> Reply:
        return Reply(self.status, [self.entry()])


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    return SalesforceError("NOT_FOUND", message, status=404)


def no_such_column(name: str, entity: str) -> SalesforceError:
    return SalesforceError(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom "
        f"field, be sure to append the '__c' after the custom field name.",
        fields=(name,),
    )


def session_invalid() -> SalesforceError:
    return SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)


def limit_exceeded() -> SalesforceError:
    return SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)


def server_error(status: int = 500) -> Reply:
    if status == 503:
        error = SalesforceError("SERVER_UNAVAILABLE", "Server temporarily unavailable", status=503)
    else:
        error = SalesforceError(
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support: "
            "1795431000-12345 (-1234567890)",
            status=status,
        )
    return error.reply()
