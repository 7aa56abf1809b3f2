"""The reconciliation workspace: its scope, its buckets and its rows."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from apps.console.listing import ViewTab
from apps.console.presentation.words import in_words
from apps.console.requests import ConsoleRequest
from apps.core.principal import Principal
from apps.exceptions.models import ExceptionCase
from apps.organisation.models import LegalEntity
from apps.reconciliation.models import Break, Match
from apps.reconciliation.selectors import UNEXPLAINED, list_buckets
from apps.reconciliation.types import SUBJECT_SIDES, SUBJECTS, Bucket

SIDE_NAMES = {"cpq": "CPQ", "billing": "Billing", "erp": "ERP"}
SUBJECT_TITLES = {"contract": "Contract value", "invoice": "Invoices"}


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

    @property
    def export_url(self) -> str:
        """The address of what is shown as CSV, also where nobody chose the bucket."""
        return f"{reverse('reconciliation-export')}?{self._query()}"

    def url(self, **changes: str) -> str:
        """The address of the same scope with changes."""
        return f"{reverse('reconciliation')}?{self._query(**changes)}"

    def _query(self, **changes: str) -> str:
        parts = {
            "subject": self.subject,
            "entity": self.entity.code if self.entity else "",
            "currency": self.currency,
            "bucket": self.bucket,
        } | changes
        return urlencode({key: value for key, value in parts.items() if value})


@dataclass(frozen=True, slots=True)
class BreakSide:
    """One side of a row; ``off`` is the odd one out."""

    name: str
    amount: Decimal | None
    off: bool


@dataclass(frozen=True, slots=True)
class BreakRow:
    """What ``break_row.html`` draws."""

    id: str
    key: str
    customer: str
    entity: str
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
    subject = request.GET.get("subject", SUBJECTS[0])
    entity = next((e for e in entities if e.code == request.GET.get("entity")), None)
    currency = request.GET.get("currency", "")
    bucket = request.GET.get("bucket", UNEXPLAINED)
    return Scope(subject if subject in SUBJECTS else SUBJECTS[0], entity, currency, bucket)


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
    why, _, rest = found.explanation.partition(". ")
    evidence = _evidence(case) if case else rest
    if case:
        why = why.removeprefix(f"{case.reference}: ")
    return BreakRow(
        number,
        found.match_key,
        found.customer,
        found.legal_entity.code if found.legal_entity else "",
        _sides(found, scope.subject),
        found.variance,
        found.currency,
        why or "Nothing explains it yet",
        evidence or in_words(found.type),
        found.owner_label,
        scope.url(sel=number),
        reverse("break-drawer", args=[number]),
        number == selected,
    )


def _evidence(case: ExceptionCase) -> str:
    """The case that explains a break: ``EXC-10482 open, due 18:02``."""
    if not case.is_open:
        return f"{case.reference} {case.state}"
    due = timezone.localtime(case.sla_due_at)
    same_day = due.date() == timezone.localdate()
    return f"{case.reference} {case.state}, due {due:%H:%M}" + (
        "" if same_day else f" on {due:%-d %b}"
    )


def amounts_of(found: Break) -> dict[str, Decimal | None]:
    return {"cpq": found.cpq_amount, "billing": found.billing_amount, "erp": found.erp_amount}


def _sides(found: Break, subject: str) -> list[BreakSide]:
    amounts = amounts_of(found)
    sides = SUBJECT_SIDES[subject]
    odd = _odd_one_out([amounts[side] for side in sides])
    return [
        BreakSide(SIDE_NAMES[side], amounts[side], place == odd)
        for place, side in enumerate(sides)
    ]


def _odd_one_out(amounts: Sequence[Decimal | None]) -> int | None:
    """The side that differs from the others; of two sides the later one."""
    for place, amount in enumerate(amounts):
        others = [a for at, a in enumerate(amounts) if at != place]
        if len(set(others)) == 1 and amount != others[0] and len(others) > 1:
            return place
    return len(amounts) - 1 if len(set(amounts)) > 1 else None


def match_rows(matches: Iterable[Match], scope: Scope) -> list[BreakRow]:
    """Matches in the same columns."""
    names = [SIDE_NAMES[side] for side in SUBJECT_SIDES[scope.subject]]
    return [
        BreakRow(
            id=m.match_key, key=m.match_key, customer="", entity="",
            sides=[BreakSide(name, m.amount, off=False) for name in names],
            variance=Decimal(0), currency=m.currency, why="Matched",
            evidence=in_words(m.rule), owner="",
            url=f"{reverse('find')}?{urlencode({'q': m.match_key})}", drawer_url="",
            current=False,
        )
        for m in matches
    ]  # fmt: skip
