"""Facts that join records of canonical with what earlier runs have done."""

from collections.abc import Mapping

from apps.canonical.selectors import amendment_facts
from apps.workflows.definition import Facts
from apps.workflows.models import Step


def amendment_with_billing(ids: list[str]) -> Mapping[str, Facts]:
    """The facts of amendments with the subscriptions that the order's run made in billing."""
    facts = amendment_facts(ids)
    orders = {found["contract"]["order_id"] for found in facts.values()} - {""}
    made = dict(
        Step.objects.filter(
            name="subscription",
            state="succeeded",
            run__definition="order_activation",
            run__subject_id__in=orders,
        ).values_list("run__subject_id", "output")
    )
    billing = {str(order): output.get("subscriptions", []) for order, output in made.items()}
    return {
        key: {**found, "billing": billing.get(found["contract"]["order_id"], [])}
        for key, found in facts.items()
    }
