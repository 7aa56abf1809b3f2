"""Reads of cases, families and dead letters."""

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Abs
from django.utils import timezone

from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.exceptions.models import (
    AWAKE,
    OPEN_STATES,
    DeadLetter,
    ExceptionCase,
    ExceptionFamily,
    Severity,
)
from apps.exceptions.reporting import ReportingRates
from apps.exceptions.types import VIEWS, CaseFilter, Neighbours, StripTotals, Subject

SOON = dt.timedelta(hours=1)
WALK_LIMIT = 2000
# Whether people are named for the end of a case, or its cause went away without anybody.
CLOSED_BY = {"people": ~Q(closed_by_label=""), "nobody": Q(closed_by_label="")}
OPEN_LETTERS = ("parked", "redriving")

# Names of orders a list may ask for; a leading minus turns one round.
ORDERS = ("sla", "severity", "amount", "opened", "number", "customer", "owner")
_COLUMNS = {
    "sla": "sla_due_at", "severity": "rank", "amount": "reporting_amount", "opened": "opened_at",
    "number": "number", "customer": "customer", "owner": "owner_label",
}  # fmt: skip
_RANK = Case(
    *[When(severity=name, then=Value(place)) for place, name in enumerate(Severity.values)],
    default=Value(len(Severity.values)),
    output_field=IntegerField(),
)


def _view(name: str, principal: Principal, now: dt.datetime) -> Q:
    """The condition of a saved view; an unknown name is the open cases. Today begins at midnight
    of the zone in force: the person's on a page, UTC where nobody asks."""
    awake = Q(state__in=AWAKE)
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    owner = _user_id(principal)
    conditions = {
        "open": awake,
        "mine": awake & Q(owner_id=owner) if owner else Q(pk__isnull=True),
        "unassigned": awake & Q(owner_id__isnull=True),
        "at_risk": awake & Q(sla_due_at__lte=now + SOON),
        "critical": awake & Q(severity=Severity.CRITICAL),
        "blocks_close": awake & Q(blocks_close=True),
        "snoozed": Q(state="snoozed"),
        "closed_today": Q(state__in=["resolved", "dismissed"], closed_at__gte=midnight),
        "all": Q(),
    }
    return conditions.get(name, awake)


def _user_id(principal: Principal) -> uuid.UUID | None:
    return uuid.UUID(principal.actor.id) if principal.actor.kind == "user" else None


def list_cases(
    principal: Principal, filters: CaseFilter, *, now: dt.datetime, order: str = "sla"
) -> ScopedQuerySet:
    """Cases of a saved view that a principal may see, narrowed and in order.

    The rows carry ``rank`` (0 is critical) and, ordered by amount, ``reporting_amount``.
    """
    cases = _narrowed(principal, filters).filter(_view(filters.view, principal, now))
    cases = cases.select_related("family", "legal_entity").annotate(rank=_RANK)
    name = order.lstrip("-")
    name = name if name in _COLUMNS else "sla"
    if name == "amount":
        cases = ReportingRates(now.date()).annotate(cases)
    sign = "-" if order.startswith("-") else ""
    return cases.order_by(f"{sign}{_COLUMNS[name]}", "id")


def _narrowed(principal: Principal, filters: CaseFilter) -> ScopedQuerySet:
    cases = ExceptionCase.objects.visible_to(principal)
    lists = {
        "severity__in": filters.severities,
        "code__in": filters.codes,
        "category__in": filters.categories,
        "flow__in": filters.flows,
        "lane__in": filters.lanes,
        "currency__in": filters.currencies,
        "legal_entity_id__in": filters.entity_ids,
    }
    cases = cases.filter(**{name: values for name, values in lists.items() if values})
    if filters.owner_id:
        cases = cases.filter(owner_id=filters.owner_id)
    if filters.family_id:
        cases = cases.filter(family_id=filters.family_id)
    if filters.closed_since:
        cases = cases.filter(closed_at__gt=filters.closed_since)
    if filters.closed_by in CLOSED_BY:
        cases = cases.filter(CLOSED_BY[filters.closed_by])
    return cases.filter(_matches(filters.text.strip())) if filters.text.strip() else cases


def _matches(text: str) -> Q:
    digits = text.upper().removeprefix("EXC-")
    if digits.isdecimal():
        return Q(number=int(digits)) | Q(document__icontains=text)
    return Q(title__icontains=text) | Q(document__icontains=text) | Q(customer__icontains=text)


def count_views(principal: Principal, *, now: dt.datetime) -> dict[str, int]:
    """How many cases each saved view holds, in one statement."""
    counts = {name: Count("id", filter=_view(name, principal, now)) for name in VIEWS}
    found: dict[str, int] = ExceptionCase.objects.visible_to(principal).aggregate(**counts)
    return found


