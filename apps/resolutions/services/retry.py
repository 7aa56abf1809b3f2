"""Trying again: each subject by its own app, with the facts of today."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.principal import Actor
from apps.events.services import ask_again
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.exceptions.services import start_redrive
from apps.ingestion.models import UNREADABLE, InboundEvent
from apps.ingestion.services import receive_again
from apps.postings.services import requeue_postings
from apps.resolutions.types import SET_ASIDE
from apps.workflows.services import fresh_payloads, retry_steps, why_not_retried

# Sending again could write a second document: two people decide about these first.
DECIDED_FIRST = ("amount_incident", "unknown_outcome_needs_decision")
RETRIED = ("postings.posting", "workflows.step", "ingestion.event", SET_ASIDE)

Changes = Mapping[uuid.UUID, Mapping[str, Any]]


def refusal(case: ExceptionCase) -> str:
    """Why a case cannot be retried, empty when it can."""
    if not case.is_open:
        return f"{case.reference} is {case.state} already."
    if case.code in DECIDED_FIRST:
        return f"{case.reference} may stand at the platform already. Decide what happened there."
    if case.subject_type not in RETRIED:
        return f"There is nothing to send again for {case.reference}. Close it with a reason."
    return ""


def standstill(case: ExceptionCase) -> str:
    """Why a case that may be retried did not go on, empty when it waits for nobody any more."""
    if case.subject_type == "workflows.step":
        return why_not_retried(case.subject_id)
    if case.subject_type == "postings.posting":
        return fresh_payloads([case.subject_id]).undecided.get(case.subject_id, "")
    unread = InboundEvent.objects.filter(
        id=case.subject_id, state="dead", object_type=UNREADABLE
    ).exists()
    return f"{case.reference} still cannot be read as it came. Edit the message." if unread else ""


def retry_cases(
    cases: Sequence[ExceptionCase],
    *,
    actor: Actor,
    now: dt.datetime,
    changes: Changes | None = None,
) -> set[uuid.UUID]:
    """Try the subjects of cases again; returns the ids of the cases that went on.

    A posting's payload is decided again by its step, so that corrected records reach it; one
    that its step cannot decide stays where it is. ``changes`` replace keys of a payload on top.
    """
    moved: set[uuid.UUID] = set()
    by_type: dict[str, list[uuid.UUID]] = {}
    for case in cases:
        if not refusal(case):
            by_type.setdefault(case.subject_type, []).append(case.subject_id)
    fresh, given = fresh_payloads(by_type.get("postings.posting", [])), changes or {}
    letters = [c.subject_id for c in cases if c.subject_id not in fresh.undecided]
    _redrive_letters(letters, actor, now)
    postings = [pk for pk in by_type.get("postings.posting", []) if pk not in fresh.undecided]
    if postings:
        merged = {pk: {**fresh.payloads.get(pk, {}), **given.get(pk, {})} for pk in postings}
        moved |= set(requeue_postings(postings, actor=actor, now=now, changes=merged))
    if steps := by_type.get("workflows.step"):
        moved |= set(retry_steps(steps, actor=actor, now=now))
    if events := by_type.get("ingestion.event"):
        moved |= set(receive_again(events, actor=actor, now=now))
    if passed := by_type.get(SET_ASIDE):
        moved |= set(ask_again(passed))
    return {case.id for case in cases if case.subject_id in moved}


def _redrive_letters(origin_ids: Sequence[uuid.UUID], actor: Actor, now: dt.datetime) -> None:
    letters = DeadLetter.objects.filter(origin_id__in=origin_ids, state="parked")
    start_redrive(list(letters.values_list("id", flat=True)), actor=actor, now=now)
