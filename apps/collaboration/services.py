"""Comments on any record."""

import datetime as dt
import uuid

from apps.collaboration.models import Comment
from apps.core.principal import Principal
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.users.policies import require

LONGEST = 4000


def add_comment(
    *,
    subject_type: str,
    subject_id: uuid.UUID,
    legal_entity_id: uuid.UUID | None,
    body: str,
    principal: Principal,
    now: dt.datetime,
) -> Comment:
    """Say something about a record. Raises ``ValueError`` for an empty or overlong text."""
    require(principal, "comment")
    text = body.strip()
    if not text:
        raise ValueError("Write something before you send it.")
    if len(text) > LONGEST:
        raise ValueError(f"A comment may have {LONGEST} characters; this one has {len(text)}.")
    with acting(principal.actor):
        comment = Comment.objects.create(
            subject_type=subject_type,
            subject_id=subject_id,
            legal_entity_id=legal_entity_id,
            author_id=uuid.UUID(principal.actor.id),
            author_label=principal.actor.label,
            body=text,
        )
        event = NewEvent(
            type="comment.added",
            aggregate_type=subject_type,
            aggregate_id=subject_id,
            legal_entity_id=legal_entity_id,
            data={"comment": comment.id, "author": comment.author_label},
        )
        publish_events([event], actor=principal.actor, now=now)
    return comment
