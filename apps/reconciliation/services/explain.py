"""Linking breaks to what explains them: the open case, the posting or the run of their key."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from apps.canonical.models import Contract, Invoice
from apps.core.fsm import transition_rows
from apps.events.services import publish_events
from apps.exceptions.models import OPEN_STATES as OPEN_CASES
from apps.exceptions.models import ExceptionCase
from apps.postings.models import Posting
from apps.reconciliation.models import OPEN_BREAKS, Break
from apps.reconciliation.policies import explain
from apps.reconciliation.services.accounted import Accounted, accounted_by_contract
from apps.reconciliation.services.breaks import break_event
from apps.reconciliation.services.cases import BREAK_SUBJECT, RECONCILER, open_break_cases
from apps.reconciliation.types import SUBJECTS, BreakFacts, Explanation, OpenCase
from apps.snapshots.models import SourceDocument
from apps.workflows.models import Step, WorkflowRun

RUNNING = ("pending", "running", "waiting", "failed", "paused")
COLUMNS = ("type", "explanation", "case_id", "posting_id", "journey_id")


@dataclass
class Surroundings:
    """What the hub knows about the keys of some breaks, read in sets."""

    records: dict[str, tuple[uuid.UUID, uuid.UUID | None]] = field(default_factory=dict)
    postings: dict[uuid.UUID, Posting] = field(default_factory=dict)
    runs: dict[uuid.UUID, WorkflowRun] = field(default_factory=dict)
    steps: dict[uuid.UUID, Step] = field(default_factory=dict)
    cases: dict[Any, ExceptionCase] = field(default_factory=dict)
    newest: dict[str, dt.datetime] = field(default_factory=dict)
    accounted: Mapping[uuid.UUID, Accounted] = field(default_factory=dict)


def explain_breaks(subject: str, *, now: dt.datetime) -> int:
    """Say of every open break of a subject what explains it; returns how many changed.

    A break that nothing explains goes back to open, and becomes a case after its grace. Needs a
    transaction of its caller.
    """
    breaks = list(Break.objects.select_for_update().filter(subject=subject, state__in=OPEN_BREAKS))
    if not breaks:
        return 0
    around = _surroundings(subject, breaks)
    plans = [(b, explain(_facts(b, around), now)) for b in breaks]
    changed = [(b, found) for b, found in plans if _differs(b, found, around)]
    _write(changed, around, now)
    open_break_cases([b for b, found in plans if not found.explained], now=now)
    return len(changed)


def unexplained_breaks(*, now: dt.datetime) -> list[Break]:
    """Standing breaks that nothing explains at a moment, which may lie ahead; writes nothing."""
    found: list[Break] = []
    for subject in SUBJECTS:
        breaks = list(Break.objects.filter(subject=subject, state__in=OPEN_BREAKS))
        around = _surroundings(subject, breaks)
        found += [b for b in breaks if not explain(_facts(b, around), now).explained]
    return found


def _surroundings(subject: str, breaks: Sequence[Break]) -> Surroundings:
    around = Surroundings()
    keys = [b.match_key for b in breaks]
    model: Any = Invoice if subject == "invoice" else Contract
    for number, pk, journey_id in model.objects.filter(number__in=keys).values_list(
        "number", "id", "journey_id"
    ):
        around.records[number] = (pk, journey_id)
    ids = [pk for pk, _ in around.records.values()]
    _read_runs(around, subject, ids)
    _read_cases(around, breaks)
    documents = {uuid.UUID(i) for b in breaks for side in b.document_ids.values() for i in side}
    around.newest = {
        str(pk): seen
        for pk, seen in SourceDocument.objects.filter(id__in=documents).values_list(
            "id", "created_at"
        )
    }
    if subject == "contract":
        around.accounted = accounted_by_contract(ids)
    return around


def _read_runs(around: Surroundings, subject: str, ids: Sequence[uuid.UUID]) -> None:
    """Postings and unfinished runs by the id of the record they serve; the newest ones stay."""
    if subject == "invoice":
        for posting in Posting.objects.filter(
            document_id__in=ids, operation="invoice.create"
        ).order_by("sequence"):
            around.postings[posting.document_id] = posting
        runs = WorkflowRun.objects.filter(subject_id__in=ids, state__in=RUNNING)
        around.runs = {run.subject_id: run for run in runs.order_by("id")}
    else:
        keys = {f"contract:{pk}": pk for pk in ids}
        runs = WorkflowRun.objects.filter(ordering_key__in=keys, state__in=RUNNING)
        around.runs = {keys[run.ordering_key]: run for run in runs.order_by("id")}
    steps = Step.objects.filter(
        run_id__in=[run.id for run in around.runs.values()], state__in=["waiting", "failed"]
    )
    around.steps = {step.run_id: step for step in steps.order_by("-position")}


def _read_cases(around: Surroundings, breaks: Sequence[Break]) -> None:
    """Open cases by subject, by journey, by the number of their document and of the contract that
    a refused document would have made."""
    subjects = [p.id for p in around.postings.values()]
    subjects += list(Step.objects.filter(
        run_id__in=[run.id for run in around.runs.values()], state="failed"
    ).values_list("id", flat=True))  # fmt: skip
    keys = [b.match_key for b in breaks]
    journeys = [journey for _, journey in around.records.values() if journey]
    found = (
        ExceptionCase.objects.filter(state__in=OPEN_CASES)
        .filter(
            Q(subject_id__in=subjects)
            | Q(journey_id__in=journeys)
            | Q(document__in=keys)
            | Q(facts__contract__in=keys)
        )
        .exclude(subject_type=BREAK_SUBJECT)
        .order_by("-number")
    )
    for case in found:
        around.cases["subject", case.subject_id] = case
        around.cases["journey", case.journey_id] = case
        around.cases["contract", case.facts.get("contract")] = case
        around.cases["document", case.document] = case


def _facts(found: Break, around: Surroundings) -> BreakFacts:
    record_id, journey_id = around.records.get(found.match_key, (None, None))
    posting = around.postings.get(record_id) if record_id else None
    run = around.runs.get(record_id) if record_id else None
    step = around.steps.get(run.id) if run else None
    case = _case(found, around, posting, step, journey_id)
    seen = [
        around.newest[i]
        for side in found.document_ids.values()
        for i in side
        if i in around.newest
    ]
    accounted = around.accounted.get(record_id) if record_id and _agrees(found) else None
    return BreakFacts(
        type=_raw_type(found),
        variance=found.variance,
        currency=found.currency,
        newest=max(seen, default=found.opened_at),
        case=OpenCase(case.id, case.reference, case.title) if case else None,
        posting_id=posting.id if posting else None,
        posting_state=posting.state if posting else "",
        posting_label=posting.document_label if posting else "",
        run_label=run.label if run else "",
        step=step.name if step else "",
        accounted=accounted.amount if accounted else None,
        reasons=tuple(accounted.reasons) if accounted else (),
        passes=accounted.is_timing if accounted else True,
    )


def _case(
    found: Break,
    around: Surroundings,
    posting: Posting | None,
    step: Step | None,
    journey_id: uuid.UUID | None,
) -> ExceptionCase | None:
    """The nearest case: of the posting, the step, the document, the contract, the journey."""
    keys: list[Any] = [("subject", posting.id)] if posting else []
    keys += [("subject", step.id)] if step else []
    keys.append(("document", found.match_key))
    keys += [("contract", found.match_key)] if found.subject == "contract" else []
    keys += [("journey", journey_id)] if journey_id and _follows_journey(found) else []
    return next((around.cases[key] for key in keys if key in around.cases), None)


def _follows_journey(found: Break) -> bool:
    """A case elsewhere in the journey explains what is not there yet, not a wrong amount."""
    return found.subject == "contract" or _raw_type(found).startswith("missing")


def _raw_type(found: Break) -> str:
    """What the comparison said, also where an explanation called it timing."""
    if found.type != "timing":
        return found.type
    sides = {"billing": found.billing_amount, "erp": found.erp_amount}
    if found.subject == "contract":
        sides["cpq"] = found.cpq_amount
    absent = [side for side, amount in sides.items() if amount is None]
    return f"missing_in_{absent[0]}" if absent else "amount_differs"


def _agrees(found: Break) -> bool:
    """A contract's history explains CPQ against billing; billing and ledger must agree."""
    return found.billing_amount is not None and found.billing_amount == found.erp_amount


