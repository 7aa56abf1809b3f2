"""From inbound events to canonical records: claim, translate, apply, in sets.

Only the oldest event of an ordering key is claimed, under a lease with an epoch, so that two
workers never apply two versions of one object at once.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection as database

from apps.canonical.services import apply_drafts
from apps.canonical.types import Applied, Draft
from apps.connectors.models import Connection
from apps.core.codec import dumps
from apps.core.errors import ErrorFacts
from apps.core.failpoints import failpoint
from apps.core.fsm import transition_rows, transition_set
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.ingestion.models import InboundEvent
from apps.ingestion.services.split import INGESTION, event_case
from apps.mappings.services import link_references, translate
from apps.mappings.types import Missing, ReferenceDraft, Translated, TranslationRequest

BATCH = 100
WAIT_FOR_DEPENDENCY = dt.timedelta(hours=4)
MAX_ATTEMPTS = 5
CLAIM_TTL = dt.timedelta(seconds=60)

_HEADS = """
SELECT e.id FROM ingestion_inboundevent e JOIN (
    SELECT DISTINCT ON (ordering_key) id FROM ingestion_inboundevent
    WHERE state IN ('received', 'processing') ORDER BY ordering_key, source_version, id
) head USING (id)
WHERE e.state = 'received' AND e.due_at <= clock_timestamp()
ORDER BY e.due_at LIMIT %s FOR UPDATE OF e SKIP LOCKED
"""


def process_due(*, now: dt.datetime) -> int:
    """Process the due heads. Returns how many events were taken up.

    One set is one transaction. A set that fails is halved until the bad event stands alone; that
    one is counted as an attempt, which at the fifth makes it dead, with its case.
    """
    with acting(INGESTION):
        _recover(now)
        ids = _claim(now + CLAIM_TTL)
    if ids:
        failpoint("process.after_claim")
        _process_set(ids, now)
        failpoint("process.after_commit")
    return len(ids)


def _recover(now: dt.datetime) -> None:
    """Events whose worker died while it held them are received again."""
    lost = InboundEvent.objects.filter(state="processing", due_at__lt=now)
    transition_set(
        InboundEvent, "receive_again", list(lost.values_list("id", flat=True)), due_at=now
    )


def _claim(until: dt.datetime) -> list[uuid.UUID]:
    with database.cursor() as cursor:
        cursor.execute(_HEADS, [BATCH])
        ids = [row[0] for row in cursor.fetchall()]
    events = InboundEvent.objects.filter(id__in=ids).values_list("id", "attempts")
    return transition_rows(
        InboundEvent,
        "process",
        [(i, {"attempts": attempts + 1, "due_at": until}) for i, attempts in events],
    )


def _process_set(ids: Sequence[uuid.UUID], now: dt.datetime) -> None:
    try:
        with acting(INGESTION):
            _process(ids, now)
            failpoint("process.before_commit")
    except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
        if len(ids) > 1:
            middle = len(ids) // 2
            _process_set(ids[:middle], now)
            _process_set(ids[middle:], now)
            return
        _count_failure(ids[0], error, now)


def _process(ids: Sequence[uuid.UUID], now: dt.datetime) -> None:
    events = list(InboundEvent.objects.filter(id__in=ids).order_by("source_version", "id"))
    connections = {c.id: c for c in Connection.objects.all()}
    translated = translate([_request(e, connections[e.connection_id]) for e in events], now=now)
    drafts, plans = [], []
    for event, result in zip(events, translated, strict=True):
        event.translation_id = result.translation_id
        if result.output is None:
            plans.append((event, _missing(result, connections[event.connection_id])))
        else:
            draft = _draft(event, result, connections[event.connection_id])
            event.record_type = draft.record_type
            drafts.append((event, draft))
    told = _refused_before([event for event, _ in drafts])
    repeated = [(event, draft) for event, draft in drafts if event.id in told]
    plans += [(event, Applied("older")) for event, _ in repeated]
    drafts = [(event, draft) for event, draft in drafts if event.id not in told]
    applied = apply_drafts([draft for _, draft in drafts], now=now)
    plans += [(event, done) for (event, _), done in zip(drafts, applied, strict=True)]
    _settle(plans, connections, now)


def _refused_before(events: Sequence[InboundEvent]) -> set[uuid.UUID]:
    """Events that tell once more what stands refused with a case: same object, same version."""
    dead = set(
        InboundEvent.objects.filter(
            state="dead", ordering_key__in=[event.ordering_key for event in events]
        ).values_list("ordering_key", "source_version")
    )
    heard: set[uuid.UUID] = set()
    for event in events:
        if (event.ordering_key, event.source_version) in dead and event.edited_payload is None:
            heard.add(event.id)
    return heard


def _request(event: InboundEvent, connection: Connection) -> TranslationRequest:
    payload = event.edited_payload if event.edited_payload is not None else event.payload
    return TranslationRequest(
        mapping=f"{connection.vendor}.{event.object_type}.in",
        document=payload or {},
        scope="",
        subject_type="ingestion.event",
        subject_id=event.id,
        connection_id=connection.id,
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
    )


def _draft(event: InboundEvent, result: Translated, connection: Connection) -> Draft:
    output: Mapping[str, Any] = result.output or {}
    return Draft(
        record_type=str(output.get("record_type", event.object_type)),
        connection_id=connection.id,
        source_system=connection.vendor,
        object_type=event.object_type,
        external_id=event.object_id,
        source_version=event.source_version,
        content=output,
        translation_id=result.translation_id,
        event_id=event.id,
        journey_id=event.journey_id,
    )


def _missing(result: Translated, connection: Connection) -> Applied:
    missing: Missing = result.missing[0]
    if missing.mapping:
        noun = "product" if missing.mapping.startswith("products") else "value"
        code = f"unmapped_{noun}"
        message = (
            f"{missing.key} from {connection.name} has no row in {missing.mapping}. "
            f"Map it, then retry."
        )
    else:
        code = "malformed_payload"
        message = (
            f"{missing.path} of this message cannot be read: {missing.problem}. "
            f"Edit the field and retry, or discard the message with a reason."
        )
    return Applied(
        "refused",
        error_code=code,
        error_message=message,
        error_field=missing.path,
        case_facts={"mapping": missing.mapping, "key": missing.key, "scope": missing.scope},
    )


OUTCOME_MOVES = {
    "created": "finish", "changed": "finish", "unchanged": "finish", "older": "ignore",
    "waits": "wait", "refused": "die",
}  # fmt: skip


def _settle(
    plans: Sequence[tuple[InboundEvent, Applied]],
    connections: Mapping[uuid.UUID, Connection],
    now: dt.datetime,
) -> None:
    groups: dict[str, list[tuple[uuid.UUID, dict[str, Any]]]] = {}
    for event, done in plans:
        name = OUTCOME_MOVES[done.outcome]
        groups.setdefault(name, []).append((event.id, _values(event, done, now)))
    for name, rows in groups.items():
        transition_rows(InboundEvent, name, rows)
    link_references(
        [
            ReferenceDraft(
                event.connection_id, event.object_type, event.object_id, event.record_type,
                done.record_id, done.legal_entity_id,
            )
            for event, done in plans
            if done.outcome in ("created", "changed") and done.record_id is not None
        ]
    )  # fmt: skip
    refused = [(event, done) for event, done in plans if done.outcome == "refused"]
    open_cases(
        [_case(event, done, connections[event.connection_id]) for event, done in refused],
        actor=INGESTION,
        now=now,
    )
    publish_events(
        [_event(event, done) for event, done in plans if done.outcome != "waits"],
        actor=INGESTION,
        now=now,
    )
    enqueue_on_commit("ingestion.process")


def _values(event: InboundEvent, done: Applied, now: dt.datetime) -> dict[str, Any]:
    waits = done.outcome == "waits"
    return {
        "outcome": done.outcome,
        "record_type": event.record_type,
        "record_id": done.record_id,
        "journey_id": done.journey_id or event.journey_id,
        "legal_entity_id": done.legal_entity_id or event.legal_entity_id,
        "translation_id": event.translation_id,
        "wait_reason": "dependency" if waits else "",
        "waits_for": done.waits_for,
        "deadline": now + WAIT_FOR_DEPENDENCY if waits else None,
        "error_code": done.error_code,
        "error_message": done.error_message,
        "error_field": done.error_field,
        "processed_at": None if waits else now,
    }


def _case(event: InboundEvent, done: Applied, connection: Connection) -> CaseDraft:
    error = ErrorFacts(done.error_code, done.error_message, field=done.error_field)
    event.journey_id = done.journey_id or event.journey_id
    event.legal_entity_id = done.legal_entity_id or event.legal_entity_id
    case = event_case(event, error, connection)
    facts = dict(done.case_facts)
    return CaseDraft(
        **{
            **{name: getattr(case, name) for name in case.__slots__},
            "facts": {**case.facts, **facts},
            "fingerprint": (
                done.error_code, connection.code, str(facts.get("key") or done.error_field),
            ),
            "amount_at_risk": facts.get("amount"),
            "currency": str(facts.get("currency", "")),
            "document": str(facts.get("document", case.document)),
            "customer": str(facts.get("customer", "")),
        }
    )  # fmt: skip


def _event(event: InboundEvent, done: Applied) -> NewEvent:
    words = {"finish": "processed", "ignore": "ignored", "die": "dead"}
    return NewEvent(
        type=f"inbound.{words[OUTCOME_MOVES[done.outcome]]}",
        aggregate_type="inbound_event",
        aggregate_id=event.id,
        legal_entity_id=done.legal_entity_id,
        journey_id=done.journey_id,
        data={"object_type": event.object_type, "object_id": event.object_id,
              "outcome": done.outcome, "record_id": done.record_id},
    )  # fmt: skip


def _count_failure(event_id: uuid.UUID, error: Exception, now: dt.datetime) -> None:
    """An event that our own code fails on: tried again later, dead with a case at the fifth."""
    facts = ErrorFacts(
        "processing_fault",
        "The hub could not process this message. It is kept; engineering has the details. "
        "Retry after the fault is mended, or discard it with a reason.",
        detail=dumps(f"{type(error).__name__}: {error}")[:4000],
    )
    with acting(INGESTION):
        event = InboundEvent.objects.select_for_update().get(id=event_id)
        if event.attempts < MAX_ATTEMPTS:
            later = now + dt.timedelta(seconds=2**event.attempts)
            transition_set(InboundEvent, "receive_again", [event_id], due_at=later,
                           error_code=facts.code, error_message=facts.detail)  # fmt: skip
            return
        transition_set(InboundEvent, "die", [event_id], error_code=facts.code,
                       error_message=facts.message)  # fmt: skip
        connection = Connection.objects.get(id=event.connection_id)
        open_cases([event_case(event, facts, connection)], actor=INGESTION, now=now)
