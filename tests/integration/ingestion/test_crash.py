"""Real processes: one that a message kills, and one that is stopped longer than its claim."""

import os
import signal
import subprocess
import sys
import time

import pytest

from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.ingestion.policies import MAX_ATTEMPTS
from apps.ingestion.services import process_due
from apps.jobs.models import StaleWrite
from tests.builders.inbound import let_claims_end, make_inbound
from tests.builders.web import ROOT, database_url

# Seven processes start one after the other, which takes its time on a busy machine.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

WORKER = """
import os, signal, sys, uuid
os.environ["DJANGO_SETTINGS_MODULE"] = "q2c.settings"
import django; django.setup()
import q2c.celery
from apps.canonical.services import apply
from apps.canonical.types import Applied
from apps.core.clock import utc_now
from apps.ingestion.services import process

def note(drafts, actor, now):
    if any(draft.content["number"] == "poison" for draft in drafts):
        os.kill(os.getpid(), signal.SIGKILL)
    return [Applied("changed", record_id=uuid.uuid4()) for _ in drafts]

apply.HANDLERS["noted"] = note
if sys.argv[1] == "stops":
    real = process.held_events
    def stopped(claims):
        os.kill(os.getpid(), signal.SIGSTOP)
        return real(claims)
    process.held_events = stopped
process.process_due(now=utc_now())
"""


def _worker(how):
    environment = {**os.environ, "DATABASE_URL": database_url()}
    return subprocess.Popen([sys.executable, "-c", WORKER, how], cwd=ROOT, env=environment)


def test_a_message_that_kills_its_worker_is_given_up(stripe, applied, now):
    """REL-15: five processes die of it; it ends dead with a case, and its neighbour is done."""
    make_inbound(stripe, now, ("killer", 1, "poison"), ("good", 1, "x"))
    for _ in range(3 * MAX_ATTEMPTS):
        let_claims_end()
        worker = _worker("works")
        worker.wait(120)
        if InboundEvent.objects.get(object_id="killer").state == "dead":
            break
    killer = InboundEvent.objects.get(object_id="killer")
    assert (killer.state, killer.attempts) == ("dead", MAX_ATTEMPTS)
    assert ExceptionCase.objects.get().subject_id == killer.id
    while process_due(now=now):
        pass
    assert InboundEvent.objects.get(object_id="good").state == "processed"


def test_a_worker_that_was_stopped_writes_nothing(stripe, applied, now):
    """REL-11: SIGSTOP past the end of the claim, then SIGCONT: refused, and counted once."""
    make_inbound(stripe, now, ("a", 1, "x"))
    zombie = _worker("stops")
    try:
        _wait_until_stopped(zombie)
        let_claims_end()
        assert process_due(now=now) == 1
        before = list(InboundEvent.objects.values())
        assert before[0]["epoch"] == 2
        assert applied == [("a", 1)]
    finally:
        if zombie.poll() is None:
            os.kill(zombie.pid, signal.SIGCONT)
        zombie.wait(120)
    assert zombie.returncode == 0
    assert list(InboundEvent.objects.values()) == before
    assert StaleWrite.objects.get(place="ingestion.process").count == 1


def _wait_until_stopped(process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with open(f"/proc/{process.pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "T":
                return
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError("the worker did not stop")
