"""Nobody hears a bell: the scheduler does the work itself, slower (REL-55)."""

import signal
import time

import pytest

from tests.platform.rig import Broker, Hub, wait_for
from tests.platform.work import heard_after, is_done, is_heard, owe


@pytest.mark.timeout(120)
def test_work_is_done_without_broker_and_without_workers(broker: Broker, hub: Hub):
    broker.kill()
    hub.scheduler()
    last = owe(50)
    wait_for(lambda: is_done(last), 40, "the stand-in")
    assert not is_heard()
    more = owe(50)
    assert wait_for(lambda: is_done(more), 5, "the stand-in") < 5
    assert hub.stop("scheduler") < 20


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_work_goes_on_while_redis_is_frozen(broker: Broker, hub: Hub):
    """Bells and live messages go nowhere, and nothing waits for either."""
    hub.scheduler()
    hub.worker()
    wait_for(is_heard, 30, "the worker")
    broker.signal(signal.SIGSTOP)
    time.sleep(2)
    last = owe(50, "connection.circuit_closed")  # told to open pages, too
    took = wait_for(lambda: is_done(last), 20, "the stand-in")
    more = owe(50, "connection.circuit_closed")
    again = wait_for(lambda: is_done(more), 10, "the stand-in")
    broker.signal(signal.SIGCONT)
    back = heard_after("default", time.monotonic())
    print(f"\nfrozen: {took:.1f} s, then {again:.1f} s; the worker was back after {back:.1f} s")


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_workers_take_over_again_when_the_broker_is_back(broker: Broker, hub: Hub):
    hub.scheduler()
    hub.worker()
    wait_for(is_heard, 30, "the worker")
    broker.kill()
    time.sleep(2)  # bells that were handed out before are done
    last = owe(50)
    took = wait_for(lambda: is_done(last), 15, "the stand-in")
    broker.start()
    back = heard_after("default", time.monotonic())
    last = owe(50)
    wait_for(lambda: is_done(last), 5, "the worker")
    print(f"\nwork went on after {took:.1f} s, the worker was back after {back:.1f} s")
