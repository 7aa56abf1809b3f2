"""A worker whose clock is an hour off changes nothing: due work goes by the database (REL-57).

Needs Debian's package ``faketime``; without it these tests are skipped and say so.
"""

import base64
import datetime as dt
import shutil

import pytest

from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.core.clock import set_clock, utc_now
from apps.events.models import Cursor
from apps.postings.models import Attempt, Posting
from q2c.stack.ports import random_free_port
from tests.factories.flow import ConnectionFactory, PostingFactory
from tests.platform.rig import Hub, wait_for
from tests.platform.work import is_done, is_heard, owe

NEEDED = "no faketime at hand: apt-get install faketime"
NEAR = dt.timedelta(seconds=30)


def is_near(moment: dt.datetime | None) -> bool:
    return moment is not None and abs(moment - dt.datetime.now(dt.UTC)) < NEAR


@pytest.mark.platform
@pytest.mark.timeout(180)
@pytest.mark.parametrize("skew", ["+1h", "-1h"])
def test_a_worker_an_hour_off(hub: Hub, skew: str):
    if shutil.which("faketime") is None:
        print(f"\n{NEEDED}")
        pytest.skip(NEEDED)
    posting = _posting_that_cannot_be_sent()
    wrong = {"before": f"faketime -f {skew}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    hub.worker(**wrong)
    hub.worker("lanes", "lanes", **wrong)
    hub.scheduler()
    wait_for(lambda: is_heard("default") and is_heard("lanes"), 40, "both workers")
    last = owe(50)
    wait_for(lambda: is_done(last), 10, "the events")
    assert all(is_near(moment) for moment in Cursor.objects.values_list("moved_at", flat=True))
    tries = Attempt.objects.filter(posting_id=posting.id)
    wait_for(lambda: tries.count() >= 2, 30, "two attempts")
    row = Posting.objects.get(id=posting.id)
    assert is_near(row.due_at)
    assert is_near(row.first_sent_at)
    assert row.claimed_until is None or row.claimed_until < utc_now() + dt.timedelta(seconds=90)


def _posting_that_cannot_be_sent() -> Posting:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    connection: Connection = ConnectionFactory.create(
        code="provisioning", role="provisioning", secrets=seal({"signing_secret": secret}),
        base_url=f"http://127.0.0.1:{random_free_port()}",
    )  # fmt: skip
    posting: Posting = PostingFactory.create(
        connection_id=connection.id, operation="entitlement.provision", payload={},
        request={"subscription": "sub_1"},
    )  # fmt: skip
    return posting


def test_a_clock_that_was_set_goes_by_the_monotonic_one(monkeypatch: pytest.MonkeyPatch):
    moment = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
    monkeypatch.setattr("apps.core.clock.time.monotonic", lambda: 100.0)
    set_clock(moment)
    monkeypatch.setattr("apps.core.clock.time.monotonic", lambda: 101.5)
    assert utc_now() == moment + dt.timedelta(seconds=1.5)
    set_clock(None)
    assert is_near(utc_now())
