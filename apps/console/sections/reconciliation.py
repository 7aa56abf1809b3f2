"""The reconciliation workspace: totals that add up, buckets, breaks, documents side by side."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse

from apps.console.listing import ViewTab
from apps.console.presentation.amounts import split_amount
from apps.console.presentation.charts import ChartTone, Part
from apps.console.requests import ConsoleRequest
from apps.core.principal import Principal
from apps.exceptions.models import ExceptionCase
from apps.monitoring.models import Journey
from apps.organisation.models import LegalEntity
from apps.reconciliation.models import OPEN_BREAKS, Break, Match, ReconciliationRun
from apps.reconciliation.selectors import (
    UNEXPLAINED,
    documents_of_break,
    list_buckets,
    totals_of_run,
)
from apps.reconciliation.types import SUBJECT_SIDES, SUBJECTS, Bucket, Total
from apps.snapshots.types import DocumentView

SIDE_NAMES = {"cpq": "CPQ", "billing": "Billing", "erp": "ERP"}
SUBJECT_TITLES = {"invoice": "Invoices", "contract": "Contract value"}
NOUNS = {"cpq": "contracts", "billing": "documents", "erp": "documents"}
_TONES: dict[str, ChartTone] = {
    "missing_in_erp": "late", "missing_in_billing": "late", "missing_in_cpq": "late",
    "amount_differs": "near", "tax_differs": "near", "duplicate": "watch",
    "entity_differs": "watch", "timing": "plain",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """What the workspace looks at: subject, one entity and currency, a bucket."""

    subject: str
    entity: LegalEntity | None
    currency: str
    bucket: str

    def around(self, found: Break) -> "Scope":
        """The scope that shows a break."""
        return replace(self, subject=found.subject, bucket=found.type)

    def url(self, **changes: str) -> str:
        """The address of the same scope with changes."""
        parts = {
            "subject": self.subject,
            "entity": self.entity.code if self.entity else "",
            "currency": self.currency,
            "bucket": self.bucket,
        } | changes
        query = urlencode({key: value for key, value in parts.items() if value})
        return f"{reverse('reconciliation')}?{query}"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the totals; ``change`` is the next side minus this one."""

    label: str
    amount: Decimal
    note: str
    change: Decimal | None


@dataclass(frozen=True, slots=True)
class BreakSide:
    """One side of a row; ``off`` is the odd one out."""

    amount: Decimal | None
    off: bool


@dataclass(frozen=True, slots=True)
class BreakRow:
    """What ``break_row.html`` draws."""

    id: str
    key: str
    customer: str
    sides: list[BreakSide]
    variance: Decimal
    currency: str
    why: str
    evidence: str
    owner: str
    url: str
    drawer_url: str
    current: bool


def scope_of(request: ConsoleRequest, entities: Sequence[LegalEntity]) -> Scope:
    """The scope an address names; without an entity or a currency all of them."""
    subject = request.GET.get("subject", "invoice")
    entity = next((e for e in entities if e.code == request.GET.get("entity")), None)
    currency = request.GET.get("currency", "")
    bucket = request.GET.get("bucket", UNEXPLAINED)
    return Scope(subject if subject in SUBJECTS else "invoice", entity, currency, bucket)


def visible_totals(
    run: ReconciliationRun | None,
    scope: Scope,
    principal: Principal,
    entities: Sequence[LegalEntity],
) -> list[Total]:
    """Totals of the run in the scope."""
    if run is None:
        return []
    codes = {entity.id: entity.code for entity in entities}
    entity = scope.entity.code if scope.entity else ""
    return totals_of_run(
        run, principal, entity_codes=codes, entity=entity, currency=scope.currency
    )


@dataclass(frozen=True, slots=True)
class TotalRow:
    """One legal entity and currency where several are in view."""

    label: str
    url: str
    currency: str
    sides: list[Side]
    matched: int
    agrees: bool


def total_rows(totals: Sequence[Total], scope: Scope) -> list[TotalRow]:
    """Totals one below the other; currencies are never summed."""
    return [
        TotalRow(
            f"{total.entity} · {total.currency}",
            scope.url(entity=total.entity, currency=total.currency),
            total.currency,
            sides_of(total),
            total.matched,
            not any(total.gaps),
        )
        for total in totals
    ]


