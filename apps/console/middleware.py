"""What every console response carries and every console request knows."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.users.selectors import principal_of

OTHER_DOORS = ("/webhooks/", "/api/")  # they read for themselves, and refuse with the field
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)


class NulMiddleware:
    """U+0000 stands in no text that PostgreSQL keeps: in a query it is left out, in a form it is
    refused before anything is written."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(OTHER_DOORS):
            query = request.META.get("QUERY_STRING", "")
            request.META["QUERY_STRING"] = query.replace("%00", "")
            if request.method == "POST":
                self._refuse_nul(request)
        return self.get_response(request)

    @staticmethod
    def _refuse_nul(request: HttpRequest) -> None:
        for _, values in request.POST.lists():
            if any("\x00" in value for value in values):
                raise SuspiciousOperation("a form field holds U+0000")


class ContentSecurityPolicyMiddleware:
    """No inline script, no inline style, no foreign host."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response


class PrincipalMiddleware:
    """``request.principal`` of the signed-in person, and their time zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        principal = principal_of(user) if user.is_authenticated else None
        setattr(request, "principal", principal)  # noqa: B010 - HttpRequest declares no such name
        with timezone.override(_zone(getattr(user, "time_zone", "UTC"))):
            return self.get_response(request)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
