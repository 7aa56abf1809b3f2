"""Invoices that turn out wrong: people take back what their runs have posted, while faults strike.

One proposes it in the console, another approves; the hub then undoes the run in reverse order, by
postings of their own (ADR-0018).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import psycopg

from benchmarks.faults.database import HubDatabase
from scenario.hub import HubRefused, Person
from scenario.resolve import approve_all

SHARE = 0.12  # of the invoices made by hand
EVERY_SECONDS = 1.0

# Everything is read from the hub: an answer that a fault cut off leaves nothing to remember.
_ASKED = "SELECT count(*) FROM approvals_approval WHERE kind = 'run_compensation'"
_WAITING = f"{_ASKED} AND state = 'requested'"
_NEXT = """
SELECT r.id::text FROM workflows_workflowrun r
WHERE r.definition = 'invoice_posting' AND r.state = 'completed'
  AND NOT EXISTS (SELECT FROM approvals_approval a
                  WHERE a.subject_id = r.id AND a.kind = 'run_compensation')
ORDER BY r.finished_at LIMIT 1
"""
_UNDOING = "SELECT count(*) FROM workflows_workflowrun WHERE state = 'compensating'"


class Returns(threading.Thread):
    """Takes back a share of the invoices, and some more when a fault asks for them.

    ``billed`` tells how many invoices were made by hand so far.
    """

    def __init__(self, hub: HubDatabase, billed: Callable[[], int]) -> None:
        super().__init__(name="returns", daemon=True)
        self.hub, self.billed = hub, billed
        self.more = 0
        self.stopped = threading.Event()
        self._people: tuple[Person, Person] | None = None

    @property
    def due(self) -> int:
        """How many invoices are to be taken back by now."""
        return -int(-SHARE * self.billed() // 1) + self.more

    def run(self) -> None:
        while not self.stopped.wait(EVERY_SECONDS):
            try:
                self._go_on()
            except (HubRefused, httpx.HTTPError, psycopg.Error):
                self._people = None  # the hub is away, or was: tried again

    def _go_on(self) -> None:
        waiting = int(self.hub.one(_WAITING))
        wanted = self.hub.rows(_NEXT) if int(self.hub.one(_ASKED)) < self.due else []
        if not waiting and not wanted:
            return
        self._people = self._people or (Person("mara"), Person("idris"))
        maker, checker = self._people
        for (run,) in wanted:
            maker.post(
                f"/workflows/{run}/compensate/", rev=0, reason="Billed to the wrong customer"
            )
        approve_all(checker)

    def undoing(self) -> int:
        """Runs that are being taken back now; -1 when nobody answers."""
        try:
            return int(self.hub.one(_UNDOING))
        except psycopg.Error:
            return -1

    def is_done(self) -> bool:
        """Whether all that is due was asked for and approved."""
        try:
            asked, waiting = int(self.hub.one(_ASKED)), int(self.hub.one(_WAITING))
        except psycopg.Error:
            return False
        return asked >= self.due and not waiting
