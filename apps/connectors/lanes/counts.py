"""Counting what a lane does, in slots of ten seconds, as it is dispatched."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection as database
from django.db.models import Sum
from django.db.models.functions import JSONObject

from apps.connectors.models import CallCount

SLOT = 10  # seconds
RETRY_SPAN = dt.timedelta(seconds=60)
RETRY_SHARE = 0.1
RETRY_FLOOR = 20  # a small hub must get on too: so many retries a minute are always free
COLUMNS = ("first_tries", "retries", "lookups", "reads", "calls", "refused", "settled")

_COUNT = """
INSERT INTO connectors_callcount AS kept (connection_id, begins_at, first_tries, retries, lookups,
    reads, calls, refused, settled)
VALUES (%s, to_timestamp(floor(extract(epoch FROM clock_timestamp()) / 10) * 10),
    %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (connection_id, begins_at) DO UPDATE SET
    first_tries = kept.first_tries + excluded.first_tries,
    retries = kept.retries + excluded.retries, lookups = kept.lookups + excluded.lookups,
    reads = kept.reads + excluded.reads, calls = kept.calls + excluded.calls,
    refused = kept.refused + excluded.refused, settled = kept.settled + excluded.settled
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in a span of time."""

    first_tries: int = 0
    retries: int = 0
    lookups: int = 0
    reads: int = 0
    calls: int = 0
    refused: int = 0
    settled: int = 0


def count(connection_id: uuid.UUID, **counted: int) -> None:
    """Add to the present slot, in the caller's transaction when there is one."""
    if not any(counted.values()):
        return
    with database.cursor() as cursor:
        cursor.execute(_COUNT, [connection_id, *(counted.get(name, 0) for name in COLUMNS)])


def counted_since(
    connection_ids: Sequence[uuid.UUID], since: dt.datetime
) -> dict[uuid.UUID, Counted]:
    """What each connection's lane did since a moment."""
    rows = (
        CallCount.objects.filter(connection_id__in=connection_ids, begins_at__gte=since)
        .values("connection_id")
        .annotate(sums=JSONObject(**{name: Sum(name) for name in COLUMNS}))
        .values_list("connection_id", "sums")
    )
    return {connection_id: Counted(**sums) for connection_id, sums in rows}


def retries_left(connection_id: uuid.UUID, now: dt.datetime) -> int:
    """How many retries the budget allows now: a tenth of the first tries of the last minute, less
    those that are out or failed again."""
    done = counted_since([connection_id], now - RETRY_SPAN).get(connection_id, Counted())
    allowed = max(RETRY_FLOOR, int(done.first_tries * RETRY_SHARE))
    return max(0, allowed - max(0, done.retries))


def give_back(connection_id: uuid.UUID, retries: int) -> None:
    """Retries that got through: the platform is well, so that the next may go at once."""
    count(connection_id, retries=-retries)


def drop_old_counts(now: dt.datetime) -> int:
    """Forget what was counted more than a day ago."""
    gone, _ = CallCount.objects.filter(begins_at__lt=now - dt.timedelta(days=1)).delete()
    return gone
