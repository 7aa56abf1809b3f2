"""Invoice posting: what billing issued reaches the ledger with its revenue schedule.

    order booked ──┬─ check the tax ──────────────┬─ invoice in the ERP ── revenue in the ERP
                   └─ revenue schedule ───────────┘

No invoice is posted before its customer and dimensions exist in the ERP. Nothing here is beyond
undoing, also when all of it is done: the revenue entry is reversed, then the invoice is credited
by a credit memo of its own. Neither document is deleted.
"""

from decimal import Decimal

from apps.canonical.selectors import invoice_facts
from apps.workflows.definition import (
    Command,
    Definition,
    Done,
    Facts,
    Perform,
    Post,
    Refuse,
    StepForm,
    WaitFor,
)
from apps.workflows.definitions.amendment import ORDER_DEADLINE, booked_to, on_every_line
from apps.workflows.definitions.order_activation import tax_request
from apps.workflows.registry import define


def order_booked(facts: Facts) -> Command:
    if facts["contract"]["booked"]:
        return Done()
    return WaitFor(f"order_booked:{facts['contract']['id']}", ORDER_DEADLINE)


def our_tax(facts: Facts) -> Command:
    """What our own tax engine says of the same lines."""
    invoice = facts["invoice"]
    return Post(
        role="tax",
        operation="tax.quote",
        payload=tax_request(facts, invoice["number"], invoice["invoice_date"], facts["lines"]),
        document=("invoice", invoice["id"], facts["customer"]["version"]),
        label=invoice["number"],
        ordering_key=f"tax:{invoice['id']}",
        amount=Decimal(invoice["net"]),
        currency=invoice["currency"],
    )


def check_tax(facts: Facts) -> Command:
    """Billing's tax is ours within one minor unit a line, for the rounding of each line."""
    invoice = facts["invoice"]
    ours = Decimal(facts["outputs"]["our_tax"]["tax"])
    theirs = Decimal(invoice["tax"])
    allowed = Decimal(facts["minor_unit"]) * len(facts["lines"])
    if abs(ours - theirs) <= allowed:
        return Done({"ours": str(ours), "theirs": str(theirs)})
    return Refuse(
        "tax_mismatch",
        f"Tax on {invoice['number']} is {theirs} {invoice['currency']}, expected {ours}",
        f"Billing charged {theirs} {invoice['currency']} of tax; the tax table gives {ours}. "
        f"Correct the tax code or the customer's address where it is wrong, then retry.",
        {"cause": facts["customer"]["number"], "customer": facts["customer"]["name"],
         "ours": str(ours), "theirs": str(theirs)},
    )  # fmt: skip


def schedule(facts: Facts) -> Command:
    return Perform("schedule_revenue")


def invoice_in_erp(facts: Facts) -> Command:
    invoice = facts["invoice"]
    return Post(
        role="erp",
        operation="invoice.create",
        payload={
            "entity": facts["entity"]["code"],
            "currency": invoice["currency"],
            "invoice": invoice,
            "customer": facts["customer"],
            "contract": facts["contract"],
            "posting_date": invoice["posting_date"],
            "dimensions": facts["dimensions"],
            "lines": facts["lines"],
            "tax_lines": facts["tax_lines"],
            "meant": {
                "entity": facts["entity"]["code"],
                "currency": invoice["currency"],
                "net": invoice["net"],
                "tax": invoice["tax"],
                "gross": invoice["gross"],
                "document_date": invoice["posting_date"],
                "dimensions": on_every_line(facts["dimensions"]),
            },
        },
        document=("invoice", invoice["id"], 1),
        label=invoice["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=Decimal(invoice["gross"]),
        currency=invoice["currency"],
    )


def credit_in_erp(facts: Facts) -> Command:
    """A credit memo over the invoice as it was posted, applied to it."""
    invoice, posted = facts["invoice"], facts["posted"]
    return Post(
        role="erp",
        operation="invoice.credit",
        payload={**posted, "credits": facts["outputs"]["invoice_in_erp"]["external_id"]},
        document=("invoice", invoice["id"], 1),
        label=f"CR-{invoice['number']}",
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=Decimal(posted["meant"]["gross"]),
        currency=invoice["currency"],
    )


def revenue_in_erp(facts: Facts) -> Command:
    """Recognise the parts of the schedule whose period has begun by the invoice's posting date."""
    invoice, dimensions = facts["invoice"], facts["dimensions"]
    due = Decimal(facts["schedule"]["due_now"])
    if due == 0:
        return Done({"recognised": "0"})
    debit, credit = ("deferred_revenue", "revenue")
    if due < 0:
        debit, credit, due = credit, debit, -due
    line = {**booked_to(dimensions), "memo": f"Revenue of {invoice['number']}"}
    return Post(
        role="erp",
        operation="journal.create",
        payload={
            "entity": facts["entity"]["code"],
            "currency": invoice["currency"],
            "number": f"REV-{invoice['number']}",
            "event_kind": "revenue_recognised",
            "posting_date": invoice["posting_date"],
            "memo": f"{facts['customer']['name']}: revenue of {invoice['number']}",
            "lines": [
                {**line, "account": debit, "debit": str(due), "credit": "0"},
                {**line, "account": credit, "debit": "0", "credit": str(due)},
            ],
            "meant": {
                "entity": facts["entity"]["code"],
                "currency": invoice["currency"],
                "net": str(due),
                "document_date": invoice["posting_date"],
                "dimensions": on_every_line(dimensions),
            },
        },
        document=("invoice", invoice["id"], 1),
        label=f"REV-{invoice['number']}",
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=due,
        currency=invoice["currency"],
    )


def reverse_revenue(facts: Facts) -> Command:
    """The opposite of the entry that was posted."""
    invoice, posted = facts["invoice"], facts["posted"]
    if posted is None:
        return Done({"reversed": "0"})  # nothing was due, so nothing was posted
    lines = [{**x, "debit": x["credit"], "credit": x["debit"]} for x in posted["lines"]]
    return Post(
        role="erp",
        operation="journal.create",
        payload={
            **posted,
            "number": f"RVR-{invoice['number']}",
            "event_kind": "revenue_reversed",
            "memo": f"Reversal of {posted['number']}",
            "lines": lines,
        },
        document=("invoice", invoice["id"], 1),
        label=f"RVR-{invoice['number']}",
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=Decimal(posted["meant"]["net"]),
        currency=invoice["currency"],
    )


INVOICE_POSTING = define(
    Definition(
        name="invoice_posting",
        version=1,
        subject_type="invoice",
        title="Invoice posting",
        load=invoice_facts,
        steps=(
            StepForm("order_booked", order_booked, (), "cpq"),
            StepForm("our_tax", our_tax, ("order_booked",), "tax", "compensatable"),
            StepForm("check_tax", check_tax, ("our_tax",), "tax", may_skip=True),
            StepForm("schedule", schedule, ("order_booked",), "billing"),
            StepForm(
                "invoice_in_erp",
                invoice_in_erp,
                ("check_tax", "schedule"),
                "erp",
                "compensatable",
                is_material=True,
                undo=credit_in_erp,
            ),
            StepForm(
                "revenue_in_erp",
                revenue_in_erp,
                ("invoice_in_erp",),
                "erp",
                "compensatable",
                is_material=True,
                undo=reverse_revenue,
                may_skip=True,
            ),
        ),
    )
)
