"""The page of one journey: every document, what must come next, and whether amounts agree."""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from apps.connectors.models import Connection
from apps.core.principal import Principal
from apps.exceptions.models import OPEN_STATES as OPEN_CASES
from apps.exceptions.models import ExceptionCase
from apps.mappings.models import MappingVersion, Translation
from apps.monitoring.gather import JourneyFacts, gather
from apps.monitoring.models import Journey, JourneyItem
from apps.monitoring.policies import expected_state, proration_sentence
from apps.monitoring.progress import in_ledger
from apps.monitoring.selectors import get_journey, is_amiss
from apps.monitoring.types import (
    LANES,
    AmountCell,
    AmountRow,
    ExpectedView,
    ItemView,
    JourneyView,
    LaneView,
    LinkView,
    Verdict,
    VersionView,
)
from apps.organisation.models import LegalEntity
from apps.reconciliation.models import OPEN_BREAKS, Break
from apps.reconciliation.types import BREAK_TYPES
from apps.workflows.models import WorkflowRun

NAMES = {
    "cpq": "CPQ", "billing": "Billing", "tax": "Tax", "provisioning": "Provisioning", "erp": "ERP",
}  # fmt: skip
ONE_DAY = dt.timedelta(days=1)


def journey_view(journey_id: uuid.UUID, principal: Principal, *, now: dt.datetime) -> JourneyView:
    """Everything the page shows. Raises ``Journey.DoesNotExist`` when it is not theirs to see."""
    journey = get_journey(journey_id, principal)
    facts = gather([journey_id]).journeys[journey_id]
    rows_of_items = list(journey.items.all())
    items = [_item(i, now) for i in rows_of_items]
    items.sort(key=lambda i: (i.at, _depth(i.lane), i.key))
    rows = amount_rows(facts, [i for i in items if i.kind.startswith("expected_")])
    breaks = list(Break.objects.filter(journey_id=journey_id, state__in=OPEN_BREAKS))
    links = _links(journey_id, breaks)
    return JourneyView(
        id=journey.id,
        key=journey.key,
        customer=journey.customer,
        entity=_entity(journey),
        currency=journey.currency,
        start_date=journey.start_date,
        last_day=journey.end_date - ONE_DAY if journey.end_date else None,
        verdict=_verdict(journey, items, facts.cases, [b for b in breaks if is_amiss(b)]),
        figures=_figures(rows),
        generations=("Original", *(f"A{a.generation}" for a in facts.amendments)),
        lanes=_lanes(facts),
        items=tuple(items),
        expected=_expected(rows_of_items, now),
        amounts=tuple(rows),
        proration=tuple(
            words
            for a in facts.amendments
            if (words := proration_sentence(f"A{a.generation}", a.proration))
        ),
        versions=tuple(_versions(journey_id)),
        links=tuple(links),
    )


def _entity(journey: Journey) -> str:
    if journey.legal_entity_id is None:
        return ""
    found = LegalEntity.objects.filter(id=journey.legal_entity_id).values_list("code", flat=True)
    return found.first() or ""


def _item(item: JourneyItem, now: dt.datetime) -> ItemView:
    moment = item.due_at or item.at or item.updated_at
    state = expected_state(moment, now) if item.state == "expected" else item.state
    return ItemView(
        lane=item.lane,
        generation=item.generation,
        kind=item.kind,
        key=item.key,
        title=item.title,
        note=item.note,
        state=state,  # type: ignore[arg-type]
        at=moment,
        amount=item.amount,
        currency=item.currency,
        subject_type=item.subject_type,
        subject_id=item.subject_id,
    )


def _expected(items: Sequence[JourneyItem], now: dt.datetime) -> tuple[ExpectedView, ...]:
    found = [
        ExpectedView(i.title, i.lane, i.due_at, i.due_at < now, i.note, i.amount, i.currency)
        for i in items
        if i.state == "expected" and i.due_at is not None
    ]
    return tuple(sorted(found, key=lambda e: (e.due_at, e.title)))


