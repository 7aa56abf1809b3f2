"""Closing cases: by a person, or by themselves once the cause is gone."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.fsm import transition_rows, transition_set
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.exceptions.announce import case_event, family_event
from apps.exceptions.models import OPEN_STATES, ExceptionCase, ExceptionFamily
from apps.exceptions.policies import due_at
from apps.exceptions.selectors import open_cases_of
from apps.exceptions.services.locking import Revisions, lock_cases
from apps.exceptions.types import Subject

CAUSE_GONE = "cause_gone"


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a case ends, why, and the people it is owed to: nobody where its cause went away."""

    resolution: str
    note: str
    closed_by: str


def _person(actor: Actor) -> str:
    """The name a case is closed under; the parts of the hub that act have none to show."""
    return "" if actor.kind == "system" else actor.label


def close_cases(
    ids: Sequence[uuid.UUID],
    *,
    resolution: str,
    note: str,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None = None,
    credit: str = "",
) -> list[ExceptionCase]:
    """Resolve open cases with how and why; a family without open cases is resolved with them.

    ``credit`` names the people whose remedy it was where the hub closes the case.
    """
    why = _Ending(resolution, note, credit or _person(actor))
    return _end("resolve", "resolved", ids, why, actor, now, revs)


def dismiss_cases(
    ids: Sequence[uuid.UUID],
    *,
    resolution: str,
    note: str,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None = None,
) -> list[ExceptionCase]:
    """Close open cases without their subject going on (discarded, not a problem)."""
    why = _Ending(resolution, note, _person(actor))
    return _end("dismiss", "dismissed", ids, why, actor, now, revs)


def close_for_subjects(
    subjects: Sequence[Subject],
    *,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    resolution: str = CAUSE_GONE,
) -> list[ExceptionCase]:
    """Close the open cases of subjects that went on; those without a case are left out."""
    ids = [case.id for case in open_cases_of(subjects).values()]
    if not ids:
        return []
    return close_cases(ids, resolution=resolution, note=reason, actor=actor, now=now)


def _end(
    move: str,
    told: str,
    ids: Sequence[uuid.UUID],
    why: _Ending,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None,
) -> list[ExceptionCase]:
    with acting(actor):
        cases = [c for c in lock_cases(ids, revs) if c.state in OPEN_STATES]
        rows = [(case.id, _ending(case, why, now)) for case in cases]
        moved = transition_rows(ExceptionCase, move, rows)
        ended = list(ExceptionCase.objects.filter(id__in=moved).order_by("id"))
        publish_events([case_event(c, told) for c in ended], actor=actor, now=now)
        _resolve_families({c.family_id: c.closed_by_label for c in ended}, actor, now)
    return ended


def _ending(case: ExceptionCase, why: _Ending, now: dt.datetime) -> dict[str, Any]:
    return {
        "resolution": why.resolution,
        "resolution_note": why.note,
        "closed_at": now,
        "closed_by_label": why.closed_by[:120],
        "snoozed_until": None,
        "rev": case.rev + 1,
    }


def _resolve_families(closed_by: dict[uuid.UUID, str], actor: Actor, now: dt.datetime) -> None:
    """Resolve the families without open cases, with who closed the last one of each."""
    held = set(
        ExceptionCase.objects.filter(family_id__in=closed_by, state__in=OPEN_STATES).values_list(
            "family_id", flat=True
        )
    )
    moved = transition_set(ExceptionFamily, "resolve", sorted(set(closed_by) - held))
    families = ExceptionFamily.objects.filter(id__in=moved)
    told = [family_event(f, "resolved", closed_by=closed_by[f.id]) for f in families]
    publish_events(told, actor=actor, now=now)


def reopen_cases(
    ids: Sequence[uuid.UUID],
    *,
    note: str,
    actor: Actor,
    now: dt.datetime,
    revs: Revisions | None = None,
) -> list[ExceptionCase]:
    """Open closed cases again, with a new deadline. One whose subject has another open case
    stays closed: that one is worked instead."""
    with acting(actor):
        cases = lock_cases(ids, revs)
        taken = open_cases_of([(c.subject_type, c.subject_id) for c in cases])
        free = [c for c in cases if (c.subject_type, c.subject_id) not in taken]
        rows = [(case.id, _reopening(case, note, now)) for case in free]
        moved = transition_rows(ExceptionCase, "reopen", rows)
        opened = list(ExceptionCase.objects.filter(id__in=moved).order_by("id"))
        transition_set(ExceptionFamily, "regress", sorted({c.family_id for c in opened}))
        publish_events([case_event(c, "reopened") for c in opened], actor=actor, now=now)
    return opened


def _reopening(case: ExceptionCase, note: str, now: dt.datetime) -> dict[str, Any]:
    return {
        "sla_due_at": due_at(case.severity, now),
        "resolution": "",
        "resolution_note": note,
        "closed_at": None,
        "closed_by_label": "",
        "rev": case.rev + 1,
    }
