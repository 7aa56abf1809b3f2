"""Dead letters: parked with their origin untouched, redriven or discarded, never lost."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from apps.core.fsm import transition_set
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.exceptions.announce import dead_letter_event
from apps.exceptions.models import DeadLetter
from apps.exceptions.selectors import open_cases_of, open_letters_of
from apps.exceptions.types import DeadLetterDraft, Subject


def park_dead_letters(
    drafts: Sequence[DeadLetterDraft], *, actor: Actor, now: dt.datetime
) -> list[DeadLetter]:
    """Park messages that ran out of attempts, each linked to its open case. One that was being
    redriven is parked again."""
    if not drafts:
        return []
    origins = [(draft.origin_type, draft.origin_id) for draft in drafts]
    with acting(actor):
        park_again(origins, actor=actor, now=now)
        cases = open_cases_of(origins)
        rows = [_letter(draft, cases, now) for draft in drafts]
        DeadLetter.objects.bulk_create(rows, ignore_conflicts=True)
        made = list(DeadLetter.objects.filter(id__in=[row.id for row in rows]))
        publish_events([dead_letter_event(d, "parked") for d in made], actor=actor, now=now)
    return made


def _letter(draft: DeadLetterDraft, cases: dict[Subject, Any], now: dt.datetime) -> DeadLetter:
    return DeadLetter(
        origin_type=draft.origin_type,
        origin_id=draft.origin_id,
        connection_code=draft.connection_code,
        message_type=draft.message_type,
        error_code=draft.error_code,
        error_message=draft.error_message,
        attempts=draft.attempts,
        ordering_key=draft.ordering_key,
        legal_entity_id=draft.legal_entity_id,
        amount=draft.amount,
        currency=draft.currency,
        journey_id=draft.journey_id,
        case=cases.get((draft.origin_type, draft.origin_id)),
        parked_at=now,
    )


def start_redrive(ids: Sequence[uuid.UUID], *, actor: Actor, now: dt.datetime) -> list[DeadLetter]:
    """Mark parked letters as being redriven; returns those that were parked."""
    return _move("redrive", "redriving", ids, actor, now)


def settle_dead_letters(
    origins: Sequence[Subject], *, reason: str, actor: Actor, now: dt.datetime
) -> list[DeadLetter]:
    """Their messages went on after all: the open letters of these origins are redriven."""
    ids = [d.id for d in open_letters_of(origins).values()]
    values = {"settled_at": now, "settled_by_label": actor.label, "settled_reason": reason}
    return _move("finish_redrive", "redriven", ids, actor, now, **values)


def park_again(origins: Sequence[Subject], *, actor: Actor, now: dt.datetime) -> list[DeadLetter]:
    """A redrive did not help: the letters wait for a person again."""
    return _move(
        "park_again", "parked", [d.id for d in open_letters_of(origins).values()], actor, now
    )


def discard_dead_letters(
    ids: Sequence[uuid.UUID], *, reason: str, actor: Actor, now: dt.datetime
) -> list[DeadLetter]:
    """Give parked letters up, with the reason a person gave."""
    values = {"settled_at": now, "settled_by_label": actor.label, "settled_reason": reason}
    return _move("discard", "discarded", ids, actor, now, **values)


def _move(
    move: str,
    told: str,
    ids: Sequence[uuid.UUID],
    actor: Actor,
    now: dt.datetime,
    **values: Any,
) -> list[DeadLetter]:
    if not ids:
        return []
    with acting(actor):
        moved = transition_set(DeadLetter, move, ids, **values)
        letters = list(DeadLetter.objects.filter(id__in=moved).order_by("id"))
        publish_events([dead_letter_event(d, told) for d in letters], actor=actor, now=now)
    return letters
