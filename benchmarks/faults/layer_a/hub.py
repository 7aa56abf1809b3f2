"""The hub in this process: messages are delivered, bells answered, workers killed, time passes."""

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.db import OperationalError, connection, connections
from django.test import RequestFactory

import q2c.celery
from apps.api.scheduler.ringer import Ringer
from apps.api.scheduler.standin import StandIn
from apps.api.webhooks import receive
from apps.connectors import registry
from apps.connectors.models import Connection
from apps.connectors.services import resume_connection
from apps.core.clock import utc_now
from apps.core.failpoints import ACTIONS, Rule
from apps.core.principal import system_actor
from apps.postings.services import lane
from apps.workflows.models import WorkflowRun
from apps.workflows.services import cancel_runs
from benchmarks.faults.layer_a.bells import Bell, Bells, answer
from benchmarks.faults.layer_a.calls import InlineCalls
from benchmarks.faults.layer_a.clock import Clock
from benchmarks.faults.layer_a.platforms import (
    CAPABILITIES,
    SECRET,
    SIGNATURE,
    FakeConnector,
    Platforms,
    WorkerIsDead,
)
from benchmarks.faults.layer_a.world import Message, callback

PERIODIC = ("ingestion.expire", "workflows.expire", "resolutions.sweep_batches")
MOST_TURNS = 120  # of the sweeper, before a case is given up as one that never comes to rest


class Killed(BaseException):
    """The process that ran this call chain got SIGKILL."""


class NeverAtRestError(AssertionError):
    """Work was still becoming due after more turns than any recovery needs."""


class Sweeper(Ringer):
    """The scheduler's look at what is due, without its timetable: layer A has its own clock."""

    def _claim_slots(self, now: Any) -> None:
        """Slots are claimed by the wall clock, which stands still here."""

    def _call_the_roll(self, now: Any) -> None:
        """Every queue is heard: there are no worker processes that could be gone."""


