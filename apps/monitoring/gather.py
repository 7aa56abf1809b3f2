"""What the hub holds about some journeys, read in sets: a constant number of queries."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.canonical.models import Amendment, Contract, Invoice, Order, Quote, Subscription
from apps.connectors.models import Connection
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.mappings.models import ExternalReference
from apps.postings.models import Posting
from apps.workflows.models import Step, WorkflowRun


@dataclass
class JourneyFacts:
    """All rows of one journey, oldest first."""

    id: uuid.UUID
    quotes: list[Quote] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    cases: list[ExceptionCase] = field(default_factory=list)
    references: list[ExternalReference] = field(default_factory=list)
    provisioned: set[uuid.UUID] = field(default_factory=set)  # orders and amendments
    taken_back: set[uuid.UUID] = field(default_factory=set)  # whose run was compensated

    def is_empty(self) -> bool:
        return not (self.quotes or self.orders or self.invoices or self.cases)

    def generation_of(self, document_type: str, document_id: uuid.UUID) -> int:
        """0 for the original order, 1 and up for amendments."""
        by_type: dict[str, dict[uuid.UUID, int]] = {
            "amendment": {a.id: a.generation for a in self.amendments},
            "quote": {a.quote_id: a.generation for a in self.amendments},
            "invoice": {i.id: i.generation for i in self.invoices},
        }
        return by_type.get(document_type, {}).get(document_id, 0)


@dataclass
class Gathered:
    """Facts of many journeys, and the connections their postings go to."""

    journeys: dict[uuid.UUID, JourneyFacts]
    connections: dict[uuid.UUID, Connection]


def gather(journey_ids: Sequence[uuid.UUID]) -> Gathered:
    """Read everything of these journeys."""
    journeys = {pk: JourneyFacts(pk) for pk in journey_ids}
    ids = list(journeys)
    for name, rows in _rows(ids):
        for row in rows:
            getattr(journeys[row.journey_id], name).append(row)
    _attach_progress(journeys)
    _attach_references(journeys)
    return Gathered(journeys, {c.id: c for c in Connection.objects.all()})


def _rows(ids: Sequence[uuid.UUID]) -> list[tuple[str, Any]]:
    of = {"journey_id__in": ids}
    return [
        ("quotes", Quote.objects.filter(**of).select_related("customer").order_by("id")),
        ("orders", Order.objects.filter(**of).select_related("customer").order_by("id")),
        (
            "contracts",
            Contract.objects.filter(**of)
            .select_related("customer", "legal_entity")
            .order_by("id"),
        ),
        ("subscriptions", Subscription.objects.filter(**of).order_by("id")),
        ("amendments", Amendment.objects.filter(**of).order_by("generation", "id")),
        ("invoices", Invoice.objects.filter(**of).select_related("customer").order_by("id")),
        (
            "postings",
            Posting.objects.filter(**of, ledger_role="primary")
            .exclude(state="cancelled")
            .defer("payload", "request")
            .order_by("sequence"),
        ),
        (
            "cases",
            ExceptionCase.objects.filter(**of, state__in=OPEN_STATES).order_by("number"),
        ),
    ]


def _attach_progress(journeys: dict[uuid.UUID, JourneyFacts]) -> None:
    """What runs came to. A journey has some dozen steps; only one says something of it."""
    runs = WorkflowRun.objects.filter(journey_id__in=list(journeys), state="compensated")
    for journey_id, subject_id in runs.values_list("journey_id", "subject_id"):
        journeys[_known(journey_id)].taken_back.add(subject_id)
    steps = Step.objects.filter(
        run__journey_id__in=list(journeys), name="provisioned", state="succeeded"
    )
    for journey_id, subject_id in steps.values_list("run__journey_id", "run__subject_id"):
        journeys[_known(journey_id)].provisioned.add(subject_id)


def _known(journey_id: uuid.UUID | None) -> uuid.UUID:
    assert journey_id is not None  # noqa: S101 - the filter says so
    return journey_id


def _attach_references(journeys: dict[uuid.UUID, JourneyFacts]) -> None:
    """Ids of theirs for the records; a customer's ids lead to all its journeys."""
    owners: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for facts in journeys.values():
        groups: tuple[Sequence[Any], ...] = (
            facts.quotes, facts.orders, facts.contracts, facts.subscriptions, facts.amendments,
            facts.invoices,
        )  # fmt: skip
        for record in (record for group in groups for record in group):
            owners[record.id].add(facts.id)
        for order in facts.orders:
            owners[order.customer_id].add(facts.id)
    for reference in ExternalReference.objects.filter(record_id__in=list(owners)).order_by("id"):
        for journey_id in owners[reference.record_id]:
            journeys[journey_id].references.append(reference)
