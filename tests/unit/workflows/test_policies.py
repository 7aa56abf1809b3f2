"""What may be asked of a run: each refusal by its words, each permission by their absence."""

from dataclasses import replace

import pytest

from apps.workflows.policies import (
    StepFacts,
    cancel_refusal,
    compensate_refusal,
    is_unsettled,
    pause_refusal,
    reset_refusal,
    resume_refusal,
    skip_refusal,
)

SOLD = StepFacts("sell_it", "succeeded", "compensatable", True, "confirmed", has_undo=True)
BOOK = StepFacts("book", "pending", "pivot")
TELL = StepFacts("tell", "failed", "retriable", posting="rejected", may_skip=True)


@pytest.mark.parametrize(
    ("state", "words"),
    [("pending", ""), ("running", ""), ("waiting", ""), ("paused", "already"),
     ("failed", "stands still"), ("completed", "nothing to hold"), ("cancelled", "nothing")],
)  # fmt: skip
def test_pausing(state, words):
    found = pause_refusal(state)
    assert words in found
    assert bool(found) == bool(words)


def test_resuming():
    assert resume_refusal("paused") == ""
    assert "not paused" in resume_refusal("failed")


@pytest.mark.parametrize("posting", ["confirmed", "posted", "sending", "unknown", "parked"])
def test_what_stands_or_may_is_not_cancelled(posting):
    step = replace(SOLD, posting=posting)
    assert "sell it wrote stands" in cancel_refusal("failed", [step])


@pytest.mark.parametrize("posting", ["", "queued", "rejected", "dead", "cancelled"])
def test_what_does_not_stand_may_be_cancelled(posting):
    step = replace(SOLD, state="waiting", posting=posting)
    assert cancel_refusal("waiting", [step, TELL]) == ""


def test_a_customer_record_does_not_keep_a_run_from_being_cancelled():
    customer = StepFacts("customer", "succeeded", "compensatable", posting="confirmed")
    assert cancel_refusal("waiting", [customer]) == ""
    assert "is completed" in cancel_refusal("completed", [customer])


def test_before_the_pivot_there_is_a_way_back():
    for state in ("running", "waiting", "failed", "paused", "completed"):
        assert compensate_refusal(state, [SOLD, BOOK, TELL]) == ""
    for state in ("pending", "cancelled", "compensating", "compensated"):
        assert state in compensate_refusal(state, [SOLD, BOOK])


def test_behind_it_there_is_none():
    passed = replace(BOOK, state="succeeded")
    assert "Book was the point of no return" in compensate_refusal("failed", [SOLD, passed])
    on_its_way = replace(BOOK, state="waiting", posting="sending")
    assert "point of no return" in compensate_refusal("waiting", [SOLD, on_its_way])
    not_sent = replace(BOOK, state="waiting", posting="queued")
    assert compensate_refusal("waiting", [SOLD, not_sent]) == ""


def test_what_nobody_knows_is_decided_first():
    parked = replace(SOLD, state="failed", posting="parked")
    words = "Decide that on its exception first"
    assert words in compensate_refusal("failed", [parked, BOOK])
    assert words in reset_refusal("failed", TELL, [parked])
    assert words in skip_refusal("failed", replace(TELL, posting="parked"))


def test_a_compensation_waits_for_what_is_on_its_way():
    for posting in ("queued", "sending", "unknown", "posted", "parked"):
        assert is_unsettled(replace(SOLD, state="waiting", posting=posting))
    for posting in ("", "rejected", "dead", "cancelled"):
        assert not is_unsettled(replace(SOLD, state="failed", posting=posting))
    assert not is_unsettled(SOLD)
    assert not is_unsettled(StepFacts("customer", "waiting", posting="sending"))


def test_going_back():
    assert reset_refusal("failed", TELL, [BOOK]) == ""
    assert "no such step" in reset_refusal("failed", None, [])
    assert "not been reached" in reset_refusal("failed", BOOK, [])
    assert "cannot go back" in reset_refusal("completed", TELL, [])


def test_skipping():
    assert skip_refusal("failed", TELL) == ""
    assert "no such step" in skip_refusal("failed", None)
    assert "only a failed step" in skip_refusal("failed", replace(TELL, state="waiting"))
    assert "Later steps need" in skip_refusal("failed", replace(TELL, may_skip=False))
    assert "nothing is skipped" in skip_refusal("completed", TELL)
