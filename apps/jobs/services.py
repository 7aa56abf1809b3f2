"""Leases, schedule slots and heartbeats, all by the database's clock."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection

from apps.jobs.models import ScheduleSlot

KEEP = dt.timedelta(days=2)

_ACQUIRE = """
INSERT INTO jobs_lease AS held (key, owner, epoch, expires_at)
SELECT k, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(ttl)s)
FROM unnest(%(keys)s::text[]) AS k
ON CONFLICT (key) DO UPDATE
   SET owner = excluded.owner, epoch = held.epoch + 1, expires_at = excluded.expires_at
 WHERE held.expires_at < clock_timestamp()
RETURNING key, epoch
"""
_RENEW = """
UPDATE jobs_lease SET expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
WHERE key = %(key)s AND owner = %(owner)s AND epoch = %(epoch)s RETURNING 1
"""
_RELEASE = """
UPDATE jobs_lease SET expires_at = '-infinity'
WHERE owner = %(owner)s AND key = ANY(%(keys)s)
"""
_BEAT = """
INSERT INTO jobs_heartbeat (worker, role, beat_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (worker) DO UPDATE SET role = excluded.role, beat_at = excluded.beat_at
RETURNING beat_at
"""
_PRUNE = """
WITH slots AS (
    DELETE FROM jobs_scheduleslot
    WHERE slot < clock_timestamp() - make_interval(secs => %(keep)s) RETURNING 1
), beats AS (
    DELETE FROM jobs_heartbeat
    WHERE beat_at < clock_timestamp() - make_interval(secs => %(keep)s) RETURNING 1
)
SELECT (SELECT count(*) FROM slots) + (SELECT count(*) FROM beats)
"""
_NOTE_STALE = """
INSERT INTO jobs_stalewrite AS known (place, count, last_at)
VALUES (%(place)s, %(count)s, clock_timestamp())
ON CONFLICT (place) DO UPDATE
   SET count = known.count + excluded.count, last_at = excluded.last_at
"""


def note_stale_writes(place: str, count: int) -> None:
    """Count writes that were refused because their claim had been taken over (``place`` names the
    service). Call it in a transaction that commits, not in the one that is undone."""
    if count:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_STALE, {"place": place, "count": count})


def acquire_leases(keys: Sequence[str], *, owner: str, ttl: dt.timedelta) -> dict[str, int]:
    """Take the free or expired leases among ``keys``; returns key → epoch of those taken."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _ACQUIRE, {"owner": owner, "ttl": ttl.total_seconds(), "keys": sorted(set(keys))}
        )
        return dict(cursor.fetchall())


def renew_lease(key: str, *, owner: str, epoch: int, ttl: dt.timedelta) -> bool:
    """Hold on to a lease. False: it was taken over, and the caller must stop."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RENEW, {"owner": owner, "ttl": ttl.total_seconds(), "key": key, "epoch": epoch}
        )
        return cursor.fetchone() is not None


def release_leases(keys: Sequence[str], *, owner: str) -> None:
    """Give leases back; the epoch stays, so that a late write of this owner is still refused."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"owner": owner, "keys": list(keys)})


def claim_slot(schedule: str, slot: dt.datetime, *, owner: str) -> bool:
    """Claim a schedule's slot. False when another scheduler has it."""
    _, made = ScheduleSlot.objects.get_or_create(
        schedule=schedule, slot=slot, defaults={"claimed_by": owner}
    )
    return made


def beat(worker: str, role: str) -> dt.datetime:
    """Say that a worker works; returns the database's moment (UTC)."""
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, [worker, role])
        moment: dt.datetime = cursor.fetchone()[0]
        return moment


def prune(*, keep: dt.timedelta = KEEP) -> int:
    """Forget slots and heartbeats that are over long since. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE, {"keep": keep.total_seconds()})
        return int(cursor.fetchone()[0])
