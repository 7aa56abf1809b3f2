"""What the campaign reads of the hub's rows: its own SQL, tried on rows that the hub wrote."""

from typing import Any

import pytest
from django.db import connection

from apps.connectors.base import InboundMessage, Page
from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.ingestion.models import InboundEvent
from apps.ingestion.services import receive_delivery
from apps.ingestion.services.pages import store_page
from benchmarks.faults.evidence import _received, _writes
from benchmarks.faults.invariants import Facts, lost_events

pytestmark = pytest.mark.django_db


class Rows:
    """The hub's database as the campaign asks it."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


@pytest.fixture
def source():
    with acting(system_actor("tests")):
        return Connection.objects.create(
            code="stripe", name="Stripe", vendor="stripe", role="billing",
            secrets=seal({"webhook_secrets": ["s"]}),
        )  # fmt: skip


def _lost(*accepted: str) -> list[str]:
    facts = Facts(accepted=accepted, received=_received(Rows()))  # type: ignore[arg-type]
    return [breach.subject for breach in lost_events(facts)]


def test_a_message_that_a_poll_found_before_its_webhook_came_is_kept(source, now):
    message = InboundMessage("invoice.paid", "invoice", "a", 1, {"id": "a"}, message_id="evt_a")
    page = Page([message], {"since": 1}, more=False)
    assert store_page(source, page, now) == 1
    again = receive_delivery(
        connection_id=source.id, channel="webhook", message_id="evt_a", raw=b"{}", headers={},
        now=now,
    )  # fmt: skip
    assert again.status == "duplicate"
    [page_id] = InboundEvent.objects.values_list("delivery__message_id", flat=True)
    # Its event is not processed yet, which shows under the page's id.
    assert _lost("stripe:evt_a") == [f"stripe:{page_id}"]
    assert _lost("stripe:evt_b") == ["stripe:evt_b", f"stripe:{page_id}"]


def test_a_page_without_an_event_keeps_no_message(source, now):
    message = InboundMessage("invoice.paid", "invoice", "a", 1, {"id": "a"}, message_id="evt_a")
    store_page(source, Page([message], {"since": 1}, more=False), now)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingestion_inboundevent")
    assert "stripe:evt_a" in _lost("stripe:evt_a")


def test_the_record_of_dispatches_can_be_read():
    assert _writes(Rows()) == ()  # type: ignore[arg-type]
