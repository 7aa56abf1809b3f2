"""The budget against a limiter in virtual time: no clock, no network."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.connectors.lanes.budget import Budget, clears_in, kept, paced, resumed
from apps.connectors.limits import Limits


class Limiter:
    """A token bucket of one second's calls, as gateways have."""

    def __init__(self, rate):
        self.rate, self.tokens, self.at = rate, 1.0, 0.0

    def takes(self, now):
        self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return True
        return False


def play(budget, limiter, begin, seconds, latency=0.05):
    """Always one more call to make; returns (calls, refused)."""
    now, end, calls, refused = begin, begin + seconds, 0, 0
    while now < end:
        wait = budget.wait(now, 0)
        if wait > 0:
            now += max(wait, 1e-4)
            continue
        budget.take(now)
        calls += 1
        taken = limiter.takes(now)
        refused += not taken
        limits = None if taken else Limits(refused=True, reason="rate", retry_after=1.0)
        budget.heard(now + latency, now, latency, limits)
        now += latency
    return calls, refused


def test_it_follows_a_limit_down_and_up():
    """REL-40: 5/s, then 1/s, then 20/s; in steady state less than 2 % are refused."""
    budget, limiter, now = Budget(ceiling=8, width=8), Limiter(5), 0.0
    for rate, settle, most in ((5, 30, 5), (1, 30, 1), (20, 240, 20)):
        limiter.rate = rate
        play(budget, limiter, now, settle)
        calls, refused = play(budget, limiter, now + settle, 600)
        now += settle + 600
        assert refused / calls < 0.02
        assert calls / 600 > 0.5 * most


@settings(max_examples=50, deadline=None)
@given(st.floats(0.5, 50), st.floats(0.01, 0.5))
def test_no_limit_is_passed_for_long(rate, latency):
    budget, limiter = Budget(ceiling=4, width=4), Limiter(rate)
    play(budget, limiter, 0, 240, latency)
    calls, refused = play(budget, limiter, 240, 300, latency)
    assert refused <= max(3, 0.03 * calls)


def test_a_spell_of_refusals_amid_few_calls_is_soon_over():
    """A call a second, of which two in three are refused for six seconds; then all may go."""
    budget, now = Budget(ceiling=4, width=4), 0.0
    for n in range(16):
        now += max(1.0, budget.wait(now, 0))
        budget.take(now)
        refused = n >= 10 and n % 3 != 0
        limits = Limits(refused=True, reason="rate", retry_after=2.0) if refused else None
        budget.heard(now, now, 0.05, limits)
    calls, _ = play(budget, Limiter(1000), now, 20)
    assert calls > 80


def test_a_refusal_for_concurrency_narrows_and_recovers():
    budget = Budget(ceiling=10, width=10)
    for n in range(3):
        budget.heard(n + 1.0, n + 0.5, 0.1, Limits(True, "concurrency"))
    assert (budget.at_once, budget.pace) == (3, None)
    for n in range(300):
        budget.heard(200 + n, 200 + n, 0.1, None)
    assert budget.at_once == 10


def test_one_burst_of_refusals_is_one_cut():
    budget = Budget(ceiling=10, width=10)
    for n in range(8):
        budget.heard(1.0 + n / 100, 0.9, 0.1, Limits(True, "concurrency"))
    assert budget.at_once == 7


def test_slow_answers_narrow_it():
    budget = Budget(ceiling=10, width=10)
    for n in range(20):
        budget.heard(n, n, 0.1, None)
    for n in range(60):
        budget.heard(20 + n / 10, 20, 4.0, None)
    assert budget.at_once < 10


@pytest.mark.parametrize(
    ("limits", "rate"),
    [
        (Limits(per_second=25), 25),
        (Limits(allowance=5000, remaining=4000, resets_in=86400), None),
        (Limits(allowance=86400, remaining=8640, resets_in=86400), 0.1),
        (Limits(remaining=10, resets_in=5), 2),
        (Limits(), None),
    ],
)
def test_what_a_vendor_states_is_kept_to(limits, rate):
    assert paced(limits) == rate


def test_the_next_holder_goes_on_where_the_last_one_was():
    budget = Budget(ceiling=8, width=3.0, rate=4.0, cut_at=95.0, clean=7)
    again = resumed(kept(budget, 100.0), ceiling=8, fixed=2.0, now=0.0)
    assert (again.at_once, again.rate, again.pace, again.clean) == (3, 4.0, 2.0, 7)
    assert again.wait(0.0, 0) > 0  # an empty bucket


@pytest.mark.parametrize(
    ("flow", "pace", "seconds"),
    [(4.0, None, 25), (4.0, 4.0, 50), (4.0, 40.0, 25), (None, 10.0, 20), (None, None, None)],
)
def test_the_time_to_clear_is_by_the_slower_of_flow_and_limit(flow, pace, seconds):
    assert clears_in(100, jobs_per_second=flow, calls_each=2, pace=pace) == seconds


def test_nothing_owed_is_cleared():
    assert clears_in(0, jobs_per_second=None, calls_each=2, pace=None) == 0
