"""Facts that join records of canonical with what earlier runs have done."""

from collections.abc import Mapping, Sequence

from apps.canonical.selectors import amendment_facts, amendments_before
from apps.workflows.definition import Facts
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.policies import OPEN_RUNS


def amendment_with_billing(ids: list[str]) -> Mapping[str, Facts]:
    """The facts of amendments with the subscriptions that the order's run made in billing, and
    the amendment of the same contract before each that is still under way."""
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
    earlier = _under_way(amendments_before(ids))
    return {
        key: {
            **found,
            "billing": billing.get(found["contract"]["order_id"], []),
            "earlier": earlier.get(key, {"id": "", "number": ""}),
        }
        for key, found in facts.items()
    }


def _under_way(before: Mapping[str, Sequence[Facts]]) -> dict[str, Facts]:
    """Of the unapplied amendments before each one, the last whose run may still apply it."""
    ids = {one["id"] for found in before.values() for one in found}
    going = {
        str(pk)
        for pk in WorkflowRun.objects.filter(
            definition="amendment", subject_id__in=ids, state__in=OPEN_RUNS
        ).values_list("subject_id", flat=True)
    }
    last = {key: [o for o in found if o["id"] in going] for key, found in before.items()}
    return {key: found[-1] for key, found in last.items() if found}
