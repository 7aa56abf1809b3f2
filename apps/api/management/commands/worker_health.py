"""Whether a worker consumes, for systemd, containers and monitoring."""

import socket
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from apps.jobs.selectors import BELLS, PATIENCE, age_of_worker, ages_by_role

BELLS_FRESH = 15.0


class Command(BaseCommand):
    help = (
        "Exit 0 when the worker began a task lately, or nobody could ring for it; 1 when it is a "
        "zombie. NAME is its node's name: worker means worker@this-host."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--seconds", type=float, default=PATIENCE.total_seconds(), help="silence allowed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        node = name if "@" in name else f"{name}@{socket.gethostname()}"
        try:
            healthy, words = _judge(node, options["seconds"])
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        self.stdout.write(f"{node} {words}")
        if not healthy:
            sys.exit(1)


def _judge(node: str, seconds: float) -> tuple[bool, str]:
    age = age_of_worker(node)
    if age is not None and age.total_seconds() <= seconds:
        return True, f"began a task {age.total_seconds():.0f} s ago."
    bells = ages_by_role().get(BELLS)
    if bells is None or bells.total_seconds() > BELLS_FRESH:
        return True, "was not rung for lately: the broker or the scheduler is away."
    silent = "never" if age is None else f"last {age.total_seconds():.0f} s ago"
    return False, f"is rung for and began a task {silent}. Start it anew."
