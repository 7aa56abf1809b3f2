"""Stripe's error bodies (docs.stripe.com/api/errors)."""

from __future__ import annotations

from apps.simulators.core.calls import Reply
from apps.simulators.core.codec import Document


class StripeError(Exception):
    """An error that becomes `{"error": {...}}`; `executed` means an endpoint had begun."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.kind = status, code, param, kind
        self.message = message

    def body(self) -> Document:
        error: Document = {"message": self.message, "type": self.kind}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        return {"error": error}

    def reply(self) -> Reply:
        return Reply(self.status, self.body())


class ValidationError(StripeError):
    """A parameter was refused before the endpoint began; no idempotent result is kept."""


def missing(kind: str, key: str, param: str | None = "id", status: int = 404) -> StripeError:
    """`resource_missing`: 404 for the object in the path, 400 for one named by a parameter."""
    noun = kind.replace("_", " ")
    return StripeError(
        f"No such {noun}: '{key}'", status=status, code="resource_missing", param=param
    )


def server_error() -> StripeError:
    return StripeError(
        "An unknown error occurred while processing your request.", status=500, kind="api_error"
    )


def too_many_requests() -> StripeError:
    return StripeError(
        "Request rate limit exceeded. You can learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
    )
