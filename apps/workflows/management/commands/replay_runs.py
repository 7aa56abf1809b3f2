"""Replay recorded runs on this release: would any of them take another path?"""

import json
import uuid
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.workflows.history import as_document
from apps.workflows.models import WorkflowRun
from apps.workflows.services import ReplayReport, replay_runs
from apps.workflows.services.record import histories_of

SHOWN = 20


class Command(BaseCommand):
    help = "Decide recorded steps again and compare; exit 1 when a run would take another path."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="every run that is kept")
        parser.add_argument("--run", action="append", default=[], metavar="ID", type=uuid.UUID)
        parser.add_argument("--export", type=Path, help="write the histories here as JSON files")

    def handle(self, *args: Any, **options: Any) -> None:
        ids = options["run"]
        if options["all"]:
            ids = list(WorkflowRun.objects.order_by("id").values_list("id", flat=True))
        if not ids:
            raise CommandError("Name runs with --run ID, or say --all.")
        if options["export"]:
            self._export(ids, options["export"])
        report = replay_runs(ids)
        self._tell(report)
        if report.different:
            raise SystemExit(1)

    def _tell(self, report: ReplayReport) -> None:
        for run_id, differences in list(report.different.items())[:SHOWN]:
            for difference in differences:
                where = f"{report.labels[run_id]} ({run_id}) {difference.step}".rstrip()
                self.stdout.write(f"{where}: {difference.what}")
        hidden = len(report.different) - SHOWN
        if hidden > 0:
            self.stdout.write(f"… and {hidden} more runs")
        self.stdout.write(
            f"{report.runs} runs, {report.steps} steps decided again: {report.identical} "
            f"identical, {len(report.different)} different, {len(report.unrecorded)} without a "
            f"recorded history"
        )
        word = "missed" if report.different else "met"
        self.stdout.write(f"RESULT replay.different {len(report.different)} runs target 0 {word}")

    def _export(self, ids: list[uuid.UUID], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        runs = list(WorkflowRun.objects.filter(id__in=ids))
        for run_id, history in histories_of(runs).items():
            name = f"{history.definition}-{history.version}-{run_id}.json"
            text = json.dumps(as_document(history), indent=1, sort_keys=True, ensure_ascii=False)
            (folder / name).write_text(text + "\n")
