"""What polls keep: once, whoever read it first, and never with a cursor that goes back."""

import threading

import pytest
from django.db import connection

from apps.connectors.base import InboundMessage, Page
from apps.connectors.models import Connection
from apps.core.errors import ErrorFacts
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent, SeenMessage, SourceCheck
from apps.ingestion.selectors import find_source_check
from apps.ingestion.services import receive_delivery
from apps.ingestion.services.pages import store_page
from apps.jobs.models import StaleWrite

pytestmark = pytest.mark.django_db


def _page(cursor, *messages, more=False):
    return Page(
        [InboundMessage("invoice.paid", "invoice", key, version, {"id": key}, message_id=name)
         for key, version, name in messages],
        cursor, more,
    )  # fmt: skip


def _receive(source, name, body, now):
    return receive_delivery(
        connection_id=source.id, channel="webhook", message_id=name, raw=body, headers={}, now=now
    ).status  # fmt: skip


def _fresh(source):
    return Connection.objects.get(id=source.id)


def test_a_reader_that_was_overtaken_moves_no_cursor(stripe, now):
    """Both read from the same place; the slower one's page is read again by the next poll."""
    fast, slow = _fresh(stripe), _fresh(stripe)
    assert store_page(fast, _page({"since": 9}, ("a", 1, "evt_a")), now) == 1
    assert store_page(slow, _page({"since": 5}, ("b", 1, "evt_b")), now) is None
    assert _fresh(stripe).poll_cursor == {"since": 9}
    assert not SeenMessage.objects.filter(message_id="evt_b").exists()
    assert StaleWrite.objects.get(place="ingestion.poll").count == 1
    assert store_page(_fresh(stripe), _page({"since": 9}, ("b", 1, "evt_b")), now) == 1


@pytest.mark.django_db(transaction=True)
def test_readers_at_once_keep_each_message_once(stripe, now):
    """Eight readers that all read the same pages; whoever moves the cursor keeps its page."""
    together = threading.Barrier(8)

    def read():
        source = _fresh(stripe)
        together.wait(10)
        store_page(source, _page({"since": 1}, *((f"in_{n}", 1, f"evt_{n}") for n in range(50))),
                   now)  # fmt: skip
        connection.close()

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert InboundEvent.objects.count() == SeenMessage.objects.count() == 50
    assert Delivery.objects.count() == 1


def test_a_webhook_that_arrived_is_not_found_again(stripe, now):
    assert _receive(stripe, "evt_a", b"{}", now) == "new"
    page = _page({"since": 1}, ("a", 1, "evt_a"), ("b", 1, "evt_b"))
    assert store_page(_fresh(stripe), page, now) == 1
    assert InboundEvent.objects.get().object_id == "b"


def test_a_webhook_after_the_poll_is_a_repetition(stripe, now):
    """The poll does not know what bytes the webhook has; from its first arrival on they count."""
    store_page(_fresh(stripe), _page({"since": 1}, ("a", 1, "evt_a")), now)
    assert _receive(stripe, "evt_a", b"{}", now) == "duplicate"
    assert _receive(stripe, "evt_a", b"{}", now) == "duplicate"
    assert _receive(stripe, "evt_a", b"[]", now) == "conflict"
    assert Delivery.objects.get().channel == "poll"


def test_an_object_known_at_that_version_is_not_read_again(stripe, now):
    """A source whose webhooks bear other ids than its list is compared by object and version."""
    store_page(_fresh(stripe), _page({"since": 1}, ("a", 5, "evt_a")), now)
    page = _page({"since": 2}, ("a", 5, ""), ("a", 6, ""), ("b", 1, ""))
    assert store_page(_fresh(stripe), page, now) == 2
    known = InboundEvent.objects.values_list("object_id", "source_version")
    assert set(known) == {("a", 5), ("a", 6), ("b", 1)}


def test_what_comparing_finds_is_counted_after_the_first_walk(stripe, now):
    page = _page({"since": 1, "after": "x"}, ("a", 1, "evt_a"), more=True)
    store_page(_fresh(stripe), page, now)
    assert find_source_check(stripe.id) is None
    store_page(_fresh(stripe), _page({"since": 2}, ("b", 1, "evt_b")), now)
    assert find_source_check(stripe.id).found == 0
    store_page(_fresh(stripe), _page({"since": 3}, ("b", 1, "evt_b"), ("c", 1, "evt_c")), now)
    check = SourceCheck.objects.get()
    assert (check.found, check.last_found_at, check.compared_at) == (1, now, now)


def test_one_unreadable_message_of_a_page_is_a_case(stripe, now):
    broken = InboundMessage(
        "invoice.paid", "unreadable", "evt_x", 0, {}, message_id="evt_x",
        fault=ErrorFacts("malformed_payload", "No invoice. Discard it."),
    )  # fmt: skip
    huge = InboundMessage("invoice.paid", "invoice", "x" * 5000, 1, {}, message_id="evt_y")
    good = _page({}, ("a", 1, "evt_a")).objects[0]
    assert store_page(_fresh(stripe), Page([broken, huge, good], {"since": 1}, more=False), now)
    assert InboundEvent.objects.get(state="received").object_id == "a"
    assert InboundEvent.objects.filter(state="dead").count() == 2
    assert ExceptionCase.objects.count() == 2
