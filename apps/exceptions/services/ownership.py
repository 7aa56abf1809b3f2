"""Who works on a case, and when it comes back."""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from apps.core.fsm import transition_rows
from apps.core.principal import Actor, system_actor
from apps.events.services import acting, publish_events
from apps.exceptions.announce import case_event
from apps.exceptions.errors import CaseActionError
from apps.exceptions.models import ExceptionCase
from apps.exceptions.services.locking import Revisions, lock_cases

WAKER = system_actor("exceptions.waker")


def assign_cases(
    ids: Sequence[uuid.UUID],
    *,
    owner_id: uuid.UUID,
    owner_label: str,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None = None,
) -> list[ExceptionCase]:
    """Give open cases to a person; a snoozed one comes back with it."""
    values = {"owner_id": owner_id, "owner_label": owner_label, "snoozed_until": None}
    return _move("assign", "assigned", ids, lambda _: values, actor, now, revs)


def snooze_cases(
    ids: Sequence[uuid.UUID],
    *,
    until: dt.datetime,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None = None,
) -> list[ExceptionCase]:
    """Hide open cases until a moment (UTC). Raises ``CaseActionError`` for a moment that is past
    or more than 30 days away."""
    if not now < until <= now + dt.timedelta(days=30):
        raise CaseActionError("Choose a time within the next 30 days.")
    return _move("snooze", "snoozed", ids, lambda _: {"snoozed_until": until}, actor, now, revs)


def release_cases(
    ids: Sequence[uuid.UUID],
    *,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None = None,
) -> list[ExceptionCase]:
    """Give cases back to the queue: without an owner, or before their snooze ends."""
    values = {"owner_id": None, "owner_label": "", "snoozed_until": None}
    return _move("release", "released", ids, lambda _: values, actor, now, revs)


def wake_snoozed(*, now: dt.datetime) -> list[ExceptionCase]:
    """Bring back the cases whose snooze has ended; they keep their owner's name."""
    due = ExceptionCase.objects.filter(state="snoozed", snoozed_until__lte=now)
    ids = list(due.values_list("id", flat=True)[:500])
    if not ids:
        return []
    owned = {case.id for case in ExceptionCase.objects.filter(id__in=ids, owner_id__isnull=False)}
    free = [case_id for case_id in ids if case_id not in owned]
    values = {"snoozed_until": None}
    woken = _move("release", "released", free, lambda _: values, WAKER, now, None)
    return woken + _move("assign", "assigned", sorted(owned), lambda _: values, WAKER, now, None)


def _move(
    move: str,
    told: str,
    ids: Sequence[uuid.UUID],
    values: Callable[[ExceptionCase], dict[str, Any]],
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None,
) -> list[ExceptionCase]:
    with acting(actor):
        cases = lock_cases(ids, revs)
        rows = [(case.id, {**values(case), "rev": case.rev + 1}) for case in cases]
        moved = transition_rows(ExceptionCase, move, rows)
        changed = list(ExceptionCase.objects.filter(id__in=moved).order_by("id"))
        publish_events([case_event(c, told) for c in changed], actor=actor, now=now)
    return changed
