"""Today."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.console.access import page
from apps.console.requests import ConsoleRequest
from apps.console.sections.today import today_of
from apps.console.sections.today_scope import currency_links, entity_links, scope_of
from apps.console.visits import previous_visit
from apps.core.clock import utc_now


@page("today")
def today(request: ConsoleRequest) -> HttpResponse:
    """What is late, where the money stands, what blocks, what waits for this person."""
    now = utc_now()
    scope = scope_of(request, now.date())
    shown = today_of(request.principal, scope, since=previous_visit(request), now=now)
    context = {
        "today": shown,
        "entities": entity_links(scope),
        "currencies": currency_links(scope, shown.basis),
        "since_title": f"Since {timezone.localtime(shown.since):%a %H:%M}",
        "now": now,
    }
    return render(request, "console/today/page.html", context)
