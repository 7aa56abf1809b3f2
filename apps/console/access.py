"""Who may open which page and press which button; every view passes through here."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from apps.console.requests import ConsoleRequest, is_signed_in
from apps.console.visits import note_visit
from apps.core.clock import utc_now
from apps.core.principal import Principal
from apps.users.errors import NotAllowedError
from apps.users.models import Role
from apps.users.policies import may, who_may

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[ConsoleRequest, Arguments], HttpResponse]
Wrapped = Callable[Concatenate[HttpRequest, Arguments], HttpResponse]

EVERYONE = frozenset(Role.values)
OPERATORS = frozenset({Role.OPERATIONS.value, Role.ADMIN.value})
ADMINS = frozenset({Role.ADMIN.value})

# Navigation key → roles that may open the page.
PAGES: dict[str, frozenset[str]] = {
    "today": EVERYONE,
    "exceptions": EVERYONE,
    "dead-letters": OPERATORS,
    "reconciliation": EVERYONE,
    "approvals": EVERYONE,
    "orders": EVERYONE,
    "workflows": EVERYONE,
    "messages": OPERATORS,
    "batches": EVERYONE,
    "mappings": EVERYONE,
    "master-data": EVERYONE,
    "connectors": OPERATORS,
    "audit": EVERYONE,
    "backoffice": ADMINS,
    "profile": EVERYONE,
}


def allowed_pages(principal: Principal) -> frozenset[str]:
    """Navigation keys of the pages a principal may open."""
    return frozenset(key for key, roles in PAGES.items() if principal.has_role(*roles))


def page(key: str) -> Callable[[View[Arguments]], Wrapped[Arguments]]:
    """Only signed-in people whose role may open the page of this navigation key."""
    roles = PAGES[key]
    words = " or ".join(role.label for role in Role if role.value in roles)
    return _guard(lambda who: who.has_role(*roles), f"This page is for {words}.", ())


def action(name: str) -> Callable[[View[Arguments]], Wrapped[Arguments]]:
    """A POST of those who may take this action (``apps.users.policies``)."""
    return _permitted(name, ("POST",))


def form_action(name: str) -> Callable[[View[Arguments]], Wrapped[Arguments]]:
    """A form (GET) and its sending (POST), for those who may take this action."""
    return _permitted(name, ("GET", "POST"))


def _permitted(
    name: str, methods: tuple[str, ...]
) -> Callable[[View[Arguments]], Wrapped[Arguments]]:
    return _guard(lambda who: may(who, name), f"Only {who_may(name)} may do this.", methods)


def _guard(
    allowed: Callable[[Principal], bool], refusal: str, methods: tuple[str, ...]
) -> Callable[[View[Arguments]], Wrapped[Arguments]]:
    def decorate(view: View[Arguments]) -> Wrapped[Arguments]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if methods and request.method not in methods:
                return HttpResponseNotAllowed(methods)
            known = cast(ConsoleRequest, request)
            if not is_signed_in(known.user):
                return redirect_to_login(request.get_full_path())
            if not allowed(known.principal):
                raise PermissionDenied(refusal)
            note_visit(known, utc_now())
            try:
                return view(known, *args, **kwargs)
            except NotAllowedError as error:
                raise PermissionDenied(str(error)) from error

        return cast(Wrapped[Arguments], guarded)

    return decorate
