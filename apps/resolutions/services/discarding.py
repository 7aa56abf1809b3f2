"""Giving up: nothing more is sent, and the reason is kept."""

import datetime as dt
import uuid
from collections.abc import Sequence

from apps.core.principal import Actor
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.exceptions.services import discard_dead_letters, dismiss_cases
from apps.ingestion.services import discard_events
from apps.postings.services import cancel_postings
from apps.resolutions.errors import RemedyError
from apps.resolutions.models import Resolution
from apps.resolutions.policies import reason_fault
from apps.resolutions.services.chosen import Chosen
from apps.resolutions.services.records import FAILED, HELD, Tried, record, settle
from apps.resolutions.subjects import Subject
from apps.resolutions.types import DISCARD
from apps.workflows.errors import RunActionError
from apps.workflows.models import WorkflowRun
from apps.workflows.policies import OPEN_RUNS, REVERSE
from apps.workflows.services import cancel_runs


def discard(chosen: Chosen) -> Resolution:
    """Discard the subject, end the run that waits for it, and dismiss the case."""
    fault = reason_fault(chosen.reason)
    if fault:
        raise RemedyError("A reason is needed.", {"reason": fault})
    case, actor, now = chosen.case, chosen.principal.actor, chosen.now
    _discard_subject(case, chosen.subject, chosen.reason, actor, now)
    settle(case.id, FAILED, "Discarded instead.", before_rev=case.rev + 1, now=now)
    [row] = record([case], Tried(DISCARD, reason=chosen.reason), actor=actor, now=now)
    dismiss_cases([case.id], resolution=DISCARD, note=chosen.reason.strip(), actor=actor, now=now)
    settle(case.id, HELD, "Discarded.", before_rev=case.rev + 1, now=now)
    letters = DeadLetter.objects.filter(origin_id=case.subject_id, state="parked")
    ids = list(letters.values_list("id", flat=True))
    discard_dead_letters(ids, reason=chosen.reason.strip(), actor=actor, now=now)
    return Resolution.objects.get(id=row.id)


def _discard_subject(
    case: ExceptionCase, subject: Subject, reason: str, actor: Actor, now: dt.datetime
) -> None:
    if subject.posting is not None:
        posting = subject.posting
        if posting.state == "parked":
            raise RemedyError(
                f"{case.document or case.reference} may stand at the platform. Choose “Decide "
                f"what happened” first: two people say what stands there."
            )
        if posting.state in ("sending", "unknown") or posting.doubtful_since is not None:
            raise RemedyError(
                f"{case.document or case.reference} is being sent. Wait for its outcome first."
            )
        if posting.purpose.startswith(REVERSE):
            raise RemedyError(
                f"{case.document or case.reference} undoes a write that stands. Mend what is "
                f"refused, then retry."
            )
        cancel_postings([posting.id], actor=actor, now=now)
        _end_run([posting.run_id] if posting.run_id else [], reason, actor, now)
    elif subject.step is not None:
        _end_run([subject.step.run_id], reason, actor, now)
    elif subject.event is not None:
        discard_events([subject.event.id], reason=reason.strip(), actor=actor, now=now)


def _end_run(ids: Sequence[uuid.UUID], reason: str, actor: Actor, now: dt.datetime) -> None:
    """A run cannot complete without what was discarded; one of which something stands at a
    platform is not given up."""
    going = WorkflowRun.objects.filter(id__in=ids, state__in=OPEN_RUNS)
    try:
        cancel_runs(
            list(going.values_list("id", flat=True)), reason=reason.strip(), actor=actor, now=now
        )
    except RunActionError as error:
        raise RemedyError(str(error)) from error
