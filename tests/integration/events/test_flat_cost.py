"""Asking whether there is something to read costs the same in a long log as in a short one."""

import pytest
from django.db import connection

from apps.core.clock import utc_now
from apps.events.models import Cursor, Event, Seal
from apps.events.registry import all_subscribers
from apps.events.selectors import find_readers, has_unread, has_unsealed
from apps.events.services import dispatch_events, seal_events
from tests.builders.events import wait_until_settled
from tests.builders.plans import blocks_read

pytestmark = pytest.mark.django_db(transaction=True)

SHORT, LONG = 500, 10_000
LOOKS = {
    "readers": lambda: find_readers({s.name: s.types for s in all_subscribers()}),
    "unread": has_unread,
    "unsealed": has_unsealed,
}


def _grow(count):
    """A log whose readers have read all of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (event_id, type, aggregate_type, aggregate_id, "
            "aggregate_version, actor_kind, actor_id, actor_label, data, occurred_at) "
            "SELECT gen_random_uuid(), 'thing.made', 'thing', gen_random_uuid(), 0, 'system', '', "
            "'', '{}', now() FROM generate_series(1, %s)",
            [count],
        )
    wait_until_settled()
    dispatch_events(now=utc_now())


def _seal_the_last():
    """As if all before it were sealed; sealing each takes its time."""
    Seal.objects.create(event_id=Event.objects.order_by("xid", "id").last().id)


@pytest.mark.parametrize("look", LOOKS)
def test_looking_reads_no_more_of_a_longer_log(look):
    _grow(SHORT)
    _seal_the_last()
    short = blocks_read(LOOKS[look])
    _grow(LONG)
    _seal_the_last()
    assert blocks_read(LOOKS[look]) <= short + 2 * len(all_subscribers())


def test_each_look_tells_what_is_there():
    _grow(3)
    assert not find_readers({"tests.none": ["thing.unmade"]}).wanting
    assert not has_unread()
    assert has_unsealed()
    seal_events()
    assert not has_unsealed()
    Cursor.objects.update(xid=0, last_id=0)
    assert has_unread()
    assert find_readers({"tests.none": ["thing.made"]}).wanting == {"tests.none"}
