"""From inbound events to canonical records: claim, translate, apply, in sets.

Only the oldest event of an ordering key is claimed, under a lease with an epoch, so that two
workers never apply two versions of one object at once.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Max

from apps.canonical.services import apply_drafts
from apps.canonical.types import Applied, Draft
from apps.connectors.models import Connection
from apps.core.codec import dumps
from apps.core.errors import ErrorFacts, HubError
from apps.core.failpoints import failpoint
from apps.core.halving import in_halves
from apps.core.jobs import enqueue_on_commit
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.ingestion.models import InboundEvent
from apps.ingestion.policies import is_given_up, pause_after
from apps.ingestion.services.claim import (
    Epochs,
    claim_heads,
    give_up,
    held_events,
    recover_claims,
    settle_rows,
)
from apps.ingestion.services.repair import wake_versions
from apps.ingestion.services.split import INGESTION, event_case
from apps.mappings.services import link_references, translate
from apps.mappings.types import Missing, ReferenceDraft, Translated, TranslationRequest

WAIT_FOR_DEPENDENCY = dt.timedelta(hours=4)
WAIT_FOR_VERSION = dt.timedelta(minutes=15)


def process_due(*, now: dt.datetime) -> int:
    """Process the due heads. Returns how many events were taken up.

    One set is one transaction. A set that fails is halved until the bad event stands alone; that
    one rests and is tried again, and at the fifth attempt is dead, with its case.
    """
    recover_claims(now)
    claims = claim_heads()
    if claims:
        failpoint("process.after_claim")

        def work(ids: Sequence[uuid.UUID]) -> None:
            with acting(INGESTION):
                _process({i: claims[i] for i in ids}, now)
                failpoint("process.before_commit")

        def fail(event_id: uuid.UUID, error: Exception) -> None:
            _count_failure(event_id, claims, error, now)

        in_halves(list(claims), work, fail)
        failpoint("process.after_commit")
    return len(claims)


def _process(claims: Epochs, now: dt.datetime) -> None:
    events = held_events(claims)
    if not events:
        return
    connections = Connection.objects.in_bulk({e.connection_id for e in events})
    early = _too_early(events)
    plans = [(event, _await_version(event)) for event in early]
    ready = [event for event in events if event not in early]
    translated = translate([_request(e, connections[e.connection_id]) for e in ready], now=now)
    drafts = []
    for event, result in zip(ready, translated, strict=True):
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
    _settle(plans, connections, claims, now)


def _too_early(events: Sequence[InboundEvent]) -> list[InboundEvent]:
    """Events whose predecessor at the source was not settled yet."""
    following = [event for event in events if event.follows]
    if not following:
        return []
    settled = dict(
        InboundEvent.objects.filter(
            ordering_key__in=[e.ordering_key for e in following],
            state__in=["processed", "ignored"],
        )
        .values("ordering_key")
        .annotate(newest=Max("source_version"))
        .values_list("ordering_key", "newest")
    )
    return [e for e in following if settled.get(e.ordering_key, 0) < e.follows]


def _await_version(event: InboundEvent) -> Applied:
    return Applied("waits", waits_for=f"version {event.follows} of {event.object_id}"[:200])


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
SETTLES = frozenset({"finish", "ignore"})  # what lets the next version of an object go on


def _settle(
    plans: Sequence[tuple[InboundEvent, Applied]],
    connections: Mapping[uuid.UUID, Connection],
    claims: Epochs,
    now: dt.datetime,
) -> None:
    groups: dict[str, list[tuple[uuid.UUID, dict[str, Any]]]] = {}
    for event, done in plans:
        name = OUTCOME_MOVES[done.outcome]
        groups.setdefault(name, []).append((event.id, _values(event, done, now)))
    for name, rows in groups.items():
        settle_rows(name, rows, claims)
    wake_versions(
        [e.ordering_key for e, done in plans if OUTCOME_MOVES[done.outcome] in SETTLES], now=now
    )
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
    waits, reason, deadline = done.outcome == "waits", "", None
    if waits:
        early = done.waits_for.startswith("version ")
        reason = "version" if early else "dependency"
        deadline = now + (WAIT_FOR_VERSION if early else WAIT_FOR_DEPENDENCY)
    return {
        "outcome": done.outcome,
        "record_type": event.record_type,
        "record_id": done.record_id,
        "journey_id": done.journey_id or event.journey_id,
        "legal_entity_id": done.legal_entity_id or event.legal_entity_id,
        "translation_id": event.translation_id,
        "wait_reason": reason,
        "waits_for": done.waits_for,
        "deadline": deadline,
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


def _count_failure(
    event_id: uuid.UUID, claims: Epochs, error: Exception, now: dt.datetime
) -> None:
    """An event that our own code fails on: tried again later, dead with a case at the fifth."""
    facts = _facts(error)
    with acting(INGESTION):
        for event in held_events({event_id: claims[event_id]}):
            if is_given_up(event.attempts):
                give_up([(event, facts)], now, claims)
                continue
            again = {
                "due_at": now + pause_after(event.attempts),
                "error_code": facts.code,
                "error_message": facts.detail or facts.message,
            }
            settle_rows("receive_again", [(event.id, again)], claims)


def _facts(error: Exception) -> ErrorFacts:
    if isinstance(error, HubError):
        return error.facts
    return ErrorFacts(
        "processing_fault",
        "The hub could not process this message. It is kept; engineering has the details. "
        "Retry after the fault is mended, or discard it with a reason.",
        detail=dumps(f"{type(error).__name__}: {error}")[:4000],
    )
