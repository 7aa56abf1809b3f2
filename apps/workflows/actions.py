"""Changes of our own records that steps perform, many at once."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from apps.canonical.services import apply_amendments, book_orders, build_revenue_schedules
from apps.core.principal import Actor
from apps.workflows.registry import action

Asked = Sequence[tuple[str, Mapping[str, Any]]]
Outputs = Sequence[Mapping[str, Any]]


def _ids(asked: Asked) -> list[uuid.UUID]:
    return [uuid.UUID(subject) for subject, _ in asked]


@action("book_order")
def book_order(asked: Asked, actor: Actor, now: dt.datetime) -> Outputs:
    return book_orders(_ids(asked), actor=actor, now=now)


@action("apply_amendment")
def apply_amendment(asked: Asked, actor: Actor, now: dt.datetime) -> Outputs:
    return apply_amendments(_ids(asked), actor=actor, now=now)


@action("schedule_revenue")
def schedule_revenue(asked: Asked, actor: Actor, now: dt.datetime) -> Outputs:
    return build_revenue_schedules(_ids(asked), actor=actor, now=now)
