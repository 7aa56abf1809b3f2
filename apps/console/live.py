"""Topics of the live socket: which exist, and who may listen to which.

A topic's group is named after the legal entity too, so that nobody hears of another entity's
work: ``live.queue.exceptions.<entity id>``, and ``….all`` for people of the whole group.
"""

import re
import uuid
from collections.abc import Iterable

from apps.core.principal import Principal

QUEUES = frozenset(
    {
        "queue.exceptions",
        "queue.dead-letters",
        "queue.approvals",
        "queue.batches",
        "queue.connections",
        "queue.runs",
        "queue.breaks",
        "journeys",
    }
)
_RECORD = re.compile(r"^(exception|batch|run|journey|connection)\.[A-Za-z0-9-]{1,40}$")
EVERY_ENTITY = "all"
GLOBAL = "global"


def is_topic(text: str) -> bool:
    return text in QUEUES or bool(_RECORD.match(text))


def group_name(topic: str, scope: str) -> str:
    """The Channels group of a topic in one scope."""
    return f"live.{topic}.{scope}"[:99]


def listening_groups(topic: str, principal: Principal) -> list[str]:
    """Groups in which a principal hears of a topic: those of the entities it may see."""
    if principal.entity_ids is None:
        return [group_name(topic, EVERY_ENTITY)]
    scopes = [GLOBAL, *sorted(str(entity) for entity in principal.entity_ids)]
    return [group_name(topic, scope) for scope in scopes]


def telling_groups(topics: Iterable[str], entity_id: uuid.UUID | None) -> list[str]:
    """Groups that are told of a change of one entity's record."""
    scope = str(entity_id) if entity_id else GLOBAL
    return [group_name(topic, s) for topic in topics for s in (EVERY_ENTITY, scope)]
