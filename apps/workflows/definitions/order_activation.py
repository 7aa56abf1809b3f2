"""Order activation: an accepted quote becomes a booked order.

    check the references
      ├─ customer in billing ──┬─ subscription ── provision ── provisioned ─┐
      ├─ tax ──────────────────┘                                           ├─ book ── tell CPQ
      └─ customer in the ERP ──────────────────────────────────────────────┘

No order is booked before its billing account exists, its customer stands in the ERP and its
entitlements are live. Booking is the point of no return; before it, what was done is undone in
reverse: the entitlement is revoked, then the subscription is cancelled and its invoices credited.
Customers stay: a customer without an order harms nobody.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from apps.canonical.selectors import order_facts
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
from apps.workflows.registry import define

PROVISIONING_DEADLINE = 15 * 60


def check_references(facts: Facts) -> Command:
    """Everything later steps need is named: the customer's department and country."""
    customer = facts["customer"]
    if not (facts["order"]["department"] or customer["department"]):
        return Refuse(
            "missing_dimension",
            f"{customer['name']} has no department",
            f"The ERP books every line of {facts['entity']['code']} to a department, and neither "
            f"{facts['order']['number']} nor {customer['name']} names one. Set the customer's "
            f"department, then retry.",
            {"cause": customer["number"], "record_type": "customer", "record_id": customer["id"],
             "field": "department", "customer": customer["name"]},
        )  # fmt: skip
    return Done()


def customer_in_billing(facts: Facts) -> Command:
    return _customer(facts, "billing")


def customer_in_erp(facts: Facts) -> Command:
    return _customer(facts, "erp")


def _customer(facts: Facts, role: str) -> Command:
    customer = facts["customer"]
    return Post(
        role=role,
        operation="customer.upsert",
        payload={"entity": facts["entity"]["code"], "customer": customer,
                 "currency": facts["order"]["currency"]},
        document=("customer", customer["id"], customer["version"]),
        label=customer["number"],
        ordering_key=f"customer:{customer['id']}",
    )  # fmt: skip


def tax(facts: Facts) -> Command:
    order = facts["order"]
    return Post(
        role="tax",
        operation="tax.quote",
        payload=tax_request(facts, order["number"], order["start_date"], facts["lines"]),
        document=("order", order["id"], facts["customer"]["version"]),
        label=order["number"],
        ordering_key=f"tax:{order['id']}",
        amount=Decimal(order["net"]),
        currency=order["currency"],
    )


def tax_request(facts: Facts, document: str, date: str, lines: list[Facts]) -> Facts:
    """What a tax engine is asked: seller, buyer, and each line's net amount and category."""
    return {
        "entity": facts["entity"]["code"],
        "seller_country": facts["entity"]["country"],
        "document": document,
        "date": date,
        "currency": facts["currency"],
        "customer": facts["customer"],
        "lines": [
            {"position": line["position"], "net": line["net"], "category": line["tax_category"]}
            for line in lines
        ],
    }


def subscription(facts: Facts) -> Command:
    """What billing runs, with what it must come to: its currency and what one period of each line
    costs. One-time lines are not on the subscription; their money comes with its first invoice."""
    parts = _parts(facts)
    meant = {
        "entity": facts["entity"]["code"],
        "currency": facts["order"]["currency"],
        "net": str(recurring_net(parts, Decimal(facts["minor_unit"]))),
    }
    return _subscription(facts, {"parts": parts, "meant": meant})


def subscription_unchecked(facts: Facts) -> Command:
    """Version 1 did not say what is meant."""
    return _subscription(facts, {"parts": _parts(facts)})


def _parts(facts: Facts) -> list[Facts]:
    return billing_parts(facts["lines"], facts["outputs"]["tax"]["lines"])


