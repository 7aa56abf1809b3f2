"""The checker of the flow can fail: each kind of harm is seen."""

from decimal import Decimal

from scenario.checker import duplicates, lost, unequal


def test_a_message_is_lost_when_the_hub_has_it_not_or_leaves_it_lying():
    outcomes = {
        "stripe:done": [("processed", 0)],
        "stripe:told-before": [("ignored", 0), ("processed", 0)],
        "stripe:parked": [("dead", 1)],
        "stripe:forgotten": [("dead", 0)],
        "stripe:twice-in-hand": [("dead", 2)],
        "stripe:half-way": [("processed", 0), ("waiting", 0)],
    }
    assert lost([*outcomes, "stripe:never-stored"], outcomes) == [
        "stripe:forgotten", "stripe:half-way", "stripe:never-stored", "stripe:twice-in-hand",
    ]  # fmt: skip


def test_one_document_under_a_reference_is_right_and_two_are_not():
    entries = [{"external_ref": "Q1"}, {"external_ref": "Q2"}, {"external_ref": "Q1"}, {}]
    assert duplicates(entries) == 1


def test_sums_differ_by_a_minor_unit_or_by_a_side_that_is_absent():
    hub = {("US01", "USD"): Decimal("10.00"), ("JP01", "JPY"): Decimal(5)}
    assert unequal(hub, dict(hub)) == []
    assert unequal(hub, {**hub, ("US01", "USD"): Decimal("10.01")}) == [("US01", "USD")]
    assert unequal(hub, {("US01", "USD"): Decimal("10.00")}) == [("JP01", "JPY")]
