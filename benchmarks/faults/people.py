"""What people do: an operator who resumes paused connections during the run, and after it those
who settle what waits for them, each through the console.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import httpx

from benchmarks.faults.database import HubDatabase
from scenario.hub import HubRefused, Person
from scenario.resolve import apply, approve_all, open_rows, retry_in_bulk

ROUNDS = 6
AT_ONCE = 40
DECIDE_CODES = {"unknown_outcome_needs_decision", "amount_incident"}
OUTAGE = "vendor_outage"
DISCARD_CODES = {"malformed_payload", "unreadable"}

_PARKED = """
SELECT 'EXC-' || c.number, p.reference, p.external_id
FROM exceptions_exceptioncase c JOIN postings_posting p ON p.id = c.subject_id
WHERE c.state IN ('open', 'assigned', 'snoozed', 'reopened') AND p.state = 'parked'
"""


class Operator:
    """Somebody who watches the connectors page."""

    def __init__(self, hub: HubDatabase) -> None:
        self.hub, self.resumed = hub, 0
        self._person: Person | None = None

    def resume_paused(self) -> None:
        """Resume what a configuration error paused; tried again later when the hub is away."""
        for code, rev in self.hub.paused_connections():
            try:
                self._person = self._person or Person("idris")
                self._person.post(
                    f"/connectors/{code}/resume/", rev=rev, reason="The platform is well again"
                )
                self.resumed += 1
            except (HubRefused, httpx.HTTPError):
                self._person = None


class Helpers:
    """The people who settle exceptions. ``found`` tells what stands at a platform: our reference
    → its id there."""

    def __init__(
        self, hub: HubDatabase, found: Callable[[], Mapping[str, str]], say: Callable[[str], None]
    ) -> None:
        self.hub, self.found, self.say = hub, found, say
        self.mara, self.idris = Person("mara"), Person("idris")
        self.did: dict[str, int] = {"decided": 0, "redriven": 0, "retried": 0, "discarded": 0}
        self.refused: list[str] = []

    def settle(self, quiet: Callable[[], bool]) -> list[dict[str, str]]:
        """Settle what is open, wait until the hub is quiet, look again; returns what stays so."""
        rows: list[dict[str, str]] = []
        for _ in range(ROUNDS):
            quiet()
            rows = [row for row in open_rows(self.mara) if row["code"] != "reconciliation_break"]
            letters = self._parked_letters()
            if not rows and not letters:
                return []
            self._round(rows, letters)
        return rows

    def _round(self, rows: list[dict[str, str]], letters: list[str]) -> None:
        for letter in letters:
            self._try("redriven", partial(self._redrive, letter), letter)
        codes: dict[str, list[str]] = {}
        for row in rows:
            codes.setdefault(row["code"], []).append(row["number"])
        if letters:
            codes.pop(OUTAGE, None)  # redriving the letter tries the same case again
        self.say(", ".join(f"{len(numbers)} {code}" for code, numbers in codes.items()))
        decided = {n for code in DECIDE_CODES for n in codes.pop(code, [])}
        discarded = [n for code in DISCARD_CODES for n in codes.pop(code, [])]
        self._decide(decided)
        for number in discarded:
            self._try("discarded", partial(self._discard, number), number)
        numbers = [number for listed in codes.values() for number in listed]
        for begin in range(0, len(numbers), AT_ONCE):
            part = numbers[begin : begin + AT_ONCE]
            retry = partial(retry_in_bulk, self.mara, part)
            self._try("retried", retry, f"{len(part)} cases", len(part))

    def _decide(self, numbers: set[str]) -> None:
        if not numbers:
            return
        there = self.found()
        for number, reference, known in self.hub.rows(_PARKED):
            if number in numbers:
                decision = _decision(there.get(reference, ""), known)
                if not decision:
                    self.refused.append(f"{number}: {reference} is nowhere, {known} is linked")
                    continue
                self._try("decided", partial(self._ask, number, decision), number)
        approve_all(self.idris)

    def _redrive(self, letter: str) -> None:
        self.mara.post(f"/dead-letters/{letter}/redrive/")

    def _ask(self, number: str, decision: dict[str, str]) -> None:
        reason = "Compared with the platform's own ledger"
        apply(self.mara, number, "decide_outcome", **decision, reason=reason)

    def _discard(self, number: str) -> None:
        apply(self.mara, number, "discard", reason="A message of the campaign, no document")

    def _try(self, what: str, act: Callable[[], Any], subject: str, count: int = 1) -> None:
        try:
            act()
            self.did[what] += count
        except (HubRefused, httpx.HTTPError) as error:
            self.refused.append(f"{what} {subject}: {error}"[:300])

    def _parked_letters(self) -> list[str]:
        text = self.mara.page("/dead-letters/export/").lstrip("\ufeff")
        rows = csv.DictReader(io.StringIO(text))
        return [row["number"] for row in rows if row["state"] == "parked"]


def _decision(found: str, known: str) -> dict[str, str]:
    """The document is there under an id, or it is not. Empty when the hub holds another document's
    id and none of ours is there: nobody may accept that, so the case stays open and is told."""
    if found:
        return {"decision": "exists", "external_id": found}
    return {} if known else {"decision": "absent", "external_id": ""}
