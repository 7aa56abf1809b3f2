"""The queue of exceptions: views, filters, order and the strip of figures."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Trunc
from django.http import QueryDict

from apps.console.listing import FilterMenu, ViewTab, filter_menu, tab_url
from apps.console.presentation.words import in_words
from apps.console.requests import ConsoleRequest
from apps.core.principal import Principal
from apps.exceptions.models import Severity
from apps.exceptions.policies import CATEGORIES
from apps.exceptions.selectors import ORDERS, count_views
from apps.exceptions.types import CaseFilter
from apps.organisation.models import LegalEntity
from apps.users.models import SavedView, User

VIEWS = (
    ("mine", "My queue"),
    ("at_risk", "Breaching SLA"),
    ("blocks_close", "Blocking close"),
    ("unassigned", "Unassigned"),
    ("open", "All open"),
    ("snoozed", "Snoozed"),
    ("closed_today", "Closed today"),
)
SORTS = (
    ("sla", "SLA, nearest first"),
    ("-amount", "Amount at risk"),
    ("severity", "Severity"),
    ("-opened", "Newest"),
    ("customer", "Customer"),
)
FLOWS = (
    ("order_activation", "Order activation"),
    ("amendment", "Amendment"),
    ("invoice_posting", "Invoice posting"),
    ("ingestion", "Ingestion"),
    ("reconciliation", "Reconciliation"),
)
LANES = (
    ("cpq", "CPQ"),
    ("billing", "Billing"),
    ("tax", "Tax"),
    ("provisioning", "Provisioning"),
    ("erp", "ERP"),
)
OWNERS = (("me", "Mine"),)


def case_filter(query: QueryDict, user: User) -> CaseFilter:
    """The filter that an address names; values nobody offers are left out by the selectors."""
    return CaseFilter(
        view=query.get("view", "open"),
        severities=tuple(query.getlist("severity")),
        categories=tuple(query.getlist("cause")),
        codes=tuple(query.getlist("code")),
        flows=tuple(query.getlist("flow")),
        lanes=tuple(query.getlist("lane")),
        entity_ids=_uuids(query.getlist("entity")),
        owner_id=user.pk if "me" in query.getlist("owner") else None,
        family_id=next(iter(_uuids(query.getlist("family"))), None),
        closed_since=_moment(query.get("closed_since", "")),
        closed_by=query.get("closed_by", ""),
        text=query.get("q", ""),
    )


def _moment(text: str) -> dt.datetime | None:
    """An aware moment of an address, None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _uuids(texts: Sequence[str]) -> tuple[uuid.UUID, ...]:
    found = []
    for text in texts:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return tuple(found)


def chosen_order(query: QueryDict) -> str:
    """The asked order, the deadline when none or an unknown one is asked for."""
    order = query.get("sort", "sla")
    return order if order.lstrip("-") in ORDERS else "sla"


def view_tabs(request: ConsoleRequest, base: str, now: dt.datetime) -> list[ViewTab]:
    """The built-in views with their figures, then the person's own and the shared ones."""
    counts = count_views(request.principal, now=now)
    chosen = request.GET.get("view", "open")
    tabs = [
        ViewTab(key, label, tab_url(base, view=key), key == chosen, capped(counts.get(key)))
        for key, label in VIEWS
    ]
    own = SavedView.objects.filter(
        Q(user=request.user) | Q(user__isnull=True), page="exceptions"
    ).order_by("position", "name")
    return [*tabs, *(ViewTab(f"saved-{v.pk}", v.name, f"{base}?{v.query}") for v in own)]


def capped(figure: int | None) -> int | str | None:
    return "999+" if figure is not None and figure > 999 else figure


def opened_by_hour(rows: QuerySet[Any], now: dt.datetime) -> list[int]:
    """How many of the rows were opened in each of the last 24 hours, oldest first."""
    start = now.replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=23)
    counted = dict(
        rows.order_by()
        .filter(opened_at__gte=start)
        .annotate(hour=Trunc("opened_at", "hour", tzinfo=dt.UTC))
        .values("hour")
        .annotate(cases=Count("pk"))
        .values_list("hour", "cases")
    )
    return [counted.get(start + dt.timedelta(hours=n), 0) for n in range(24)]


def filter_menus(request: ConsoleRequest) -> list[FilterMenu]:
    """The filters as menus."""
    causes = sorted(set(CATEGORIES.values()))
    return [
        filter_menu(request, "severity", "Severity", Severity.choices),
        filter_menu(request, "cause", "Cause", [(c, in_words(c)) for c in causes]),
        filter_menu(request, "flow", "Flow", FLOWS),
        filter_menu(request, "owner", "Owner", OWNERS),
        filter_menu(request, "entity", "Entity", entity_options(request.principal)),
    ]


def entity_options(principal: Principal) -> list[tuple[str, str]]:
    """Ids and codes of the legal entities a principal may see."""
    entities = LegalEntity.objects.filter(is_active=True)
    if principal.entity_ids is not None:
        entities = entities.filter(pk__in=principal.entity_ids)
    return [(str(pk), code) for pk, code in entities.values_list("pk", "code")]
