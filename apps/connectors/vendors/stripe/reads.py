"""Reading from Stripe: events since a moment, invoices by id, all invoices as a snapshot."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from apps.connectors.base import InboundMessage, Page, SnapshotDocument, SnapshotPage
from apps.connectors.vendors.stripe.client import PAGE, StripeClient
from apps.connectors.vendors.stripe.schemas import (
    INVOICE_EVENTS,
    event_message,
    invoice_document,
    invoice_message,
)
from apps.core.errors import RejectedError

# Events may become listed a little after the second they bear.
OVERLAP = 60
AT_ONCE = 4  # calls of one page side by side


async def fetch_invoices(client: StripeClient, ids: Sequence[str]) -> list[InboundMessage]:
    """Invoices with all their lines; one that is gone is left out."""
    found = await _in_turns(_whole_invoice(client, key) for key in ids)
    return [invoice_message(invoice, "invoice.fetched") for invoice in found if invoice]


async def _whole_invoice(client: StripeClient, key: str) -> Any | None:
    path = f"/v1/invoices/{key}"
    invoice = await client.find("invoice.fetch", path)
    if invoice and invoice["lines"]["has_more"]:
        lines = await client.list_all("invoice.lines", f"{path}/lines", {})
        invoice["lines"] = {**invoice["lines"], "data": lines, "has_more": False}
    return invoice


async def poll_events(client: StripeClient, cursor: Mapping[str, Any]) -> Page:
    """A page of events of invoices, newest first, down to the cursor's moment."""
    events, following, more = await _events(client, cursor, INVOICE_EVENTS)
    messages = [message for event in reversed(events) if (message := _message(event))]
    return Page(messages, following, more)


def _message(event: Mapping[str, Any]) -> InboundMessage | None:
    """An event's message; one that cannot be read does not hide the others of its page."""
    try:
        return event_message(event)
    except RejectedError as error:
        key = str(event.get("id") or "")
        return InboundMessage(
            str(event.get("type")), "unreadable", key, 0, event, message_id=key, fault=error.facts
        )


async def _events(
    client: StripeClient, cursor: Mapping[str, Any], types: Sequence[str]
) -> tuple[list[Any], dict[str, Any], bool]:
    """(events, next cursor, whether more pages follow). ``since`` moves when a walk is over."""
    since = int(cursor.get("since", 0))
    parameters: dict[str, Any] = {
        "limit": PAGE, "types": list(types), "created": {"gte": max(0, since - OVERLAP)},
    }  # fmt: skip
    if cursor.get("after"):
        parameters["starting_after"] = cursor["after"]
    page = await client.get("events.list", "/v1/events", parameters)
    events = page["data"]
    newest = max([int(cursor.get("newest", since)), *(int(e["created"]) for e in events)])
    if page["has_more"] and events:
        following = {"since": since, "newest": newest, "after": events[-1]["id"]}
        return events, following, True
    return events, {"since": newest}, False


async def snapshot_invoices(client: StripeClient, cursor: Mapping[str, Any]) -> SnapshotPage:
    """First every invoice there is, page by page; from then on those that events name."""
    if cursor.get("phase") == "events":
        return await _changed_invoices(client, cursor)
    parameters: dict[str, Any] = {"limit": PAGE}
    if cursor.get("after"):
        parameters["starting_after"] = cursor["after"]
    page = await client.get("snapshot.invoices", "/v1/invoices", parameters)
    invoices = page["data"]
    started = cursor.get("started")
    if started is None:
        started = max([0, *(int(invoice["created"]) for invoice in invoices)])
    following: dict[str, Any] = {"phase": "events", "since": started}
    if page["has_more"] and invoices:
        following = {"phase": "list", "started": started, "after": invoices[-1]["id"]}
    return SnapshotPage(_documents(invoices), following, bool(page["has_more"]))


async def _changed_invoices(client: StripeClient, cursor: Mapping[str, Any]) -> SnapshotPage:
    events, following, more = await _events(client, cursor, INVOICE_EVENTS)
    latest: dict[str, Any] = {}
    for event in events:  # newest first: the first word about an invoice stands
        invoice = event["data"]["object"]
        latest.setdefault(invoice["id"], invoice)
    return SnapshotPage(_documents(list(latest.values())), {"phase": "events", **following}, more)


def _documents(invoices: Sequence[Mapping[str, Any]]) -> list[SnapshotDocument]:
    return [invoice_document(i) for i in invoices if i["status"] != "draft"]


async def _in_turns(calls: Any) -> list[Any]:
    """The results of calls in order, a few of them at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Any) -> Any:
        async with gate:
            return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))
