"""What every console view may rely on in a request, and the small answers views give to htmx."""

import json
from typing import TypeGuard

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from apps.core.principal import Principal
from apps.users.models import User


class ConsoleRequest(HttpRequest):
    """A signed-in person's request: :func:`apps.console.access.page` lets no other through."""

    principal: Principal
    user: User
    htmx: HtmxDetails


def is_signed_in(user: User | AnonymousUser) -> TypeGuard[User]:
    return user.is_authenticated


def wants(request: ConsoleRequest, target: str) -> bool:
    """Whether htmx asked for the part of the page with this element id."""
    return bool(request.htmx) and request.htmx.target == target


def with_toast(
    response: HttpResponse, text: str, *, undo_url: str = "", close_dialog: bool = True
) -> HttpResponse:
    """Add a toast (and the closing of open dialogs) to an answer to htmx."""
    toast = {"text": text, **({"undo_url": undo_url} if undo_url else {})}
    triggers = {"toast": toast, **({"close-dialog": ""} if close_dialog else {})}
    response.headers["HX-Trigger"] = json.dumps(triggers)
    return response


def go_to(url: str) -> HttpResponse:
    """Make htmx load another page."""
    return HttpResponse(headers={"HX-Redirect": url})
