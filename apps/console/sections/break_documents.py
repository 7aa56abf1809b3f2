"""One break: the documents of all sides, line by line on the same rows."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse

from apps.approvals.models import Approval
from apps.console.sections.reconciliation import SIDE_NAMES
from apps.core.principal import Principal
from apps.exceptions.models import ExceptionCase
from apps.mappings.selectors import sources_of
from apps.monitoring.models import Journey
from apps.reconciliation.models import OPEN_BREAKS, Break
from apps.reconciliation.selectors import documents_of_break, request_of_break, why_not_write_off
from apps.reconciliation.types import SUBJECT_SIDES
from apps.snapshots.types import DocumentView, LineView

# A row of the table: what was sold, the amount where a side has several lines of it, and the
# how-manieth line of that amount.
Row = tuple[str, Decimal | None, int]


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line beside the others'. ``state``: empty, differs, missing (only other sides have it) or
    blank (this side keeps no such line, and nothing is amiss)."""

    name: str
    detail: str
    amount: Decimal | None
    state: str = ""


@dataclass(frozen=True, slots=True)
class DocumentColumn:
    """A side's documents in the drawer; ``lines`` is empty where it has none."""

    name: str
    number: str
    url: str
    lines: list[DocumentLine]
    total: Decimal
    rows: int


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
    request: Approval | None
    passes: str

    @property
    def is_standing(self) -> bool:
        """Whether it still waits for a decision."""
        return self.found.state in OPEN_BREAKS


def break_detail(found: Break, principal: Principal) -> BreakDetail:
    """A break for its drawer: documents line by line on the same rows."""
    documents = documents_of_break(found, principal)
    case = ExceptionCase.objects.visible_to(principal).filter(pk=found.case_id).first()
    known = Journey.objects.visible_to(principal).filter(pk=found.journey_id).exists()
    lines = sum(len(document.lines) for document in documents)
    return BreakDetail(
        number=f"BRK-{found.number}",
        found=found,
        documents=_columns(documents, found.subject),
        note=_counted(len(documents), "document") + ", " + _counted(lines, "line"),
        even=found.variance == 0,
        case_url=reverse("exception", args=[case.reference]) if case else "",
        case_number=case.reference if case else "",
        journey_url=reverse("journey-by-id", args=[found.journey_id]) if known else "",
        explanation=found.explanation,
        owner=found.owner_label,
        read_at=min((d.read_at for d in documents), default=None),
        request=request_of_break(found),
        passes=why_not_write_off(found),
    )


def _counted(figure: int, noun: str) -> str:
    return f"{figure} {noun}{'' if figure == 1 else 's'}"


def _columns(documents: Sequence[DocumentView], subject: str) -> list[DocumentColumn]:
    """CPQ's contract stands beside an invoice for reading; what it lacks there is not missing.

    Contracts are compared net of tax, so no tax is shown with them.
    """
    sides = list(dict.fromkeys(("cpq", *SUBJECT_SIDES[subject])))
    items = {line.item for document in documents for line in document.lines}
    sold = sources_of("products", items)
    rows, lines = _placed({side: _lines_of(documents, side, sold) for side in sides})
    has_tax = subject == "invoice" and any(d.tax for d in documents)
    return [
        _column(
            side, [d for d in documents if d.side == side], lines, rows,
            compared=side in SUBJECT_SIDES[subject], has_tax=has_tax,
        )
        for side in sides
    ]  # fmt: skip


def _lines_of(
    documents: Sequence[DocumentView], side: str, sold: Mapping[str, str]
) -> list[tuple[str, LineView]]:
    """A side's lines, each with what was sold by our name."""
    return [
        (sold.get(line.item, line.item) or line.description, line)
        for document in documents
        for line in document.lines
        if document.side == side
    ]


def _placed(
    lines: Mapping[str, Sequence[tuple[str, LineView]]],
) -> tuple[list[Row], dict[str, dict[Row, LineView]]]:
    """Every row that any side has, and each side's lines on them.

    What was sold stands on one row, whatever its amount; several lines of it stand beside those
    of the same amount.
    """
    counts = [Counter(what for what, _ in own) for own in lines.values()]
    several = {what for count in counts for what, times in count.items() if times > 1}
    placed: dict[str, dict[Row, LineView]] = {side: {} for side in lines}
    for side, own in lines.items():
        for what, line in own:
            amount = line.net if what in several else None
            times = sum(1 for known in placed[side] if known[:2] == (what, amount))
            placed[side][what, amount, times] = line
    seen = list(dict.fromkeys(row for side in placed.values() for row in side))
    order = list(dict.fromkeys(what for what, _, _ in seen))
    return sorted(seen, key=lambda row: order.index(row[0])), placed


def _column(
    side: str,
    own: Sequence[DocumentView],
    lines: Mapping[str, Mapping[Row, LineView]],
    rows: Sequence[Row],
    *,
    compared: bool,
    has_tax: bool,
) -> DocumentColumn:
    shown = [_line(row, side, lines, compared=compared) for row in rows] if own else []
    if own and has_tax:
        tax = sum((d.tax for d in own), Decimal(0))
        shown.append(DocumentLine("Tax", "", tax) if tax or compared else _blank("Tax"))
    number = ", ".join(d.number or d.external_id for d in own)
    total = sum((d.gross if has_tax else d.net for d in own), Decimal(0))
    return DocumentColumn(SIDE_NAMES[side], number, "", shown, total, len(rows) + has_tax)


def _line(
    row: Row, side: str, lines: Mapping[str, Mapping[Row, LineView]], *, compared: bool
) -> DocumentLine:
    own = lines[side].get(row)
    if own is None:
        # Only what this side has no line of at all is a gap: it may be billed in other shares.
        is_there = any(known[0] == row[0] for known in lines[side])
        return _blank(row[0]) if is_there or not compared else _missing(row[0])
    others = [found[row].net for found in lines.values() if row in found]
    return DocumentLine(
        own.item or own.description,
        f"{own.quantity.normalize():f} × {own.unit_price.normalize():,f}",
        own.net,
        "differs" if len(set(others)) > 1 else "",
    )


def _missing(name: str) -> DocumentLine:
    return DocumentLine(name, "no line", Decimal(0), "missing")


def _blank(name: str) -> DocumentLine:
    return DocumentLine(name, "", None, "blank")
