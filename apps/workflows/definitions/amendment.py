"""Amendment: a mid-term upgrade changes billing, provisioning and the ledger.

    wait for the order ── for the amendment before it ── tax ── change in billing ── confirm it
      ├─ provision ── provisioned ─┐
      └─ modify in the ERP ────────┴─ apply ── tell CPQ

The proration invoice that billing issues arrives by itself and runs invoice posting. The change in
billing is the point of no return: it has charged the customer, so the rest only goes forward.
"""

from collections.abc import Mapping
from decimal import Decimal

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
from apps.workflows.definitions.order_activation import (
    PROVISIONING_DEADLINE,
    tax_request,
    write_back,
)
from apps.workflows.facts import amendment_with_billing
from apps.workflows.registry import define

ORDER_DEADLINE = 4 * 3600


def order_booked(facts: Facts) -> Command:
    """An amendment of an order that is not booked yet waits for it."""
    if facts["contract"]["booked"]:
        return Done()
    return WaitFor(f"order_booked:{facts['contract']['id']}", ORDER_DEADLINE)


def earlier_applied(facts: Facts) -> Command:
    """Quantities are told as they are to be, so the last one told stands: an amendment waits for
    the one before it, which may be stuck, until that is applied or given up."""
    earlier = facts["earlier"]
    if not earlier["id"]:
        return Done()
    return WaitFor(f"amendment_over:{earlier['id']}", ORDER_DEADLINE)


def tax(facts: Facts) -> Command:
    amendment = facts["amendment"]
    return Post(
        role="tax",
        operation="tax.quote",
        payload=tax_request(
            facts, amendment["number"], amendment["effective_date"], facts["lines"]
        ),
        document=("amendment", amendment["id"], facts["customer"]["version"]),
        label=amendment["number"],
        ordering_key=f"tax:{amendment['id']}",
    )


