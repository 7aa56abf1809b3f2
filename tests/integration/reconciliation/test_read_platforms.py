"""Reading what the platforms keep at once, instead of at the next minute."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command

from apps.connectors.models import Connection
from apps.core.clock import utc_now
from apps.reconciliation.models import ReconciliationRun
from apps.reconciliation.services import execute_pending

pytestmark = pytest.mark.django_db
SLEEP = "apps.api.management.commands.read_platforms.time.sleep"


def _read(at: dt.datetime) -> None:
    """As the lanes do."""
    read = {"cursor": {}, "read_at": at.isoformat()}
    Connection.objects.update(snapshot_cursors={"invoice": read, "contract": read})


def test_it_ends_when_every_side_was_read_and_compared(world, monkeypatch):
    _read(world.now - dt.timedelta(hours=1))

    def workers_go_on(seconds):
        now = utc_now() + dt.timedelta(minutes=1)
        _read(now)
        execute_pending(clock=lambda: now)

    monkeypatch.setattr(SLEEP, workers_go_on)
    call_command("read_platforms")
    assert set(ReconciliationRun.objects.values_list("subject", "state")) == {
        ("contract", "completed"), ("invoice", "completed"),
    }  # fmt: skip


def test_it_names_what_was_not_read_in_time(world, monkeypatch):
    _read(world.now - dt.timedelta(hours=1))
    monkeypatch.setattr(SLEEP, lambda seconds: None)
    with pytest.raises(CommandError, match=r"Netsuite, Salesforce, Stripe\. Look whether"):
        call_command("read_platforms", seconds=0.2)
