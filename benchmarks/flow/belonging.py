"""Which of the hub's calls belong to amendments, by its own record of each call (pure).

The bare client makes those alone: what the postings wrote and read back, and the quotes that were
fetched, each equal read of a posting or of quotes once. Polls, snapshots, tokens, and reads that
the hub makes twice are its own expense.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from benchmarks.flow.recorder import Call

FETCHES = ("quote.fetch", "quote.lines", "quote.contracts")
KEPT_PATH = 400  # characters of a path that the hub keeps
_CUT = re.compile(r"%.?$")  # an escape of which a part was cut off


@dataclass(frozen=True, slots=True)
class Kept:
    """One call as the hub keeps it; ``posting``: whose it is, when it was made for that posting's
    own operation, else empty."""

    vendor: str
    operation: str
    method: str
    path: str
    posting: str = ""

    @property
    def belongs(self) -> bool:
        return bool(self.posting) or self.operation in FETCHES

    def is_of(self, call: Call) -> bool:
        method, target = _asked(call)
        if (call.vendor, method) != (self.vendor, self.method):
            return False
        if len(self.path) < KEPT_PATH:
            return unquote_plus(target) == unquote_plus(self.path)
        return unquote_plus(target).startswith(unquote_plus(_CUT.sub("", self.path)))


Named = list[tuple[Call, Kept]]


def named(calls: Sequence[Call], kept: Iterable[Kept]) -> tuple[Named, list[Kept]]:
    """Each recorded call with what the hub keeps of it, in their order; and what is kept of calls
    that were not recorded."""
    left = list(kept)
    found: Named = []
    for call in calls:
        place = next((n for n, one in enumerate(left) if one.is_of(call)), None)
        if place is not None:
            found.append((call, left.pop(place)))
    return found, left


def belonging(calls: Named) -> Named:
    """Those that the bare client makes."""
    read: set[tuple[str, str, str]] = set()
    found: Named = []
    for call, one in calls:
        method, target = _asked(call)
        asked = (one.vendor, one.posting, target)
        if not one.belongs or (method == "GET" and asked in read):
            continue
        found.append((call, one))
        if method == "GET":
            read.add(asked)
    return found


def by_operation(calls: Named) -> Counter[str]:
    """How many of each operation."""
    return Counter(f"{one.vendor} {one.operation}" for _, one in calls)


def _asked(call: Call) -> tuple[str, str]:
    method, target, _ = call.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    return method, target
