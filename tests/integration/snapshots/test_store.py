"""Documents are kept once; only what changed gets a new revision."""

import datetime as dt
from decimal import Decimal

from apps.connectors.base import SnapshotDocument, SnapshotLine, SnapshotPage
from apps.connectors.lanes import calls, run
from apps.connectors.models import Connection
from apps.core.errors import TransientError
from apps.events.models import Event
from apps.jobs.services import acquire_leases
from apps.snapshots import services
from apps.snapshots.models import SourceDocument, SourceDocumentLine
from apps.snapshots.selectors import side_readings
from apps.snapshots.services import refresh_connection, store_documents


def _document(number="INV-1", net="100.00", version=1, lines=1):
    line = SnapshotLine("SEAT-PRO", "Seats", Decimal(2), Decimal("50.00"), Decimal(net))
    return SnapshotDocument(
        "invoice", f"in_{number}", number, number, "US01", "USD", Decimal(net), Decimal("8.25"),
        Decimal(net) + Decimal("8.25"), "open", dt.date(2026, 11, 20), "Lumen & Co", version,
        lines=(line,) * lines,
    )  # fmt: skip


def test_a_page_is_kept_with_its_lines(world, now):
    stored = store_documents(world.connections["billing"], [_document()], now=now)
    assert (stored.given, stored.changed) == (1, 1)
    document = SourceDocument.objects.get()
    assert (document.net, document.tax, document.gross) == (
        100,
        Decimal("8.25"),
        Decimal("108.25"),
    )
    assert (document.side, document.legal_entity_id, document.rev) == ("billing", world.us.id, 1)
    assert document.lines.get().unit_price == 50


def test_an_unchanged_document_keeps_its_row(world, now):
    later = now + dt.timedelta(minutes=5)
    store_documents(world.connections["billing"], [_document()], now=now)
    stored = store_documents(world.connections["billing"], [_document(version=2)], now=later)
    document = SourceDocument.objects.get()
    assert (stored.changed, document.rev, document.read_at) == (0, 1, now)


def test_a_changed_document_gets_the_next_revision_and_its_lines_anew(world, now):
    billing = world.connections["billing"]
    store_documents(billing, [_document(lines=3)], now=now)
    stored = store_documents(billing, [_document(net="120.00", version=2)], now=now)
    document = SourceDocument.objects.get()
    assert (stored.changed, document.rev, document.net) == (1, 2, 120)
    assert SourceDocumentLine.objects.count() == 1


def test_an_older_version_changes_nothing(world, now):
    billing = world.connections["billing"]
    store_documents(billing, [_document(version=2)], now=now)
    stored = store_documents(billing, [_document(net="1.00", version=1)], now=now)
    assert stored.changed == 0
    assert SourceDocument.objects.get().net == 100


def test_a_thousand_documents_take_the_queries_of_one(world, now, django_assert_max_num_queries):
    page = [_document(f"INV-{n}") for n in range(1000)]
    with django_assert_max_num_queries(14):
        stored = store_documents(world.connections["billing"], page, now=now)
    assert stored.changed == 1000


class _Connector:
    """Shows two pages, then nothing new; counts its calls."""

    snapshot_types = ("invoice",)
    fetched_types: tuple[str, ...] = ()
    capabilities: dict = {}
    limits = None

    def __init__(self, failing=False):
        self.cursors, self.failing = [], failing

    async def snapshot(self, session, document_type, cursor):
        self.cursors.append(dict(cursor))
        if self.failing:
            raise TransientError("vendor_outage", "Stripe does not answer.")
        at = cursor.get("at", 0)
        documents = [_document(f"INV-{at}")] if at < 2 else []
        return SnapshotPage(documents, {"at": min(at + 1, 2)}, more=at < 1)


def _reading(monkeypatch, connector):
    class Session:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

        def at(self, _):
            return self

    monkeypatch.setattr(run, "connector_for", lambda _: connector)
    monkeypatch.setattr(calls, "connect", lambda *_, **__: Session())
    monkeypatch.setattr(run, "lane_works", lambda: [services.SnapshotPages()])


def test_reading_goes_page_by_page_and_starts_again_at_its_cursor(world, monkeypatch):
    connector, billing = _Connector(), world.connections["billing"]
    billing.snapshot_cursors = {}
    billing.save()
    _reading(monkeypatch, connector)
    refresh_connection(str(billing.id), worker="w")
    refresh_connection(str(billing.id), worker="w")
    assert connector.cursors == [{}, {"at": 1}, {"at": 2}]
    billing = Connection.objects.get(id=billing.id)
    assert billing.snapshot_cursors["invoice"]["read_at"] is not None
    assert billing.snapshot_due_at is None
    assert Event.objects.filter(type="snapshot.refreshed").count() == 2


def test_a_vendor_that_fails_is_noted_and_nothing_counts_as_read(world, monkeypatch):
    billing = world.connections["billing"]
    billing.snapshot_cursors = {}
    billing.save()
    _reading(monkeypatch, _Connector(failing=True))
    refresh_connection(str(billing.id), worker="w")
    billing = Connection.objects.get(id=billing.id)
    assert (billing.snapshot_cursors, billing.consecutive_failures) == ({}, 1)
    billing_reading = next(r for r in side_readings("invoice") if r.side == "billing")
    assert billing_reading.read_at is None


def test_a_second_reader_stays_away(world, monkeypatch):
    connector, billing = _Connector(), world.connections["billing"]
    _reading(monkeypatch, connector)
    acquire_leases([f"lane:{billing.id}"], owner="other", ttl=dt.timedelta(minutes=1))
    refresh_connection(str(billing.id), worker="w")
    assert connector.cursors == []
