"""What is in flight and stuck between the platforms, and what changed since a person looked."""

import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, Sum

from apps.core.ids import first_uuid7
from apps.core.principal import Principal
from apps.exceptions.models import AWAKE, OPEN_STATES, ExceptionCase
from apps.exceptions.reporting import ReportingRates
from apps.monitoring.policies import BANDS, band_of, bands_of_way
from apps.monitoring.types import BandFigures, FlowFigures, SinceLastVisit
from apps.workflows.models import Step, WorkflowRun

IN_FLIGHT = ("pending", "running", "waiting", "failed", "paused", "compensating")
LOOK_BACK = dt.timedelta(hours=24)
UNFINISHED = ("failed", "waiting", "running", "pending")


@dataclass(frozen=True, slots=True)
class _Document:
    """Something in flight: a run, or an open case that holds one up."""

    band: tuple[str, str]
    amount: Decimal | None
    currency: str
    reason: str = ""

    @property
    def is_stuck(self) -> bool:
        return bool(self.reason)


@dataclass(frozen=True, slots=True)
class _Passed:
    """Documents of one currency that passed a band."""

    band: tuple[str, str]
    count: int
    amount: Decimal | None
    currency: str


def flow_bands(
    principal: Principal,
    *,
    now: dt.datetime,
    entity_id: uuid.UUID | None = None,
    rates: ReportingRates | None = None,
) -> FlowFigures:
    """Documents in flight by band, those with an open case as stuck, and what passed lately; in
    the reporting currency, or that of the rates given.

    Each open case counts once, at the platform it is stuck before, so that the stuck counts add
    up to the open cases and the snoozed ones, whose documents stand as well; a run without a case
    counts once, at its foremost unfinished step.
    """
    cases = _cases(principal, entity_id)
    documents = [_stuck(case) for case in cases]
    documents += _moving(principal, entity_id, {c.subject_id for c in cases}, cases)
    passed = _passed(principal, entity_id, now - LOOK_BACK)
    rates = rates or ReportingRates(now.date())
    bands = [_band(name, documents, passed, rates) for name in BANDS]
    used = {d.currency for d in documents} | {p.currency for p in passed}
    return FlowFigures(
        bands=tuple(bands),
        currency=rates.currency,
        rate_date=rates.oldest(used),
        count=sum(band.count for band in bands),
        stuck=sum(band.stuck for band in bands),
        amount=sum((band.amount for band in bands), Decimal(0)),
        stuck_amount=sum((band.stuck_amount for band in bands), Decimal(0)),
        unconverted=sum(1 for d in documents if rates.convert(d.amount, d.currency) is None),
    )


def _passed(
    principal: Principal, entity_id: uuid.UUID | None, since: dt.datetime
) -> list[_Passed]:
    """What came in since a moment and is complete, on every band of its way."""
    runs = WorkflowRun.objects.visible_to(principal).filter(
        id__gte=first_uuid7(since), state="completed"
    )
    if entity_id is not None:
        runs = runs.filter(legal_entity_id=entity_id)
    groups = (
        runs.order_by()
        .values("definition", "currency")
        .annotate(documents=Count("id"), worth=Sum("amount"))
    )
    return [
        _Passed(band, group["documents"], group["worth"], group["currency"])
        for group in groups
        for band in bands_of_way(group["definition"])
    ]


def _cases(principal: Principal, entity_id: uuid.UUID | None) -> list[ExceptionCase]:
    cases = ExceptionCase.objects.visible_to(principal).filter(state__in=OPEN_STATES)
    if entity_id is not None:
        cases = cases.filter(legal_entity_id=entity_id)
    read = ("subject_id", "lane", "flow", "facts", "title", "amount_at_risk", "currency")
    return list(cases.order_by("number").only(*read))


def _stuck(case: ExceptionCase) -> _Document:
    step = str(case.facts.get("step", ""))
    return _Document(
        band_of(case.lane, step, case.flow), case.amount_at_risk, case.currency, case.title
    )


