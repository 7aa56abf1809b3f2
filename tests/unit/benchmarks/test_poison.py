"""Neighbours of poisons are told apart by where they arrived, and each poison is one."""

import json

import pytest

from apps.connectors.vendors.provisioning import webhooks
from benchmarks.poison.__main__ import KEYS, NEAR, POISONED, Round, figures, percentiles, poison


def test_one_in_a_hundred_is_a_poison_and_many_are_near_one():
    assert len(POISONED) * 100 == KEYS
    assert 0.3 < len(NEAR) / KEYS < 0.6


def test_what_is_slow_near_the_poisons_does_not_hide_among_all():
    clean = percentiles([(place, 0.1) for place in range(KEYS)], 0)
    places = [(place, 1.0 if place in POISONED else 0.1) for place in range(KEYS)]
    some = [(place, 1.0 if place in range(430, 470) else 0.1) for place in range(KEYS)]
    assert percentiles(places, 0).near == pytest.approx(0.1)
    said = {figure.name: figure for figure in figures([clean], [percentiles(some, 0)])}
    assert said["poison.neighbours_p95_ratio"].is_met
    assert not said["poison.near_p95_ratio"].is_met


def test_a_poison_without_its_case_is_missed():
    said = {f.name: f for f in figures([Round(0.1, 0.1)], [Round(0.1, 0.1, unkept=2)])}
    assert said["poison.without_one_open_case"].line() == (
        "RESULT poison.without_one_open_case 2 messages target 0 missed"
    )


def test_each_kind_of_poison_is_bad_in_its_own_way():
    bodies = [poison(number, f"p{number}")[1] for number in range(5)]
    assert len(set(bodies)) == 5
    for body in bodies[:3]:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each fails in its own way
            webhooks.split(body)
    assert webhooks.split(bodies[3])[0].event_type == "entitlement.exploded"
    assert json.loads(bodies[4])["type"] == "invoice.paid"
    assert [poison(n, "p")[0] for n in (4, 9)] == ["stripe", "stripe"]
