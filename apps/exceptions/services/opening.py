"""Opening cases: one open case for each stuck subject, grouped by cause, in sets."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.core.codec import to_json
from apps.core.fsm import transition_set
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.exceptions.announce import case_event, family_event
from apps.exceptions.models import ExceptionCase, ExceptionFamily
from apps.exceptions.policies import category_of, due_at, fingerprint_of, severity_of
from apps.exceptions.reporting import ReportingRates
from apps.exceptions.selectors import open_cases_of
from apps.exceptions.types import CaseDraft, Subject

Families = Mapping[str, ExceptionFamily]

# What a repeated failure says anew about its case.
TOLD = (
    "family", "code", "category", "title", "explanation", "detail", "flow", "lane",
    "amount_at_risk", "currency", "document", "customer", "facts", "blocks_close", "journey_id",
    "legal_entity_id",
)  # fmt: skip


def open_cases(
    drafts: Sequence[CaseDraft], *, actor: Actor, now: dt.datetime
) -> list[ExceptionCase]:
    """Open a case for each subject that has none; an open one counts the failure once more and
    takes over its new cause. Returns the cases, in the order of the drafts' subjects."""
    if not drafts:
        return []
    wanted: dict[Subject, CaseDraft] = {(d.subject_type, d.subject_id): d for d in drafts}
    with acting(actor):
        families = _families(list(wanted.values()), actor, now)
        rates = ReportingRates(now.date())
        known = open_cases_of(list(wanted), lock=True)
        fresh = [
            _case(draft, families, rates, now)
            for subject, draft in wanted.items()
            if subject not in known
        ]
        ExceptionCase.objects.bulk_create(fresh, ignore_conflicts=True)
        stored = open_cases_of(list(wanted), lock=True)
        made = {case.id for case in fresh}
        opened = [case for case in stored.values() if case.id in made]
        again = [s for s, case in stored.items() if case.id not in made]
        _repeat([(stored[s], wanted[s]) for s in again], families, actor, now)
        publish_events([case_event(c, "opened") for c in opened], actor=actor, now=now)
    return [stored[subject] for subject in wanted if subject in stored]


def _families(
    drafts: Sequence[CaseDraft], actor: Actor, now: dt.datetime
) -> dict[str, ExceptionFamily]:
    """The family of each fingerprint: made when new, regressed when it had been resolved."""
    by_print: dict[str, list[CaseDraft]] = {}
    for draft in drafts:
        by_print.setdefault(fingerprint_of(draft.fingerprint), []).append(draft)
    ExceptionFamily.objects.bulk_create(
        [_family(key, group) for key, group in sorted(by_print.items())], ignore_conflicts=True
    )
    families = {
        f.fingerprint: f for f in ExceptionFamily.objects.filter(fingerprint__in=list(by_print))
    }
    _widen([f for key, f in families.items() if not _fits(f, by_print[key])])
    closed = [f.id for f in families.values() if f.state == "resolved"]
    regressed = set(transition_set(ExceptionFamily, "regress", closed))
    publish_events(
        [family_event(f, "regressed") for f in families.values() if f.id in regressed],
        actor=actor,
        now=now,
    )
    return families


def _family(fingerprint: str, group: Sequence[CaseDraft]) -> ExceptionFamily:
    entities = {draft.legal_entity_id for draft in group}
    return ExceptionFamily(
        fingerprint=fingerprint,
        code=group[0].code,
        title=group[0].title[:200],
        legal_entity_id=entities.pop() if len(entities) == 1 else None,
    )


def _fits(family: ExceptionFamily, group: Sequence[CaseDraft]) -> bool:
    return family.legal_entity_id is None or all(
        draft.legal_entity_id == family.legal_entity_id for draft in group
    )


def _widen(families: Sequence[ExceptionFamily]) -> None:
    """A family whose cause reaches a second legal entity belongs to the group."""
    ids = [family.id for family in families]
    if ids:
        ExceptionFamily.objects.filter(id__in=ids).update(legal_entity_id=None)


def _case(
    draft: CaseDraft, families: Families, rates: ReportingRates, now: dt.datetime
) -> ExceptionCase:
    values = _told(draft, families)
    worth = rates.convert(values["amount_at_risk"], draft.currency)
    severity = severity_of(draft.code, worth, blocks_close=draft.blocks_close)
    return ExceptionCase(
        **values,
        subject_type=draft.subject_type,
        subject_id=draft.subject_id,
        severity=severity,
        sla_due_at=due_at(severity, now),
        opened_at=now,
    )


def _told(draft: CaseDraft, families: Families) -> dict[str, Any]:
    amount = draft.amount_at_risk
    return {
        "family": families[fingerprint_of(draft.fingerprint)],
        "code": draft.code,
        "category": category_of(draft.code),
        "title": draft.title[:200],
        "explanation": draft.explanation,
        "detail": draft.detail,
        "flow": draft.flow,
        "lane": draft.lane,
        "amount_at_risk": None if amount is None else Decimal(str(amount)),
        "currency": draft.currency,
        "document": draft.document[:80],
        "customer": draft.customer[:200],
        "facts": to_json(dict(draft.facts)),
        "blocks_close": draft.blocks_close,
        "journey_id": draft.journey_id,
        "legal_entity_id": draft.legal_entity_id,
    }


def _repeat(
    pairs: Sequence[tuple[ExceptionCase, CaseDraft]],
    families: Families,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """The subject failed once more: count it and say why it fails now."""
    for case, draft in pairs:
        for name, value in _told(draft, families).items():
            setattr(case, name, value)
        case.seen += 1
        case.rev += 1
        case.updated_at = now
    cases = [case for case, _ in pairs]
    ExceptionCase.objects.bulk_update(cases, [*TOLD, "seen", "rev", "updated_at"])
    publish_events([case_event(c, "repeated") for c in cases], actor=actor, now=now)