def _verdict(
    journey: Journey,
    items: Sequence[ItemView],
    cases: Sequence[ExceptionCase],
    amiss: Sequence[Break],
) -> Verdict:
    """The worst of what there is to say; a journey is complete when its amounts agree, too."""
    late = [i for i in items if i.state == "late"]
    if late:
        # The deepest platform says most: what is not in the ledger is what hurts.
        worst = max(late, key=lambda i: (_depth(i.lane), -i.at.timestamp()))
        return Verdict("late", f"Overdue: {worst.title}", worst.at)
    if cases:
        return Verdict("stuck", cases[0].title, cases[0].sla_due_at)
    if amiss:
        return Verdict("differs", _difference(min(amiss, key=lambda b: (b.state, b.number))))
    return _without_fault(journey)


def _without_fault(journey: Journey) -> Verdict:
    if journey.next_due_at is not None:
        return Verdict("waiting", f"Next: {journey.next_step}", journey.next_due_at)
    if journey.is_done:
        return Verdict("done", "Complete, from quote to ledger")
    return Verdict("waiting", "In progress")


def _difference(found: Break) -> str:
    label = BREAK_TYPES.get(found.type, found.type)
    return f"{label}, BRK-{found.number}: {found.explanation or 'nothing explains it yet'}"


def _depth(lane: str) -> int:
    return LANES.index(lane) if lane in LANES else 0


def _lanes(facts: JourneyFacts) -> tuple[LaneView, ...]:
    """The lanes with the platforms that this journey uses; a lane not read now says since when."""
    used = {p.connection_id for p in facts.postings}
    systems: dict[str, Connection] = {}
    for connection in Connection.objects.order_by("code"):
        if connection.role not in systems or connection.id in used:
            systems[connection.role] = connection
    return tuple(_lane(lane, systems.get(lane)) for lane in LANES)


def _lane(lane: str, connection: Connection | None) -> LaneView:
    if connection is None:
        return LaneView(lane, NAMES[lane], "")
    down = connection.state != "active" or connection.circuit == "open"
    return LaneView(
        lane, NAMES[lane], connection.name, connection.last_success_at if down else None
    )


def amount_rows(facts: JourneyFacts, expected: Sequence[ItemView]) -> list[AmountRow]:
    """Quote, order, invoice, tax and ledger, each with a cell for every generation.

    Amounts are net but for the row of tax. What billing prorates is compared with our own
    proration, shown as ordered.
    """
    ledger = in_ledger(facts)
    generations = [0, *(a.generation for a in facts.amendments)]
    columns = [_column(facts, g, ledger, expected) for g in generations]
    rows = []
    for step in ("Quote", "Order", "Invoice", "Tax", "Ledger"):
        cells = [column[step][1] for column in columns]
        documents = [d for column in columns for d in column[step][0]]
        differs = step == "Ledger" and any(
            column["Invoice"][1].amount != column["Ledger"][1].amount for column in columns
        )
        rows.append(AmountRow(step, tuple(documents), tuple(cells), differs))
    return rows


Column = Mapping[str, tuple[list[str], AmountCell]]


def _column(
    facts: JourneyFacts, generation: int, ledger: set[uuid.UUID], expected: Sequence[ItemView]
) -> Column:
    quotes = [q for q in facts.quotes if facts.generation_of("quote", q.id) == generation]
    invoices = [i for i in facts.invoices if i.generation == generation]
    booked = [i for i in invoices if i.id in ledger]
    owed = {i.lane: i for i in expected if i.generation == generation}
    ordered = [a for a in facts.amendments if a.generation == generation]
    order_net = _sum(ordered, "prorated_net") if generation else _sum(facts.orders, "net")
    orders = [o.number for o in (ordered if generation else facts.orders)]
    billing, erp = owed.get("billing"), owed.get("erp")
    if erp and invoices:
        erp = replace(erp, amount=_sum(invoices, "net"))
    untaxed = replace(billing, amount=None) if billing else None  # tax is known when it is billed
    return {
        "Quote": ([q.number for q in quotes], _cell(quotes, _sum(quotes, "net"))),
        "Order": (orders, _cell(orders, order_net)),
        "Invoice": ([i.number for i in invoices], _cell(invoices, _sum(invoices, "net"), billing)),
        "Tax": ([], _cell(invoices, _sum(invoices, "tax"), untaxed)),
        "Ledger": ([i.number for i in booked], _cell(booked, _sum(booked, "net"), erp)),
    }


