"""The record of each dispatch, and of results that were refused because they came too late."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection as database

from apps.core.errors import ErrorFacts
from apps.postings.models import RefusedWrite
from apps.postings.services.claim import Held

_CLOSE = """
UPDATE postings_attempt AS a SET finished_at = %s, outcome = given.outcome,
    error_code = given.code, error_message = given.message
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS given(posting_id, token, outcome, code, message)
WHERE a.posting_id = given.posting_id AND a.token = given.token AND a.finished_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one dispatch."""

    held: Held
    outcome: str
    error: ErrorFacts | None = None


def close_attempts(tried: Sequence[Tried], *, now: dt.datetime) -> None:
    """Write the outcomes of dispatches, each found by its claim's token, in one statement."""
    if not tried:
        return
    columns: list[list[Any]] = [
        [one.held.posting.id for one in tried],
        [one.held.token for one in tried],
        [one.outcome for one in tried],
        [one.error.code if one.error else "" for one in tried],
        [one.error.message if one.error else "" for one in tried],
    ]
    with database.cursor() as cursor:
        cursor.execute(_CLOSE, [now, *columns])


def refuse_writes(
    connection_id: uuid.UUID, late: Sequence[tuple[Held, str]], *, now: dt.datetime
) -> None:
    """Count results whose claim had been taken over; they changed nothing."""
    wanted = {(held.posting.id, held.token): (held, name) for held, name in reversed(late)}
    RefusedWrite.objects.bulk_create(
        [
            RefusedWrite(
                posting_id=held.posting.id, connection_id=connection_id, token=held.token,
                claim_epoch=held.posting.claim_epoch, wanted=name, at=now,
            )
            for held, name in wanted.values()
        ]
    )  # fmt: skip
