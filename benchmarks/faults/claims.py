"""I5's evidence: whose write took effect, from the record of each dispatch (pure).

Every dispatch of a posting is a row with the token of its claim and the database's time of its
beginning and of its result. A result that came after a later claim had begun is a late one. It
took effect unless the hub kept a refusal of that token.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass

from benchmarks.faults.invariants import Write

# Both times are read a moment before they are written. A claim is taken over only when its time
# is up, so that who is late is late by seconds.
AT_ONCE = dt.timedelta(seconds=0.2)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One try of a posting under a claim; ``finished_at`` is None when no result was written."""

    posting: str
    token: str
    started_at: dt.datetime
    finished_at: dt.datetime | None


def writes_of(
    dispatches: Iterable[Dispatch], refused: Container[tuple[str, str]]
) -> tuple[Write, ...]:
    """The writes of all dispatches with a result. ``refused``: (posting, token) of refusals."""
    by_posting: dict[str, list[Dispatch]] = defaultdict(list)
    for dispatch in dispatches:
        by_posting[dispatch.posting].append(dispatch)
    writes = []
    for posting, tries in by_posting.items():
        tries.sort(key=lambda one: one.started_at)
        tokens = list(dict.fromkeys(one.token for one in tries))
        for one in tries:
            if one.finished_at is None:
                continue
            begun = [t.token for t in tries if t.started_at < one.finished_at - AT_ONCE]
            current = max(tokens.index(token) for token in [one.token, *begun])
            is_refused = (posting, one.token) in refused
            writes.append(Write(posting, tokens.index(one.token), current, not is_refused))
    return tuple(writes)