def strip_totals(principal: Principal, filters: CaseFilter, *, now: dt.datetime) -> StripTotals:
    """The figures above a list: counts, and the amount at risk in the reporting currency."""
    cases = _narrowed(principal, filters).filter(_view(filters.view, principal, now))
    rates = ReportingRates(now.date())
    groups = list(
        cases.order_by()
        .values("currency")
        .annotate(
            cases=Count("id"),
            known=Count("id", filter=Q(amount_at_risk__isnull=False)),
            overdue=Count("id", filter=Q(sla_due_at__lt=now)),
            soon=Count("id", filter=Q(sla_due_at__gte=now, sla_due_at__lte=now + SOON)),
            critical=Count("id", filter=Q(severity=Severity.CRITICAL)),
            blocking=Count("id", filter=Q(blocks_close=True)),
            amount=Sum(Abs("amount_at_risk")),
            families=ArrayAgg("family_id", distinct=True),
        )
    )
    amounts = [rates.convert(group["amount"], group["currency"]) for group in groups]
    return StripTotals(
        cases=sum(g["cases"] for g in groups),
        families=len({family for group in groups for family in group["families"]}),
        overdue=sum(g["overdue"] for g in groups),
        due_soon=sum(g["soon"] for g in groups),
        critical=sum(g["critical"] for g in groups),
        blocks_close=sum(g["blocking"] for g in groups),
        amount=sum((a for a in amounts if a is not None), Decimal(0)),
        currency=rates.currency,
        rate_date=rates.oldest({g["currency"] for g in groups}),
        unconverted=sum(
            g["cases"] - (g["known"] if amount is not None else 0)
            for g, amount in zip(groups, amounts, strict=True)
        ),
    )


def get_case(principal: Principal, number: int) -> ExceptionCase:
    """A case by its human number. Raises ``ExceptionCase.DoesNotExist`` for one that is not there
    or not the principal's to see."""
    found: ExceptionCase = (
        ExceptionCase.objects.visible_to(principal)
        .select_related("family", "legal_entity")
        .get(number=number)
    )
    return found


def cases_by_id(principal: Principal, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, ExceptionCase]:
    """Cases a principal may see, by id."""
    cases = ExceptionCase.objects.visible_to(principal).select_related("family")
    return {case.id: case for case in cases.filter(id__in=ids)}


def cases_by_number(principal: Principal, numbers: Sequence[int]) -> list[ExceptionCase]:
    """Cases a principal may see, by their human numbers, in order of number."""
    return list(
        ExceptionCase.objects.visible_to(principal).filter(number__in=numbers).order_by("number")
    )


def family_members(
    principal: Principal, family_id: uuid.UUID, *, only_open: bool = True
) -> QuerySet[ExceptionCase]:
    """Cases of one cause that a principal may see, the largest first."""
    cases = ExceptionCase.objects.visible_to(principal).filter(family_id=family_id)
    if only_open:
        cases = cases.filter(state__in=OPEN_STATES)
    return cases.order_by("-amount_at_risk", "id")


def get_family(principal: Principal, number: int) -> ExceptionFamily:
    """A family with at least one case the principal may see. Raises ``DoesNotExist``."""
    seen = ExceptionCase.objects.visible_to(principal).values("family_id")
    return ExceptionFamily.objects.get(number=number, id__in=seen)


def neighbours(
    principal: Principal,
    filters: CaseFilter,
    case_id: uuid.UUID,
    *,
    now: dt.datetime,
    order: str = "sla",
) -> Neighbours:
    """The case numbers before and after a case in a list; it looks at the first 2000 rows."""
    rows = list(
        list_cases(principal, filters, now=now, order=order)
        .select_related(None)
        .values_list("id", "number")[:WALK_LIMIT]
    )
    place = next((i for i, (row_id, _) in enumerate(rows) if row_id == case_id), None)
    if place is None:
        first = rows[0][1] if rows else None
        return Neighbours(previous=None, next=first, position=0, total=len(rows))
    before = rows[place - 1][1] if place else None
    after = rows[place + 1][1] if place + 1 < len(rows) else None
    return Neighbours(previous=before, next=after, position=place + 1, total=len(rows))


def open_cases_of(
    subjects: Sequence[Subject], *, lock: bool = False
) -> dict[Subject, ExceptionCase]:
    """The open case of each subject that has one, locked when a write follows."""
    cases = ExceptionCase.objects.filter(
        subject_id__in=[subject_id for _, subject_id in subjects], state__in=OPEN_STATES
    ).order_by("id")
    if lock:
        cases = cases.select_for_update()
    by_subject = {(case.subject_type, case.subject_id): case for case in cases}
    return {subject: by_subject[subject] for subject in subjects if subject in by_subject}


def list_dead_letters(principal: Principal, *states: str) -> ScopedQuerySet:
    """Dead letters a principal may see, newest first; only those in the states when given."""
    letters = DeadLetter.objects.visible_to(principal).select_related("case", "legal_entity")
    return (letters.filter(state__in=states) if states else letters).order_by("-parked_at", "-id")


def get_dead_letter(principal: Principal, number: int) -> DeadLetter:
    """A dead letter by its human number. Raises ``DeadLetter.DoesNotExist``."""
    found: DeadLetter = list_dead_letters(principal).get(number=number)
    return found


def open_letters_of(origins: Sequence[Subject]) -> dict[Subject, DeadLetter]:
    """The dead letter of each origin that still waits or is being redriven."""
    wanted = set(origins)
    letters = DeadLetter.objects.filter(
        origin_id__in=[origin_id for _, origin_id in origins], state__in=OPEN_LETTERS
    )
    found = {(letter.origin_type, letter.origin_id): letter for letter in letters}
    return {origin: found[origin] for origin in wanted if origin in found}
