"""Planted faults: counts, probabilities with a seed, what hits what."""

import pytest

from apps.simulators.core.faults import FaultBoard, FaultSpecError


def test_counted_fault_strikes_that_often_on_its_path_only() -> None:
    board = FaultBoard()
    board.add({"kind": "outage", "count": 2, "method": "post", "path_regex": "^/v1/invoices"})
    assert "outage" not in board.pick("GET", "/v1/invoices")
    assert "outage" not in board.pick("POST", "/v1/customers")
    struck = ["outage" in board.pick("POST", "/v1/invoices") for _ in range(3)]
    assert struck == [True, True, False]
    assert board.describe() == []


def test_one_answer_but_any_colouring() -> None:
    board = FaultBoard()
    board.add({"kind": "outage", "count": 1})
    board.add({"kind": "cut_body", "count": 1})
    board.add({"kind": "slow", "delay": 0.5})
    board.add({"kind": "lag", "delay": 3})
    first, second = board.pick("GET", "/"), board.pick("GET", "/")
    assert set(first.rules) == {"outage", "slow", "lag"}
    assert set(second.rules) == {"cut_body", "slow", "lag"}
    assert first.lag == 3


def test_seed_repeats_the_same_strikes() -> None:
    runs = []
    for _ in range(2):
        board = FaultBoard()
        board.add({"kind": "refuse_all", "probability": 0.5, "seed": 7})
        runs.append(["refuse_all" in board.pick("GET", "/") for _ in range(20)])
    assert runs[0] == runs[1]
    assert 0 < sum(runs[0]) < 20


def test_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FaultSpecError, match="apply_then_timeout"):
        FaultBoard().add({"kind": "explode"})


def test_clear_by_id() -> None:
    board = FaultBoard()
    first = board.add({"kind": "outage"})
    board.add({"kind": "slow"})
    assert board.clear(first.id) == 1
    assert [rule["kind"] for rule in board.describe()] == ["slow"]
    assert board.clear() == 1


def test_a_fault_for_one_program_spares_the_others() -> None:
    board = FaultBoard()
    board.add({"kind": "outage", "agent_regex": "^hub"})
    assert "outage" not in board.pick("GET", "/", "browser")
    assert "outage" not in board.pick("GET", "/")
    assert "outage" in board.pick("GET", "/", "hub/1")
