"""What an event says in plain words, with the business key a person knows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from apps.connectors.models import Connection
from apps.console.sections.messages import outcome_words
from apps.console.sections.subjects import step_name
from apps.events.models import Event

# A step of a workflow that is done; {name} is the platform of its lane.
_DONE = {
    "apply_change": "Change of the contract applied",
    "book": "Order booked",
    "change_billing": "Subscription changed in {name}",
    "check_references": "Customer, products and dimensions checked",
    "check_tax": "Tax compared with billing",
    "confirm_proration": "Prorated charge confirmed by {name}",
    "customer_in_billing": "Customer written to {name}",
    "customer_in_erp": "Customer written to {name}",
    "earlier_applied": "Amendment before it found applied",
    "invoice_in_erp": "Invoice posted to {name}",
    "modify_in_erp": "Change posted to {name}",
    "order_booked": "Order found booked",
    "our_tax": "Tax of the invoice calculated",
    "provision": "Provisioning asked for",
    "provisioned": "Provisioning confirmed",
    "revenue_in_erp": "Revenue schedule posted to {name}",
    "schedule": "Revenue schedule made",
    "subscription": "Subscription created in {name}",
    "tax": "Tax calculated",
    "tell_cpq": "Result written back to {name}",
}
_OPERATIONS = {
    "customer.upsert": "customer",
    "entitlement.change": "change of the entitlement",
    "entitlement.provision": "entitlement",
    "invoice.create": "invoice",
    "invoice.credit": "credit note",
    "journal.create": "journal",
    "quote.write_back": "result of the quote",
    "subscription.change": "change of the subscription",
    "subscription.create": "subscription",
    "tax.quote": "tax calculation",
}
_TYPES = {
    "snapshot.refreshed": "Records read for reconciliation",
    "inbound.processed": "Message taken in",
    "inbound.ignored": "Message left alone",
    "inbound.dead": "Message refused",
    "mapping_version.active": "Mapping version live",
    "mapping_version.discarded": "Mapping draft discarded",
    "mapping_version.rehearsed": "Mapping version tested",
    "break.explained": "Break explained",
    "break.opened": "Break found",
    "break.corrected": "Break gone",
    "break.written_off": "Break written off",
    "break.write_off_refused": "Write-off not carried out",
    "connection.circuit_opened": "Calls stopped after failures",
    "connection.circuit_closed": "Calls resumed",
    "reconciliation_run.requested": "Reconciliation asked for",
    "reconciliation_run.completed": "Reconciliation done",
}
_PHRASES = {
    "posting.queued": "{What} queued for {name}",
    "posting.posted": "{What} accepted by {name}",
    "posting.confirmed": "{What} confirmed by {name}",
    "posting.rejected": "{What} refused by {name}",
    "posting.dead": "{What} given up for {name}",
    "posting.doubted": "{What} sent, answer of {name} not known",
}
_STEP_ENDS = {
    "step.failed": "stopped",
    "step.skipped": "skipped by a person",
    "step.compensated": "taken back",
    "step.compensating": "being taken back",
}
_RECORDS = {"inbound_event": "message", "exception_case": "exception", "workflow_run": "workflow"}
_KEYS = {
    "approval": "APR-{number}",
    "batch": "B-{number}",
    "break": "BRK-{number} {subject} {key}",
    "dead_letter": "DL-{number}",
    "exception": "EXC-{number}",
    "inbound": "{object_type} {object_id}",
    "mapping_version": "{name} v{number}",
    "reconciliation_run": "Run {number}, {subject}s",
    "snapshot": "{side}: {changed} changed {document_type}s",
}


class Platforms:
    """Names of the connections by id and by role, read once for a page of events."""

    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}
        self._by_role: dict[str, set[str]] = {}
        for key, role, name in Connection.objects.values_list("id", "role", "name"):
            self._by_id[str(key)] = name
            self._by_role.setdefault(role, set()).add(name)

    def connections(self) -> Iterable[tuple[str, str]]:
        """Id and name of each connection."""
        return self._by_id.items()

    def lanes(self) -> list[tuple[str, str]]:
        """Each lane, and what a step calls it; the hub's own among them."""
        return [(lane, self.of_lane(lane)) for lane in (*self._by_role, "hub")]

    def of_connection(self, key: object) -> str:
        return self._by_id.get(str(key), "the platform")

    def of_lane(self, lane: str) -> str:
        """The platform of a lane; the lane itself where several stand behind it."""
        names = self._by_role.get(lane, set())
        return next(iter(names)) if len(names) == 1 else lane_words(lane)