def _subscription(facts: Facts, more: Facts) -> Command:
    order, outputs = facts["order"], facts["outputs"]
    return Post(
        role="billing",
        operation="subscription.create",
        payload={
            "entity": facts["entity"]["code"],
            "customer": facts["customer"],
            "customer_external_id": outputs["customer_in_billing"]["external_id"],
            "contract": facts["contract"],
            "order": order,
            "currency": order["currency"],
            **more,
        },
        document=("order", order["id"], 1),
        label=order["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=Decimal(order["net"]),
        currency=order["currency"],
    )


def recurring_net(parts: list[Facts], minor_unit: Decimal) -> Decimal:
    """The price of one billing period of each recurring line, each rounded half-up as billing
    rounds its items."""
    prices = [
        Decimal(line["unit_price"]) * Decimal(line["quantity"])
        for part in parts
        for line in part["lines"]
    ]
    rounded = [price.quantize(minor_unit, ROUND_HALF_UP) for price in prices]
    return sum(rounded, Decimal(0).quantize(minor_unit))


def billing_parts(lines: list[Facts], taxed: list[Facts]) -> list[Facts]:
    """One subscription for each billing frequency; one-time lines go with the first of them.

    Bundle parents are priced at zero and are not billed.
    """
    codes = {line["position"]: line["tax_code"] for line in taxed}
    priced = [
        {**line, "tax_code": codes[line["position"]]}
        for line in lines
        if Decimal(line["net"]) != 0
    ]
    frequencies = sorted({line["frequency"] for line in priced if line["frequency"]})
    once = [line for line in priced if line["charge_type"] == "one_time"]
    return [
        {
            "key": frequency,
            "lines": [line for line in priced if line["frequency"] == frequency],
            "once": once if number == 0 else [],
        }
        for number, frequency in enumerate(frequencies)
    ]


def cancel_subscription(facts: Facts) -> Command:
    """End what billing runs and credit what it has invoiced."""
    order, made = facts["order"], facts["outputs"]["subscription"]
    return Post(
        role="billing",
        operation="subscription.cancel",
        payload={
            "entity": facts["entity"]["code"],
            "customer": facts["customer"],
            "contract": facts["contract"],
            "order": order,
            "subscriptions": [{"id": part["id"]} for part in made["subscriptions"]],
            "meant": {"currency": order["currency"]},
        },
        document=("order", order["id"], 1),
        label=order["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
        amount=Decimal(order["net"]),
        currency=order["currency"],
    )


def provision(facts: Facts) -> Command:
    order = facts["order"]
    return Post(
        role="provisioning",
        operation="entitlement.provision",
        payload={
            "entity": facts["entity"]["code"],
            "customer": facts["customer"],
            "contract": facts["contract"],
            "order": order,
            "lines": facts["lines"],
        },
        document=("order", order["id"], 1),
        label=order["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
    )


def revoke(facts: Facts) -> Command:
    """Take the entitlement away again."""
    order = facts["order"]
    return Post(
        role="provisioning",
        operation="entitlement.revoke",
        payload={
            "entity": facts["entity"]["code"],
            "customer": facts["customer"],
            "contract": facts["contract"],
            "order": order,
        },
        document=("order", order["id"], 1),
        label=order["number"],
        ordering_key=f"contract:{facts['contract']['id']}",
    )


def provisioned(facts: Facts) -> Command:
    reference = facts["outputs"]["provision"]["reference"]
    return WaitFor(f"entitlement:{reference}", PROVISIONING_DEADLINE)


def book(facts: Facts) -> Command:
    return Perform("book_order")


def tell_cpq(facts: Facts) -> Command:
    return write_back(facts, facts["order"]["number"], facts["order"]["net"])


def write_back(facts: Facts, order_number: str, amount: str) -> Command:
    """Write the hub's order and sync status to the quote it came from. Who submits quotes by the
    domain API reads the order there."""
    quote = facts["quote"]
    if quote["source"] == "api":
        return Done()
    return Post(
        role="cpq",
        operation="quote.write_back",
        payload={
            "quote": quote,
            "order_number": order_number,
            "status": "Booked",
            "customer": facts["customer"],
        },
        document=("quote", quote["id"], 1),
        label=quote["number"],
        ordering_key=f"quote:{quote['id']}",
        amount=Decimal(amount),
        currency=facts["currency"],
    )


def _activation(version: int, decide: Callable[[Facts], Command]) -> Definition:
    """One version of the workflow; they differ in how the subscription is decided."""
    return Definition(
        name="order_activation",
        version=version,
        subject_type="order",
        title="Order activation",
        load=order_facts,
        steps=(
            StepForm("check_references", check_references),
            StepForm(
                "customer_in_billing",
                customer_in_billing,
                ("check_references",),
                "billing",
                "compensatable",
            ),
            StepForm("tax", tax, ("check_references",), "tax", "compensatable"),
            StepForm(
                "customer_in_erp", customer_in_erp, ("check_references",), "erp", "compensatable"
            ),
            StepForm(
                "subscription",
                decide,
                ("customer_in_billing", "tax"),
                "billing",
                "compensatable",
                is_material=True,
                undo=cancel_subscription,
            ),
            StepForm(
                "provision",
                provision,
                ("subscription",),
                "provisioning",
                "compensatable",
                undo=revoke,
            ),
            StepForm("provisioned", provisioned, ("provision",), "provisioning", may_skip=True),
            StepForm(
                "book", book, ("subscription", "customer_in_erp", "provisioned"), "cpq", "pivot"
            ),
            StepForm("tell_cpq", tell_cpq, ("book",), "cpq", "retriable", may_skip=True),
        ),
    )


# Version 1 stays for the runs that began on it.
ORDER_ACTIVATION_1 = define(_activation(1, subscription_unchecked))
ORDER_ACTIVATION = define(_activation(2, subscription))
