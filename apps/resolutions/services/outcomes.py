"""What became of subjects and cases: cases close themselves, remedies and batch items settle."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from apps.approvals.models import Approval
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.exceptions.selectors import open_cases_of, open_letters_of
from apps.exceptions.services import close_cases, close_for_subjects, settle_dead_letters
from apps.exceptions.services.closing import CAUSE_GONE
from apps.exceptions.types import Subject
from apps.ingestion.models import InboundEvent
from apps.ingestion.services import discard_events
from apps.resolutions.models import Resolution
from apps.resolutions.services.batch_items import settle_items
from apps.resolutions.services.records import FAILED, HELD, STARTED, UNSETTLED, settle

RESOLVER = system_actor("resolutions")
SUPERSEDED = "superseded"


def close_succeeded(subjects: Sequence[tuple[Subject, str]], *, now: dt.datetime) -> None:
    """Subjects went through: their open cases close with the reason, under the remedy that was
    under way and in the names of its people, or because the cause is gone; their dead letters are
    settled."""
    reasons = dict(subjects)
    with acting(RESOLVER):
        cases = open_cases_of(list(reasons))
        remedies = _under_way([case.id for case in cases.values()])
        people = _people(remedies)
        for subject, case in cases.items():
            close_cases(
                [case.id],
                resolution=remedies[case.id].remedy if case.id in remedies else CAUSE_GONE,
                note=reasons[subject],
                credit=people.get(case.id, ""),
                actor=RESOLVER,
                now=now,
            )
        for subject in open_letters_of(list(reasons)):
            settle_dead_letters([subject], reason=reasons[subject], actor=RESOLVER, now=now)


def _under_way(case_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Resolution]:
    rows = Resolution.objects.filter(case_id__in=case_ids, outcome__in=UNSETTLED)
    return {row.case_id: row for row in rows.order_by("created_at")}


def _people(remedies: Mapping[uuid.UUID, Resolution]) -> dict[uuid.UUID, str]:
    """Who is owed each remedy: who asked for it, and the second person where one approved it. One
    that still waits for its approval did nothing."""
    asked = [row.approval_id for row in remedies.values() if row.approval_id]
    approvals = Approval.objects.filter(id__in=asked, state="approved") if asked else ()
    checkers = {approval.id: approval.decided_by_label for approval in approvals}
    return {
        case_id: f"{row.actor_label}, approved by {checkers[row.approval_id]}"
        if row.approval_id in checkers
        else row.actor_label
        for case_id, row in remedies.items()
        if row.outcome == STARTED or row.approval_id in checkers
    }


def supersede_older(event_ids: Sequence[uuid.UUID], *, now: dt.datetime) -> None:
    """An object of theirs was applied in a newer version: older messages of it that lie dead are
    not needed any more, and their cases close."""
    applied = InboundEvent.objects.filter(id__in=event_ids).values_list(
        "id", "ordering_key", "source_version"
    )
    newest = {key: (event_id, version) for event_id, key, version in applied}
    dead = InboundEvent.objects.filter(ordering_key__in=list(newest), state="dead")
    older = [e for e in dead if e.source_version <= newest[e.ordering_key][1]]
    if not older:
        return
    reason = "A newer version of the same object was applied since."
    with acting(RESOLVER):
        ids = [event.id for event in older]
        discard_events(ids, reason=reason, actor=RESOLVER, now=now)
        subjects = [("ingestion.event", pk) for pk in ids]
        close_for_subjects(subjects, reason=reason, actor=RESOLVER, now=now, resolution=SUPERSEDED)
        settle_dead_letters(subjects, reason=reason, actor=RESOLVER, now=now)


def settle_tried(case_id: uuid.UUID, *, held: bool, note: str, rev: int, now: dt.datetime) -> None:
    """A case closed, or failed once more, with revision ``rev``: the remedies that were under
    way held, or did not."""
    with acting(RESOLVER):
        rows = settle(case_id, HELD if held else FAILED, note, before_rev=rev, now=now)
        settle_items(rows, now=now)


def unsettle_reopened(case_ids: Sequence[uuid.UUID], *, now: dt.datetime) -> None:
    """Cases were opened again: what had held for them did not last."""
    rows = Resolution.objects.filter(case_id__in=case_ids, outcome=HELD)
    rows.update(outcome=FAILED, outcome_note="The case was opened again.", settled_at=now)
