"""What the sides keep and why they differ: one headline, and each legal entity and currency."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.console.presentation.amounts import split_amount
from apps.console.presentation.charts import ChartTone, Part
from apps.console.sections.reconciliation import SIDE_NAMES, Scope
from apps.core.principal import Principal
from apps.exceptions.reporting import ReportingRates
from apps.organisation.models import LegalEntity
from apps.reconciliation.models import ReconciliationRun
from apps.reconciliation.policies import add_up
from apps.reconciliation.selectors import totals_of_run
from apps.reconciliation.types import Total

NOUNS = {"cpq": "contracts", "billing": "documents", "erp": "documents"}
_TONES: dict[str, ChartTone] = {
    "missing_in_erp": "late", "missing_in_billing": "late", "missing_in_cpq": "late",
    "amount_differs": "near", "tax_differs": "near", "duplicate": "watch",
    "entity_differs": "watch", "timing": "quiet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the totals; ``change`` is the next side minus this one."""

    label: str
    amount: Decimal
    note: str
    change: Decimal | None


@dataclass(frozen=True, slots=True)
class Headline:
    """The totals in view as one. ``converted``: from several currencies, with rates no older than
    ``rate_date``; ``left_out`` are those without a rate, in none of the figures."""

    sides: list[Side]
    parts: list[Part]
    currency: str
    converted: bool = False
    rate_date: dt.date | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TotalRow:
    """One legal entity and currency where several are in view."""

    label: str
    url: str
    currency: str
    sides: list[Side]
    matched: int
    agrees: bool


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


def headline_of(totals: Sequence[Total], scope: Scope, today: dt.date) -> Headline | None:
    """The totals as one: exact in one currency, else converted into the reporting currency."""
    currencies = {total.currency for total in totals}
    if not totals:
        return None
    if len(currencies) == 1:
        whole = add_up(totals, totals[0].currency, lambda amount, _: amount)
        return Headline(sides_of(whole), parts_of(whole, scope), whole.currency)
    rates = ReportingRates(today)
    known = [total for total in totals if total.currency in rates.rates]
    left_out = tuple(_label(total) for total in totals if total not in known)
    if not known:
        return Headline([], [], rates.currency, converted=True, left_out=left_out)
    whole = add_up(known, rates.currency, rates.exactly)
    return Headline(
        sides_of(whole), parts_of(whole, scope), whole.currency,
        converted=True, rate_date=rates.oldest(currencies), left_out=left_out,
    )  # fmt: skip


def _label(total: Total) -> str:
    return f"{total.entity} · {total.currency}"


def total_rows(totals: Sequence[Total], scope: Scope) -> list[TotalRow]:
    """Totals one below the other, exact in their own currencies."""
    return [
        TotalRow(
            _label(total),
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
        links.append((url, _label(total), chosen))
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


def parts_of(total: Total, scope: Scope) -> list[Part]:
    """Why the sides differ: the size of each type, unexplained ones hatched and last."""
    parts = []
    for part in sorted(total.parts, key=lambda part: part.state == "open"):
        size = sum((abs(gap) for gap in part.gaps), Decimal(0))
        is_open = part.state == "open"
        tone: ChartTone = "hatched" if is_open else _TONES.get(part.type, "plain")
        label = f"{part.label}{', unexplained' if is_open else ''}"
        url = scope.url(bucket=part.type)
        parts.append(Part(label, float(size), _legs(part.gaps, total), tone, url))
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
