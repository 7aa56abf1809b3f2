"""Postings that are given up on become dead letters, from which a person redrives them."""

import datetime as dt
from collections.abc import Sequence

from apps.connectors.models import Connection
from apps.core.errors import ErrorFacts
from apps.core.fsm import transition_rows
from apps.events.services import publish_events
from apps.exceptions.services import open_cases, park_dead_letters
from apps.exceptions.types import DeadLetterDraft
from apps.postings.announce import posting_case, posting_event
from apps.postings.models import Posting
from apps.postings.services.claim import LANE


def dead_letter(posting: Posting, error: ErrorFacts, code: str) -> DeadLetterDraft:
    """The letter of a posting, with the error that ended it."""
    return DeadLetterDraft(
        origin_type="postings.posting",
        origin_id=posting.id,
        connection_code=code,
        message_type=posting.operation,
        error_code=error.code,
        error_message=error.message,
        attempts=posting.attempts,
        ordering_key=posting.ordering_key,
        legal_entity_id=posting.legal_entity_id,
        amount=posting.amount,
        currency=posting.currency,
        journey_id=posting.journey_id,
    )


def bury_postings(
    connection: Connection, postings: Sequence[Posting], error: ErrorFacts, *, now: dt.datetime
) -> None:
    """Give postings of unknown outcome that are not at the platform to the dead-letter queue, in
    the caller's transaction."""
    if not postings:
        return
    values = {
        "error_code": error.code,
        "error_message": error.message,
        "unsettled_since": None,
        "doubtful_since": None,
    }
    ids = [posting.id for posting in postings]
    transition_rows(Posting, "send_again", [(pk, {}) for pk in ids])
    transition_rows(Posting, "bury", [(pk, values) for pk in ids])
    publish_events([posting_event(p, "dead") for p in postings], actor=LANE, now=now)
    code, role = connection.code, connection.role
    open_cases([posting_case(p, error, code, role) for p in postings], actor=LANE, now=now)
    park_dead_letters([dead_letter(p, error, code) for p in postings], actor=LANE, now=now)
