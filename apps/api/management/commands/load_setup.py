"""Load an installation's entities, people, connections and mappings from a JSON file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.api.setup.document import SetupError, read_document
from apps.api.setup.load import load_setup
from apps.core.clock import utc_now


class Command(BaseCommand):
    help = "Load a setup file; what is there already is left or changed, never doubled."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = load_setup(read_document(options["path"]), now=utc_now())
        except SetupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(", ".join(f"{count} {name}" for name, count in counts.items()))
