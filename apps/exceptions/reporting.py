"""Amounts of cases in the reporting currency."""

import datetime as dt
from decimal import Decimal

from django.db.models import Case, DecimalField, F, Value, When
from django.db.models.functions import Abs

from apps.core.money import quantise
from apps.core.scoping import ScopedQuerySet
from apps.exceptions.policies import DatedRate, reporting_rates
from apps.organisation.models import ExchangeRate, Group
from apps.organisation.selectors import reporting_currency


class ReportingRates:
    """Rates of a day into one currency, the group's reporting currency unless another is named;
    read once and used for many rows."""

    def __init__(self, today: dt.date, currency: str = "") -> None:
        latest = (
            ExchangeRate.objects.filter(rate_date__lte=today)
            .order_by("base", "quote", "-rate_date")
            .distinct("base", "quote")
            .annotate(reporting=Group.objects.order_by("id").values("reporting_currency")[:1])
        )
        rows = list(latest.values_list("base_id", "quote_id", "rate", "rate_date", "reporting"))
        pairs = {(base, quote): DatedRate(rate, day) for base, quote, rate, day, _ in rows}
        self.currency = currency or (rows[0][4] if rows else None) or reporting_currency()
        self.rates = reporting_rates(pairs, self.currency, today)

    def convert(self, amount: Decimal | None, currency: str) -> Decimal | None:
        """The amount in the reporting currency, None without an amount or a rate."""
        if amount is None or currency not in self.rates:
            return None
        return self.exactly(amount, currency)

    def exactly(self, amount: Decimal, currency: str) -> Decimal:
        """The amount in the reporting currency. Raises ``KeyError`` for one without a rate."""
        return quantise(amount * self.rates[currency].rate, self.currency)

    def oldest(self, currencies: set[str]) -> dt.date | None:
        """The oldest rate date among those used for these currencies."""
        used = currencies & set(self.rates) - {self.currency}
        return min((self.rates[currency].rate_date for currency in used), default=None)

    def annotate(self, cases: ScopedQuerySet) -> ScopedQuerySet:
        """Add ``reporting_amount`` (absolute), to order cases of several currencies."""
        rate = Case(
            *[When(currency=code, then=Value(dated.rate)) for code, dated in self.rates.items()],
            default=Value(Decimal(0)),
            output_field=DecimalField(max_digits=30, decimal_places=14),
        )
        worth = Abs(F("amount_at_risk")) * rate
        annotated: ScopedQuerySet = cases.annotate(reporting_amount=worth)
        return annotated