def change_billing(facts: Facts) -> Command:
    amendment = facts["amendment"]
    codes = {line["position"]: line["tax_code"] for line in facts["outputs"]["tax"]["lines"]}
    return Post(
        role="billing",
        operation="subscription.change",
        payload={
            "entity": facts["entity"]["code"],
            "contract": facts["contract"],
            "amendment": amendment,
            "currency": amendment["currency"],
            "changes": billing_changes(facts["billing"], facts["lines"], codes),
        },
        document=("amendment", amendment["id"], 1),
        label=amendment["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=Decimal(amendment["prorated_net"]),
        currency=amendment["currency"],
    )


def billing_changes(
    billing: list[Facts], lines: list[Facts], codes: Mapping[int, str]
) -> list[Facts]:
    """What changes in each subscription that billing runs, by the line each item was made for."""
    changes: list[Facts] = []
    for subscription in billing:
        items = {item["line"]: item["id"] for item in subscription["items"]}
        changed = [
            {
                "id": items[line["key"]],
                "quantity": line["quantity"],
                "tax_code": codes[line["position"]],
            }
            for line in lines
            if line["key"] in items
        ]
        if changed:
            changes.append({"subscription": subscription["id"], "items": changed})
    return changes


def confirm_proration(facts: Facts) -> Command:
    """Billing's prorated charge is ours to the minor unit, or a person looks at both."""
    ours = Decimal(facts["amendment"]["prorated_net"])
    theirs = Decimal(facts["outputs"]["change_billing"]["prorated_net"])
    if ours == theirs:
        return Done({"prorated_net": str(ours)})
    currency = facts["amendment"]["currency"]
    return Refuse(
        "proration_mismatch",
        f"Billing prorated {facts['amendment']['number']} to {theirs} {currency}, not {ours}",
        f"The hub computes {ours} {currency} from {facts['amendment']['proration']}; billing "
        f"charged {theirs} {currency}. Compare the effective date and the quantities in both, "
        f"correct the one that is wrong, then retry.",
        {"cause": "proration", "ours": str(ours), "theirs": str(theirs),
         "customer": facts["customer"]["name"]},
    )  # fmt: skip


def provision(facts: Facts) -> Command:
    amendment = facts["amendment"]
    return Post(
        role="provisioning",
        operation="entitlement.change",
        payload={
            "entity": facts["entity"]["code"],
            "customer": facts["customer"],
            "contract": facts["contract"],
            "amendment": amendment,
            "lines": facts["lines"],
        },
        document=("amendment", amendment["id"], 1),
        label=amendment["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
    )


def provisioned(facts: Facts) -> Command:
    reference = facts["outputs"]["provision"]["reference"]
    return WaitFor(f"entitlement:{reference}", PROVISIONING_DEADLINE)


def modify_in_erp(facts: Facts) -> Command:
    """The contract modification as a balanced entry: the prorated charge becomes a contract
    asset against deferred revenue until its invoice is posted."""
    amendment, dimensions = facts["amendment"], facts["dimensions"]
    net = Decimal(amendment["prorated_net"])
    debit, credit = ("contract_asset", "deferred_revenue")
    if net < 0:
        debit, credit, net = credit, debit, -net
    if net == 0:
        return Done()
    line = {**booked_to(dimensions), "memo": f"Contract modification {amendment['number']}"}
    return Post(
        role="erp",
        operation="journal.create",
        payload={
            "entity": facts["entity"]["code"],
            "currency": amendment["currency"],
            "number": f"CM-{amendment['number']}",
            "event_kind": "contract_modification",
            "posting_date": amendment["posting_date"],
            "memo": f"{facts['customer']['name']}: {amendment['number']}",
            "lines": [
                {**line, "account": debit, "debit": str(net), "credit": "0"},
                {**line, "account": credit, "debit": "0", "credit": str(net)},
            ],
            "meant": {
                "entity": facts["entity"]["code"],
                "currency": amendment["currency"],
                "net": str(net),
                "document_date": amendment["posting_date"],
                "dimensions": on_every_line(dimensions),
            },
        },
        document=("amendment", amendment["id"], 1),
        label=f"CM-{amendment['number']}",
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=net,
        currency=amendment["currency"],
    )


def booked_to(dimensions: Facts) -> dict[str, str]:
    """The dimensions as a journal line names them."""
    return {
        "department": dimensions["department"],
        "revenue_class": dimensions["class"],
        "location": dimensions["location"],
    }


def on_every_line(dimensions: Facts) -> list[str]:
    """The dimensions that all lines of a document share; the class is each line's own."""
    return [code for code in (dimensions["department"], dimensions["location"]) if code]


def apply_change(facts: Facts) -> Command:
    return Perform("apply_amendment")


def tell_cpq(facts: Facts) -> Command:
    amendment = facts["amendment"]
    return write_back(facts, amendment["number"], amendment["prorated_net"])


def _amendment(version: int, *gates: StepForm) -> Definition:
    """What follows once the gates, one after the other, let the amendment through."""
    last = gates[-1].name
    return Definition(
        name="amendment",
        version=version,
        subject_type="amendment",
        title="Amendment",
        load=amendment_with_billing,
        steps=(
            *gates,
            StepForm("tax", tax, (last,), "tax", "compensatable"),
            StepForm(
                "change_billing", change_billing, ("tax",), "billing", "pivot", is_material=True
            ),
            StepForm(
                "confirm_proration",
                confirm_proration,
                ("change_billing",),
                "billing",
                may_skip=True,
            ),
            StepForm("provision", provision, ("confirm_proration",), "provisioning", "retriable"),
            StepForm("provisioned", provisioned, ("provision",), "provisioning", may_skip=True),
            StepForm(
                "modify_in_erp",
                modify_in_erp,
                ("confirm_proration",),
                "erp",
                "retriable",
                is_material=True,
                may_skip=True,
            ),
            StepForm("apply_change", apply_change, ("provisioned", "modify_in_erp"), "cpq"),
            StepForm("tell_cpq", tell_cpq, ("apply_change",), "cpq", "retriable", may_skip=True),
        ),
    )


_BOOKED = StepForm("order_booked", order_booked, (), "cpq")
AMENDMENT_1 = define(_amendment(1, _BOOKED))
AMENDMENT = define(
    _amendment(
        2,
        _BOOKED,
        StepForm("earlier_applied", earlier_applied, ("order_booked",), "cpq", may_skip=True),
    )
)
