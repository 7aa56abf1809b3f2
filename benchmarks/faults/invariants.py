"""What must hold whatever failed: pure checks over the platforms' ledgers and the hub's rows.

Nothing here reads a database or calls anybody. Each layer of the campaign reads the same facts in
its own way (``layer_a`` from fake platforms and the ORM, the real processes over HTTP and SQL) and
hands them over as :class:`Facts`. A check returns what is broken; an empty list means that the
invariant held. The identifiers I1–I9 are explained in docs/faults.md.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

SETTLED_EVENTS = frozenset({"processed", "ignored"})
OPEN_OUTCOMES = frozenset({"sending", "unknown"})


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it stands in a platform's own ledger, in the order in which it was written.

    ``reference`` is what the hub wrote into it. ``reverses`` names the reference of the document
    that this one takes back (a credit note); ``amount`` is in major units, signed.
    """

    platform: str
    kind: str
    reference: str
    external_id: str = ""
    entity: str = ""
    currency: str = ""
    amount: Decimal | None = None
    reverses: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting as the hub keeps it. ``platform`` and ``kind`` are named as in the ledger;
    ``sequence`` orders postings of one ``ordering_key``; ``has_case``: a case on it is open."""

    platform: str
    kind: str
    reference: str
    state: str
    ordering_key: str = ""
    sequence: int = 0
    entity: str = ""
    currency: str = ""
    amount: Decimal | None = None
    has_case: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """An inbound event as the hub keeps it, with the message that carried it.

    ``order`` numbers the applications of one object (``key``) as they happened; None: not applied.
    """

    message_id: str
    state: str
    key: str = ""
    source_version: int = 0
    order: int | None = None
    has_case: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A write that somebody made under a claim: its epoch, the epoch that was current at that
    moment, and whether it took effect."""

    subject: str
    epoch: int
    current: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """One row of the log of state changes, oldest first."""

    row: str
    source: str
    target: str
    actor: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the hash chain over events; ``recomputed`` is the hash of the event as it stands
    now on top of ``previous``."""

    event: int
    previous: str
    hash: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One run whose recorded history was folded again: the state hash as kept and as folded, and
    how many calls to platforms the folding made."""

    run: str
    kept: str
    folded: str
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the checks look at. What a layer cannot read it leaves empty."""

    accepted: Sequence[str] = ()  # ids of messages that were answered 2xx, as the sender noted
    received: Sequence[Received] = ()
    postings: Sequence[Posted] = ()
    documents: Sequence[Document] = ()
    writes: Sequence[Write] = ()
    moves: Sequence[Moved] = ()
    states: Mapping[str, str] = field(default_factory=dict)  # row → state as it stands
    links: Sequence[Link] = ()
    unsealed: int = 0  # settled events without a link
    replays: Sequence[Replayed] = ()


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is not as it must be."""

    invariant: str
    subject: str
    words: str


def lost_events(facts: Facts) -> list[Breach]:
    """I1: what was acknowledged is kept and ends processed, ignored, or dead with an open case."""
    kept = defaultdict(list)
    for event in facts.received:
        kept[event.message_id].append(event)
    lost = [
        Breach("I1", message, "acknowledged, but the hub has no event of it")
        for message in facts.accepted
        if message not in kept
    ]
    return lost + [
        Breach("I1", event.message_id, f"ends {event.state} without an open case")
        for event in facts.received
        if event.state not in SETTLED_EVENTS and not event.has_case
    ]


def posted_once(facts: Facts) -> list[Breach]:
    """I2: one document a posting: exactly one if confirmed, never two, none that nobody meant."""
    standing = _standing(facts.documents)
    known = {(p.platform, p.reference): p for p in facts.postings}
    breaches = [
        Breach("I2", reference, f"{platform} has {count} documents of one posting")
        for (platform, reference), count in sorted(standing.items())
        if count > 1
    ]
    breaches += [
        Breach("I2", reference, f"{platform} has a document that the hub did not mean")
        for platform, reference in sorted(set(standing) - set(known))
    ]
    return breaches + [
        Breach("I2", p.reference, f"confirmed, but {p.platform} has no document")
        for p in facts.postings
        if p.state == "confirmed" and not standing[p.platform, p.reference]
    ]


def _standing(documents: Iterable[Document]) -> Counter[tuple[str, str]]:
    """How many documents stand under each reference; a reversal takes one back."""
    count: Counter[tuple[str, str]] = Counter()
    for document in documents:
        count[document.platform, document.reference] += 1
        if document.reverses:
            count[document.platform, document.reverses] -= 1
    return count


Sums = dict[tuple[str, str, str, str], Decimal]


