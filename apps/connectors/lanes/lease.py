"""The lease of a lane: short, and renewed while its holder lives."""

import datetime as dt
import time
import uuid
from typing import Self

from django.db import connection as database

from apps.connectors.lanes.work import CLAIM_TTL
from apps.jobs.services import acquire_leases, release_leases, renew_lease

RENEW_AFTER = CLAIM_TTL.total_seconds() / 4
# A lane claims for 12 s and its longest job takes 55 s; one that is held for longer hangs, and is
# left to another worker.
LONGEST = 75.0


def database_now() -> dt.datetime:
    """The database's clock: what leases, claims and due times are measured by."""
    with database.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment


class LaneLease:
    """One holding of a lane. ``until`` (monotonic) is the moment to which it surely holds."""

    def __init__(self, key: str, owner: str, epoch: int, begun: float) -> None:
        self._key, self._owner, self._epoch, self._begun = key, owner, epoch, begun
        self.until = begun + CLAIM_TTL.total_seconds()

    @classmethod
    def take(cls, connection_id: str, worker: str) -> Self | None:
        """The lease of a connection's lane; None while another worker holds it."""
        key, owner, begun = (
            f"lane:{connection_id}", f"{worker}:{uuid.uuid4().hex[:8]}", time.monotonic(),
        )  # fmt: skip
        epochs = acquire_leases([key], owner=owner, ttl=CLAIM_TTL)
        return cls(key, owner, epochs[key], begun) if key in epochs else None

    @property
    def is_due(self) -> bool:
        """Whether it should be renewed now."""
        return time.monotonic() > self.until - CLAIM_TTL.total_seconds() + RENEW_AFTER

    def renew(self) -> bool:
        """Hold on to it. False: another worker has taken it over, or it was held for too long."""
        asked = time.monotonic()
        if asked - self._begun > LONGEST or not renew_lease(
            self._key, owner=self._owner, epoch=self._epoch, ttl=CLAIM_TTL
        ):
            return False
        self.until = asked + CLAIM_TTL.total_seconds()
        return True

    def release(self) -> None:
        """Give it back."""
        release_leases([self._key], owner=self._owner)