def _moving(
    principal: Principal,
    entity_id: uuid.UUID | None,
    subjects: set[uuid.UUID],
    cases: Iterable[ExceptionCase],
) -> list[_Document]:
    """Runs that no case holds up, each at its foremost unfinished step."""
    runs = WorkflowRun.objects.visible_to(principal).filter(state__in=IN_FLIGHT)
    if entity_id is not None:
        runs = runs.filter(legal_entity_id=entity_id)
    by_id = {run.id: run for run in runs.only("definition", "amount", "currency")}
    foremost: dict[uuid.UUID, Step] = {}
    held: set[uuid.UUID] = {uuid.UUID(str(r)) for c in cases if (r := c.facts.get("run"))}
    steps = Step.objects.filter(run_id__in=list(by_id), state__in=UNFINISHED)
    read = ("run_id", "posting_id", "state", "position", "lane", "name")
    for step in steps.order_by("run_id", "position").only(*read):
        if {step.id, step.posting_id} & subjects:
            held.add(step.run_id)
        current = foremost.get(step.run_id)
        if current is None or _ahead(step) < _ahead(current):
            foremost[step.run_id] = step
    return [
        _Document(
            band_of(step.lane, step.name, by_id[run_id].definition),
            by_id[run_id].amount,
            by_id[run_id].currency,
        )
        for run_id, step in foremost.items()
        if run_id not in held
    ]


def _ahead(step: Step) -> tuple[int, int]:
    """Failed before waiting before pending; then in the order of the definition."""
    return UNFINISHED.index(step.state), step.position


def _band(
    name: tuple[str, str],
    documents: Iterable[_Document],
    passed: Iterable[_Passed],
    rates: ReportingRates,
) -> BandFigures:
    own = [d for d in documents if d.band == name]
    through = [p for p in passed if p.band == name]
    worth: dict[bool, Decimal] = defaultdict(Decimal)
    for document in own:
        worth[document.is_stuck] += rates.convert(document.amount, document.currency) or 0
    reasons = Counter(d.reason for d in own if d.is_stuck)
    amounts = (rates.convert(p.amount, p.currency) or Decimal(0) for p in through)
    return BandFigures(
        source=name[0],
        target=name[1],
        count=len(own),
        amount=worth[True] + worth[False],
        stuck=sum(reasons.values()),
        stuck_amount=worth[True],
        reasons=tuple(reason for reason, _ in reasons.most_common(2)),
        through=sum(p.count for p in through),
        through_amount=sum(amounts, Decimal(0)),
    )


def since_last_visit(
    principal: Principal,
    *,
    since: dt.datetime,
    now: dt.datetime,
    entity_id: uuid.UUID | None = None,
    rates: ReportingRates | None = None,
) -> SinceLastVisit:
    """How the number of open cases came to be what it is. The terms add up.

    A case cleared itself when nobody is named for its end: its cause went away.
    """
    relevant = ExceptionCase.objects.visible_to(principal).filter(
        Q(state__in=OPEN_STATES) | Q(closed_at__gt=since)
    )
    if entity_id is not None:
        relevant = relevant.filter(legal_entity_id=entity_id)
    rows = list(
        relevant.values_list(
            "opened_at", "state", "closed_by_label", "closed_at", "amount_at_risk", "currency",
            named=True,
        )
    )  # fmt: skip
    closed = [row for row in rows if row.state not in OPEN_STATES]
    alone = [row for row in closed if not row.closed_by_label]
    standing = [row for row in rows if row.state in AWAKE]
    rates = rates or ReportingRates(now.date())
    worths = (rates.convert(row.amount_at_risk, row.currency) for row in standing)
    opened = [row.opened_at for row in rows if row.opened_at > since]
    return SinceLastVisit(
        since=since,
        before=len(rows) - len(opened),
        opened=len(opened),
        closed_by_people=len(closed) - len(alone),
        cleared_themselves=len(alone),
        snoozed=len(rows) - len(closed) - len(standing),
        now=len(standing),
        amount_now=sum((worth or Decimal(0) for worth in worths), Decimal(0)),
        currency=rates.currency,
        opened_at=max(opened, default=None),
        cleared_at=max((row.closed_at for row in alone), default=None),
    )
