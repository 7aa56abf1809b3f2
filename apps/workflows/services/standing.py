"""What the writes of some steps have come to, and dropping those that were not sent."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from apps.core.principal import Actor
from apps.exceptions.models import DeadLetter
from apps.exceptions.services import close_for_subjects, discard_dead_letters
from apps.postings.models import Posting
from apps.postings.services import cancel_postings
from apps.workflows.definition import Definition
from apps.workflows.models import Step
from apps.workflows.policies import UNSENT, StepFacts

Postings = Mapping[uuid.UUID | None, Posting]


def postings_of(steps: Sequence[Step], *, lock: bool = False) -> dict[uuid.UUID | None, Posting]:
    """The writes of some steps, by posting id."""
    rows = Posting.objects.filter(id__in=[s.posting_id for s in steps if s.posting_id])
    return {posting.id: posting for posting in (rows.select_for_update() if lock else rows)}


def step_facts(step: Step, definition: Definition, postings: Postings) -> StepFacts:
    """A step as the policies read it."""
    form = definition.step(step.name)
    posting = postings.get(step.posting_id)
    return StepFacts(
        name=step.name,
        state=step.state,
        kind=form.kind,
        is_material=form.is_material,
        posting=_state_of(posting) if posting else "",
        may_skip=form.may_skip,
        has_undo=form.undo is not None,
    )


def _state_of(posting: Posting) -> str:
    """What waits to be sent again after a lost answer may stand already: it is as good as out."""
    doubtful = posting.state == "queued" and posting.doubtful_since is not None
    return "unknown" if doubtful else posting.state


def unshared(steps: Sequence[Step]) -> list[uuid.UUID]:
    """Postings of these steps that no other run waits for: a customer is written once for all."""
    ids = {step.posting_id for step in steps if step.posting_id}
    others = Step.objects.filter(posting_id__in=ids).exclude(
        run_id__in={step.run_id for step in steps}
    )
    return list(ids - set(others.values_list("posting_id", flat=True)))


def drop_unsent(
    steps: Sequence[Step], *, reason: str, actor: Actor, now: dt.datetime
) -> list[uuid.UUID]:
    """Give up writes that were not sent or were refused for good, and close their cases, so that
    nobody sends them later. Returns the postings that were given up."""
    wanted = Posting.objects.filter(id__in=unshared(steps), state__in=UNSENT)
    dropped = cancel_postings(list(wanted.values_list("id", flat=True)), actor=actor, now=now)
    subjects = [("postings.posting", posting) for posting in dropped]
    subjects += [("workflows.step", step.id) for step in steps]
    close_for_subjects(subjects, reason=reason, actor=actor, now=now)
    letters = DeadLetter.objects.filter(origin_id__in=dropped, state="parked")
    ids = list(letters.values_list("id", flat=True))
    discard_dead_letters(ids, reason=reason, actor=actor, now=now)
    return dropped
