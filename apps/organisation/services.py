"""Changes of posting periods."""

import datetime as dt
import uuid

from apps.core.errors import RejectedError
from apps.core.fsm import transition_set
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.organisation.models import PostingPeriod


def lock_period(
    *, period_id: uuid.UUID, reason: str, actor: Actor, now: dt.datetime
) -> PostingPeriod:
    """Lock a period: nothing more is posted into it. Raises ``RejectedError`` if it is locked."""
    return _move("lock", "locked", period_id, reason, actor, now)


def reopen_period(
    *, period_id: uuid.UUID, reason: str, actor: Actor, now: dt.datetime
) -> PostingPeriod:
    """Open a locked period again. Raises ``RejectedError`` if it is open."""
    return _move("reopen", "reopened", period_id, reason, actor, now)


def _move(
    name: str, told: str, period_id: uuid.UUID, reason: str, actor: Actor, now: dt.datetime
) -> PostingPeriod:
    with acting(actor):
        if not transition_set(PostingPeriod, name, [period_id]):
            raise RejectedError(
                "period_state", f"The period cannot be {told} from the state it is in."
            )
        period = PostingPeriod.objects.get(id=period_id)
        event = NewEvent(
            type=f"period.{told}",
            aggregate_type="posting_period",
            aggregate_id=period.id,
            legal_entity_id=period.legal_entity_id,
            data={"code": period.code, "reason": reason},
        )
        publish_events([event], actor=actor, now=now)
    return period
