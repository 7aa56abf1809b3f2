"""What a subscription must come to is said when it is sent, and compared when it is read back."""

from decimal import Decimal

import pytest

from apps.approvals.models import Approval
from apps.approvals.services import approve
from apps.canonical.models import Order
from apps.connectors.vendors.stripe.client import StripeClient
from apps.core.clock import utc_now
from apps.exceptions.models import ExceptionCase
from apps.mappings.models import ValueMapRow
from apps.mappings.services import activate_approved
from apps.postings.models import Posting
from apps.rehearsals.models import Rehearsal
from apps.resolutions.selectors import remedies_for
from apps.resolutions.services import apply_remedy, retry_mapped
from apps.workflows.models import WorkflowRun
from tests.integration.workflows.hub import TESTS, Hub


def subscription_of(run: WorkflowRun) -> Posting:
    return Posting.objects.get(run_id=run.id, operation="subscription.create")


def test_billing_runs_what_one_period_was_sold_for(hub: Hub) -> None:
    run = hub.order()
    hub.settle()
    posting = subscription_of(run)
    assert posting.state == "confirmed"
    meant = posting.payload["meant"]
    assert (meant["entity"], meant["currency"]) == ("DE01", "EUR")
    created = hub.ledger("stripe", "created", hub.contract(run))
    assert len(created) == 2  # the annual and the monthly part
    lines = [line for part in posting.payload["parts"] for line in part["lines"]]
    sold = sum(Decimal(line["unit_price"]) * Decimal(line["quantity"]) for line in lines)
    assert Decimal(meant["net"]) == sold > 0
    assert hub.run(run).definition_version == 2


def test_an_amount_that_billing_runs_otherwise_is_an_incident(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe takes one seat more than was sold: that is seen before anything is invoiced."""
    inner = StripeClient.post

    async def one_more(self, operation, path, form, key):
        if operation == "subscription.create":
            items = [{**item, "quantity": int(item["quantity"]) + 1} for item in form["items"]]
            form = {**form, "items": items}
        return await inner(self, operation, path, form, key)

    monkeypatch.setattr(StripeClient, "post", one_more)
    run = hub.order()
    hub.settle()
    posting = subscription_of(run)
    assert posting.state == "parked"
    case = ExceptionCase.objects.get(subject_id=posting.id)
    assert case.code == "amount_incident"
    assert f"instead of {posting.payload['meant']['net']}" in case.explanation
    assert "net is" in case.explanation
    assert hub.states(run)["provision"] == "pending"  # nothing further was done


def test_a_reference_that_the_erp_does_not_have_names_the_row_that_made_it(hub: Hub) -> None:
    """From NetSuite's own refusal back to the value map, so that the case can mend it."""
    order = hub.order()
    hub.settle()
    rows = ValueMapRow.objects.filter(
        version__mapping__code="products.netsuite", version__state="active"
    )
    rows.filter(source_value="SEAT-PRO").update(target_value="NO-SUCH-ITEM")
    run = hub.invoice(Order.objects.get(id=order.subject_id))
    hub.settle()
    posting = Posting.objects.get(run_id=run.id, operation="invoice.create")
    assert posting.state == "rejected"
    case = ExceptionCase.objects.get(subject_id=posting.id)
    assert case.code == "unknown_reference"
    assert {name: case.facts[name] for name in ("mapping", "key", "target")} == {
        "mapping": "products.netsuite", "key": "SEAT-PRO", "target": "NO-SUCH-ITEM",
    }  # fmt: skip
    mara, now = hub.principal("mara"), utc_now()
    best = remedies_for(case, mara)[0]
    assert best.code == "map_value"
    options = next(field.options for field in best.fields if field.name == "target_value")
    assert "NO-SUCH-ITEM" not in options  # in force, and refused
    apply_remedy(
        case.id, "map_value", params={"target_value": "SEAT-PRO", "acknowledged": True},
        principal=mara, now=now,
    )  # fmt: skip
    asked = Approval.objects.get(kind="mapping_version", state="requested")
    assert asked.snapshot["waiting"][0]["cases"] == 1
    tested = Rehearsal.objects.get(mapping_version_id=asked.subject_id)
    assert tested.changed >= 1  # the invoice that waits becomes another document
    approve(asked.id, principal=hub.principal("idris"), seen_hash=asked.content_hash, now=now)
    assert activate_approved([asked.id], now=now)
    retry_mapped(["products.netsuite"], actor=TESTS, now=now)
    hub.settle()
    assert Posting.objects.get(id=posting.id).state == "confirmed"
    assert hub.run(run).state == "completed"
