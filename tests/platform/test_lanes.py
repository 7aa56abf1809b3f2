"""A lane's worker is killed or frozen with calls in its hands: soon through, nothing sent late."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.failpoints import FILE, SWITCH
from apps.postings.models import Posting, RefusedWrite
from tests.platform.rig import Hub, wait_for
from tests.platform.slow import Platform, owed_to, running

POSTINGS = 12
SOON = 30.0  # seconds from the kill to the last confirmation (REL-21)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with running(0.3) as server:
        yield server


def is_through() -> bool:
    return not Posting.objects.exclude(state="confirmed").exists()


@pytest.mark.platform
@pytest.mark.timeout(180)
def test_what_a_killed_worker_held_is_through_within_half_a_minute(hub: Hub, platform: Platform):
    platform.seconds = 3.0
    owed = owed_to(platform, POSTINGS)
    hub.scheduler()
    hub.worker("one", "lanes")
    wait_for(lambda: len(platform.taken) >= 4, 60, "four calls")
    hub.kill("one")
    held = [p.id for p in Posting.objects.filter(state="sending")]
    platform.seconds = 0.1
    hub.worker("two", "lanes")
    took = wait_for(is_through, SOON, "the work of a killed worker")
    print(f"\n{len(held)} postings in a killed worker's hands; all through {took:.1f} s later")
    assert len(held) >= 4
    assert len(set(platform.taken)) == len(owed)
    assert max(Posting.objects.values_list("attempts", flat=True)) <= 2


@pytest.mark.platform
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("point", "sent"),
    [("posting.after_sending_before_send", 1), ("posting.after_send", 2)],
)
def test_a_worker_that_wakes_after_its_lease_sends_and_writes_nothing(
    hub: Hub, platform: Platform, tmp_path: Path, point: str, sent: int
):
    """REL-11, I5: SIGSTOP for longer than the lease. The platform knows a repetition by the
    event's id, so what was sent before the freeze is sent again under it."""
    owed_to(platform, POSTINGS)
    file, log = tmp_path / "points.json", tmp_path / "points.json.fired"
    rule = {"id": "freeze", "point": point, "action": "stop", "count": 1}
    file.write_text(json.dumps({"seed": 1, "rules": [rule]}))
    hub.scheduler()
    hub.worker("zombie", "lanes", **{SWITCH: "1", FILE: str(file)})
    wait_for(log.exists, 60, "the freeze")
    pid = int(json.loads(log.read_text().splitlines()[0])["pid"])
    frozen = [p.id for p in Posting.objects.filter(state="sending")]
    hub.worker("other", "lanes")
    try:
        took = wait_for(is_through, SOON, "the work of a frozen worker")
        before = list(Posting.objects.order_by("id").values_list("id", "claim_epoch", "result"))
        calls = len(platform.taken)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: RefusedWrite.objects.count() >= 1, 20, "the refusal")
    time.sleep(3)
    print(f"\n{len(frozen)} postings frozen, through {took:.1f} s later by another worker; "
          f"{RefusedWrite.objects.count()} late results refused")  # fmt: skip
    assert len(platform.taken) == calls
    assert max(platform.taken.count(key) for key in set(platform.taken)) == sent
    assert is_through()
    after = list(Posting.objects.order_by("id").values_list("id", "claim_epoch", "result"))
    assert after == before
