"""The company group: legal entities, currencies, rates, calendars and posting periods."""

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from apps.core.records import RateField, Record
from apps.core.scoping import ScopedQuerySet


class Currency(models.Model):
    """An ISO 4217 currency and its minor-unit exponent."""

    code = models.CharField(max_length=3, primary_key=True)
    name = models.CharField(max_length=60)
    exponent = models.PositiveSmallIntegerField(default=2)

    class Meta:
        verbose_name_plural = "currencies"

    def __str__(self) -> str:
        return self.code


class LegalEntity(Record):
    """A company of the group that books revenue: country (ISO 3166), currency, time zone."""

    code = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=120)
    country = models.CharField(max_length=2)
    functional_currency = models.ForeignKey(Currency, on_delete=models.PROTECT)
    time_zone = models.CharField(max_length=40)
    tax_registration = models.CharField(max_length=40, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "legal entities"

    def __str__(self) -> str:
        return self.code


class EntityRecord(Record):
    """A record of one legal entity. NULL means global to the group; docs list which tables may."""

    legal_entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = ScopedQuerySet.as_manager()

    class Meta:
        abstract = True


class Group(models.Model):
    """The installation's company group: one row, with the reporting currency."""

    name = models.CharField(max_length=120)
    reporting_currency = models.ForeignKey(Currency, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return self.name


class ExchangeRate(Record):
    """Units of ``quote`` for one unit of ``base`` on a date, with the source that says so."""

    base = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+")
    quote = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+")
    rate = RateField()
    rate_date = models.DateField()
    source = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["base", "quote", "rate_date", "source"], name="rate_once"
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="rate_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.base_id} in {self.quote_id} of {self.rate_date}, {self.source}"


class Holiday(Record):
    """A non-working day of a legal entity's business calendar."""

    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.CASCADE)
    day = models.DateField()
    name = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "day"], name="holiday_once")
        ]

    def __str__(self) -> str:
        return f"{self.legal_entity} {self.day} {self.name}"


class PostingPeriod(Record):
    """A half-open span of business dates [start, end) of one legal entity, and its state."""

    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="periods")
    code = models.CharField(max_length=12)
    start = models.DateField()
    end = models.DateField()
    state = FSMField(default="open", protected=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ["legal_entity", "start"]
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "code"], name="period_once"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="period_not_empty"),
        ]

    INITIAL_STATES = ("open", "locked")

    def __str__(self) -> str:
        return f"{self.legal_entity} {self.code}"

    @transition("state", source=["open", "reopened"], target="closing")
    def begin_close(self) -> None: ...

    @transition("state", source=["open", "reopened", "closing"], target="locked")
    def lock(self) -> None: ...

    @transition("state", source=["locked", "closing"], target="reopened")
    def reopen(self) -> None: ...