def equal_sums(facts: Facts) -> list[Breach]:
    """I3: per platform, kind, legal entity and currency the hub's confirmed amounts are the
    ledger's, to the last digit."""
    ours = _sums(p for p in facts.postings if p.state == "confirmed")
    open_ones = {p.reference for p in facts.postings if p.state != "confirmed"}
    theirs = _sums(d for d in facts.documents if d.reference not in open_ones)
    return [
        Breach("I3", " ".join(key), f"the hub has {mine}, the ledger {its}")
        for key in sorted({*ours, *theirs})
        if (mine := ours.get(key, Decimal(0))) != (its := theirs.get(key, Decimal(0)))
    ]


def _sums(rows: Iterable[Posted | Document]) -> Sums:
    total: Sums = defaultdict(Decimal)
    for row in rows:
        if row.amount is not None:
            total[row.platform, row.kind, row.entity, row.currency] += row.amount
    return dict(total)


def in_order(facts: Facts) -> list[Breach]:
    """I4: applied source versions of an object rise, and documents of one ordering key were
    written in the order in which they were meant."""
    return _versions_rise(facts.received) + _documents_in_order(facts)


def _versions_rise(received: Iterable[Received]) -> list[Breach]:
    newest: dict[str, int] = {}
    breaches = []
    for event in sorted((e for e in received if e.order is not None), key=lambda e: e.order or 0):
        before = newest.get(event.key)
        if before is not None and event.source_version <= before:
            breaches.append(
                Breach("I4", event.key, f"version {event.source_version} applied after {before}")
            )
        newest[event.key] = max(event.source_version, before or event.source_version)
    return breaches


def _documents_in_order(facts: Facts) -> list[Breach]:
    meant = {(p.platform, p.reference): p for p in facts.postings}
    last: dict[tuple[str, str], int] = {}
    breaches = []
    for document in facts.documents:
        posting = meant.get((document.platform, document.reference))
        if posting is None or not posting.ordering_key:
            continue
        key = (document.platform, posting.ordering_key)
        if posting.sequence < last.get(key, posting.sequence):
            breaches.append(Breach("I4", document.reference, f"written too late in {key[1]}"))
        last[key] = max(posting.sequence, last.get(key, posting.sequence))
    return breaches


def stale_writes(facts: Facts) -> list[Breach]:
    """I5: no write under a claim that somebody else has taken over since took effect."""
    return [
        Breach("I5", w.subject, f"a write of epoch {w.epoch} was accepted at epoch {w.current}")
        for w in facts.writes
        if w.accepted and w.epoch < w.current
    ]


def audited(facts: Facts) -> list[Breach]:
    """I6: every state change is signed and follows on the one before; the chain is whole."""
    breaches = [
        Breach("I6", move.row, f"{move.source} → {move.target} has no actor")
        for move in facts.moves
        if not move.actor
    ]
    at: dict[str, str] = {}
    for move in facts.moves:
        if at.get(move.row, "") != move.source:
            breaches.append(Breach("I6", move.row, f"a change before {move.target} is not logged"))
        at[move.row] = move.target
    return breaches + _chain(facts)


def _chain(facts: Facts) -> list[Breach]:
    breaches = []
    before: str | None = None
    for link in facts.links:
        if before is not None and link.previous != before:
            breaches.append(Breach("I6", f"event {link.event}", "its link does not follow"))
        if link.hash != link.recomputed:
            breaches.append(Breach("I6", f"event {link.event}", "it is not what was sealed"))
        before = link.hash
    if facts.unsealed:
        breaches.append(Breach("I6", "chain", f"{facts.unsealed} events have no link"))
    return breaches


def replayable(facts: Facts) -> list[Breach]:
    """I7: folding the log of changes gives each row's state; folding a run calls nobody."""
    folded = {move.row: move.target for move in facts.moves}
    breaches = [
        Breach("I7", row, f"is {state}, but its log ends in {folded.get(row, 'nothing')}")
        for row, state in facts.states.items()
        if folded.get(row) != state
    ]
    for run in facts.replays:
        if run.kept != run.folded:
            breaches.append(Breach("I7", run.run, "its history gives another state"))
        if run.calls:
            breaches.append(Breach("I7", run.run, f"its replay made {run.calls} calls"))
    return breaches


def none_stuck(facts: Facts) -> list[Breach]:
    """I9: at rest nothing is being sent or unknown, and what stopped has an open case."""
    return [
        Breach("I9", p.reference, f"{p.platform}: {p.state} without an open case")
        for p in facts.postings
        if (p.state in OPEN_OUTCOMES or p.state in ("rejected", "parked", "dead"))
        and not p.has_case
    ]


CHECKS: tuple[Callable[[Facts], list[Breach]], ...] = (
    lost_events, posted_once, equal_sums, in_order, stale_writes, audited, replayable, none_stuck,
)  # fmt: skip


def broken(facts: Facts) -> list[Breach]:
    """Every breach of I1–I7 and I9."""
    return [breach for check in CHECKS for breach in check(facts)]
