"""Today."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from apps.console.access import page
from apps.console.requests import ConsoleRequest
from apps.console.sections.today import today_of
from apps.console.visits import previous_visit
from apps.core.clock import utc_now


@page("today")
def today(request: ConsoleRequest) -> HttpResponse:
    """What is late, where the money stands, what blocks, what waits for this person."""
    now = utc_now()
    shown = today_of(request.principal, since=previous_visit(request), now=now)
    exceptions = reverse("exceptions")
    context = {
        "today": shown,
        "late_url": f"{exceptions}?view=at_risk" if shown.late_count else "",
        "late_link": f"All {shown.late_count}",
        "blocking_url": f"{exceptions}?view=blocks_close" if shown.blocking_count else "",
        "blocking_link": f"All {shown.blocking_count}",
        "approvals_url": reverse("approvals") if shown.approvals_count else "",
        "approvals_link": f"All {shown.approvals_count}",
        "since_title": f"Since {timezone.localtime(shown.since):%a %H:%M}",
        "now": now,
    }
    return render(request, "console/today/page.html", context)
