"""Doors of the console: sign-in, health, the figures of the navigation, jump and find."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from apps.console.access import page
from apps.console.requests import ConsoleRequest
from apps.console.sections.jump import jump_results, one_match
from apps.console.sign_in import SignInForm, demo_users


class SignIn(LoginView):
    """The sign-in page; in the demo it lists the demo's users."""

    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        users = demo_users() if settings.ENVIRONMENT == "demo" else []
        return super().get_context_data(demo_users=users, **kwargs)


class SignOut(LogoutView):
    """Ends the session, by POST only."""

    http_method_names = ["post", "options"]


@require_GET
def health(_: HttpRequest) -> HttpResponse:
    """200 when the web process can read its database, 503 with the reason when it cannot."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        reason = "The database does not answer. Check DATABASE_URL and that PostgreSQL runs."
        return JsonResponse({"status": "unavailable", "reason": reason}, status=503)
    return JsonResponse({"status": "ok"})


@page("today")
def counts(request: ConsoleRequest) -> HttpResponse:
    """The navigation's groups, fetched again when counts changed."""
    return render(request, "console/components/nav_groups.html")


@page("today")
def jump(request: ConsoleRequest) -> HttpResponse:
    """What the jump dialog offers for some letters: pages, then records by any id."""
    query = request.GET.get("q", "").strip()
    results = jump_results(request.principal, query)
    context = {"results": results, "query": query}
    return render(request, "console/components/jump_results.html", context)


@page("orders")
def find(request: ConsoleRequest) -> HttpResponse:
    """Any id of any system: one match opens its journey, several are listed."""
    query = request.GET.get("q", "").strip()
    url = one_match(request.principal, query)
    if url:
        return redirect(url)
    context = {"results": jump_results(request.principal, query), "query": query}
    return render(request, "console/orders/find.html", context)
