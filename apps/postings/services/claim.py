"""Claiming the heads that are due, one per ordering key, and shaping what is sent."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection as database

from apps.connectors.lanes.counts import count, retries_left
from apps.connectors.lanes.work import CLAIM_TTL
from apps.connectors.models import Connection
from apps.connectors.registry import connector_for
from apps.core.errors import ErrorFacts
from apps.core.failpoints import failpoint
from apps.core.fsm import transition_rows
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import system_actor
from apps.events.services import acting, publish_events
from apps.exceptions.services import open_cases
from apps.mappings.services import translate
from apps.mappings.types import Missing, Translated, TranslationRequest
from apps.organisation.models import LegalEntity
from apps.postings.announce import posting_case, posting_event
from apps.postings.models import OPEN_STATES, Attempt, Posting
from apps.postings.policies import must_look_first

LANE = system_actor("postings.lane")
WORKER_LOST = "claim_expired"  # the code of a posting whose worker came to no end with it

# Close-critical first: a document of a period that is being closed or ends within two days, then
# what is material, then by due time. Only heads are looked at, so no key is ever reordered. What
# is out already is its key's head, whatever else came before it meanwhile: one at a time.
_HEADS = """
SELECT p.id FROM postings_posting p JOIN (
    SELECT DISTINCT ON (ordering_key) id FROM postings_posting
    WHERE connection_id = %(connection)s AND state = ANY(%(open)s) AND skipped_at IS NULL
    ORDER BY ordering_key, (state IN ('sending', 'unknown', 'posted')) DESC, sequence
) head USING (id)
WHERE p.state = ANY(%(states)s) AND p.due_at <= clock_timestamp()
  AND NOT (p.is_held AND p.state = 'queued')
  AND (%(again)s OR p.first_sent_at IS NULL OR p.error_code = %(lost)s
       OR (p.attempts = 0 AND p.error_code = ''))
ORDER BY EXISTS (
    SELECT FROM organisation_postingperiod o
    WHERE o.legal_entity_id = p.legal_entity_id AND p.posting_date >= o.start
      AND p.posting_date < o.end AND (o.state IN ('closing', 'reopened')
           OR (o.state = 'open' AND o.end <= clock_timestamp()::date + 2))
  ) DESC, p.is_material DESC, p.due_at, p.sequence
LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
"""
_EXPIRED = """
SELECT id, claim_epoch + 1 FROM postings_posting
WHERE connection_id = %s AND state = 'sending' AND claimed_until < clock_timestamp()
FOR UPDATE SKIP LOCKED
"""
_RENEW = """
WITH until AS (SELECT clock_timestamp() + make_interval(secs => %s) AS at)
UPDATE postings_posting AS p SET claimed_until = until.at,
    due_at = CASE p.state WHEN 'sending' THEN p.due_at ELSE until.at END
FROM until, unnest(%s::uuid[], %s::text[], %s::bigint[]) AS given(id, token, epoch)
WHERE p.id = given.id AND p.claimed_by = given.token AND p.claim_epoch = given.epoch
  AND p.state IN ('sending', 'unknown', 'posted')