def _differs(found: Break, says: Explanation, around: Surroundings) -> bool:
    state = "explained" if says.explained else "open"
    return _values(found, says, around) != {c: getattr(found, c) for c in COLUMNS} or (
        found.state != state
    )


def _values(found: Break, says: Explanation, around: Surroundings) -> dict[str, Any]:
    _, journey_id = around.records.get(found.match_key, (None, None))
    return {
        "type": says.type,
        "explanation": says.text,
        "case_id": says.case_id if says.explained else found.case_id,
        "posting_id": says.posting_id,
        "journey_id": journey_id or found.journey_id,
    }


def _write(
    changed: Sequence[tuple[Break, Explanation]], around: Surroundings, now: dt.datetime
) -> None:
    moves: dict[str, list[tuple[uuid.UUID, dict[str, Any]]]] = {"explain": [], "unexplain": []}
    stay = []
    for found, says in changed:
        values = _values(found, says, around)
        if says.explained == (found.state == "explained"):
            stay.append(found)
        else:
            if not says.explained:
                values["case_id"], values["unexplained_at"] = None, now
            moves["explain" if says.explained else "unexplain"].append((found.id, values))
        for column, value in values.items():
            setattr(found, column, value)
    Break.objects.bulk_update(stay, COLUMNS, batch_size=500)
    by_id = {found.id: found for found, _ in changed}
    for name, rows in moves.items():
        moved = [by_id[pk] for pk in transition_rows(Break, name, rows)]
        told = "explained" if name == "explain" else "unexplained"
        publish_events([break_event(b, told) for b in moved], actor=RECONCILER, now=now)
