"""Batches: bulk actions with frozen items and an outcome each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import QuerySet
from django.urls import reverse

from apps.console.listing import ViewTab
from apps.console.presentation.charts import Cell, Part
from apps.console.requests import ConsoleRequest
from apps.jobs.models import Batch, BatchItem

OUTCOMES = (
    ("failed", "Failed"),
    ("skipped", "Skipped"),
    ("succeeded", "Done"),
    ("pending", "Waiting"),
)
MOST_CELLS = 50


@dataclass(frozen=True, slots=True)
class BatchDetail:
    """One batch with its progress."""

    batch: Batch
    verdict: str
    verdict_note: str
    parts: tuple[Part, ...]
    cells: list[Cell]
    per_cell: int


def batch_parts(batch: Batch) -> tuple[Part, ...]:
    """The four outcomes; they sum to the batch."""
    waiting = batch.total - batch.succeeded - batch.failed - batch.skipped
    return (
        Part("done", batch.succeeded, f"{batch.succeeded:,}", "run"),
        Part("skipped", batch.skipped, f"{batch.skipped:,}", "quiet"),
        Part("failed", batch.failed, f"{batch.failed:,}", "late"),
        Part("waiting", waiting, f"{waiting:,}", "faint"),
    )


def batch_detail(batch: Batch) -> BatchDetail:
    """A batch for its page."""
    done = batch.succeeded + batch.failed + batch.skipped
    notes = {
        "running": "Each item keeps its own outcome.",
        "paused": "Resume continues with the next item.",
        "halted": "Too many items failed; look at them, then start again.",
        "cancelled": "The rest was left as it was.",
    }
    note = notes.get(batch.state, "")
    if batch.state == "finished":
        note = "All done." if not batch.failed else f"{batch.failed:,} failed, see why below."
    outcomes = list(batch.items.order_by("position").values_list("outcome", flat=True))
    cells, size = _cells(outcomes)
    return BatchDetail(
        batch, f"{done:,} of {batch.total:,} done.", note, batch_parts(batch), cells, size
    )


def _cells(outcomes: Sequence[str]) -> tuple[list[Cell], int]:
    """Items in order, as many cells as fit; failures show where they cluster."""
    size = max(1, -(-len(outcomes) // MOST_CELLS))
    groups = [outcomes[at : at + size] for at in range(0, len(outcomes), size)]
    return [_cell(group, place * size) for place, group in enumerate(groups)], size


def _cell(group: Sequence[str], before: int) -> Cell:
    failed = sum(outcome == "failed" for outcome in group)
    skipped = sum(outcome == "skipped" for outcome in group)
    waiting = sum(outcome == "pending" for outcome in group)
    state: Literal["done", "run", "wait"] = "run" if waiting else "done"
    state = "wait" if waiting == len(group) else state
    label = f"Items {before + 1} to {before + len(group)}: {failed} failed, {skipped} skipped"
    share = 100 / len(group)
    return Cell(label, state, round(failed * share), round(skipped * share), "?outcome=failed")


def outcome_tabs(batch: Batch, chosen: str) -> list[ViewTab]:
    """Items by outcome."""
    parts = {part.label: int(part.value) for part in batch_parts(batch)}
    counts = {
        "failed": parts["failed"], "skipped": parts["skipped"],
        "succeeded": parts["done"], "pending": parts["waiting"],
    }  # fmt: skip
    base = reverse("batch", args=[batch.code])
    return [
        ViewTab(key, label, f"{base}?outcome={key}", key == chosen, counts[key])
        for key, label in OUTCOMES
    ]


def batch_items(batch: Batch, outcome: str) -> QuerySet[BatchItem]:
    """Items of one outcome in order."""
    return BatchItem.objects.filter(batch=batch, outcome=outcome).order_by("position")


def chosen_outcome(request: ConsoleRequest, batch: Batch) -> str:
    """The asked outcome; without one the failed items if there are any."""
    asked = request.GET.get("outcome", "")
    if asked in dict(OUTCOMES):
        return asked
    if batch.failed:
        return "failed"
    return "succeeded" if batch.succeeded else "pending"
