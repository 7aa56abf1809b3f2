"""The hub of these tests: orders and invoices come in, runs go on until nothing moves."""

import datetime as dt
import itertools
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from apps.api.setup.load import load_setup
from apps.canonical.models import Invoice, Order
from apps.canonical.services import apply_drafts
from apps.canonical.types import Draft
from apps.connectors.lanes.run import run_lane
from apps.connectors.models import Connection
from apps.core.clock import utc_now
from apps.core.principal import Principal, system_actor
from apps.events.models import Event
from apps.events.services import acting
from apps.mappings.models import ValueMapRow
from apps.mappings.services import translate
from apps.mappings.types import TranslationRequest
from apps.postings.models import Posting
from apps.users.models import User
from apps.users.selectors import principal_of
from apps.workflows import subscribers
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.services import advance_due, compensate_due, raise_signals
from tests.contracts.connectors.rig import Simulator
from tests.integration.canonical import world

ROOT = Path(__file__).resolve().parents[3]
VENDORS = ("salesforce", "stripe", "netsuite", "provisioning")
TESTS = system_actor("tests")
TURNS = 40

numbers = itertools.count(1)


def install(path: Path) -> dict[str, Any]:
    """Seed the platforms as the demo does, in a process of its own; returns the set-up file."""
    today = utc_now().date().isoformat()
    program = (
        "import datetime as dt, pathlib; from scenario.prepare import prepare; "
        f"prepare(pathlib.Path({str(path)!r}), dt.date.fromisoformat({today!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
    document: dict[str, Any] = json.loads(path.read_text())
    return document


class Hub:
    """One installation. ``turn`` lets everything go on by one step, ``settle`` until it rests."""

    def __init__(self, document: dict[str, Any], platforms: dict[str, Simulator]) -> None:
        load_setup(document, now=utc_now())
        self.platforms = platforms
        self.heard = 0
        self.answers = True  # whether provisioning's callbacks arrive
        self.connections = {c.code: c for c in Connection.objects.all()}
        Connection.objects.update(next_poll_at=None)

    # What comes in

    def order(self, source: str = "api", **changes: Any) -> WorkflowRun:
        """An accepted quote; returns the run of its order, not yet looked at. Salesforce does not
        know the quote, so that telling it fails; who submits by the API is told nothing."""
        document = _own(world.quote(**changes), next(numbers))
        self._receive("salesforce.quote.in", "quote", document["Id"], document, source)
        self.hear()
        order = Order.objects.latest("created_at")
        return WorkflowRun.objects.get(definition="order_activation", subject_id=order.id)

    def amend(self, order: Order) -> WorkflowRun:
        """Ten more seats of an order; returns the run of the amendment."""
        number = next(numbers)
        document = _own(world.amendment(), number)
        account = document["SBQQ__Account__r"]
        document["SBQQ__Account__r"] = {**account, "AccountNumber": order.customer.number}
        document["Contract"] = None
        document["SBQQ__MasterContract__c"] = order.quote.contract_reference
        seats = order.lines.get(product__sku="SEAT-PRO").external_key
        document["lines"][0]["SBQQ__UpgradedSubscription__r"] = {"SBQQ__QuoteLine__c": seats}
        self._receive("salesforce.quote.in", "quote", document["Id"], document, "api")
        self.hear()
        return WorkflowRun.objects.filter(definition="amendment").latest("created_at")

    def invoice(self, order: Order, **changes: Any) -> WorkflowRun:
        """What billing invoiced of an order; returns the run that posts it."""
        number = next(numbers)
        document = world.invoice(**changes)
        metadata = {"hub_contract": order.contract.number, "legal_entity": "DE01"}
        document["id"], document["number"] = f"in_{number}", f"X7K2-{number:04d}"
        document["parent"]["subscription_details"]["metadata"] = metadata
        rates = {row["source"]: row["target"] for row in self._map("tax_codes.stripe")}
        products = {row["source"]: row["target"] for row in self._map("products.stripe")}
        for line, sku in zip(document["lines"]["data"], ("SEAT-PRO", "ONB-STD"), strict=True):
            line["pricing"]["price_details"]["product"] = products[sku]
            line["taxes"][0]["tax_rate_details"]["tax_rate"] = rates["DE-VAT-19"]
        document["total_taxes"][0]["tax_rate_details"]["tax_rate"] = rates["DE-VAT-19"]
        self._receive("stripe.invoice.in", "invoice", document["id"], document)
        self.hear()
        invoice = Invoice.objects.latest("created_at")
        return WorkflowRun.objects.get(definition="invoice_posting", subject_id=invoice.id)

    def _map(self, code: str) -> list[dict[str, str]]:
        rows = ValueMapRow.objects.filter(
            version__mapping__code=code, version__state="active"
        ).values("source_value", "target_value")
        return [{"source": r["source_value"], "target": r["target_value"]} for r in rows]

    def _receive(
        self,
        mapping: str,
        object_type: str,
        external_id: str,
        document: dict[str, Any],
        source: str = "",
    ) -> None:
        vendor = mapping.split(".")[0]
        connection = self.connections[vendor]
        now = utc_now()
        with acting(TESTS):
            request = TranslationRequest(
                mapping, document, "", "tests", uuid.uuid4(), connection.id
            )
            [done] = translate([request], now=now)
            assert done.missing == (), done.missing
            content = done.output or {}
            draft = Draft(
                record_type=content["record_type"],
                connection_id=connection.id,
                source_system=source or vendor,
                object_type=object_type,
                external_id=external_id,
                source_version=1,
                content=content,
            )
            apply_drafts([draft], now=now)

    # What goes on

    def hear(self) -> bool:
        """Give the workflows every event they have not heard, in order; False without any."""
        events = list(Event.objects.filter(id__gt=self.heard).order_by("id"))
        if not events:
            return False
        self.heard = events[-1].id
        now = utc_now()
        for handler, types in _HANDLERS:
            wanted = [event for event in events if event.type in types]
            if wanted:
                handler(wanted, now)
        return True

    def turn(self) -> bool:
        """The engine, every lane, callbacks, and what is heard of it; False when nothing moved."""
        moved = self.engine()
        moved |= self.lanes()
        return moved | self._call_back()

    def engine(self) -> bool:
        """Decide what is due; False when nothing was."""
        now = utc_now()
        moved = bool(advance_due(now=now)) | bool(compensate_due(now=now))
        return moved | self.hear()

    def lanes(self) -> bool:
        """Let every lane work once; False when none had anything."""
        calls = [run_lane(str(c.id), worker="tests") for c in self.connections.values()]
        return self.hear() | any(calls)

    def _call_back(self) -> bool:
        if not self.answers:
            return False
        waiting = Step.objects.filter(state="waiting", waits_for__startswith="entitlement:")
        signals = {
            step.waits_for: {"status": "provisioned"}
            for step in waiting
            if self._is_live(step.waits_for)
        }
        raise_signals(signals, now=utc_now())
        return bool(signals)

    def _is_live(self, signal: str) -> bool:
        reference = signal.partition(":")[2]
        return bool(self.platforms["provisioning"].ledger(reference))

    def settle(self, *, seconds: float = 90) -> None:
        """Turn until nothing moves by itself any more."""
        deadline = utc_now() + dt.timedelta(seconds=seconds)
        while utc_now() < deadline:
            if not self.turn() and not self._moving():
                return
        raise AssertionError(f"still moving: {self._moving()}")

    def _moving(self) -> list[str]:
        awaited = Step.objects.filter(state="waiting", waits_for__startswith="entitlement:")
        names = [f"{step.name} waits" for step in awaited if self.answers]
        return names + _sending()

    # What it came to

    def run(self, run: WorkflowRun) -> WorkflowRun:
        """The run as it is now."""
        return WorkflowRun.objects.get(id=run.id)

    def states(self, run: WorkflowRun) -> dict[str, str]:
        return dict(Step.objects.filter(run=run).values_list("name", "state"))

    def contract(self, run: WorkflowRun) -> str:
        return str(Order.objects.get(id=run.subject_id).contract.number)

    def principal(self, username: str) -> Principal:
        return principal_of(User.objects.get(username=username))

    def ledger(self, vendor: str, action: str, contract: str = "") -> list[dict[str, Any]]:
        """What a platform's own ledger says was done."""
        lines = self.platforms[vendor].control("GET", "ledger")
        return [x for x in lines if x["action"] == action and contract in json.dumps(x)]


_HANDLERS = (
    (subscribers.start, set(subscribers.STARTS)),
    (subscribers.hear_postings, {
        "posting.confirmed", "posting.rejected", "posting.dead", "posting.parked",
        "posting.requeued", "posting.cancelled",
    }),
    (subscribers.hear_signals, {"order.booked", "amendment.applied"}),
    (subscribers.hear_given_up, {"run.cancelled", "run.compensated"}),
    (subscribers.hear_approvals, {"approval.approved"}),
)  # fmt: skip


def _sending() -> list[str]:
    """Writes that a lane still owes something, and that are not held back by the head of their
    key or by a pause."""
    open_ones = Posting.objects.filter(state__in=["queued", "sending", "unknown", "posted"])
    heads = Posting.objects.filter(state__in=["rejected", "parked"])
    blocked = set(heads.values_list("ordering_key", flat=True))
    return [
        f"{p.operation} {p.purpose} {p.state} {p.error_message}"
        for p in open_ones.exclude(is_held=True, state="queued")
        if p.ordering_key not in blocked
    ]


def _own(quote: dict[str, Any], number: int) -> dict[str, Any]:
    """The quote of a customer and contract of its own."""
    key = f"{number:06d}"
    account = {
        **quote["SBQQ__Account__r"],
        "Id": f"001{key}0000000AAA"[:18],
        "AccountNumber": f"C-{key}",
    }
    lines = [{**line, "Id": f"a0L{key}{place:09d}"} for place, line in enumerate(quote["lines"])]
    parents = {old["Id"]: new["Id"] for old, new in zip(quote["lines"], lines, strict=True)}
    for line in lines:
        if line.get("SBQQ__RequiredBy__c"):
            line["SBQQ__RequiredBy__c"] = parents[line["SBQQ__RequiredBy__c"]]
    return {
        **quote,
        "Id": f"a0Q{key}000000AAAA"[:18],
        "Name": f"Q-{key}",
        "Contract": {"Id": f"800{key}000000AAAA"[:18], "ContractNumber": f"K{key}"},
        "SBQQ__Account__r": account,
        "lines": lines,
    }