class Hub:
    """One installation with everything that a test does to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.platforms = Platforms(lambda: time.monotonic() + self.clock.passed)
        self.bells = Bells()
        self.outbox: list[Message] = []  # what senders still have to deliver
        self.accepted: list[str] = []
        self.deaths = 0
        self.faults: list[str] = []  # errors that tasks ended with, as a worker's log has them
        self._severed = False
        self._late = ExitStack()
        self._requests = RequestFactory()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Put the fake platforms and the queue in place of the real ones."""
        q2c.celery.app.loader.import_default_modules()
        connectors = {name: FakeConnector(name, self.platforms) for name in CAPABILITIES}
        with ExitStack() as stack:
            stack.enter_context(patch.object(registry, "_connectors", lambda: connectors))
            stack.enter_context(patch("apps.connectors.services.new_client", _no_client))
            stack.enter_context(patch("apps.connectors.lanes.run.Calls", InlineCalls))
            stack.enter_context(self.bells.installed())
            stack.enter_context(_quiet_log())
            yield

    # --- faults

    def kill(self) -> None:
        """SIGKILL for the call chain that calls this: nothing of it commits or calls any more."""
        self.deaths += 1
        self.platforms.dead = True
        self.sever()
        vars(connections["default"])["connect"] = _refuse  # the dead do not reconnect
        raise Killed

    def wake_late(self, seconds: float) -> None:
        """What calls this was frozen for so long; its clock says so until its task ends."""
        late = dt.timedelta(seconds=seconds)
        self._late.enter_context(patch.object(lane, "utc_now", lambda: utc_now() + late))

    def sever(self) -> None:
        """Cut the socket to the database under the driver."""
        self._severed = True
        ACTIONS["drop"](Rule("", "drop"))

    def survive(self, call: Callable[[], Any]) -> Any:
        """Run what a process of its own would run; whatever ends it, the next one begins anew."""
        try:
            return call()
        except (Killed, WorkerIsDead):
            return None
        except Exception as error:  # noqa: BLE001 - a worker logs it and takes the next message
            if not self.platforms.dead:
                self.faults.append(f"{type(error).__name__}: {error}"[:300])
            return None
        finally:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self.platforms.dead = False
        self._late.close()
        connections["default"].__dict__.pop("connect", None)
        if self._severed or connection.errors_occurred:
            self._severed = False
            connection.close()

    # --- what happens

    def send(self, message: Message, *, signature: str = SECRET) -> int | None:
        """Deliver a body once; returns the status that the sender saw, None for no answer."""
        request = self._requests.post(
            f"/webhooks/{message.connection}", data=message.body, content_type="application/json",
            headers={SIGNATURE: signature},
        )  # fmt: skip
        response = self.survive(lambda: receive(request, message.connection))
        if response is None:
            return None
        status: int = response.status_code
        if 200 <= status < 300:
            self.accepted.append(message.id)
        return status

    def post(self, message: Message) -> None:
        """Deliver a body; one without an answer, or that may come again, comes again later."""
        status = self.send(message)
        if status is None or status >= 500:
            self.outbox.append(message)

    def answer_one(self) -> bool:
        """Let a worker take one message of the queue."""
        bell = self.bells.take()
        if bell is None:
            return False
        if bell[0].startswith("events."):
            self.clock.wait_settled()
        self.survive(lambda: answer(bell))
        return True

    def call_back(self) -> bool:
        """Let senders deliver what they owe: callbacks of provisioning, unacknowledged bodies."""
        owed, self.outbox = self.outbox, []
        owed += [callback(*found) for found in self.platforms.callbacks]
        self.platforms.callbacks.clear()
        for message in owed:
            self.post(message)
        return bool(owed)

    def drain(self) -> None:
        """Answer bells and deliver callbacks until there are none."""
        while self.answer_one() or self.call_back():
            pass

    def sweep(self) -> None:
        """One pulse of the scheduler."""
        self.clock.wait_settled()
        self.survive(lambda: Sweeper("layer-a", StandIn()).pulse(utc_now()))

    def run_periodic(self) -> None:
        for task in PERIODIC:
            self.survive(lambda task=task: answer((task, ())))  # type: ignore[misc]

    def settle(self) -> None:
        """Recover: answer, sweep, let time pass to the next due moment, until all is at rest.

        Raises ``NeverAtRestError`` when it never is.
        """
        before: frozenset[Bell] = frozenset()
        for _ in range(MOST_TURNS):
            self.drain()
            self.bells.asked.clear()
            settled = self.clock.is_settled()  # asked first: the sweep then sees every event
            self.sweep()
            due = frozenset(self.bells.asked)
            if due and due != before:
                before = due
                continue
            self.bells.asked.clear()
            self.run_periodic()
            woke = bool(self.bells.asked)
            self.drain()
            seconds = self.clock.seconds_to_next()
            if seconds is not None:
                self.clock.advance(seconds)
            elif settled and not (due or woke or self.outbox):
                return
            before = frozenset()
        raise NeverAtRestError(f"bells {self.bells.waiting}, errors {self.faults[-3:]}")

    def abandon(self) -> None:
        """Cancel what still runs, so that the next case begins in a hub at rest."""
        self.bells.waiting.clear()
        open_runs = WorkflowRun.objects.exclude(state__in=("completed", "cancelled"))
        ids = list(open_runs.values_list("id", flat=True))
        cancel_runs(ids, reason="next case", actor=system_actor("layer-a"), now=utc_now())
        self.settle()

    def resume_paused(self) -> int:
        """An admin mends the credentials and lets paused connections go on."""
        paused = list(Connection.objects.filter(state="paused").values_list("id", flat=True))
        for pk in paused:
            resume_connection(pk, reason="mended", actor=system_actor("layer-a"), now=utc_now())
        return len(paused)


class _NoClient:
    """The fake connectors make no HTTP call."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def _no_client() -> Any:
    return _NoClient()


def _refuse() -> None:
    raise OperationalError("this process was killed")


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Faults are planted by the hundred; the log of each would say nothing new."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
