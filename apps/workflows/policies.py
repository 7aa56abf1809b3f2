"""Pure decisions about runs: what may be asked of them, in words that say what to do instead."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

BATCH = 500

# Dispatches of a run that never came to an end, each counted when it began.
MOST_DISPATCHES = 5

# A run that ended its worker took its whole set along. What was in that set is tried again in
# smaller ones, so that by the last dispatches only the run at fault is left to be counted.
SET_SIZES = (BATCH, BATCH // 8, BATCH // 64, 1)

REVERSE = "reverse:"
OVER = ("succeeded", "skipped")
UNSURE = ("sending", "unknown", "posted", "parked")  # it stands there, or may
REFUSED = ("rejected", "dead")
UNSENT = ("queued", *REFUSED)  # nothing of it stands there
OPEN_RUNS = ("pending", "running", "waiting", "failed", "paused")
STEERABLE = ("running", "failed", "waiting", "paused", "completed")


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What these decisions read of a step; ``posting`` is its write's state, empty without."""

    name: str
    state: str
    kind: str = ""
    is_material: bool = False
    posting: str = ""
    may_skip: bool = False
    has_undo: bool = False

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")

    @property
    def stands(self) -> bool:
        """Whether a write of this step stands at a platform, or may."""
        return self.posting in UNSURE or (self.state in OVER and self.posting == "confirmed")


def reverse_purpose(step: str) -> str:
    """The purpose of the posting that undoes a step."""
    return f"{REVERSE}{step}"


def is_unsettled(step: StepFacts) -> bool:
    """Whether it is still open what became of a write that a compensation would have to undo."""
    counts = step.is_material or step.has_undo
    return (
        counts
        and step.state not in (*OVER, "compensating", "compensated")
        and (step.posting in (*UNSURE, "queued"))
    )


def pause_refusal(state: str) -> str:
    """Why a run cannot be paused, empty when it can."""
    if state in ("pending", "running", "waiting"):
        return ""
    if state == "paused":
        return "The run is paused already."
    if state == "failed":
        return "The run stands still already: a step needs a person."
    return f"The run is {state}; there is nothing to hold."


def resume_refusal(state: str) -> str:
    """Why a run cannot be resumed, empty when it can."""
    return "" if state == "paused" else f"The run is {state}, not paused."


def cancel_refusal(state: str, steps: Sequence[StepFacts]) -> str:
    """Why a run cannot be cancelled, empty when it can: nothing of value may be left standing."""
    if state not in OPEN_RUNS:
        return f"The run is {state} and cannot be cancelled."
    stands = [s.words for s in steps if s.stands and (s.is_material or s.has_undo)]
    if stands:
        return (
            f"What {' and '.join(stands)} wrote stands at the platform, or may. Compensate the "
            f"run instead: that takes it back."
        )
    return ""


def compensate_refusal(state: str, steps: Sequence[StepFacts]) -> str:
    """Why a run cannot be compensated, empty when it can."""
    if state not in STEERABLE:
        return f"The run is {state} and cannot be compensated."
    passed = next((s for s in steps if s.kind == "pivot" and (s.state in OVER or s.stands)), None)
    if passed is not None:
        return (
            f"{passed.words.capitalize()} was the point of no return. From there the run only "
            f"goes forward: mend what is stuck, retry it, or skip it with a second person."
        )
    parked = next((s for s in steps if s.posting == "parked" and s.state not in OVER), None)
    if parked is not None:
        return undecided(parked)
    return ""


def reset_refusal(state: str, wanted: StepFacts | None, after: Sequence[StepFacts]) -> str:
    """Why a run cannot go back to a step, empty when it can. ``after`` are the steps behind it."""
    if state not in OPEN_RUNS:
        return f"The run is {state} and cannot go back."
    if wanted is None:
        return "The run has no such step."
    if wanted.state == "pending":
        return f"{wanted.words.capitalize()} has not been reached yet."
    parked = next((s for s in (wanted, *after) if s.posting == "parked"), None)
    if parked is not None:
        return undecided(parked)
    return ""


def skip_refusal(state: str, step: StepFacts | None) -> str:
    """Why a step cannot be skipped, empty when it can."""
    if step is None:
        return "The run has no such step."
    rules = (
        (state not in OPEN_RUNS, f"The run is {state}; nothing is skipped any more."),
        (step.state != "failed",
         f"{step.words.capitalize()} is {step.state}; only a failed step is skipped."),
        (not step.may_skip,
         f"Later steps need what {step.words} gives. It cannot be skipped; mend and retry it."),
        (step.posting in UNSURE, undecided(step)),
    )  # fmt: skip
    return next((words for applies, words in rules if applies), "")


def undecided(step: StepFacts) -> str:
    return (
        f"It is not known whether what {step.words} wrote stands at the platform. Decide that on "
        f"its exception first."
    )


def is_last_dispatch(attempts: int) -> bool:
    """Whether a run that fails at its ``attempts``-th dispatch is not tried again."""
    return attempts >= MOST_DISPATCHES


def is_given_up(attempts: int) -> bool:
    """Whether a run that is dispatched for the ``attempts``-th time goes to a person instead."""
    return attempts > MOST_DISPATCHES


def pause_after(attempts: int, chance: float) -> dt.timedelta:
    """How long a run that failed at its ``attempts``-th dispatch rests: a share (``chance``, 0 to
    1) of 2 s, 4 s, 8 s …, so that runs that failed together do not come back together."""
    return dt.timedelta(seconds=chance * 2**attempts)