def _sum(records: Iterable[object], column: str) -> Decimal:
    return sum((getattr(record, column) for record in records), Decimal(0))


def _cell(
    documents: Sequence[object], amount: Decimal, owed: ItemView | None = None
) -> AmountCell:
    if documents:
        return AmountCell(amount, "present")
    if owed is not None and owed.state == "late":
        return AmountCell(owed.amount, "missing")
    return AmountCell(owed.amount if owed else None, "expected")


def _figures(rows: Sequence[AmountRow]) -> tuple[tuple[str, Decimal | None], ...]:
    """The strip above the lanes: the original's amounts, then each amendment's."""
    named = {"Quote": "quoted", "Order": "ordered", "Invoice": "invoiced", "Ledger": "in ledger"}
    figures = [
        (named[row.step], row.cells[0].amount if row.cells[0].state == "present" else Decimal(0))
        for row in rows
        if row.step in named and row.cells
    ]
    order = next(row for row in rows if row.step == "Order")
    figures += [(f"amendment A{n}", cell.amount) for n, cell in enumerate(order.cells) if n]
    return tuple(figures)


def _versions(journey_id: uuid.UUID) -> list[VersionView]:
    """The mapping versions that made something of this journey, field maps and value maps; first
    those that had no row for what they were asked."""
    uses: Counter[tuple[str, int]] = Counter()
    lacking: dict[uuid.UUID, list[dict[str, Any]]] = {}  # what each subject's last try lacked
    for subject, code, number, values, missing in (
        Translation.objects.filter(journey_id=journey_id)
        .order_by("created_at", "id")  # ids of one millisecond are in no order
        .values_list(
            "subject_id", "mapping_version__mapping__code", "mapping_version__number",
            "value_versions", "missing",
        )
    ):  # fmt: skip
        uses[code, number] += 1
        uses.update((str(name), int(version)) for name, version in (values or {}).items())
        lacking[subject] = missing or []
    keys = {(m["mapping"], m["key"]) for rows in lacking.values() for m in rows if m["mapping"]}
    versions = MappingVersion.objects.filter(mapping__code__in={code for code, _ in uses})
    found = {(v.mapping.code, v.number): v for v in versions.select_related("mapping")}
    drafts = {v.mapping.code: v for v in found.values() if v.state in ("draft", "proposed")}
    views = [
        _version(found[used], drafts, uses[used], sorted(k for c, k in keys if c == used[0]))
        for used in sorted(uses)
        if used in found
    ]
    return sorted(views, key=lambda view: not view.lacks)


def _version(
    version: MappingVersion, drafts: Mapping[str, MappingVersion], uses: int, absent: list[str]
) -> VersionView:
    mapping, draft = version.mapping, drafts.get(version.mapping.code)
    used = "used once" if uses == 1 else f"used {uses} times"
    notes = [f"no row for {', '.join(absent)}" if absent else used]
    if version.state != "active":
        notes.append("a newer version is active")
    if draft is not None:
        notes.append(f"v{draft.number} is {draft.state}")
    return VersionView(
        mapping.code, mapping.name, version.number, version.state == "active", bool(absent),
        ", ".join(notes),
    )  # fmt: skip


def _links(journey_id: uuid.UUID, breaks: Sequence[Break]) -> list[LinkView]:
    """Cases, breaks and runs that hang on the journey; open ones first. A break that passes by
    itself is none that anybody has to open."""
    links = [
        LinkView("case", c.reference, c.title, c.state in OPEN_CASES, c.id)
        for c in ExceptionCase.objects.filter(journey_id=journey_id).order_by("-number")
    ]
    links += [
        LinkView("break", f"BRK-{b.number}", b.explanation or b.type, is_amiss(b), b.id)
        for b in breaks
    ]
    links += [
        LinkView("run", r.label, r.definition, r.state not in ("completed", "cancelled"), r.id)
        for r in WorkflowRun.objects.filter(journey_id=journey_id).order_by("id")
    ]
    return sorted(links, key=lambda link: not link.is_open)
