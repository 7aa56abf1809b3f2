"""Draw docs/states.md from the state machines in the code."""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import models
from django_fsm import FSMField

from apps.core.fsm import legal_pairs, state_field

INTRODUCTION = """# State machines

Drawn from the code by `python manage.py draw_states`; a test compares. The database refuses every
change that is not listed here and logs every one that is, with its actor.
"""


class Command(BaseCommand):
    help = "Write docs/states.md; with --check only say whether it is up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "states.md"
        text = drawing()
        if not options["check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            raise SystemExit("docs/states.md is out of date: run `python manage.py draw_states`.")


def drawing() -> str:
    """The whole page."""
    machines = [
        model
        for config in apps.get_app_configs()
        if config.name.startswith("apps.")
        for model in config.get_models()
        if any(isinstance(field, FSMField) for field in model._meta.fields)
    ]
    return INTRODUCTION + "".join(_section(m) for m in sorted(machines, key=lambda m: m.__name__))


def _section(model: type[models.Model]) -> str:
    names: dict[tuple[str, str], list[str]] = {}
    for found in state_field(model).get_all_transitions(model):
        names.setdefault((str(found.source), str(found.target)), []).append(found.name)
    rows = [
        f"| {source or '(new)'} | {target} | {', '.join(names.get((source, target), ['']))} |"
        for source, target in sorted(legal_pairs(model))
    ]
    table = "\n".join(["| from | to | by |", "| --- | --- | --- |", *rows])
    summary = (model.__doc__ or "").strip().split("\n")[0]
    return f"\n## {model.__name__}\n\n{summary}\n\n{table}\n"
