"""A bit of everything: enough rows that every page has something to show."""

import datetime as dt
import random
from dataclasses import dataclass, field
from decimal import Decimal

from apps.approvals.models import Approval
from apps.connectors.models import Connection
from apps.core.fsm import transition_set
from apps.core.ids import uuid7
from apps.core.principal import system_actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent, Quarantine
from apps.jobs.models import Batch, BatchItem
from apps.mappings.models import Mapping, MappingVersion, ValueMapRow
from apps.monitoring.models import Journey
from apps.organisation.models import LegalEntity
from apps.postings.models import Attempt
from apps.reconciliation.models import Break, Match, ReconciliationRun
from apps.snapshots.models import SourceDocument, SourceDocumentLine
from apps.users.models import User
from apps.workflows.models import Step, WorkflowRun
from tests.factories.exceptions import DeadLetterFactory, open_case
from tests.factories.flow import (
    ConnectionFactory,
    CustomerFactory,
    JourneyFactory,
    PostingFactory,
    ProductFactory,
    RunFactory,
    add_item,
    add_reference,
    make_exchange,
    make_steps,
)
from tests.factories.organisation import make_group, make_user

TESTS = system_actor("tests.world")
CONNECTIONS = (
    ("salesforce", "Salesforce CPQ", "cpq"), ("stripe", "Stripe Billing", "billing"),
    ("netsuite", "NetSuite", "erp"), ("provisioning", "Provisioning hub", "provisioning"),
    ("tax-table", "Tax table", "tax"),
)  # fmt: skip
RATES = {
    "US-NY": "0.08875",
    "US-NONE-0": "0",
    "DE-VAT-19": "0.19",
    "EU-RC-0": "0",
    "EXPORT-0": "0",
}
CUSTOMERS = (
    "Halvorsen Marine AS", "Kestrel Aerospace", "Brightwater Analytics", "Sundial Media",
    "Ferro Industrial", "Calloway Press", "Northgate Logistics", "Lumen & Co",
)  # fmt: skip
CAUSES = (
    ("unmapped_product", "mapping", "Product PLAT-ENT-36 is not mapped to a NetSuite item", "erp"),
    ("period_closed", "period", "Posting date falls in a closed period", "erp"),
    ("vendor_outage", "platform", "NetSuite did not answer within 30 s (8 tries)", "erp"),
    ("missing_dimension", "master_data", "Kestrel Aerospace has no department", "erp"),
    ("tax_validation_failed", "tax", "VAT id XX123 is not valid for DE", "tax"),
    ("malformed_payload", "payload", "Invoice message has no currency", "billing"),
    ("acceptance_without_approval", "approval", "Quote accepted without approval", "cpq"),
)  # fmt: skip
MONEY = (("EUR", "DE01"), ("USD", "US01"), ("GBP", "DE01"), ("JPY", "JP01"))


@dataclass
class World:
    """What was made, by the names tests use."""

    entities: dict[str, LegalEntity]
    connections: dict[str, Connection]
    users: dict[str, User]
    cases: list[ExceptionCase] = field(default_factory=list)
    journey: Journey | None = None
    run: WorkflowRun | None = None
    batch: Batch | None = None
    mapping: Mapping | None = None


def build_world(*, cases: int = 24, now: dt.datetime | None = None) -> World:
    """Make the world inside one transaction."""
    now = now or dt.datetime.now(dt.UTC)
    with acting(TESTS):
        entities = make_group(now.date())
        connections = {
            c: ConnectionFactory.create(
                code=c, name=n, role=r, vendor="ratetable" if r == "tax" else c,
                config={"rates": RATES} if r == "tax" else {},
            )
            for c, n, r in CONNECTIONS
        }  # fmt: skip
        users = {
            "mara": make_user("mara", "operations"),
            "fiona": make_user("fiona", "finance"),
            "ada": make_user("ada", "admin", "operations"),
            "anton": make_user("anton", "admin"),
            "dieter": make_user("dieter", "operations", entity=entities["DE01"]),
        }
        world = World(entities, connections, users)
        world.run = _make_run(world, now)
        world.journey = _make_journey(world, now)
        world.cases = _make_cases(world, cases, now)
        world.mapping = _make_mapping(now)
        world.batch = _make_batch(world, now)
        _make_dead_letters(world, now)
        _make_messages(world, now)
        _make_reconciliation(world, now)
        _make_approval(world, now)
    return world


