"""What runs hear: results of postings, signals, deadlines."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models.functions import Now

from apps.core.codec import to_json
from apps.core.fsm import transition_rows
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.exceptions.services import open_cases
from apps.postings.models import Posting
from apps.workflows.announce import step_case, step_event
from apps.workflows.definition import Refuse
from apps.workflows.models import Signal, Step, WorkflowRun
from apps.workflows.services.rounds import posting_output
from apps.workflows.services.start import ENGINE, QUEUE
from apps.workflows.types import HeldStep

STUCK = ("rejected", "dead", "parked")


def settle_postings(posting_ids: Sequence[uuid.UUID], *, now: dt.datetime) -> None:
    """Steps follow their postings: confirmed succeeds them, refused, dead or parked fails them.

    Several runs may wait for one posting: the same customer is written once for all its orders.
    """
    with acting(ENGINE):
        postings = {p.id: p for p in Posting.objects.filter(id__in=posting_ids)}
        steps = list(
            Step.objects.select_for_update(of=("self",))
            .select_related("run")
            .filter(posting_id__in=list(postings))
            .exclude(state__in=["succeeded", "skipped", "compensated"])
        )
        good = [s for s in steps if postings[s.posting_id].state == "confirmed"]
        bad = [
            s for s in steps
            if postings[s.posting_id].state in STUCK and s.state != "failed"
        ]  # fmt: skip
        _succeed([(s, posting_output(postings[s.posting_id])) for s in good], now)
        _fail(bad, postings, now)
        again = [
            s
            for s in steps
            if s.state == "failed" and postings[s.posting_id].state in ("queued", "sending")
        ]
        transition_rows(
            Step, "wait", [(s.id, {"waits_for": f"posting:{s.posting_id}"}) for s in again]
        )


def _succeed(results: Sequence[tuple[Step, Mapping[str, Any]]], now: dt.datetime) -> None:
    if not results:
        return
    rows = [
        (step.id, {"output": to_json(dict(output)), "finished_at": now, "waits_for": "",
                   "deadline": None, "error_code": "", "error_message": ""})
        for step, output in results
    ]  # fmt: skip
    moved = set(transition_rows(Step, "succeed", rows))
    for step, output in results:
        step.output = to_json(dict(output))
    done = [step for step, _ in results if step.id in moved]
    _ring({step.run_id for step in done})
    publish_events([step_event(s.run, s, "succeeded") for s in done], actor=ENGINE, now=now)


def _fail(
    steps: Sequence[Step], postings: Mapping[uuid.UUID | None, Posting], now: dt.datetime
) -> None:
    rows = [
        (s.id, {"error_code": postings[s.posting_id].error_code,
                "error_message": postings[s.posting_id].error_message})
        for s in steps
    ]  # fmt: skip
    transition_rows(Step, "fail", rows)
    _ring({step.run_id for step in steps})
    publish_events([step_event(s.run, s, "failed") for s in steps], actor=ENGINE, now=now)


def _ring(run_ids: set[uuid.UUID]) -> None:
    if run_ids:
        WorkflowRun.objects.filter(id__in=run_ids).update(due_at=Now())
        enqueue_on_commit("workflows.advance", queue=QUEUE)


def raise_signals(signals: Mapping[str, Mapping[str, Any]], *, now: dt.datetime) -> None:
    """Keep signals and wake the steps that wait for them."""
    if not signals:
        return
    with acting(ENGINE):
        Signal.objects.bulk_create(
            [Signal(key=key, data=to_json(dict(data)), at=now) for key, data in signals.items()],
            ignore_conflicts=True,
        )
        steps = list(
            Step.objects.select_for_update(of=("self",))
            .select_related("run")
            .filter(state="waiting", waits_for__in=list(signals))
            .exclude(waits_for="")
        )
        _succeed([(step, signals[step.waits_for]) for step in steps], now)


def hear_missed(steps: Sequence[HeldStep], *, now: dt.datetime) -> None:
    """What steps began to wait for may have come while their round was not committed yet: whoever
    told of it saw no step that waits. Look once more."""
    keys = [step.waits_for for step in steps if step.posting_id is None]
    found = Signal.objects.filter(key__in=keys) if keys else ()
    raise_signals({signal.key: signal.data for signal in found}, now=now)
    posted = [step.posting_id for step in steps if step.posting_id is not None]
    settled = Posting.objects.filter(id__in=posted, state__in=[*STUCK, "confirmed"])
    if posted and (ids := list(settled.values_list("id", flat=True))):
        settle_postings(ids, now=now)


def expire_steps(*, now: dt.datetime) -> int:
    """Ask a person about steps whose signal did not come by the deadline."""
    with acting(ENGINE):
        late = list(
            Step.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("run")
            .filter(state="waiting", deadline__lte=now)[:200]
        )
        refusals = [(step, _overdue(step)) for step in late]
        transition_rows(
            Step,
            "fail",
            [(s.id, {"error_code": r.code, "error_message": r.explanation}) for s, r in refusals],
        )
        _ring({step.run_id for step in late})
        open_cases(
            [step_case(step.run, step, refusal) for step, refusal in refusals],
            actor=ENGINE,
            now=now,
        )
    return len(late)


def _overdue(step: Step) -> Refuse:
    return Refuse(
        "dependency_overdue",
        f"{step.run.label} still waits for {step.waits_for.split(':')[0].replace('_', ' ')}",
        f"The step {step.name} waited until its deadline for {step.waits_for}. Ask the other "
        f"side, then retry; the step goes on by itself when the answer has come.",
    )
