"""Events and webhook endpoints as the API shows them."""

from __future__ import annotations

import secrets

from apps.simulators.core.codec import Document
from apps.simulators.core.webhooks import ENDPOINT
from apps.simulators.stripe.account import API_VERSION, new_id
from apps.simulators.stripe.forms import BOOLEAN, METADATA, RANGE, TEXT, TEXTS
from apps.simulators.stripe.forms import record as shape
from apps.simulators.stripe.listing import PAGING, paged, within
from apps.simulators.stripe.request import Operation, Request, merged_metadata


def list_events(request: Request) -> Document:
    """Newest first; `type` may end in `*`, `types` names several."""
    form = request.form
    wanted = form.get("types") or ([form["type"]] if form.get("type") else [])
    span = form.get("created") or {}
    found = [
        event
        for event in reversed(list(request.reader.all("event")))
        if within(event["created"], span) and _is_wanted(event["type"], wanted)
    ]
    return paged(request, found, "event", "/v1/events")


def _is_wanted(topic: str, wanted: list[str]) -> bool:
    if not wanted:
        return True
    return any(
        topic == name or (name.endswith("*") and topic.startswith(name[:-1])) for name in wanted
    )


def create_endpoint(request: Request) -> Document:
    account, form = request.account, request.form
    endpoint: Document = {
        "id": new_id("webhook_endpoint"),
        "object": "webhook_endpoint",
        "api_version": form.get("api_version") or API_VERSION,
        "application": None,
        "created": account.now(),
        "description": form.get("description"),
        "enabled_events": form["enabled_events"],
        "livemode": False,
        "metadata": merged_metadata({}, form.get("metadata")),
        "status": "enabled",
        "url": form["url"],
    }
    account.save(endpoint)
    secret = f"whsec_{secrets.token_urlsafe(24)}"
    account.outbox.add_endpoint(
        {
            "id": endpoint["id"],
            "url": form["url"],
            "secret": secret,
            "events": form["enabled_events"],
        }
    )
    return {**endpoint, "secret": secret}


def delete_endpoint(request: Request) -> Document:
    account = request.account
    account.fetch("webhook_endpoint", request.id)
    account.store.delete("webhook_endpoint", request.id)
    account.store.delete(ENDPOINT, request.id)
    return {"id": request.id, "object": "webhook_endpoint", "deleted": True}


LIST = Operation(
    list_events,
    shape(created=RANGE, type=TEXT, types=TEXTS, delivery_success=BOOLEAN, **PAGING),
)
CREATE_ENDPOINT = Operation(
    create_endpoint,
    shape(
        "url",
        "enabled_events",
        url=TEXT,
        enabled_events=TEXTS,
        api_version=TEXT,
        description=TEXT,
        metadata=METADATA,
        expand=TEXTS,
    ),
)
DELETE_ENDPOINT = Operation(delete_endpoint, shape())