RETURNING p.id, p.claimed_until
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Postings this lane holds under one token and each under its epoch; a write under another
    token or an older epoch is refused."""

    token: str
    postings: list[Posting]


@dataclass(frozen=True, slots=True)
class Held:
    """A posting under the token of the claim that holds it."""

    posting: Posting
    token: str


def due_heads(
    connection: Connection, states: list[str], limit: int, *, again: bool = True
) -> list[uuid.UUID]:
    """Lock the due heads of the ordering keys: a later posting of a key never goes first.

    ``again`` False leaves out what was sent before: the retry budget is used up. What a worker
    left behind that died is no retry: nothing at the platform had failed.
    """
    with database.cursor() as cursor:
        cursor.execute(
            _HEADS,
            {
                "connection": connection.id,
                "open": list(OPEN_STATES),
                "states": states,
                "limit": limit,
                "again": again,
                "lost": WORKER_LOST,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def claim_sends(connection: Connection, *, worker: str, limit: int, now: dt.datetime) -> Claim:
    """Move due heads from queued to sending, each translated and counted as an attempt.

    A posting whose values no mapping knows is rejected here, with its case, and is not sent.
    Retries beyond the retry budget stay queued; first tries pass them. ``now`` is the
    database's clock.
    """
    token = new_token(worker)
    with acting(LANE):
        left = retries_left(connection.id, now)
        ids = due_heads(connection, ["queued"], limit, again=left > 0)
        found = Posting.objects.select_related("legal_entity").in_bulk(ids)
        postings = _within(left, [found[pk] for pk in ids])
        postings = _without_forgotten(connection, postings, now)
        if postings:
            failpoint("posting.after_intent")
        held = _translate(connection, postings, now)
        again = sum(_is_retry(posting) for posting in held)
        values = [(p.id, _sending_values(p, token, now)) for p in held]
        moved = set(transition_rows(Posting, "send", values))
        held = [p for p in held if p.id in moved]
        Attempt.objects.bulk_create([attempt(p, "send", worker, token, now) for p in held])
        count(connection.id, first_tries=len(held) - again, retries=again)
    return Claim(token, held)


def _without_forgotten(
    connection: Connection, postings: list[Posting], now: dt.datetime
) -> list[Posting]:
    """Those that may go; what an earlier dispatch may have written under a key that the platform
    does not know any more is looked up first."""
    capabilities = connector_for(connection.vendor).capabilities
    forgotten = {
        p.id for p in postings
        if must_look_first(
            capabilities.get(p.operation), doubtful=p.doubtful_since is not None,
            sent_ago=now - p.first_sent_at if p.first_sent_at else None,
        )
    }  # fmt: skip
    values = {"lookups": 0, "due_at": now, "unsettled_since": now}
    transition_rows(Posting, "look_first", [(pk, values) for pk in forgotten])
    if forgotten:
        enqueue_on_commit("postings.run_lane", str(connection.id), queue="lanes")
    return [posting for posting in postings if posting.id not in forgotten]


def new_token(worker: str) -> str:
    """A token that no other claim has."""
    return f"{worker}:{uuid.uuid4().hex[:8]}"


def _is_retry(posting: Posting) -> bool:
    """What a person sends again begins to count anew; the connection's rate is its limit."""
    anew = posting.attempts == 0 and not posting.error_code
    return posting.first_sent_at is not None and not anew and posting.error_code != WORKER_LOST


def _within(left: int, postings: list[Posting]) -> list[Posting]:
    """First tries, and as many retries as are left, in the given order."""
    kept = []
    for posting in postings:
        if _is_retry(posting):
            if left <= 0:
                continue
            left -= 1
        kept.append(posting)
    return kept


def claim_columns(claims: Sequence[Held]) -> list[list[Any]]:
    """Claims as columns: posting, token, epoch."""
    return [
        [held.posting.id for held in claims],
        [held.token for held in claims],
        [held.posting.claim_epoch for held in claims],
    ]


def renew_claims(claims: Sequence[Held]) -> None:
    """Hold on to postings whose calls are still out; one that was taken over is left alone."""
    with acting(LANE), database.cursor() as cursor:
        cursor.execute(_RENEW, [CLAIM_TTL.total_seconds(), *claim_columns(claims)])
        until = dict(cursor.fetchall())
    for held in claims:
        held.posting.claimed_until = until.get(held.posting.id, held.posting.claimed_until)


def expire_claims(connection: Connection, now: dt.datetime) -> None:
    """A claim that ran out while sending leaves an unknown outcome, to be looked up.

    The epoch rises, so that the late result of its worker is refused.
    """
    with acting(LANE):
        with database.cursor() as cursor:
            cursor.execute(_EXPIRED, [connection.id])
            expired = cursor.fetchall()
        rows = [
            (pk, {"error_code": WORKER_LOST, "claim_epoch": epoch, "unsettled_since": now,
                  "doubtful_since": now, "due_at": now})
            for pk, epoch in expired
        ]  # fmt: skip
        moved = transition_rows(Posting, "lose_track", rows)
        postings = list(Posting.objects.filter(id__in=moved))
        publish_events([posting_event(p, "unknown") for p in postings], actor=LANE, now=now)


