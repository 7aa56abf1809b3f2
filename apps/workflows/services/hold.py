"""Runs that this release may not advance are held, each with one case; the others go on."""

import datetime as dt
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db.models import Q

from apps.events.services import acting, publish_events
from apps.exceptions.services import close_for_subjects, open_cases
from apps.exceptions.types import CaseDraft
from apps.workflows.announce import run_case, run_event
from apps.workflows.fingerprint import GRAPH, is_same_graph
from apps.workflows.history import replay
from apps.workflows.models import WorkflowRun
from apps.workflows.registry import definition_of, fingerprint
from apps.workflows.services.record import histories_of
from apps.workflows.services.start import ENGINE
from apps.workflows.types import HeldRun

NO_VERSION = "version"
SWEPT = 200
SUBJECT = "workflows.run"


AnyRun = TypeVar("AnyRun", WorkflowRun, HeldRun)


def admit(runs: Sequence[AnyRun], *, now: dt.datetime) -> list[AnyRun]:
    """Those of some runs that this release may advance. The rest is held.

    A run whose definition reads as it did when the run last went on is admitted by one comparison.
    Where the code of its steps was changed, its recorded steps are decided again: the run goes on
    when they all take the recorded path. One that was taken over under another epoch since it was
    claimed is whoever's holds it: it is neither admitted nor judged.
    """
    epochs = {run.id: run.epoch for run in runs if _is_strange(run)}
    if not epochs:
        return list(runs)
    with acting(ENGINE):
        rows = WorkflowRun.objects.select_for_update(of=("self",)).filter(id__in=list(epochs))
        found = list(rows.order_by("id"))
        ours = [run for run in found if run.epoch == epochs[run.id]]
        held = _judged(ours)
        going = {run.id for run in ours} - {run.id for run, _ in held}
        _let_go([run for run in ours if run.id in going], now)
        _hold(held, now)
        lost = [run_event(run, "stale_refused") for run in found if run not in ours]
        publish_events(lost, actor=ENGINE, now=now)
    return [run for run in runs if run.id in going or run.id not in epochs]


def release_held(*, now: dt.datetime) -> int:
    """Look again at held runs: those that this release may advance go on. Returns how many."""
    with acting(ENGINE):
        changed = _changed()
        if not changed:
            return 0
        held = WorkflowRun.objects.select_for_update(skip_locked=True).filter(
            reduce(or_, (Q(**group) for group in changed))
        )
        admitted = admit(list(held.order_by("id")[:SWEPT]), now=now)
        WorkflowRun.objects.filter(id__in=[run.id for run in admitted]).update(due_at=now)
    return len(admitted)


def _changed() -> list[dict[str, Any]]:
    """The groups of held runs that this release has not judged yet."""
    groups = WorkflowRun.objects.exclude(held_for="").values(
        "definition", "definition_version", "held_for"
    )
    return [
        group
        for group in groups.distinct()
        if group["held_for"] != _mark(group["definition"], group["definition_version"])
    ]


def _is_strange(run: WorkflowRun | HeldRun) -> bool:
    known = fingerprint(run.definition, run.definition_version)
    return bool(run.held_for) or not known or run.fingerprint not in ("", known)


def _mark(name: str, version: int) -> str:
    """What ``held_for`` says of the runs that this release holds: with it, they need not be judged
    again. For code it names the release's code."""
    known = fingerprint(name, version)
    return f"code {known[GRAPH + 1 : GRAPH + 13]}" if known else NO_VERSION


def _judged(runs: Sequence[WorkflowRun]) -> list[tuple[WorkflowRun, str]]:
    """The runs that may not go on, with the reason in plain words."""
    found = [(run, why) for run in runs if (why := _without_replay(run)) is not None]
    refused = [(run, why) for run, why in found if why]
    open_ones = [run for run in runs if run.id not in {r.id for r, _ in found}]
    histories = histories_of(open_ones) if open_ones else {}
    for run in open_ones:
        differences = replay(
            definition_of(run.definition, run.definition_version), histories[run.id]
        )
        if differences:
            step = differences[0].step.replace("_", " ") or "the run"
            refused.append((run, f"{step} {differences[0].what.partition(':')[0]}"))
    return refused


def _without_replay(run: WorkflowRun) -> str | None:
    """Why a run may not go on, empty when it may; None when its history must tell."""
    known = fingerprint(run.definition, run.definition_version)
    if not known:
        return "this release does not have that version"
    if run.fingerprint in ("", known):
        return ""
    if run.held_for == _mark(run.definition, run.definition_version):
        return "it was judged before"
    if not is_same_graph(run.fingerprint, known):
        return "the steps or their order are not those it was started on"
    return None


def _let_go(runs: Sequence[WorkflowRun], now: dt.datetime) -> None:
    for run in runs:
        run.fingerprint = fingerprint(run.definition, run.definition_version)
    released = [run for run in runs if run.held_for]
    for run in released:
        run.held_for = ""
    WorkflowRun.objects.bulk_update(runs, ["fingerprint", "held_for"])
    publish_events([run_event(run, "released") for run in released], actor=ENGINE, now=now)
    close_for_subjects(
        [(SUBJECT, run.id) for run in released],
        reason="This release can run it: it goes on by itself.",
        actor=ENGINE,
        now=now,
    )


def _hold(held: Sequence[tuple[WorkflowRun, str]], now: dt.datetime) -> None:
    marks = {run.id: _mark(run.definition, run.definition_version) for run, _ in held}
    fresh = [(run, why) for run, why in held if run.held_for != marks[run.id]]
    for run, _ in held:
        run.held_for, run.due_at = marks[run.id], None
        run.claimed_until, run.attempts = None, 0
    columns = ["held_for", "due_at", "claimed_until", "attempts"]
    WorkflowRun.objects.bulk_update([run for run, _ in held], columns)
    publish_events([run_event(run, "held") for run, _ in fresh], actor=ENGINE, now=now)
    open_cases([_case(run, why) for run, why in fresh], actor=ENGINE, now=now)


def _case(run: WorkflowRun, why: str) -> CaseDraft:
    name = f"{run.definition.replace('_', ' ')} version {run.definition_version}"
    if run.held_for == NO_VERSION:
        return run_case(
            run,
            code="workflow_version_missing",
            title=f"{run.label} is held: this release has no {name}",
            explanation=f"{run.label} was started on {name}, and {why}. Nothing is lost and "
            f"nothing is sent. Deploy a release that has the version; the run then goes on by "
            f"itself.",
        )
    return run_case(
        run,
        code="workflow_changed",
        title=f"{run.label} is held: {name} would take another path",
        explanation=f"{run.label} is on its way, and the code of {name} was changed since: {why}. "
        f"The hub does not obey the other path. Deploy the former code and give the change a "
        f"version of its own; the run then goes on by itself.",
    )
