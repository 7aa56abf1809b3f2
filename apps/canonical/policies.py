"""Pure decisions about canonical records: approval, proration, revenue by period."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.canonical.types import Span
from apps.core.money import allocate, quantise


def may_activate(*, accepted: bool, approval_outcome: str) -> bool:
    """An accepted quote becomes an order only when it was approved."""
    return accepted and approval_outcome == "approved"


@dataclass(frozen=True, slots=True)
class Debit:
    """What billing has charged for a line: an amount for a span of service."""

    amount: Decimal
    span: Span


@dataclass(frozen=True, slots=True)
class Proration:
    """What a mid-term change costs for the rest of the billing period, and how it was computed.

    ``debit`` is what billing charges for the new quantity; a later change credits from it.
    """

    net: Decimal
    remaining_days: int
    period_days: int
    debit: Debit

    @property
    def words(self) -> str:
        return f"{self.remaining_days} of {self.period_days} days"


def prorate(
    *,
    unit_price: Decimal,
    before: Decimal,
    after: Decimal,
    period: Span,
    effective: dt.date,
    currency: str,
    debited: Debit | None = None,
) -> Proration:
    """Credit for the unused part of what was debited, debit for the new quantity, each rounded.

    ``debited`` is the debit of an earlier change in the same period; without one the old quantity
    was charged for the whole period. Billing credits and debits as two invoice lines and rounds
    both, so the hub must too (https://docs.stripe.com/billing/subscriptions/prorations). Amounts
    in major units; days are whole because contracts start and change at midnight UTC. Raises
    ``ValueError`` for a day outside the period.
    """
    charged = debited or Debit(quantise(unit_price * before, currency), period)
    credit = quantise(charged.amount * _share_left(charged.span, effective), currency)
    amount = quantise(unit_price * after * _share_left(period, effective), currency)
    left = Span(effective, period.end)
    return Proration(amount - credit, left.days, period.days, Debit(amount, left))


def _share_left(span: Span, day: dt.date) -> Decimal:
    """The part of a span from a day to its end."""
    if not span.start <= day <= span.end:
        raise ValueError(f"{day} is not inside the billing period {span.start}–{span.end}")
    return Decimal((span.end - day).days) / Decimal(span.days) if span.days else Decimal(0)


def billing_period(start: dt.date, frequency: str, day: dt.date) -> Span:
    """The billing period of a subscription that holds ``day``: months or years from ``start``."""
    months = {"monthly": 1, "annual": 12}.get(frequency, 12)
    count = 0
    while add_months(start, (count + 1) * months) <= day:
        count += 1
    return Span(add_months(start, count * months), add_months(start, (count + 1) * months))


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or its last day when the month is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for candidate in range(day.day, 27, -1):
        try:
            return dt.date(year, month + 1, candidate)
        except ValueError:
            continue
    return dt.date(year, month + 1, day.day)


@dataclass(frozen=True, slots=True)
class RevenuePart:
    """Revenue of one calendar month of a schedule."""

    period_code: str
    start: dt.date
    end: dt.date
    amount: Decimal


def straight_line(total: Decimal, span: Span, currency: str) -> list[RevenuePart]:
    """Spread an amount over a span day by day, one part a month; the last part takes the rest."""
    if span.days <= 0:
        return [RevenuePart(f"{span.start:%Y-%m}", span.start, span.start, total)]
    months: list[Span] = []
    start = span.start
    while start < span.end:
        end = min(add_months(start.replace(day=1), 1), span.end)
        months.append(Span(start, end))
        start = end
    shares = allocate(total, [Decimal(month.days) for month in months], currency)
    return [
        RevenuePart(f"{month.start:%Y-%m}", month.start, month.end, share)
        for month, share in zip(months, shares, strict=True)
    ]


def merge_parts(parts: Sequence[RevenuePart]) -> list[RevenuePart]:
    """Parts of several lines as one part a month."""
    merged: dict[str, RevenuePart] = {}
    for part in parts:
        known = merged.get(part.period_code)
        merged[part.period_code] = RevenuePart(
            part.period_code,
            min(part.start, known.start) if known else part.start,
            max(part.end, known.end) if known else part.end,
            part.amount + (known.amount if known else Decimal(0)),
        )
    return [merged[code] for code in sorted(merged)]