def _make_run(world: World, now: dt.datetime) -> WorkflowRun:
    entity = world.entities["DE01"]
    run = RunFactory.create(legal_entity=entity, label="INV-2026-006991", key="invoice:first")
    steps = make_steps(
        run, ("order_booked", "cpq", 0), ("our_tax", "tax", 4), ("check_tax", "tax", 9),
        ("schedule", "billing", 5), ("invoice_in_erp", "erp", 14), ("revenue_in_erp", "erp", 18),
    )  # fmt: skip
    transition_set(Step, "succeed", [s.id for s in steps[:4]])
    posting = PostingFactory.create(
        legal_entity=entity, step_id=steps[4].id, run_id=run.id, error_field="item[0].item",
        payload={"invoice": {"number": "INV-2026-006991", "currency": "EUR", "net": "148210.00"},
                 "customer": {"name": CUSTOMERS[0], "vat_id": "DE811907980"},
                 "lines": [{"sku": "PLAT-ENT-36", "net": "148210.00"}]},
    )  # fmt: skip
    for number in (1, 2, 3):
        at = now + dt.timedelta(minutes=8 * number - 106)
        Attempt.objects.create(
            posting=posting, number=number, started_at=at, worker="tests",
            finished_at=at + dt.timedelta(seconds=3), outcome="rejected",
        )  # fmt: skip
    step = steps[4]
    Step.objects.filter(pk=step.pk).update(
        posting_id=posting.id, finished_at=now - dt.timedelta(minutes=70),
        error_code="unmapped_product", error_message="PLAT-ENT-36 has no item in NetSuite",
    )  # fmt: skip
    transition_set(Step, "fail", [step.id])
    Step.objects.filter(pk=steps[5].pk).update(started_at=None, finished_at=None)
    transition_set(WorkflowRun, "run", [run.id])
    transition_set(WorkflowRun, "fail", [run.id])
    return WorkflowRun.objects.get(pk=run.pk)


def _make_journey(world: World, now: dt.datetime) -> Journey:
    entity = world.entities["DE01"]

    def hours(n: int) -> dt.datetime:
        return now - dt.timedelta(hours=n)

    journey = JourneyFactory.create(
        key="ORD-13310", legal_entity_id=entity.id, opened_at=hours(70), is_stuck=True,
        start_date=now.date(), end_date=now.date() + dt.timedelta(days=365),
        next_step="Invoice in the ledger", next_due_at=now - dt.timedelta(minutes=22),
    )  # fmt: skip
    amount = Decimal("148210.00")
    add_item(journey, "cpq", "Q-55204", at=hours(70), amount=amount)
    add_item(journey, "cpq", "ORD-13310", at=hours(68), note="booked")
    add_item(journey, "billing", "SUB-40771", at=hours(68), note="200 seats")
    add_item(journey, "tax", "TX-88120", at=hours(3), note="EU-RC-0, 0 %")
    add_item(journey, "billing", "INV-2026-006991", at=hours(3), amount=amount)
    add_item(journey, "provisioning", "PRV-3381", at=hours(67), note="200 seats live")
    add_item(journey, "erp", "CUS-20418", at=hours(68), note="synced")
    add_item(journey, "erp", "Invoice create", at=hours(2), state="failed", note="no item mapped")
    add_item(journey, "cpq", "ORD-13310-A1", at=hours(4), generation=1, note="booked")
    add_item(
        journey, "erp", "Invoice in the ledger", kind="expected_ledger", state="expected",
        at=None, due_at=now - dt.timedelta(minutes=22), note="It blocks the close of the period.",
        amount=amount,
    )  # fmt: skip
    add_item(
        journey, "billing", "Proration invoice", kind="expected_invoice", state="expected",
        at=None, due_at=now + dt.timedelta(hours=6), generation=1,
        note="What was sold is not billed.", amount=Decimal("12766.03"),
    )  # fmt: skip
    for kind, value in (
        ("order", "ORD-13310"), ("quote", "Q-55204"), ("invoice", "INV-2026-006991"),
        ("subscription", "sub_1QxHalvorsen"),
    ):  # fmt: skip
        add_reference(journey, kind, value)
    return journey


