"""The posting period that ends next, as the pages name it."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from apps.core.principal import Principal
from apps.organisation.selectors import list_periods


@dataclass(frozen=True, slots=True)
class NextClose:
    """``November 2026`` and ``ends in 6 days``."""

    start: dt.date
    note: str


def next_close(
    principal: Principal, entity_ids: Sequence[uuid.UUID], now: dt.datetime
) -> NextClose | None:
    """Of the periods under way, the one that ends first; of these legal entities, or of all."""
    today = now.date()
    periods = list_periods(principal).filter(start__lte=today, end__gt=today)
    if entity_ids:
        periods = periods.filter(legal_entity__in=entity_ids)
    current = periods.order_by("end").first()
    if current is None:
        return None
    days = (current.end - today).days
    return NextClose(current.start, f"ends in {days} day{'' if days == 1 else 's'}")