def scope_links(
    run: ReconciliationRun | None,
    scope: Scope,
    principal: Principal,
    entities: Sequence[LegalEntity],
) -> list[tuple[str, str, bool]]:
    """Address, name and whether it is chosen, of every entity and currency of the run."""
    whole = Scope(scope.subject, None, "", scope.bucket)
    links = [(whole.url(), "All entities", scope.entity is None)]
    for total in visible_totals(run, whole, principal, entities):
        chosen = (
            scope.entity is not None
            and scope.entity.code == total.entity
            and scope.currency == total.currency
        )
        url = whole.url(entity=total.entity, currency=total.currency)
        links.append((url, f"{total.entity} · {total.currency}", chosen))
    return links


def sides_of(total: Total) -> list[Side]:
    """The sides of one total, each with the difference to the next."""
    changes = [*(-gap for gap in total.gaps), None]
    return [
        Side(
            SIDE_NAMES[side.side],
            side.amount,
            f"{side.count:,} {NOUNS[side.side]}",
            changes[place],
        )
        for place, side in enumerate(total.sides)
    ]


def parts_of(total: Total) -> list[Part]:
    """Why the sides differ: the size of each type, unexplained ones hatched."""
    parts = []
    for part in total.parts:
        size = sum((abs(gap) for gap in part.gaps), Decimal(0))
        tone: ChartTone = "hatched" if part.state == "open" else _TONES.get(part.type, "plain")
        label = f"{part.label}{', unexplained' if part.state == 'open' else ''}"
        parts.append(Part(label, float(size), _legs(part.gaps, total), tone))
    return parts


def _legs(gaps: Sequence[Decimal], total: Total) -> str:
    """A part's share of each difference above it, downstream minus upstream as they are shown."""
    names = [SIDE_NAMES[side.side] for side in total.sides]
    legs = [
        (f"{names[place]} → {names[place + 1]} " if len(gaps) > 1 else "")
        + _plain_amount(-gap, total.currency)
        for place, gap in enumerate(gaps)
        if gap or len(gaps) == 1
    ]
    return ", ".join(legs) or _plain_amount(Decimal(0), total.currency)


def _plain_amount(amount: Decimal, currency: str) -> str:
    text = split_amount(amount, currency)
    return f"{text.sign}{text.symbol}{text.whole}{text.fraction}"


def buckets_of(scope: Scope, principal: Principal) -> list[Bucket]:
    """The buckets of the scope with their counts; Unexplained first."""
    entity_id = scope.entity.id if scope.entity else None
    return list_buckets(principal, scope.subject, entity_id=entity_id, currency=scope.currency)


def worth_looking(buckets: Sequence[Bucket]) -> str:
    """The bucket to open without being asked: the first that holds something."""
    return next((bucket.key for bucket in buckets if bucket.count), UNEXPLAINED)


def bucket_tabs(buckets: Sequence[Bucket], scope: Scope) -> list[ViewTab]:
    """The buckets as tabs."""
    return [
        ViewTab(b.key, b.label, scope.url(bucket=b.key), b.key == scope.bucket, b.count)
        for b in buckets
    ]


def break_rows(
    breaks: Iterable[Break], scope: Scope, principal: Principal, selected: str
) -> list[BreakRow]:
    """Rows of a page of breaks, with the cases that explain them read at once."""
    breaks = list(breaks)
    ids = [found.case_id for found in breaks if found.case_id]
    cases = {c.id: c for c in ExceptionCase.objects.visible_to(principal).filter(id__in=ids)}
    return [_break_row(found, scope, cases, selected) for found in breaks]


def _break_row(
    found: Break, scope: Scope, cases: Mapping[uuid.UUID, ExceptionCase], selected: str
) -> BreakRow:
    number = f"BRK-{found.number}"
    case = cases.get(found.case_id) if found.case_id else None
    evidence = ""
    if case:
        evidence = f"{case.reference} {case.state}, due {case.sla_due_at:%-d %b %H:%M}"
    why, _, rest = found.explanation.partition(". ")
    return BreakRow(
        number,
        found.match_key,
        found.customer,
        _sides(found, scope.subject),
        found.variance,
        found.currency,
        why or "Nothing explains it yet",
        evidence or rest or found.type.replace("_", " "),
        found.owner_label,
        scope.url(sel=number),
        reverse("break-drawer", args=[number]),
        number == selected,
    )


def amounts_of(found: Break) -> dict[str, Decimal | None]:
    return {"cpq": found.cpq_amount, "billing": found.billing_amount, "erp": found.erp_amount}


