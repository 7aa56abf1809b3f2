"""The facts of layer A: fake ledgers and the hub's rows since a mark, for the invariants."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Max, Model

from apps.connectors.models import Connection
from apps.events.models import Event, Seal, Transition
from apps.events.services import link_hash
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent
from apps.postings.models import Attempt, Posting, RefusedWrite
from apps.workflows.models import Step, WorkflowRun
from benchmarks.faults.claims import Dispatch, writes_of
from benchmarks.faults.invariants import (
    Breach,
    Document,
    Facts,
    Link,
    Moved,
    Posted,
    Received,
    Write,
    broken,
)
from benchmarks.faults.layer_a.hub import Hub

NO_DOCUMENT = ("tax.quote",)  # asked, not written: a repetition is harmless by nature
STATEFUL: tuple[type[Model], ...] = (Posting, InboundEvent, WorkflowRun, Step)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a case begins in everything that only grows."""

    posting: int
    transition: int
    seal: int
    entry: int
    accepted: int

    @classmethod
    def now(cls, hub: Hub) -> "Mark":
        def newest(model: type[Model], column: str) -> int:
            return model._default_manager.aggregate(top=Max(column))["top"] or 0

        return cls(
            newest(Posting, "sequence"), newest(Transition, "id"), newest(Seal, "position"),
            len(hub.platforms.entries), len(hub.accepted),
        )  # fmt: skip


BEGINNING = Mark(0, 0, 0, 0, 0)


def read_facts(hub: Hub, mark: Mark = BEGINNING) -> Facts:
    """Everything that happened since a mark."""
    cases = set(
        ExceptionCase.objects.filter(state__in=OPEN_STATES).values_list("subject_id", flat=True)
    )
    accepted = hub.accepted[mark.accepted :]
    moves = _moves(mark)
    return Facts(
        accepted=sorted(set(accepted)),
        received=_received(accepted, cases),
        postings=_postings(mark, cases),
        documents=_documents(hub, mark),
        writes=_writes(mark),
        moves=moves,
        states=_states({move.row for move in moves}),
        links=_links(mark),
        unsealed=Event.objects.exclude(id__in=Seal.objects.values("event_id")).count(),
    )


def check(hub: Hub, mark: Mark = BEGINNING) -> list[Breach]:
    """What is broken since a mark, with runs that did not come to their end (I8)."""
    facts = read_facts(hub, mark)
    return broken(facts) + _unfinished(facts)


def _received(accepted: list[str], cases: set[Any]) -> list[Received]:
    events = InboundEvent.objects.filter(
        delivery__in=Delivery.objects.filter(message_id__in=accepted)
    ).select_related("delivery")
    applied = sorted(
        (e for e in events if e.outcome in ("created", "changed")), key=lambda e: e.processed_at
    )
    order = {event.id: n for n, event in enumerate(applied)}
    return [
        Received(
            e.delivery.message_id, e.state, e.ordering_key, e.source_version, order.get(e.id),
            e.id in cases,
        )
        for e in events
    ]  # fmt: skip


def _postings(mark: Mark, cases: set[Any]) -> list[Posted]:
    rows = Posting.objects.filter(sequence__gt=mark.posting).exclude(operation__in=NO_DOCUMENT)
    codes = _codes()
    return [
        Posted(
            codes[p.connection_id], p.operation, p.reference, p.state, p.ordering_key, p.sequence,
            p.legal_entity.code if p.legal_entity else "", *_money(p), p.id in cases,
        )
        for p in rows.select_related("legal_entity").order_by("sequence")
    ]  # fmt: skip


def _writes(mark: Mark) -> tuple[Write, ...]:
    mine = {"posting__sequence__gt": mark.posting}
    told = Attempt.objects.filter(**mine).exclude(token="").order_by("id")
    names = ("posting__reference", "token", "started_at", "finished_at")
    dispatches = [Dispatch(*row) for row in told.values_list(*names)]
    refused = RefusedWrite.objects.filter(**mine).values_list("posting__reference", "token")
    return writes_of(dispatches, set(refused))


def _money(posting: Posting) -> tuple[str, Decimal | None]:
    """A write-back moves no money: its amount only says what is at risk while it is stuck."""
    if posting.operation == "quote.write_back":
        return "", None
    return posting.currency, posting.amount


def _codes() -> dict[Any, str]:
    return dict(Connection.objects.values_list("id", "code"))


def _documents(hub: Hub, mark: Mark) -> list[Document]:
    return [
        Document(
            e.platform, e.operation, e.reference, e.external_id,
            str(e.payload.get("entity", "")), str(e.payload.get("currency", "")), e.amount,
        )
        for e in hub.platforms.entries[mark.entry :]
        if e.operation not in NO_DOCUMENT
    ]  # fmt: skip


def _moves(mark: Mark) -> list[Moved]:
    """Changes of rows that began since the mark."""
    rows = list(
        Transition.objects.filter(id__gt=mark.transition)
        .order_by("id")
        .values_list("table_name", "row_id", "from_state", "to_state", "actor")
    )
    begun = {(table, row) for table, row, source, _, _ in rows if source == ""}
    return [
        Moved(f"{table}:{row}", source, target, actor)
        for table, row, source, target, actor in rows
        if (table, row) in begun
    ]


def _states(rows: set[str]) -> dict[str, str]:
    states: dict[str, str] = {}
    for model in STATEFUL:
        table = model._meta.db_table
        ids = [row.split(":")[1] for row in rows if row.startswith(f"{table}:")]
        found = model._default_manager.filter(pk__in=ids).values_list("pk", "state")
        states.update({f"{table}:{pk}": state for pk, state in found})
    return states


def _links(mark: Mark) -> list[Link]:
    seals = list(Seal.objects.filter(position__gte=mark.seal).order_by("position"))
    events = Event.objects.in_bulk([seal.event_id for seal in seals])
    return [
        Link(
            seal.event_id, seal.previous_hash, seal.hash,
            link_hash(seal.previous_hash, events[seal.event_id])
            if seal.event_id in events else "the event is gone",
        )
        for seal in seals
    ]  # fmt: skip


def _unfinished(facts: Facts) -> list[Breach]:
    prefix = f"{WorkflowRun._meta.db_table}:"
    return [
        Breach("I8", row, f"the run came to rest as {state}")
        for row, state in facts.states.items()
        if row.startswith(prefix) and state not in ("completed", "cancelled", "compensated")
    ]
