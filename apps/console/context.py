"""What the shell of every page shows."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.db.models import Count as Counted
from django.db.models import Q, QuerySet, Value
from django.http import HttpRequest

from apps.approvals.selectors import list_to_decide
from apps.connectors.models import Connection
from apps.console.access import allowed_pages
from apps.console.presentation.navigation import (
    Count,
    Shell,
    build_navigation,
    capped,
    key_of_path,
)
from apps.core.clock import utc_now
from apps.core.principal import Principal
from apps.exceptions.models import AWAKE, DeadLetter, ExceptionCase
from apps.jobs.models import Batch
from apps.reconciliation.models import Break
from apps.users.models import Role
from apps.users.policies import may


def console(request: HttpRequest) -> dict[str, Any]:
    """``nav``, ``shell`` and ``now`` for a signed-in person; only ``now`` for others."""
    now = utc_now()
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        return {"now": now}
    path = request.GET.get("path", request.path)
    pages = allowed_pages(principal)
    if not getattr(request.user, "is_staff", False):
        pages -= {"backoffice"}
    return {"now": now, **frame(principal, pages, path, now)}


def frame(
    principal: Principal, pages: frozenset[str], path: str, now: dt.datetime
) -> dict[str, Any]:
    """Navigation with its figures, and the person, in one query."""
    figures = navigation_figures(principal, now)
    late = figures.get("late", 0)
    return {
        "nav": build_navigation(pages, _counts(figures), key_of_path(path)),
        "shell": Shell(
            user_name=principal.actor.label,
            user_role=role_label(principal),
            environment="Demo" if settings.ENVIRONMENT == "demo" else "",
            late=late,
            counts_url="/live/counts/",
            backoffice_url="/backoffice/" if "backoffice" in pages else "",
            may_repair=may(principal, "case.resolve"),
        ),
    }


def role_label(principal: Principal) -> str:
    """``Operations, Finance``."""
    return ", ".join(role.label for role in Role if principal.has_role(role.value)) or "No role"


def navigation_figures(principal: Principal, now: dt.datetime) -> dict[str, int]:
    """Open work by page, in one statement; ``late`` is what is past its SLA, ``approvals`` what
    this person may decide."""
    cases = ExceptionCase.objects.visible_to(principal).filter(state__in=AWAKE)
    troubled = Q(state__in=["paused", "draining"]) | ~Q(circuit="closed")
    parts = {
        "exceptions": cases,
        "late": cases.filter(sla_due_at__lt=now),
        "dead-letters": DeadLetter.objects.visible_to(principal).filter(state="parked"),
        "reconciliation": Break.objects.visible_to(principal).filter(state="open"),
        "approvals": list_to_decide(principal),
        "batches": Batch.objects.visible_to(principal).filter(state="running"),
        "connectors": Connection.objects.visible_to(principal).filter(troubled),
    }
    counted: list[QuerySet[Any, Any]] = [
        rows.order_by().values(page=Value(key)).annotate(figure=Counted("pk"))
        for key, rows in parts.items()
    ]
    return dict(counted[0].union(*counted[1:], all=True).values_list("page", "figure"))


def _counts(figures: dict[str, int]) -> dict[str, Count]:
    counts = {
        key: Count(capped(figures[key]))
        for key in ("exceptions", "dead-letters", "reconciliation", "approvals")
        if figures.get(key)
    }
    if figures.get("late"):
        counts["exceptions"] = Count(capped(figures["exceptions"]), "late")
    if figures.get("batches"):
        counts["batches"] = Count(f"{figures['batches']} live")
    if figures.get("connectors"):
        counts["connectors"] = Count(f"{figures['connectors']} need attention", "dot")
    return counts
