"""A fingerprint changes with what a workflow does, not with how it is written down."""

from dataclasses import replace

from apps.workflows import definitions  # noqa: F401 - fills the registry
from apps.workflows.definition import Definition, Done, Facts, StepForm
from apps.workflows.fingerprint import _written, fingerprint_of, is_same_graph
from apps.workflows.reach import functions_of
from apps.workflows.registry import all_definitions, fingerprint

LIMIT = 5


def plain(facts: Facts) -> Done:
    return Done({"limit": LIMIT})


def told(facts: Facts) -> Done:
    """The same with words."""
    # and a comment
    return Done(
        {"limit": LIMIT},
    )


def other(facts: Facts) -> Done:
    return Done({"limit": LIMIT + 1})


def through_a_helper(facts: Facts) -> Done:
    return plain(facts)


def of(*steps: StepForm) -> str:
    return fingerprint_of(Definition("d", 1, "order", "D", steps, load=lambda ids: {}))


def test_words_comments_layout_and_lanes_do_not_count() -> None:
    found = functions_of(told, plain)
    said, unsaid = (str(_written(found[f"{__name__}.{name}"])) for name in ("told", "plain"))
    assert said.replace("'told'", "'plain'") == unsaid
    assert of(StepForm("a", plain)) == of(StepForm("a", plain, lane="erp"))


def test_code_counts() -> None:
    one, two = of(StepForm("a", plain)), of(StepForm("a", other))
    assert one != two
    assert is_same_graph(one, two)


def test_a_helper_and_a_constant_count(monkeypatch) -> None:
    before = of(StepForm("a", through_a_helper))
    monkeypatch.setitem(globals(), "LIMIT", 6)
    assert of(StepForm("a", through_a_helper)) != before


def test_the_graph_counts_apart() -> None:
    a, b = StepForm("a", plain), StepForm("b", plain)
    apart, behind = of(a, b), of(a, replace(b, needs=("a",)))
    assert not is_same_graph(apart, behind)
    assert not is_same_graph(apart, of(a, replace(b, kind="pivot")))
    assert not is_same_graph(apart, of(a))


def test_every_definition_has_one_of_its_own() -> None:
    prints = {fingerprint(d.name, d.version) for d in all_definitions()}
    assert len(prints) == len(all_definitions())
    assert all(len(each) == 64 for each in prints)
    assert fingerprint("order_activation", 999) == ""
