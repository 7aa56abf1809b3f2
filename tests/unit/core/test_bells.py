"""Bells with a gap: many changes, few rings, and never one too few."""

import queue
import time

from apps.core.bells import Bell, BellRinger

GAP = 0.3
PACED = Bell("monitoring.rebuild", gap=GAP)
OTHER = Bell("events.dispatch")


def heard(times: "queue.Queue[tuple[Bell, float]]") -> tuple[Bell, float]:
    return times.get(timeout=5)


def test_a_bell_with_a_gap_rings_at_once_and_then_at_the_gaps_end() -> None:
    rung: queue.Queue[tuple[Bell, float]] = queue.Queue()
    ringer = BellRinger(lambda bell: rung.put((bell, time.monotonic())))
    ringer.ring(PACED)
    _, first = heard(rung)
    for _ in range(20):
        ringer.ring(PACED)
    _, second = heard(rung)
    assert second - first >= GAP
    time.sleep(2 * GAP)
    assert rung.empty()  # twenty rings were one
    ringer.ring(PACED)
    assert heard(rung)[0] == PACED


def test_other_bells_do_not_wait_for_a_gap() -> None:
    rung: queue.Queue[tuple[Bell, float]] = queue.Queue()
    ringer = BellRinger(lambda bell: rung.put((bell, time.monotonic())))
    for bell in (PACED, OTHER):
        ringer.ring(bell)
        assert heard(rung)[0] == bell
    ringer.ring(PACED)
    ringer.ring(OTHER)
    assert [heard(rung)[0], heard(rung)[0]] == [OTHER, PACED]