def _sides(found: Break, subject: str) -> list[BreakSide]:
    amounts = amounts_of(found)
    shown = [amounts[side] for side in SUBJECT_SIDES[subject]]
    odd = _odd_one_out(shown)
    return [BreakSide(amount, place == odd) for place, amount in enumerate(shown)]


def _odd_one_out(amounts: Sequence[Decimal | None]) -> int | None:
    """The side that differs from the others; of two sides the later one."""
    for place, amount in enumerate(amounts):
        others = [a for at, a in enumerate(amounts) if at != place]
        if len(set(others)) == 1 and amount != others[0] and len(others) > 1:
            return place
    return len(amounts) - 1 if len(set(amounts)) > 1 else None


def match_rows(matches: Iterable[Match], scope: Scope) -> list[BreakRow]:
    """Matches in the same columns."""
    sides = len(SUBJECT_SIDES[scope.subject])
    return [
        BreakRow(
            m.match_key, m.match_key, "", [BreakSide(m.amount, off=False)] * sides, Decimal(0),
            m.currency, "Matched", m.rule.replace("_", " "), "", "#", "", False,
        )
        for m in matches
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line of a document beside the others'."""

    name: str
    detail: str
    amount: Decimal
    state: str = ""


@dataclass(frozen=True, slots=True)
class DocumentColumn:
    """A side's document in the drawer."""

    name: str
    number: str
    url: str
    lines: list[DocumentLine]
    total: Decimal


@dataclass(frozen=True, slots=True)
class BreakDetail:
    """One break with its documents."""

    number: str
    found: Break
    documents: list[DocumentColumn]
    note: str
    even: bool
    case_url: str
    case_number: str
    journey_url: str
    explanation: str
    owner: str
    read_at: dt.datetime | None

    @property
    def is_standing(self) -> bool:
        """Whether it still waits for a decision."""
        return self.found.state in OPEN_BREAKS


def break_detail(found: Break, principal: Principal) -> BreakDetail:
    """A break for its drawer: documents line by line on the same rows."""
    documents = documents_of_break(found, principal)
    case = ExceptionCase.objects.visible_to(principal).filter(pk=found.case_id).first()
    columns = _columns(documents, found.subject)
    lines = sum(len(column.lines) for column in columns)
    known = Journey.objects.visible_to(principal).filter(pk=found.journey_id).exists()
    return BreakDetail(
        number=f"BRK-{found.number}",
        found=found,
        documents=columns,
        note=_counted(len(documents), "document") + ", " + _counted(lines, "line"),
        even=found.variance == 0,
        case_url=reverse("exception", args=[case.reference]) if case else "",
        case_number=case.reference if case else "",
        journey_url=reverse("journey-by-id", args=[found.journey_id]) if known else "",
        explanation=found.explanation,
        owner=found.owner_label,
        read_at=min((d.read_at for d in documents), default=None),
    )


def _counted(figure: int, noun: str) -> str:
    return f"{figure} {noun}{'' if figure == 1 else 's'}"


def _columns(documents: Sequence[DocumentView], subject: str) -> list[DocumentColumn]:
    sides = list(dict.fromkeys(("cpq", *SUBJECT_SIDES[subject])))
    items = {side: _items(documents, side) for side in sides}
    present = [set(items[side]) for side in sides if items[side]]
    everywhere = set.intersection(*present) if present else set()
    return [_column(side, documents, everywhere) for side in sides]


def _items(documents: Sequence[DocumentView], side: str) -> list[str]:
    return [line.item for d in documents if d.side == side for line in d.lines]


def _column(side: str, documents: Sequence[DocumentView], everywhere: set[str]) -> DocumentColumn:
    own = [d for d in documents if d.side == side]
    lines = [
        DocumentLine(
            line.item or line.description,
            f"{line.quantity.normalize():f} × {line.unit_price.normalize():,f}",
            line.net,
            "" if line.item in everywhere else "differs",
        )
        for document in own
        for line in document.lines
    ]
    tax = sum((d.tax for d in own), Decimal(0))
    if tax:
        lines.append(DocumentLine("Tax", "", tax))
    total = sum((d.gross or d.net for d in own), Decimal(0))
    number = ", ".join(d.number or d.external_id for d in own)
    return DocumentColumn(SIDE_NAMES[side], number, "", lines, total)