def _make_cases(world: World, count: int, now: dt.datetime) -> list[ExceptionCase]:
    made = []
    rng = random.Random(7)
    posting = world.run.steps.get(name="invoice_in_erp").posting_id if world.run else None
    for n in range(count):
        code, category, title, lane = CAUSES[n % len(CAUSES)]
        currency, entity = MONEY[n % len(MONEY)]
        worth = Decimal(rng.randrange(90_000, 20_000_000)) / 100
        first = {"subject_id": posting, "journey_id": world.journey.id if world.journey else None}
        made.append(
            open_case(
                legal_entity=world.entities[entity], code=code, category=category, title=title,
                lane=lane, currency=currency, customer=CUSTOMERS[n % len(CUSTOMERS)],
                amount_at_risk=worth if currency != "JPY" else worth.quantize(Decimal(1)),
                severity=("critical", "high", "medium", "low")[n % 4], seen=1 + n % 4,
                blocks_close=n % 3 == 0, opened_at=now - dt.timedelta(minutes=30 + 35 * n),
                sla_due_at=now + dt.timedelta(minutes=-70 + 23 * n),
                flow="invoice_posting" if lane == "erp" else "order_activation",
                facts={"mapping": "products.netsuite", "key": "PLAT-ENT-36", "scope": "DE01"}
                if code == "unmapped_product" else {},
                **(first if n == 0 else {}),
            )
        )  # fmt: skip
    owner = world.users["mara"]
    transition_set(
        ExceptionCase, "assign", [c.id for c in made[::3]], owner_id=owner.id, owner_label="Mara"
    )
    publish_events(
        [
            NewEvent("exception.opened", "exception_case", c.id, 1, c.legal_entity_id,
                     data={"number": c.number, "title": c.title})
            for c in made
        ],
        actor=TESTS,
        now=now - dt.timedelta(hours=1),
    )  # fmt: skip
    return list(ExceptionCase.objects.order_by("number"))


def _make_mapping(now: dt.datetime) -> Mapping:
    mapping = Mapping.objects.create(
        code="products.netsuite", name="Products in NetSuite", kind="value", source="SKU",
        target="NetSuite item",
    )  # fmt: skip
    version = MappingVersion.objects.create(
        mapping=mapping, number=1, state="active", author_label="Setup", activated_at=now
    )
    ValueMapRow.objects.bulk_create(
        ValueMapRow(version=version, source_value=f"SEAT-{n:02d}", target_value=str(7000 + n))
        for n in range(14)
    )
    ProductFactory.create()
    return mapping


def _make_batch(world: World, now: dt.datetime) -> Batch:
    batch = Batch.objects.create(
        kind="retry", title="Retry 12 exceptions", idempotency_key="first", frozen_hash="0" * 64,
        requested_by_id=world.users["mara"].id, requested_by_label="Mara", total=12,
        succeeded=7, failed=2, skipped=1,
    )  # fmt: skip
    outcomes = ["succeeded"] * 7 + ["failed"] * 2 + ["skipped"] + ["pending"] * 2
    BatchItem.objects.bulk_create(
        BatchItem(
            batch=batch, position=n, target_type="exceptions.case", target_id=uuid7(),
            label=world.cases[n % len(world.cases)].reference, outcome=outcome,
            detail="It failed with the same cause." if outcome == "failed" else "",
            settled_at=now,
        )
        for n, outcome in enumerate(outcomes)
    )  # fmt: skip
    transition_set(Batch, "start", [batch.id], started_at=now)
    return Batch.objects.get(pk=batch.pk)


def _make_dead_letters(world: World, now: dt.datetime) -> None:
    for n in range(6):
        DeadLetterFactory.create(
            legal_entity=world.entities["DE01"], error_code=CAUSES[n % 3][0],
            error_message=CAUSES[n % 3][2], parked_at=now - dt.timedelta(hours=n),
            case=world.cases[n] if n < 2 else None, ordering_key=f"contract:{n}",
        )  # fmt: skip