def _sending_values(posting: Posting, token: str, now: dt.datetime) -> dict[str, object]:
    posting.attempts += 1
    posting.claimed_by = token
    posting.claim_epoch += 1
    posting.claimed_until = now + CLAIM_TTL
    posting.first_sent_at = posting.first_sent_at or now
    posting.unsettled_since = posting.unsettled_since or now
    return {
        "attempts": posting.attempts,
        "claimed_by": token,
        "claim_epoch": posting.claim_epoch,
        "claimed_until": posting.claimed_until,
        "first_sent_at": posting.first_sent_at,
        "unsettled_since": posting.unsettled_since,
        "lookups": 0,  # what was absent before this dispatch says nothing of it
        "request": posting.request,
        "translation_id": posting.translation_id,
    }


def attempt(posting: Posting, kind: str, worker: str, token: str, now: dt.datetime) -> Attempt:
    """The row of one dispatch, written before anything is sent."""
    return Attempt(
        posting=posting, number=posting.attempts, kind=kind, started_at=now, worker=worker,
        token=token,
    )  # fmt: skip


def _translate(connection: Connection, postings: list[Posting], now: dt.datetime) -> list[Posting]:
    fresh = [p for p in postings if p.request is None]
    results = translate([_request(connection, p) for p in fresh], now=now)
    failed: list[tuple[Posting, Translated]] = []
    for posting, translated in zip(fresh, results, strict=True):
        posting.translation_id = translated.translation_id
        if translated.output is None:
            failed.append((posting, translated))
        else:
            posting.request = dict(translated.output)
    _reject_untranslated(connection, failed, now)
    refused = {posting.id for posting, _ in failed}
    return [p for p in postings if p.id not in refused]


def _request(connection: Connection, posting: Posting) -> TranslationRequest:
    entity = posting.legal_entity
    return TranslationRequest(
        mapping=f"{connection.vendor}.{posting.operation}.out",
        document={
            **posting.payload,
            "reference": posting.reference,
            "journey_id": str(posting.journey_id or ""),
        },
        scope=entity.code if isinstance(entity, LegalEntity) else "",
        subject_type="postings.posting",
        subject_id=posting.id,
        connection_id=connection.id,
        legal_entity_id=posting.legal_entity_id,
        journey_id=posting.journey_id,
    )


def _reject_untranslated(
    connection: Connection, failed: list[tuple[Posting, Translated]], now: dt.datetime
) -> None:
    if not failed:
        return
    cases, rows = [], []
    for posting, translated in failed:
        missing = translated.missing[0]
        error = missing_error(missing, connection.name)
        values = {
            "error_kind": "rejected",
            "error_code": error.code,
            "error_message": error.message,
            "error_field": error.field,
            "translation_id": translated.translation_id,
        }
        rows.append((posting.id, values))
        for name, value in values.items():
            setattr(posting, name, value)
        case = posting_case(posting, error, connection.code, connection.role)
        facts = {**case.facts, "mapping": missing.mapping, "key": missing.key,
                 "scope": missing.scope, "path": missing.path}  # fmt: skip
        fingerprint = (case.code, missing.mapping, missing.key)
        cases.append(replace(case, facts=facts, fingerprint=fingerprint))
    transition_rows(Posting, "reject", rows)
    publish_events([posting_event(p, "rejected") for p, _ in failed], actor=LANE, now=now)
    open_cases(cases, actor=LANE, now=now)


def missing_error(missing: Missing, connection_name: str) -> ErrorFacts:
    """Plain words for a value that no active mapping version knows."""
    table = missing.mapping.split(".")[0]
    code = {"products": "unmapped_product"}.get(table, "unmapped_value")
    if not missing.mapping:
        return ErrorFacts(
            "untranslatable_field",
            f"{missing.path} cannot be translated for {connection_name}: {missing.problem}. "
            f"Correct the field, then retry.",
            field=missing.path,
        )
    noun = {"products": "Product", "tax_codes": "Tax code"}.get(
        table, table.rstrip("s").replace("_", " ").capitalize()
    )
    return ErrorFacts(
        code,
        f"{noun} {missing.key} has no mapping in {connection_name}. "
        f"Map {missing.key} in {missing.mapping}, then retry.",
        field=missing.path,
    )
