"""Single faults: where a run passes, what may strike there, and what must hold afterwards."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

from django.db import connection

from apps.core.failpoints import FailpointError, armed
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.postings.models import Posting
from apps.workflows.models import Step, WorkflowRun
from benchmarks.faults.invariants import Breach
from benchmarks.faults.layer_a.hub import Hub, NeverAtRestError
from benchmarks.faults.layer_a.people import resolve_open
from benchmarks.faults.layer_a.platforms import Fault
from benchmarks.faults.layer_a.reading import Mark, check
from benchmarks.faults.layer_a.world import Deal, Message

# workflow → the message that starts it; all but the first need a booked order
STARTS: dict[str, Callable[[Deal], Message]] = {
    "order_activation": lambda deal: deal.quote(),
    "amendment": lambda deal: deal.amendment(),
    "invoice_posting": lambda deal: deal.invoice(),
}
STRIKES = ("kill", "raise", "drop", "stop")
LONGER_THAN_ANY_LEASE = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """A failpoint as a run without faults passed it: the n-th time, in which step, and whether a
    transaction was open."""

    point: str
    nth: int
    steps: tuple[str, ...]
    in_transaction: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One run of one workflow with one fault."""

    workflow: str
    entity: str
    strike: str  # of STRIKES at a place, or lose | repeat | shuffle | mute for bells
    place: Place | None = None
    nth_bell: int = 0
    planted: tuple[str, str, str] | None = None  # role, operation, kind: what is recovered from

    @property
    def name(self) -> str:
        where = f"{self.place.point}#{self.place.nth}" if self.place else f"bell {self.nth_bell}"
        during = f" while recovering from {self.planted[2]}" if self.planted else ""
        return f"{self.workflow} {self.entity} {self.strike} {where}{during}"


class Deals:
    """Contracts to use up: fresh ones, and booked ones made ahead in sets."""

    def __init__(self, hub: Hub, *, ahead: int = 20) -> None:
        self.hub, self.ahead = hub, ahead
        self._numbers = count(1)
        self._booked: dict[str, list[Deal]] = {}

    def fresh(self, entity: str) -> Deal:
        started = dt.date.today() - dt.timedelta(days=200)  # noqa: DTZ011 - a business date
        return Deal(next(self._numbers), entity, started)

    def booked(self, entity: str) -> Deal:
        """A contract whose order is booked."""
        self.stock(entity)
        return self._booked[entity].pop()

    def stock(self, entity: str) -> None:
        """Have at least one booked contract at hand."""
        ready = self._booked.setdefault(entity, [])
        if not ready:
            ready += self.make(entity, self.ahead)

    def make(self, entity: str, number: int) -> list[Deal]:
        deals = [self.fresh(entity) for _ in range(number)]
        for deal in deals:
            self.hub.post(deal.quote())
        self.hub.settle()
        return deals

    def for_workflow(self, workflow: str, entity: str) -> Deal:
        return self.fresh(entity) if workflow == "order_activation" else self.booked(entity)


def trace(hub: Hub, deals: Deals, case: Case) -> tuple[list[Place], int]:
    """Run a workflow without a strike; returns the places it passed and how often it rang."""
    deal = deals.for_workflow(case.workflow, case.entity)
    hub.settle()  # what was told of before, the company's setting up, belongs to no workflow
    watch = _Watch()
    with _bells_of(hub, case), armed(watch.passed):
        _plant(hub, case, deal)
        hub.post(STARTS[case.workflow](deal))
        hub.sweep()  # the door rings nobody
        while watch.task(hub):
            pass
        hub.settle()
        rung = hub.bells.rung
    return watch.places, rung


