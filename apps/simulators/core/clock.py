"""The vendor's clock: real time plus an offset that a test may set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Aware UTC now; `offset` moves the vendor's calendar without touching ours."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def unix(self) -> int:
        """Whole seconds since 1970, as vendors put into timestamps and signatures."""
        return int(self.now().timestamp())

    def move_to(self, moment: datetime) -> None:
        """Set the offset so that `now()` reads `moment` at this instant."""
        self.offset = moment - datetime.now(UTC)
