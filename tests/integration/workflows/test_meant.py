"""What a subscription must come to is said when it is sent, and compared when it is read back."""

from decimal import Decimal

import pytest

from apps.canonical.models import Order
from apps.connectors.vendors.stripe.client import StripeClient
from apps.exceptions.models import ExceptionCase
from apps.mappings.models import ValueMapRow
from apps.postings.models import Posting
from apps.resolutions.selectors import remedies_for
from apps.workflows.models import WorkflowRun
from tests.integration.workflows.hub import Hub


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
    assert remedies_for(case, hub.principal("mara"))[0].code == "map_value"
