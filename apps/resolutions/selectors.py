"""Reads of remedies, what they did before, and batches."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace

from django.db.models import Count, Q

from apps.approvals.models import Approval
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import family_members
from apps.jobs.models import Batch, BatchItem
from apps.organisation.selectors import next_open_period, period_for
from apps.postings.models import STUCK, Posting
from apps.postings.selectors import blocked_behind
from apps.resolutions.forms import fields_of
from apps.resolutions.models import Resolution
from apps.resolutions.policies import (
    CaseFacts,
    is_poor,
    permission_of,
    ranked,
    remedies_of,
)
from apps.resolutions.subjects import Subject, master_data_of, payload_of, subject_of
from apps.resolutions.types import (
    DECIDE,
    DISCARD,
    MAP_VALUE,
    NEXT_PERIOD,
    SKIP,
    Evidence,
    Remedy,
    Waiting,
)
from apps.resolutions.words import words_of
from apps.users.policies import may, who_may

PROPOSED, HELD, FAILED = "proposed", "held", "failed"


def remedies_for(case: ExceptionCase, principal: Principal, *, chosen: str = "") -> list[Remedy]:
    """The remedies of an open case, best first, each with what it did for such cases before and
    why this person may not use it. A closed case has none. ``chosen`` is the field that the
    person wants to correct."""
    if not case.is_open:
        return []
    subject = subject_of(case)
    evidence = evidence_of(case.code)
    members = family_members(principal, case.family_id).count()
    codes = ranked(remedies_of(facts_of(case, subject)), evidence)
    remedies = [
        replace(
            _remedy(code, case, subject, principal, evidence.get(code, Evidence()), members),
            fields=fields_of(code, case, subject, chosen),
        )
        for code in codes
    ]
    waiting = waiting_for(case)
    return [
        replace(r, blocked=waiting.words) if waiting and r.code == waiting.remedy else r
        for r in remedies
    ]


def waiting_for(case: ExceptionCase) -> Waiting | None:
    """The proposal that a second person must decide before it can be made again: of this case, or
    the mapping that a case of the same cause asked for."""
    if not case.is_open:
        return None
    family = ExceptionCase.objects.filter(family_id=case.family_id).values("id")
    own = Q(case_id=case.id) | Q(remedy=MAP_VALUE, case_id__in=family)
    row = Resolution.objects.filter(own, outcome=PROPOSED).order_by("-created_at").first()
    if row is None or row.approval_id is None:
        return None
    asked = Approval.objects.filter(id=row.approval_id, state="requested").first()
    if asked is None:
        return None
    return Waiting(row.remedy, asked.code, asked.requested_by_label)


def facts_of(case: ExceptionCase, subject: Subject) -> CaseFacts:
    """What the choice of remedies depends on, read from the case and its subject."""
    posting = subject.posting
    return CaseFacts(
        code=case.code,
        subject_type=case.subject_type,
        has_mapping=bool(case.facts.get("mapping")),
        has_master_data=master_data_of(case, subject) is not None,
        has_payload=subject.event is not None
        and (subject.event.is_unreadable or payload_of(subject.event) is not None),
        has_posting_date=posting is not None and bool(posting.payload.get("posting_date")),
        blocks=posting is not None
        and posting.state in STUCK
        and blocked_behind(posting).count > 0,
    )


def _remedy(
    code: str,
    case: ExceptionCase,
    subject: Subject,
    principal: Principal,
    evidence: Evidence,
    members: int,
) -> Remedy:
    action = permission_of(code, case.subject_type)
    words = words_of(code, case, members)
    return Remedy(
        code=code,
        title=words.title,
        note=_dated(words.note, subject) if code == NEXT_PERIOD else words.note,
        scope=words.scope,
        scope_note=_behind(subject) if code == SKIP else words.scope_note,
        held=evidence.held,
        tried=evidence.tried,
        members=members if code == MAP_VALUE else 1,
        poor=code == DISCARD or is_poor(evidence),
        needs_reason=code in (DISCARD, DECIDE, SKIP),
        needs_second_person=code in (MAP_VALUE, DECIDE, SKIP),
        blocked="" if may(principal, action) else f"Only {who_may(action)} may do this.",
    )


def evidence_of(code: str) -> dict[str, Evidence]:
    """What each remedy did for cases of a code, by remedy."""
    cases = ExceptionCase.objects.filter(code=code).values("id")
    rows = (
        Resolution.objects.filter(case_id__in=cases, outcome__in=[HELD, FAILED])
        .values("remedy")
        .annotate(tried=Count("id"), held=Count("id", filter=Q(outcome=HELD)))
    )
    return {row["remedy"]: Evidence(row["tried"], row["held"]) for row in rows}


def resolutions_of(case_ids: Sequence[uuid.UUID]) -> list[Resolution]:
    """What was tried on some cases, oldest first."""
    return list(Resolution.objects.filter(case_id__in=case_ids).order_by("created_at"))


def list_batches(principal: Principal) -> ScopedQuerySet:
    """Batches a principal may see, newest first."""
    return Batch.objects.visible_to(principal).order_by("-number")


def get_batch(principal: Principal, number: int) -> Batch:
    """A batch by its human number. Raises ``Batch.DoesNotExist``."""
    found: Batch = list_batches(principal).get(number=number)
    return found


def items_of(batch: Batch, outcome: str = "") -> list[BatchItem]:
    """The frozen items of a batch in order, or those of one outcome."""
    items = batch.items.order_by("position")
    return list(items.filter(outcome=outcome) if outcome else items)


def next_open_day(posting: Posting) -> tuple[str, dt.date] | None:
    """The first open period after the one that refused a write's posting date, and the day in it
    that the write moves to; None where no later period is open."""
    entity_id, text = posting.legal_entity_id, posting.payload.get("posting_date")
    if entity_id is None or not text:
        return None
    before = dt.date.fromisoformat(str(text))
    closed = period_for(entity_id, before)
    period = next_open_period(entity_id, closed.end if closed else before)
    return (period.code, max(period.start, before)) if period else None


def _dated(note: str, subject: Subject) -> str:
    """What moving a posting date does, with the period and the day it moves to."""
    found = next_open_day(subject.posting) if subject.posting else None
    if found is None:
        return f"{note} No later period is open now."
    period, day = found
    return f"{note} That is {period}: it is posted on {day:%-d %b %Y}."


def _behind(subject: Subject) -> str:
    """What a stuck head holds up: ``3 wait behind it: 300.00 EUR``."""
    blocked = blocked_behind(subject.posting) if subject.posting else None
    if blocked is None or not blocked.count:
        return "nothing waits behind it"
    sums = ", ".join(f"{total:.2f} {currency}" for currency, total in blocked.amounts.items())
    verb = "waits" if blocked.count == 1 else "wait"
    return f"{blocked.count} {verb} behind it: {sums}" if sums else f"{blocked.count} {verb}"