class _Watch:
    """Notes each place with the steps that moved in the task that passed it."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.counts: dict[str, int] = {}
        over = WorkflowRun.objects.filter(state="completed")
        self.over = list(over.values_list("id", flat=True))
        self.states = self._read()

    def passed(self, point: str, _about: str) -> None:
        nth = self.counts[point] = self.counts.get(point, 0) + 1
        self.places.append(Place(point, nth, (), connection.in_atomic_block))

    def task(self, hub: Hub) -> bool:
        begun = len(self.places)
        went_on = hub.answer_one() or hub.call_back()
        before, self.states = self.states, self._read()
        moved = tuple(sorted({k[1] for k, now in self.states.items() if before.get(k) != now}))
        self.places[begun:] = [replace(p, steps=moved) for p in self.places[begun:]]
        return went_on

    def _read(self) -> dict[tuple[Any, str], str]:
        """States of the steps of the runs that go on, with those of their postings."""
        steps = Step.objects.exclude(run_id__in=self.over)
        rows = list(steps.values_list("run_id", "name", "state", "posting_id"))
        postings = dict(
            Posting.objects.filter(id__in=[r[3] for r in rows if r[3]]).values_list("id", "state")
        )
        return {(run, name): f"{state} {postings.get(pk, '')}" for run, name, state, pk in rows}


def run_case(hub: Hub, deals: Deals, case: Case) -> list[Breach]:
    """Run one case to rest and to its end; returns everything that is not as it must be."""
    deal = deals.for_workflow(case.workflow, case.entity)
    mark = Mark.now(hub)
    strike = Strike(hub, case)
    breaches: list[Breach] = []
    with _bells_of(hub, case), armed(strike):
        _plant(hub, case, deal)
        hub.post(STARTS[case.workflow](deal))
        try:
            hub.settle()
        except NeverAtRestError as error:
            breaches.append(Breach("I8", case.name, str(error)))
    if not strike.struck:
        breaches.append(Breach("case", case.name, "the run did not pass this place"))
    return breaches + finish(hub, case, mark)


def finish(hub: Hub, case: Case, mark: Mark) -> list[Breach]:
    """Check at rest; then let people resolve what waits for them, and check at the end."""
    at_rest = [b for b in check(hub, mark) if b.invariant != "I8"]
    asked = ExceptionCase.objects.filter(state__in=OPEN_STATES).count()
    if asked and case.entity != "NON1":
        at_rest.append(Breach("I8", case.name, f"{asked} cases wait for a person"))
    for _ in range(3):
        if not resolve_open(hub):
            break
        hub.settle()
    return at_rest + [b for b in check(hub, mark) if b not in at_rest]


@contextmanager
def _bells_of(hub: Hub, case: Case) -> Iterator[None]:
    bells = hub.bells
    bells.behave()
    if case.strike == "lose":
        bells.lose = lambda place: place == case.nth_bell
    elif case.strike == "mute" or (case.place and case.place.point.startswith("relay.")):
        bells.lose = lambda place: place % 4 != 3
    elif case.strike == "repeat":
        bells.repeat = True
    elif case.strike == "shuffle":
        bells.shuffle = Random(case.nth_bell)
    try:
        yield
    finally:
        bells.behave()


def _plant(hub: Hub, case: Case, deal: Deal) -> None:
    if case.planted:
        role, operation, kind = case.planted
        platform = f"{case.entity.lower()}-{role}"
        hub.platforms.faults.append(Fault(platform, operation, kind, f"{deal.number:06d}"))


class Strike:
    """Strikes once, when the run passes the case's place."""

    def __init__(self, hub: Hub, case: Case) -> None:
        self.hub, self.case = hub, case
        self.passes = 0
        self.struck = case.place is None

    def __call__(self, point: str, _about: str) -> None:
        place = self.case.place
        if place is None or self.struck or point != place.point:
            return
        self.passes += 1
        if self.passes == place.nth:
            self.struck = True
            getattr(self, self.case.strike)()

    def kill(self) -> None:
        self.hub.kill()

    def drop(self) -> None:
        self.hub.sever()

    def raise_(self) -> None:
        raise FailpointError("planted")

    def stop(self) -> None:
        """Freeze this worker beyond its lease while others take over; then it goes on."""
        other = threading.Thread(target=self._others)
        other.start()
        other.join()
        self.hub.wake_late(LONGER_THAN_ANY_LEASE)

    def _others(self) -> None:
        try:
            self.hub.clock.advance(LONGER_THAN_ANY_LEASE)
            self.hub.settle()
        finally:
            connection.close()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name == "raise":
            return self.raise_
        raise AttributeError(name)


def strikes_at(place: Place, strikes: Sequence[str]) -> list[str]:
    """What may strike at a place: a frozen worker would block others by its open transaction, and
    by nothing else, so that freezing is tried outside of one."""
    return [s for s in strikes if s != "stop" or not place.in_transaction]
