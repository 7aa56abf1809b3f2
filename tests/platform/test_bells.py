"""A caller never waits for the broker, and losing every message costs seconds."""

import os
import signal
import threading
import time
from functools import partial

import pytest

from apps.core.bells import Bell, BellRinger
from q2c.broker import broker_problems
from q2c.celery import app
from tests.platform.rig import Broker, Hub, wait_for
from tests.platform.work import heard_after, is_done, is_heard, owe

FOUND_WITHIN = 10.0  # seconds in which the sweeper finds due rows that nobody was rung for


@pytest.fixture
def ringer(broker: Broker):
    """Rings as the product does, at this test's broker, and is silent after the test."""
    over = threading.Event()

    def send(bell: Bell) -> None:
        if not over.is_set():
            app.send_task(
                bell.task, args=bell.ids, queue=bell.queue, retry=False, connection=connection
            )

    with app.connection_for_write(broker.url) as connection:
        yield BellRinger(send)
        over.set()


def longest_ring(ringer: BellRinger, count: int = 50) -> float:
    longest = 0.0
    for number in range(count):
        begun = time.perf_counter()
        ringer.ring(Bell("events.dispatch", (str(number),)))
        longest = max(longest, time.perf_counter() - begun)
    return longest


def test_a_bell_arrives(broker: Broker, ringer: BellRinger):
    ringer.ring(Bell("events.dispatch"))
    with broker.client() as client:
        wait_for(lambda: client.llen("default") == 1, 5, "the bell")
    assert (ringer.seconds_since_sent() or 0.0) < 5


@pytest.mark.parametrize("hurt", [signal.SIGSTOP, signal.SIGKILL])
def test_a_caller_does_not_wait_for_a_broker_that_is_frozen_or_gone(
    broker: Broker, ringer: BellRinger, hurt: signal.Signals
):
    broker.signal(hurt)
    assert longest_ring(ringer) < 0.2
    assert ringer.seconds_since_sent() is None


def test_equal_bells_that_wait_are_one(broker: Broker, ringer: BellRinger):
    broker.signal(signal.SIGSTOP)
    for _ in range(500):
        ringer.ring(Bell("events.dispatch"))
    broker.signal(signal.SIGCONT)
    with broker.client() as client:
        wait_for(lambda: client.llen("default") >= 1, 20, "the bell")
        time.sleep(0.5)
        assert client.llen("default") <= 2


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_every_message_lost_again_and_again(broker: Broker, hub: Hub):
    """FLUSHALL while work keeps coming: each row is found by the sweeper (REL-10)."""
    hub.worker()
    hub.scheduler()
    wait_for(is_heard, 30, "the worker")
    took = []
    with broker.client() as client:
        for _ in range(10):
            last = owe(20)
            client.flushall()
            took.append(wait_for(partial(is_done, last), FOUND_WITHIN, "lost bells"))
    print(f"\nfound after FLUSHALL: {max(took):.1f} s at most")


@pytest.mark.platform
@pytest.mark.timeout(300)
def test_messages_that_a_frozen_worker_took_with_it(hub: Hub):
    """The broker hands bells to an idle worker that is stopped and then killed (M1): none lost."""
    hub.scheduler()
    took = []
    for _ in range(4):
        process = hub.worker()
        wait_for(is_heard, 30, "the worker")
        os.killpg(process.pid, signal.SIGSTOP)
        last = owe(8)
        time.sleep(2)
        hub.kill("worker")
        hub.worker()
        took.append(wait_for(partial(is_done, last), 20, "bells of the dead worker"))
        hub.kill("worker")
    print(f"\ndone after the kill: {max(took):.1f} s at most")


@pytest.mark.platform
@pytest.mark.timeout(600)
def test_workers_consume_again_after_every_restart_of_the_broker(broker: Broker, hub: Hub):
    """20 restarts that lose all messages; within 15 s each queue is heard again (REL-19)."""
    hub.worker()
    hub.worker("lanes", "lanes")
    hub.scheduler()
    wait_for(is_heard, 30, "the worker")
    took = []
    for _ in range(20):
        broker.kill()
        time.sleep(1.5)
        broker.start()
        took.append(max(heard_after(queue, time.monotonic()) for queue in ("default", "lanes")))
    print(f"\nconsuming again after a restart: {max(took):.1f} s at most")


def test_a_redis_that_evicts_is_refused_in_plain_words(broker: Broker):
    assert broker_problems(broker.url) == []
    with broker.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    (problem,) = broker_problems(broker.url)
    assert "allkeys-lru" in problem
    assert "noeviction" in problem


@pytest.mark.platform
def test_a_worker_does_not_start_on_a_redis_that_evicts(broker: Broker, hub: Hub):
    with broker.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    process = hub.worker()
    assert process.wait(30) != 0
    assert "maxmemory-policy is allkeys-lru" in hub.log("worker")