def lane_words(lane: str) -> str:
    """``erp`` → ``the ERP``."""
    return f"the {lane.upper()}" if lane in ("erp", "cpq") else f"the {lane}"


def operation_words(operation: str) -> str:
    """``tax.quote`` → ``tax calculation``: what an operation writes or asks for."""
    return _OPERATIONS.get(operation, operation.replace("_", " ").replace(".", " "))


def what_happened(event: Event, platforms: Platforms) -> str:
    """``Invoice posted to NetSuite``: what happened, without its subject."""
    data: Mapping[str, Any] = event.data
    if event.type.startswith("step."):
        return _step(event.type, data, platforms)
    if event.type in _PHRASES:
        what = operation_words(str(data.get("operation", "")))
        name = platforms.of_connection(data.get("connection_id"))
        return _PHRASES[event.type].format(What=what[:1].upper() + what[1:], name=name)
    words = event.type.replace("_", " ").replace(".", " ")
    return _TYPES.get(event.type) or words[:1].upper() + words[1:]


def events_saying(text: str, platforms: Platforms) -> Q:
    """Events that :func:`what_happened` tells in words that hold ``text``, or by their type."""
    wanted = " ".join(text.lower().split())
    found = Q(type__icontains=wanted.replace(" ", ".")) | Q(
        type__icontains=wanted.replace(" ", "_")
    )
    found |= Q(type__in=[kind for kind, words in _TYPES.items() if wanted in words.lower()])
    for lane, name in platforms.lanes():
        steps = [s for s, words in _DONE.items() if wanted in words.format(name=name).lower()]
        found |= Q(type="step.succeeded", data__lane=lane, data__step__in=steps)
    for kind, end in _STEP_ENDS.items():
        steps = [step for step in _DONE if wanted in f"{step_name(step)} {end}".lower()]
        found |= Q(type=kind, data__step__in=steps)
    for kind, phrase in _PHRASES.items():
        for key, name in platforms.connections():
            written = [
                operation
                for operation, what in _OPERATIONS.items()
                if wanted in phrase.format(What=what, name=name).lower()
            ]
            found |= Q(type=kind, data__connection_id=key, data__operation__in=written)
    return found


def _step(kind: str, data: Mapping[str, Any], platforms: Platforms) -> str:
    step = str(data.get("step", ""))
    if kind == "step.succeeded" and step in _DONE:
        return _DONE[step].format(name=platforms.of_lane(str(data.get("lane", ""))))
    return f"{step_name(step)} {_STEP_ENDS.get(kind, 'done')}"


def actor_words(event: Event) -> str:
    """Who did it; a part of the hub is called the hub."""
    if event.actor_kind != "system":
        return event.actor_label
    return f"The hub, {event.actor_label.split('.')[0].replace('_', ' ')}"


def record_words(event: Event) -> str:
    """The kind of record an event is about."""
    return _RECORDS.get(event.aggregate_type, event.aggregate_type.replace("_", " "))


def business_key(event: Event, platforms: Platforms) -> str:
    """The number or name by which a person knows what the event is about."""
    data, about = event.data, event.type.split(".", 1)[0]
    if about in _KEYS:
        side = platforms.of_lane(str(data.get("side", "")))
        known = defaultdict(str, {**data, "side": side, "name": data.get("name") or "Mapping"})
        return _KEYS[about].format_map(known).strip()
    keys = ("label", "document", "number", "sku", "contract", "name", "code", "title")
    return str(next((data[key] for key in keys if data.get(key)), ""))


def event_note(event: Event) -> str:
    """Why, or what became of it, where the event says so."""
    data = event.data
    if event.type == "step.succeeded":
        made = data.get("output", {}).get("external_id")
        is_theirs = "{name}" in _DONE.get(str(data.get("step")), "")
        return f"known there as {made}" if made and is_theirs else ""
    if event.type.startswith("inbound."):
        return outcome_words(str(data.get("outcome", "")))
    keys = ("reason", "error_message", "explanation", "title", "customer", "outcome", "note")
    note = str(next((data[key] for key in keys if data.get(key)), ""))
    return note.replace("_", " ")[:160]
