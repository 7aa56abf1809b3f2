"""A definition that cannot run, or could not be undone, is refused when it is declared."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apps import mappings
from apps.connectors.base import AfterUnknown, Capability
from apps.connectors.registry import check_capabilities, connector_for, vendors
from apps.workflows import definitions  # noqa: F401 - fills the registry
from apps.workflows.definition import Definition, Done, Facts, Post, StepForm
from apps.workflows.reach import can_name, functions_of
from apps.workflows.registry import all_definitions, newest


def decides(facts: Facts) -> Done:
    return Done()


def writes(facts: Facts) -> Post:
    return Post("erp", "invoice.create", {}, ("invoice", facts["id"], 1), "INV-1", "contract:1")


def writes_by_a_helper(facts: Facts) -> Post:
    return next(writes(each) for each in [facts])


def _definition(*steps):
    return Definition("d", 1, "order", "D", steps, load=lambda ids: {})


def test_a_step_needs_only_steps_before_it():
    with pytest.raises(ValueError, match="needs"):
        _definition(StepForm("b", decides, ("a",)), StepForm("a", decides))


def test_step_names_are_unique():
    with pytest.raises(ValueError, match="two steps"):
        _definition(StepForm("a", decides), StepForm("a", decides))


@pytest.mark.parametrize("decide", [writes, writes_by_a_helper, lambda facts: writes(facts)])
def test_a_step_that_writes_and_does_not_say_how_it_ends_is_refused(decide):
    with pytest.raises(ValueError, match=r"d\.a writes to a platform: declare its kind"):
        _definition(StepForm("a", decide))


def test_a_step_that_only_decides_needs_no_kind():
    assert _definition(StepForm("a", decides)).step("a").kind == ""


PIVOT = StepForm("book", decides, kind="pivot")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((StepForm("a", writes, kind="reversible"),), "declare its kind"),
        ((StepForm("a", decides, kind="reversible"),), "of no known kind"),
        ((StepForm("a", writes, kind="compensatable", is_material=True),), "declare its undo"),
        ((StepForm("a", writes, kind="pivot", undo=writes),), "only a compensatable step"),
        ((PIVOT, StepForm("a", writes, ("book",), kind="compensatable")), "after a pivot"),
        ((StepForm("a", writes, kind="retriable", is_material=True),), "before any pivot"),
        ((StepForm("a" * 33, decides),), "more than 32"),
    ],
)  # fmt: skip
def test_what_could_not_be_undone_is_refused(steps, words):
    with pytest.raises(ValueError, match=words):
        _definition(*steps)


def test_what_can_be_undone_or_finished_is_declared():
    made = _definition(
        StepForm("sell", writes, kind="compensatable", is_material=True, undo=writes),
        StepForm("book", decides, ("sell",), kind="pivot"),
        StepForm("tell", writes, ("book",), kind="retriable", is_material=True),
    )
    assert made.before("tell") == {"sell", "book"}
    assert made.after("sell") == {"book", "tell"}


def test_every_material_step_of_the_hub_is_undone_or_past_the_pivot():
    for definition in all_definitions():
        for step in definition.steps:
            if step.is_material:
                assert step.undo is not None or step.kind in ("pivot", "retriable")


def test_what_the_hub_writes_is_seen_through_helpers():
    order = newest("order_activation")
    writing = {step.name for step in order.steps if can_name(Post, step.decide)}
    assert writing == {
        "customer_in_billing", "tax", "customer_in_erp", "subscription", "provision", "tell_cpq",
    }  # fmt: skip
    reached = {name.rpartition(".")[2] for name in functions_of(order.step("subscription").decide)}
    assert reached == {
        "subscription", "_subscription", "_parts", "billing_parts", "recurring_net",
    }  # fmt: skip


def connector(capability: Capability) -> Any:
    """A connector of which only the declaration matters."""
    return SimpleNamespace(vendor="v", capabilities={"invoice.create": capability})


def test_a_native_key_without_its_time_is_refused():
    with pytest.raises(ValueError, match=r"v\.invoice\.create has a native key without its ttl"):
        check_capabilities(connector(Capability(AfterUnknown.NATIVE_KEY, shows=frozenset())))
    check_capabilities(connector(Capability(AfterUnknown.UNIQUE_REFERENCE, shows=frozenset())))


def test_every_write_that_is_mapped_is_declared_by_its_connector():
    files = (Path(mappings.__file__).parent / "defaults").glob("*.out.json")
    mapped = {json.loads(file.read_text())["code"].removesuffix(".out") for file in files}
    declared = {
        f"{v}.{operation}" for v in vendors() for operation in connector_for(v).capabilities
    }
    assert mapped == declared
