"""A late result that took effect is found in the record of dispatches, and nothing else is."""

import datetime as dt

from benchmarks.faults.claims import Dispatch, writes_of
from benchmarks.faults.invariants import Facts, stale_writes

NOON = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


def told(*dispatches: Dispatch, refused: set[tuple[str, str]] = frozenset()) -> list[str]:  # type: ignore[assignment]
    facts = Facts(writes=writes_of(dispatches, refused))
    return [breach.words for breach in stale_writes(facts)]


FROZEN = Dispatch("Q1", "a", at(0), at(40))
TAKEN_OVER = Dispatch("Q1", "b", at(21), at(22))


def test_results_one_after_the_other_are_sound() -> None:
    assert told(Dispatch("Q1", "a", at(0), at(1)), Dispatch("Q1", "b", at(1), at(2))) == []
    assert told(Dispatch("Q1", "a", at(0), None), Dispatch("Q1", "b", at(21), at(22))) == []
    assert told(Dispatch("Q1", "a", at(0), at(40)), Dispatch("Q2", "b", at(21), at(22))) == []


def test_a_late_result_that_took_effect_is_a_breach() -> None:
    assert told(TAKEN_OVER, FROZEN) == ["a write of epoch 0 was accepted at epoch 1"]


def test_a_late_result_that_was_refused_is_none() -> None:
    assert told(FROZEN, TAKEN_OVER, refused={("Q1", "a")}) == []
    assert len(told(FROZEN, TAKEN_OVER, refused={("Q1", "b"), ("Q2", "a")})) == 1