def _make_messages(world: World, now: dt.datetime) -> None:
    stripe = world.connections["stripe"]
    delivery = Delivery.objects.create(
        connection_id=stripe.id, channel="webhook", message_id="evt_1Q", received_at=now,
        raw=b'{"id": "evt_1Q", "customer_email": "jo@halvorsen.example", "amount": 148210}',
        sha256="0" * 64, headers={"Stripe-Signature": "t=1,v1=abc", "Content-Type": "json"},
    )  # fmt: skip
    InboundEvent.objects.create(
        delivery=delivery, ordinal=0, connection_id=stripe.id, event_type="invoice.finalized",
        object_type="invoice", object_id="in_1QxHalvorsen", ordering_key="stripe:in_1Qx",
        payload={"number": "INV-2026-006991", "customer_email": "jo@halvorsen.example"},
        due_at=now, received_at=now, legal_entity=world.entities["DE01"],
    )  # fmt: skip
    Quarantine.objects.create(
        connection_id=stripe.id, reason="bad_signature", status_code=401, received_at=now,
        explanation="The signature does not fit the body. Check the signing secret.",
        raw=b"{not json", size=9, sha256="0" * 64,
    )  # fmt: skip
    make_exchange(world.connections["netsuite"])
    make_exchange(
        world.connections["netsuite"], status=503, outcome="transient", duration_ms=30012
    )


def _make_reconciliation(world: World, now: dt.datetime) -> None:
    entity = world.entities["DE01"]
    totals = {
        "entity": "DE01", "currency": "EUR", "matched": 2, "gaps": ["148210.00"],
        "sides": [{"side": "billing", "amount": "299460.00", "count": 3},
                  {"side": "erp", "amount": "151250.00", "count": 2}],
        "parts": [{"type": "missing_in_erp", "state": "explained", "count": 1,
                   "gaps": ["148210.00"]}],
    }  # fmt: skip
    run = ReconciliationRun.objects.create(
        subject="invoice", requested_by_label="Scheduler", read_at=now, finished_at=now,
        totals={"totals": [totals]},
    )  # fmt: skip
    transition_set(ReconciliationRun, "start", [run.id])
    transition_set(ReconciliationRun, "complete", [run.id])
    document = SourceDocument.objects.create(
        connection_id=world.connections["stripe"].id, side="billing", document_type="invoice",
        external_id="in_1QxHalvorsen", number="INV-2026-006991", match_key="INV-2026-006991",
        legal_entity_id=entity.id, currency="EUR", net=Decimal("148210"), gross=Decimal("148210"),
        content_hash="0" * 64, read_at=now, customer_name=CUSTOMERS[0],
    )  # fmt: skip
    SourceDocumentLine.objects.create(
        document=document, position=1, item="PLAT-ENT-36", quantity=1, net=Decimal("148210"),
        unit_price=Decimal("148210"),
    )  # fmt: skip
    found = Break.objects.create(
        first_run=run, last_run=run, subject="invoice", match_key="INV-2026-006991",
        currency="EUR", customer=CUSTOMERS[0], type="missing_in_erp", opened_at=now,
        unexplained_at=now,
        billing_amount=Decimal("148210"), variance=Decimal("148210"), legal_entity=entity,
        explanation="Not posted: the product is not mapped. The case says how to go on.",
        case_id=world.cases[0].id, journey_id=world.journey.id if world.journey else None,
        document_ids={"billing": [str(document.id)]},
    )  # fmt: skip
    transition_set(Break, "explain", [found.id])
    Break.objects.create(
        first_run=run, last_run=run, subject="invoice", match_key="INV-2026-004452",
        currency="EUR", customer=CUSTOMERS[4], type="amount_differs", opened_at=now,
        unexplained_at=now,
        billing_amount=Decimal("13886.84"), erp_amount=Decimal("13883.34"),
        variance=Decimal("3.50"), legal_entity=entity,
    )  # fmt: skip
    Match.objects.create(
        run=run, subject="invoice", match_key="INV-2026-001001", currency="EUR",
        amount=Decimal("75625"), rule="exact", legal_entity=entity,
    )  # fmt: skip


def _make_approval(world: World, now: dt.datetime) -> None:
    maker = world.users["mara"]
    Approval.objects.create(
        kind="mapping_version", title="Tax codes in NetSuite: EU-RC-0 becomes 51 (new)",
        subject_type="mapping_version", subject_id=uuid7(), content_hash="0" * 64,
        snapshot={"mapping": "products.netsuite", "version": 2, "changes": ["EU-RC-0 becomes 51"]},
        requested_by_id=maker.id, requested_by_label="Mara",
        requested_person_id=maker.person_id, reason="12 invoices wait for it",
    )  # fmt: skip
    CustomerFactory.create(number="CUS-20418", legal_entity=world.entities["DE01"])
