"""How many runs are claimed at once, and when a run that keeps ending its worker is given up."""

BATCH = 500

# Dispatches of a run that never came to an end, each counted when it began.
MOST_DISPATCHES = 5

# A run that ended its worker took its whole set along. What was in that set is tried again in
# smaller ones, so that by the last dispatches only the run at fault is left to be counted.
SET_SIZES = (BATCH, BATCH // 8, BATCH // 64, 1)


def is_given_up(attempts: int) -> bool:
    """Whether a run that is dispatched for the ``attempts``-th time goes to a person instead."""
    return attempts > MOST_DISPATCHES
