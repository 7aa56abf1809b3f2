"""Read now what the platforms keep, and compare, instead of at the next minute."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.connectors.lanes.lease import database_now
from apps.core.clock import utc_now
from apps.core.principal import system_actor
from apps.reconciliation.models import ReconciliationRun
from apps.reconciliation.services import request_run
from apps.reconciliation.types import SUBJECTS
from apps.snapshots.selectors import side_readings
from apps.snapshots.services import ask_for_readings
from apps.snapshots.types import READ

LOOK = 0.3  # seconds
ASKER = system_actor("read_platforms")


class Command(BaseCommand):
    help = "Read what every platform keeps and compare it; wait until that is done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=30, help="how long to wait")

    def handle(self, *args: Any, **options: Any) -> None:
        asked, end = database_now(), time.monotonic() + options["seconds"]
        _wait(lambda: _unread(asked), end, ask_for_readings)
        runs = [request_run(subject, requested_by=ASKER, now=utc_now()).id for subject in SUBJECTS]
        going = ReconciliationRun.objects.filter(id__in=runs, state__in=["pending", "running"])
        _wait(lambda: [f"the comparison of {run.subject}s" for run in going.all()], end)
        self.stdout.write("Every platform was read and compared.")


def _unread(asked: dt.datetime) -> list[str]:
    """Connections of which what they keep was not read since a moment."""
    kinds = {kind for kinds in READ.values() for kind in kinds}
    return sorted(
        reading.connection
        for kind in kinds
        for reading in side_readings(kind)
        if kind in READ[reading.side] and (reading.read_at is None or reading.read_at < asked)
    )


def _nothing() -> None:
    pass


def _wait(left: Callable[[], list[str]], end: float, ask: Callable[[], None] = _nothing) -> None:
    """Wait until nothing is left, asking again each time: a reading may have been under way."""
    while names := left():
        if time.monotonic() > end:
            raise CommandError(
                f"Not done in time: {', '.join(names)}. Look whether these connections are active "
                f"and the workers run."
            )
        ask()
        time.sleep(LOOK)
