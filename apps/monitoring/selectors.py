"""Reads of journeys: find one by any id, list them, what is overdue."""

import datetime as dt
import re
import uuid
from collections.abc import Collection, Sequence

from django.db.models import Case, IntegerField, Q, Value, When

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.monitoring.models import Journey, ReferenceIndex
from apps.monitoring.types import Found
from apps.reconciliation.models import OPEN_BREAKS, Break

# A number of ours or theirs before the rest: what people paste most.
_RANKS = {"order": 0, "quote": 1, "contract": 2, "invoice": 3, "case": 4, "customer": 5}
_RANK = Case(
    *[When(kind=kind, then=Value(rank)) for kind, rank in _RANKS.items()],
    default=Value(9),
    output_field=IntegerField(),
)
SHORTEST = 2


def find_by_reference(text: str, principal: Principal, *, limit: int = 20) -> list[Found]:
    """Journeys that an id of any system leads to, among those a principal may see.

    Exact matches first; without one, values that begin with the text, then values that hold it.
    A text under two characters finds only what equals it.
    """
    wanted = re.sub(r"\s+", " ", text).strip().lower()
    if not wanted:
        return []
    visible = ReferenceIndex.objects.visible_to(principal).annotate(rank=_RANK)
    exact = _take(visible.filter(value=wanted), limit)
    if exact or len(wanted) < SHORTEST:
        return _found(exact, principal, exact=True)
    near = _take(visible.filter(value__startswith=wanted), limit)
    near = near or _take(visible.filter(value__contains=wanted), limit)
    return _found(near, principal, exact=False)


def _take(rows: ScopedQuerySet, limit: int) -> list[ReferenceIndex]:
    return list(rows.order_by("rank", "value", "id")[:limit])


def _found(rows: Sequence[ReferenceIndex], principal: Principal, *, exact: bool) -> list[Found]:
    ids = {row.journey_id for row in rows}
    journeys = {j.id: j for j in Journey.objects.visible_to(principal).filter(id__in=ids)}
    return [
        Found(
            row.kind, row.value, row.label, row.object_type, row.object_id, row.journey_id,
            journeys[row.journey_id].key, journeys[row.journey_id].customer, exact,
        )
        for row in rows
        if row.journey_id in journeys
    ]  # fmt: skip


def find_journey(text: str, principal: Principal) -> Journey | None:
    """The one journey that a text leads to: by its key, or if all exact references agree."""
    visible = Journey.objects.visible_to(principal)
    by_key: Journey | None = visible.filter(key__iexact=text.strip()).first()
    if by_key is not None:
        return by_key
    found = find_by_reference(text, principal)
    ids = {f.journey_id for f in found if f.exact and f.journey_id}
    return Journey.objects.get(id=ids.pop()) if len(ids) == 1 else None


def is_amiss(found: Break) -> bool:
    """Whether a standing break is more than timing that the hub can explain and that passes by
    itself: the proration of an amendment, a document on its way."""
    return found.state != "explained" or found.type != "timing"


def breaks_amiss() -> ScopedQuerySet:
    """The standing breaks of journeys that are amiss, as :func:`is_amiss` has it."""
    standing = Break.objects.filter(state__in=OPEN_BREAKS, journey_id__isnull=False)
    return standing.exclude(state="explained", type="timing")


def journeys_amiss(ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of some journeys whose amounts differ."""
    return set(breaks_amiss().filter(journey_id__in=ids).values_list("journey_id", flat=True))


def list_journeys(
    principal: Principal,
    *,
    now: dt.datetime,
    view: str = "all",
    text: str = "",
    entity_id: uuid.UUID | None = None,
) -> ScopedQuerySet:
    """Journeys a principal may see, newest change first.

    ``view``: all, open, stuck, late, done.
    """
    found = Journey.objects.visible_to(principal)
    views = {
        "open": Q(is_done=False),
        "stuck": Q(is_stuck=True),
        "late": Q(is_done=False, next_due_at__lt=now),
        "done": Q(is_done=True) & ~Q(id__in=breaks_amiss().values("journey_id")),
    }
    if view in views:
        found = found.filter(views[view])
    if entity_id is not None:
        found = found.filter(legal_entity_id=entity_id)
    if text.strip():
        matches = ReferenceIndex.objects.filter(value__contains=text.strip().lower())
        found = found.filter(id__in=matches.values("journey_id"))
    return found.order_by("-changed_at", "-id")


def list_overdue(
    principal: Principal, *, now: dt.datetime, entity_id: uuid.UUID | None = None
) -> ScopedQuerySet:
    """Journeys whose next expected step is late, the longest overdue first."""
    late = list_journeys(principal, now=now, view="late", entity_id=entity_id)
    return late.order_by("next_due_at", "id")


def get_journey(journey_id: uuid.UUID, principal: Principal) -> Journey:
    """A journey by id. Raises ``Journey.DoesNotExist`` if it is not there or not theirs to see."""
    found: Journey = Journey.objects.visible_to(principal).get(id=journey_id)
    return found
