"""``make flow``: the story, the resolutions through the console, and what must hold afterwards."""

import datetime as dt
import time
from collections import Counter
from decimal import Decimal

from benchmarks.report import Figure, report
from scenario.checker import (
    duplicates,
    erp_documents,
    finalized_invoices,
    lost,
    sums,
    unequal,
)
from scenario.hub import Person, wait_until
from scenario.plant import planted
from scenario.platforms import Platform
from scenario.play import EARLY_AMENDMENTS, play, say
from scenario.resolve import open_rows, resolve_planted
from scenario.watch import HubState, hub_state, inbound_outcomes

RESOLVE_SECONDS = 180
RECONCILE_SECONDS = 180  # the platforms are read again once a minute
SENDERS = ("salesforce", "stripe", "provisioning")


def run_flow(today: dt.date) -> int:
    """Play, resolve, check; returns the exit code."""
    started = time.monotonic()
    play(today)
    mara, idris = Person("mara"), Person("idris")
    rows = open_rows(mara)
    wait_until(lambda: not hub_state().unexplained, RECONCILE_SECONDS, 3)
    before = hub_state()
    say(f"{len(rows)} open exceptions; now people resolve them")
    resolve_planted(rows, mara, idris)
    wait_until(lambda: not open_rows(mara), RESOLVE_SECONDS, 2)
    wait_until(lambda: hub_state().in_flight == 0, 90, 2)
    wait_until(lambda: not hub_state().unexplained, RECONCILE_SECONDS, 3)
    state, left = hub_state(), open_rows(mara)
    for row in left:
        say(f"still open: {row['number']} {row['code']} {row['title']}")
    for line in state.unexplained:
        say(f"without an explanation: {line}")
    say(f"{state.in_flight} in flight, {len(state.unexplained)} breaks without an explanation")
    missed, false = compare_with_planted(rows)
    if before.waited < EARLY_AMENDMENTS:
        say(f"{before.waited} of {EARLY_AMENDMENTS} early amendments waited for their order")
        missed += EARLY_AMENDMENTS - before.waited
    for line in before.unexplained:
        say(f"nothing would explain after the grace: {line}")
    false += len(before.unexplained)
    code = check(state, missed, false, len(left) + state.in_flight + len(state.unexplained))
    say(f"the flow took {time.monotonic() - started:.0f} s")
    return code


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
    for absent in expected - found:
        say(f"planted and not found: {absent}")
    return missed, sum((found - expected).values())


def check(state: HubState, missed: int, false: int, still_open: int) -> int:
    """Print every figure against the platforms' own ledgers; 1 when a target is missed."""
    billed = finalized_invoices(Platform("stripe").ledger())
    netsuite = Platform("netsuite").ledger()
    posted = erp_documents(netsuite, "invoice")
    journals = erp_documents(netsuite, "journalEntry")
    entitlements = Platform("provisioning").ledger()
    accepted = {i for name in SENDERS for i in Platform(name).acknowledged()}
    gone = lost(accepted, inbound_outcomes())
    say(f"{len(accepted)} messages acknowledged; lost: {', '.join(gone[:5]) or 'none'}")
    differing = unequal(state.invoice_sums, sums(billed.values()), sums(posted.values()))
    for key in differing:
        say(f"sums differ for {key}: hub {state.invoice_sums.get(key, Decimal(0))}")
    twice = duplicates(posted.values()) + duplicates(journals.values())
    twice += duplicates([e for e in entitlements if e["action"] == "created"], key="external_ref")
    figures = [
        ("lost", len(gone) + state.lost, "events"),
        ("duplicate", twice, "documents"),
        ("unequal_sums", len(differing), "sums"),
        ("planted_missed", missed, "problems"),
        ("planted_false", false, "cases"),
        ("open_after", still_open, "open"),
        ("transitions_without_actor", state.unsigned, "transitions"),
    ]
    return report(Figure(f"flow.{name}", value, unit, "0") for name, value, unit in figures)
