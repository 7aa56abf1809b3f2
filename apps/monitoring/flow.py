"""What is in flight and stuck between the platforms, and what changed since a person looked."""

import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from apps.core.principal import Principal
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.exceptions.reporting import ReportingRates
from apps.exceptions.services.closing import CAUSE_GONE
from apps.monitoring.policies import BANDS, band_of
from apps.monitoring.types import BandFigures, FlowFigures, SinceLastVisit
from apps.resolutions.models import Resolution
from apps.workflows.models import Step, WorkflowRun

IN_FLIGHT = ("pending", "running", "waiting", "failed", "paused", "compensating")
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


def flow_bands(
    principal: Principal, *, now: dt.datetime, entity_id: uuid.UUID | None = None
) -> FlowFigures:
    """Documents in flight by band, those with an open case as stuck, in the reporting currency.

    Each open case counts once, at the platform it is stuck before, so that the stuck counts add
    up to the open cases; a run without a case counts once, at its foremost unfinished step.
    """
    cases = _cases(principal, entity_id)
    documents = [_stuck(case) for case in cases]
    documents += _moving(principal, entity_id, {c.subject_id for c in cases}, cases)
    rates = ReportingRates(now.date())
    bands = [_band(name, [d for d in documents if d.band == name], rates) for name in BANDS]
    used = {d.currency for d in documents}
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


def _cases(principal: Principal, entity_id: uuid.UUID | None) -> list[ExceptionCase]:
    cases = ExceptionCase.objects.visible_to(principal).filter(state__in=OPEN_STATES)
    if entity_id is not None:
        cases = cases.filter(legal_entity_id=entity_id)
    return list(cases.order_by("number"))


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
    by_id = {run.id: run for run in runs}
    foremost: dict[uuid.UUID, Step] = {}
    held: set[uuid.UUID] = {uuid.UUID(str(r)) for c in cases if (r := c.facts.get("run"))}
    steps = Step.objects.filter(run_id__in=list(by_id), state__in=UNFINISHED)
    for step in steps.order_by("run_id", "position"):
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
    name: tuple[str, str], documents: Sequence[_Document], rates: ReportingRates
) -> BandFigures:
    worth: dict[bool, Decimal] = defaultdict(Decimal)
    for document in documents:
        worth[document.is_stuck] += rates.convert(document.amount, document.currency) or 0
    reasons = Counter(d.reason for d in documents if d.is_stuck)
    return BandFigures(
        source=name[0],
        target=name[1],
        count=len(documents),
        amount=worth[True] + worth[False],
        stuck=sum(reasons.values()),
        stuck_amount=worth[True],
        reasons=tuple(reason for reason, _ in reasons.most_common(2)),
    )


def since_last_visit(
    principal: Principal, *, since: dt.datetime, now: dt.datetime
) -> SinceLastVisit:
    """How the number of open cases came to be what it is. The terms add up.

    A case cleared itself when its cause went away without anybody trying a remedy.
    """
    relevant = ExceptionCase.objects.visible_to(principal).filter(
        Q(state__in=OPEN_STATES) | Q(closed_at__gt=since)
    )
    rows = list(
        relevant.values_list(
            "id", "opened_at", "state", "resolution", "amount_at_risk", "currency"
        )
    )
    closed = [row for row in rows if row[2] not in OPEN_STATES]
    tried = set(
        Resolution.objects.filter(case_id__in=[row[0] for row in closed]).values_list(
            "case_id", flat=True
        )
    )
    alone = sum(1 for row in closed if row[3] == CAUSE_GONE and row[0] not in tried)
    standing = [row for row in rows if row[2] in OPEN_STATES]
    rates = ReportingRates(now.date())
    return SinceLastVisit(
        since=since,
        before=sum(1 for row in rows if row[1] <= since),
        opened=sum(1 for row in rows if row[1] > since),
        closed_by_people=len(closed) - alone,
        cleared_themselves=alone,
        now=len(standing),
        amount_now=sum(
            (rates.convert(amount, currency) or Decimal(0) for *_, amount, currency in standing),
            Decimal(0),
        ),
        currency=rates.currency,
    )
