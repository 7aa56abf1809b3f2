"""Many processes, one transition: one wins (REL-53)."""

import threading
import uuid

import pytest
from django.db import connection

from apps.core.fsm import transition_set
from apps.core.principal import Actor
from apps.events.models import Transition
from apps.events.services import acting
from apps.jobs.models import Batch

AT_ONCE = 50


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_and_one_wins(actor: Actor):
    with acting(actor):
        batch = Batch.objects.create(
            kind="retry", title="t", idempotency_key=str(uuid.uuid4()), frozen_hash="",
            requested_by_id=uuid.uuid4(), requested_by_label="t",
        )  # fmt: skip
    barrier, won = threading.Barrier(AT_ONCE, timeout=30), []

    def start() -> None:
        barrier.wait()
        try:
            with acting(actor):
                won.extend(transition_set(Batch, "start", [batch.id]))
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert won == [batch.id]
    moves = Transition.objects.filter(row_id=str(batch.id), to_state="running")
    assert moves.count() == 1
