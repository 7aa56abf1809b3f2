"""Remedies that mend data and go on at once: retry, correct, edit, next period."""

import datetime as dt
import json

from apps.canonical.services.posting_dates import move_posting_date
from apps.core.codec import loads
from apps.core.errors import RejectedError
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import family_members
from apps.ingestion.models import InboundEvent
from apps.ingestion.services import edit_and_receive, edit_unreadable
from apps.masterdata.services import correct_customer
from apps.resolutions.errors import RemedyError
from apps.resolutions.models import Resolution
from apps.resolutions.selectors import next_open_day
from apps.resolutions.services.chosen import Chosen
from apps.resolutions.services.records import Tried, record
from apps.resolutions.services.retry import refusal, retry_cases, standstill
from apps.resolutions.subjects import CUSTOMER_LABELS, master_data_of, subject_of
from apps.resolutions.types import CORRECT, EDIT, NEXT_PERIOD, RETRY
from apps.workflows.services import dated, fresh_payloads

NOT_WAITING = "It is not waiting for a person any more. Reload the page to see where it stands."


def retry(chosen: Chosen) -> Resolution:
    """Send it again as it is."""
    why_not = refusal(chosen.case)
    if why_not:
        raise RemedyError(why_not)
    actor, now = chosen.principal.actor, chosen.now
    if not retry_cases([chosen.case], actor=actor, now=now):
        raise RemedyError(standstill(chosen.case) or NOT_WAITING)
    return record([chosen.case], Tried(RETRY, reason=chosen.reason), actor=actor, now=now)[0]


def correct_master_data(chosen: Chosen) -> Resolution:
    """Change the customer, then try every open case of the family that is about the same one."""
    data = master_data_of(chosen.case, chosen.subject)
    if data is None:
        raise RemedyError("The case names no record that can be corrected here.")
    name = chosen.needed("field", "Choose the field to correct.")
    if name not in CUSTOMER_LABELS:
        raise RemedyError("Correct the named field.", {"field": "Choose one of the listed."})
    value = chosen.text("value")
    if value == data.values[name]:
        label = CUSTOMER_LABELS[name]
        raise RemedyError("Nothing would change.", {"value": f"{label} has this value already."})
    actor, now = chosen.principal.actor, chosen.now
    try:
        correct_customer(
            customer_id=data.record_id,
            changes={name: value},
            reason=chosen.reason or f"{chosen.case.reference}: {chosen.case.title}",
            actor=actor,
            now=now,
        )
    except RejectedError as error:
        raise RemedyError("Correct the named field.", {"value": error.facts.message}) from error
    cases = [chosen.case, *_same_customer(chosen, data.record_id)]
    moved = retry_cases(cases, actor=actor, now=now)
    params = {"record": data.label, "field": name, "value": value, "before": data.values[name]}
    went = [case for case in cases if case.id in moved or case.id == chosen.case.id]
    return record(went, Tried(CORRECT, params, chosen.reason), actor=actor, now=now)[0]


def _same_customer(chosen: Chosen, customer_id: object) -> list[ExceptionCase]:
    members = family_members(chosen.principal, chosen.case.family_id).exclude(id=chosen.case.id)
    pairs = [(case, master_data_of(case, subject_of(case))) for case in members[:100]]
    return [case for case, data in pairs if data is not None and data.record_id == customer_id]


def edit_and_retry(chosen: Chosen) -> Resolution:
    """Process a person's version of the message; the original stays beside it."""
    event = chosen.subject.event
    if event is None:
        raise RemedyError("The case is about no message that can be edited.")
    if event.is_unreadable:
        return _edit_unreadable(chosen, event)
    payload = parse_payload(chosen.needed("payload", "Enter the message as JSON."))
    before = event.edited_payload if event.edited_payload is not None else event.payload
    if payload == before:
        raise RemedyError("Nothing would change.", {"payload": "Change the message first."})
    actor, now = chosen.principal.actor, chosen.now
    if not edit_and_receive({event.id: payload}, actor=actor, now=now):
        raise RemedyError(NOT_WAITING)
    params = {"changed": sorted(_changed(before or {}, payload))}
    return record([chosen.case], Tried(EDIT, params, chosen.reason), actor=actor, now=now)[0]


def _edit_unreadable(chosen: Chosen, event: InboundEvent) -> Resolution:
    """Read a message again that nobody could read, in the person's version."""
    text = chosen.needed("payload", "Enter the message.")
    if text == event.raw_text.strip():
        raise RemedyError("Nothing would change.", {"payload": "Change the message first."})
    actor, now = chosen.principal.actor, chosen.now
    try:
        read = edit_unreadable(event.id, text, actor=actor, now=now)
    except RejectedError as error:
        raise RemedyError(
            "The message still cannot be read.", {"payload": error.facts.message}
        ) from error
    if read is None:
        raise RemedyError(NOT_WAITING)
    params = {"changed": ["the whole message"], "read_as": f"{read.object_type} {read.object_id}"}
    return record([chosen.case], Tried(EDIT, params, chosen.reason), actor=actor, now=now)[0]


def parse_payload(text: str) -> dict[str, object]:
    """The JSON object a person typed. Raises ``RemedyError`` with the line and column."""
    try:
        payload = loads(text)
    except json.JSONDecodeError as error:
        where = f"Line {error.lineno}, column {error.colno}: {error.msg}."
        raise RemedyError("The message is not JSON.", {"payload": where}) from error
    if not isinstance(payload, dict):
        raise RemedyError(
            "The message is not a JSON object.", {"payload": "Start with { and end with }."}
        )
    return payload


def _changed(before: object, after: object, path: str = "") -> set[str]:
    """Paths that differ between two JSON values."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = set(before) | set(after)
        inner = (
            _changed(before.get(n), after.get(n), f"{path}.{n}" if path else n) for n in names
        )
        return set().union(*inner)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return set().union(*(_changed(a, b, f"{path}[{n}]") for n, (a, b) in pairs))
    return set() if before == after else {path}


def retry_next_period(chosen: Chosen) -> Resolution:
    """Move the posting date to the next open period of the legal entity, then send again."""
    posting = chosen.subject.posting
    if posting is None or posting.legal_entity_id is None:
        raise RemedyError("The case is about no posting with a posting date.")
    before = dt.date.fromisoformat(str(posting.payload["posting_date"]))
    found = next_open_day(posting)
    if found is None:
        raise RemedyError(
            "No later posting period is open. Open one under Master data, then try again."
        )
    day = found[1]
    actor, now = chosen.principal.actor, chosen.now
    reason = chosen.reason or f"{chosen.case.reference}: the period of {before} is closed"
    if posting.operation == "invoice.create":
        move_posting_date(
            invoice_id=posting.document_id, posting_date=day, reason=reason, actor=actor, now=now
        )
    payload = fresh_payloads([posting.id]).payloads.get(posting.id, posting.payload)
    changes = {posting.id: dated(payload, day.isoformat())}
    if not retry_cases([chosen.case], actor=actor, now=now, changes=changes):
        raise RemedyError(standstill(chosen.case) or NOT_WAITING)
    params = {"from": before, "to": day}
    return record([chosen.case], Tried(NEXT_PERIOD, params, reason), actor=actor, now=now)[0]
