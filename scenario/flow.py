"""``make flow``: the story, the resolutions through the console, and what must hold afterwards."""

import datetime as dt
import sys
import time
from collections import Counter
from decimal import Decimal

from scenario.checker import (
    duplicates,
    erp_documents,
    finalized_invoices,
    sums,
    unequal,
)
from scenario.hub import Person, wait_until
from scenario.plant import planted
from scenario.platforms import Platform
from scenario.play import play, say
from scenario.resolve import open_rows, resolve_planted
from scenario.watch import HubState, hub_state

RESOLVE_SECONDS = 180


def result(name: str, value: object, unit: str, target: object) -> bool:
    """Print one figure; true when its target is met."""
    met = value == target
    word = "met" if met else "missed"
    sys.stdout.write(f"RESULT flow.{name} {value} {unit} target {target} {word}\n")
    return met


def run_flow(today: dt.date) -> int:
    """Play, resolve, check. 0 when every target is met."""
    started = time.monotonic()
    play(today)
    mara, idris = Person("mara"), Person("idris")
    rows = open_rows(mara)
    missed, false = compare_with_planted(rows)
    say(f"{len(rows)} open exceptions, as planted: {missed == false == 0}")
    resolve_planted(rows, mara, idris)
    wait_until(lambda: not open_rows(mara), RESOLVE_SECONDS, 2)
    wait_until(lambda: hub_state().in_flight == 0, 90, 2)
    left = open_rows(mara)
    for row in left:
        say(f"still open: {row['number']} {row['code']} {row['title']}")
    met = check(hub_state(), missed, false, len(left))
    say(f"the flow took {time.monotonic() - started:.0f} s")
    return 0 if met else 1


def compare_with_planted(rows: list[dict[str, str]]) -> tuple[int, int]:
    """How many planted problems made no case, and how many cases nobody planted."""
    expected = Counter((p.code, p.customer) for p in planted() if p.customer)
    loose = Counter(p.code for p in planted() if not p.customer)
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if loose[row["code"]] and (row["code"], row["customer"]) not in expected:
            loose[row["code"]] -= 1
        else:
            found[row["code"], row["customer"]] += 1
    missed = sum((expected - found).values()) + sum(loose.values())
    for extra in found - expected:
        say(f"not planted: {extra}")
    for lost in expected - found:
        say(f"planted and not found: {lost}")
    return missed, sum((found - expected).values())


def check(state: HubState, missed: int, false: int, still_open: int) -> bool:
    """Print every figure against the platforms' own ledgers."""
    billed = finalized_invoices(Platform("stripe").ledger())
    netsuite = Platform("netsuite").ledger()
    posted = erp_documents(netsuite, "invoice")
    journals = erp_documents(netsuite, "journalEntry")
    entitlements = Platform("provisioning").ledger()
    differing = unequal(state.invoice_sums, sums(billed.values()), sums(posted.values()))
    for key in differing:
        say(f"sums differ for {key}: hub {state.invoice_sums.get(key, Decimal(0))}")
    twice = duplicates(posted.values()) + duplicates(journals.values())
    twice += duplicates([e for e in entitlements if e["action"] == "created"], key="external_ref")
    return all(
        [
            result("lost", state.lost, "events", 0),
            result("duplicate", twice, "documents", 0),
            result("unequal_sums", len(differing), "sums", 0),
            result("planted_missed", missed, "problems", 0),
            result("planted_false", false, "cases", 0),
            result("open_after", still_open, "cases", 0),
            result("transitions_without_actor", state.unsigned, "transitions", 0),
        ]
    )
