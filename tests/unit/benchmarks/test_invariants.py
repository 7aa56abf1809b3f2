"""The checker of the campaign can fail: each planted fault is reported, and nothing else is.

The planters below write rows by hand; they share no code with the checks.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from benchmarks.faults.invariants import (
    Document,
    Facts,
    Link,
    Moved,
    Posted,
    Received,
    Replayed,
    Write,
    broken,
)

INVOICE = Posted("erp", "invoice", "QAAA", "confirmed", "contract:1", 1, "DE01", "EUR",
                 Decimal("148210.00"))  # fmt: skip
JOURNAL = Posted("erp", "journal", "QBBB", "confirmed", "contract:1", 2, "DE01", "EUR",
                 Decimal("12350.83"))  # fmt: skip
BOOKED = Document("erp", "invoice", "QAAA", "1", "DE01", "EUR", Decimal("148210.00"))
ENTERED = Document("erp", "journal", "QBBB", "2", "DE01", "EUR", Decimal("12350.83"))
SOUND = Facts(
    accepted=["evt_1", "evt_2"],
    received=[
        Received("evt_1", "processed", "quote:1", 5, order=1),
        Received("evt_2", "processed", "quote:1", 6, order=2),
        Received("evt_3", "dead", has_case=True),
    ],
    postings=[INVOICE, JOURNAL],
    documents=[BOOKED, ENTERED],
    writes=[Write("QAAA", 2, 2, accepted=True), Write("QAAA", 1, 2, accepted=False)],
    moves=[Moved("p1", "", "queued", "engine"), Moved("p1", "queued", "sending", "lane")],
    states={"p1": "sending"},
    links=[Link(1, "000", "abc", "abc"), Link(2, "abc", "def", "def")],
    replays=[Replayed("run1", "h", "h")],
)


def told(facts: Facts) -> list[tuple[str, str]]:
    return [(breach.invariant, breach.subject) for breach in broken(facts)]


def test_a_sound_world_is_silent():
    assert told(SOUND) == []


def test_a_document_and_its_reversal_are_none():
    taken_back = Document("erp", "credit", "QCCC", "3", "DE01", "EUR", reverses="QAAA")
    credit = Posted("erp", "credit", "QCCC", "confirmed", "contract:1", 3, "DE01", "EUR")
    facts = replace(
        SOUND,
        documents=[*SOUND.documents, taken_back],
        postings=[replace(INVOICE, state="cancelled"), JOURNAL, credit],
    )
    assert told(facts) == []


PLANTED = {
    "lost event": (
        replace(SOUND, accepted=["evt_1", "evt_2", "evt_9"]),
        [("I1", "evt_9")],
    ),
    "event left half way": (
        replace(SOUND, received=[*SOUND.received[:2], Received("evt_3", "processing")]),
        [("I1", "evt_3")],
    ),
    "dead event nobody was told of": (
        replace(SOUND, received=[*SOUND.received[:2], Received("evt_3", "dead")]),
        [("I1", "evt_3")],
    ),
    "posted twice": (
        replace(SOUND, documents=[BOOKED, replace(BOOKED, external_id="9"), ENTERED]),
        [("I2", "QAAA"), ("I3", "erp invoice DE01 EUR")],
    ),
    "confirmed and not there": (
        replace(SOUND, documents=[ENTERED]),
        [("I2", "QAAA"), ("I3", "erp invoice DE01 EUR")],
    ),
    "a document nobody meant": (
        replace(SOUND, documents=[*SOUND.documents, Document("erp", "journal", "QZZZ")]),
        [("I2", "QZZZ")],
    ),
    "unequal by a cent": (
        replace(SOUND, documents=[replace(BOOKED, amount=Decimal("148210.01")), ENTERED]),
        [("I3", "erp invoice DE01 EUR")],
    ),
    "another currency": (
        replace(SOUND, documents=[replace(BOOKED, currency="USD"), ENTERED]),
        [("I3", "erp invoice DE01 EUR"), ("I3", "erp invoice DE01 USD")],
    ),
    "an older version over a newer": (
        replace(SOUND, received=[replace(SOUND.received[0], order=3), *SOUND.received[1:]]),
        [("I4", "quote:1")],
    ),
    "the same version twice": (
        replace(SOUND, received=[*SOUND.received,
                                 Received("evt_4", "processed", "quote:1", 6, order=4)]),
        [("I4", "quote:1")],
    ),
    "journal before its invoice": (
        replace(SOUND, documents=[ENTERED, BOOKED]),
        [("I4", "QAAA")],
    ),
    "stale write": (
        replace(SOUND, writes=[Write("QAAA", 1, 2, accepted=True)]),
        [("I5", "QAAA")],
    ),
    "unsigned change": (
        replace(SOUND, moves=[Moved("p1", "", "queued", "engine"),
                              Moved("p1", "queued", "sending", None)]),
        [("I6", "p1")],
    ),
    "a change that was not logged": (
        replace(SOUND, moves=[Moved("p1", "queued", "sending", "lane")]),
        [("I6", "p1")],
    ),
    "an edited event": (
        replace(SOUND, links=[Link(1, "000", "abc", "xyz"), SOUND.links[1]]),
        [("I6", "event 1")],
    ),
    "a deleted link": (
        replace(SOUND, links=[SOUND.links[0], Link(3, "def", "fff", "fff")]),
        [("I6", "event 3")],
    ),
    "swapped links": (
        replace(SOUND, links=[SOUND.links[1], SOUND.links[0]]),
        [("I6", "event 1")],
    ),
    "a cut tail": (
        replace(SOUND, links=SOUND.links[:1], unsealed=1),
        [("I6", "chain")],
    ),
    "a state its log does not give": (
        replace(SOUND, states={"p1": "confirmed"}),
        [("I7", "p1")],
    ),
    "a history that gives another state": (
        replace(SOUND, replays=[Replayed("run1", "h", "other")]),
        [("I7", "run1")],
    ),
    "a replay that calls": (
        replace(SOUND, replays=[Replayed("run1", "h", "h", calls=2)]),
        [("I7", "run1")],
    ),
    "stuck unknown": (
        replace(SOUND, postings=[INVOICE, JOURNAL, replace(INVOICE, reference="QDDD", sequence=3,
                                                           state="unknown")]),
        [("I9", "QDDD")],
    ),
    "parked and nobody told": (
        replace(SOUND, postings=[INVOICE, JOURNAL, replace(INVOICE, reference="QDDD", sequence=3,
                                                           state="parked")]),
        [("I9", "QDDD")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_reported(name):
    facts, expected = PLANTED[name]
    assert told(facts) == expected
