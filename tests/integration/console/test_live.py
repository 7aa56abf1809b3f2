"""The live socket: who may listen, to what, and that it carries ids only."""

import asyncio
import datetime as dt
import json
import os
import uuid
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from channels_redis.core import RedisChannelLayer
from django.contrib.auth.models import AnonymousUser

from apps.console.consumers import SIGNED_OUT, LiveConsumer
from apps.console.live import EVERY_ENTITY, group_name, is_topic, listening_groups, telling_groups
from apps.console.subscribers import changes_of, heard, tell_pages
from apps.core.principal import Actor, Principal
from apps.events.models import Event
from q2c.broker import channel_layer

ENTITY = uuid.UUID(int=1)
ACTOR = Actor("user", str(uuid.UUID(int=7)), "Mara")


@pytest.fixture(autouse=True)
def in_memory(settings: Any) -> None:
    """A channel layer of this process: what Redis does is not what is tested here."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def open_socket(user: object) -> ApplicationCommunicator:
    return ApplicationCommunicator(LiveConsumer.as_asgi(), {"type": "websocket", "user": user})


class SignedIn:
    """What the consumer asks of a user."""

    is_authenticated = True


@pytest.fixture
def dieter(monkeypatch: pytest.MonkeyPatch) -> SignedIn:
    """Somebody of one legal entity."""
    principal = Principal(ACTOR, frozenset({"operations"}), frozenset({ENTITY}))
    monkeypatch.setattr("apps.console.consumers.principal_of", lambda user: principal)
    return SignedIn()


def test_without_a_session_the_socket_says_signed_out() -> None:
    async def play() -> Any:
        socket = open_socket(AnonymousUser())
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output())["type"] == "websocket.accept"
        return await socket.receive_output()

    closed = asyncio.run(play())
    assert (closed["type"], closed["code"]) == ("websocket.close", SIGNED_OUT)


async def _told(socket: ApplicationCommunicator, entity: uuid.UUID | None) -> list[Any]:
    await socket.send_input({"type": "websocket.connect"})
    await socket.receive_output()
    watch = json.dumps({"watch": ["queue.exceptions", "nonsense"]})
    await socket.send_input({"type": "websocket.receive", "text": watch})
    await asyncio.sleep(0.05)
    layer: Any = get_channel_layer()
    for rev in (2, 3):
        for group in telling_groups(["queue.exceptions"], entity):
            message = {"type": "live.changes", "changes": [["exception", "EXC-10002", rev]]}
            await layer.group_send(group, message)
    heard = []
    while not await socket.receive_nothing(timeout=0.8):
        heard.append(json.loads((await socket.receive_output())["text"]))
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait()
    return heard


def test_changes_are_gathered_and_carry_ids_only(dieter: SignedIn) -> None:
    heard = asyncio.run(_told(open_socket(dieter), ENTITY))
    assert heard == [
        {"kind": "exception", "id": "EXC-10002", "rev": 3},
        {"kind": "counts", "id": "all", "rev": 0},
    ]


def test_another_entitys_changes_are_not_heard(dieter: SignedIn) -> None:
    assert asyncio.run(_told(open_socket(dieter), uuid.UUID(int=2))) == []


def test_people_of_the_whole_group_hear_every_entity() -> None:
    everywhere = Principal(ACTOR, frozenset({"admin"}), None)
    listening = set(listening_groups("queue.exceptions", everywhere))
    for entity in (ENTITY, uuid.UUID(int=2), None):
        assert listening & set(telling_groups(["queue.exceptions"], entity))


@pytest.mark.parametrize(
    ("text", "known"),
    [("queue.exceptions", True), ("exception.EXC-10002", True), ("run.not a run", False),
     ("user.1", False), ("queue.", False)],
)  # fmt: skip
def test_only_known_topics_are_joined(text: str, known: bool) -> None:
    assert is_topic(text) is known


def test_group_names_fit_the_channel_layer() -> None:
    name = group_name(f"journey.{uuid.uuid4()}", str(uuid.uuid4()))
    assert len(name) < 100


def event(kind: str, **data: Any) -> Event:
    return Event(
        id=5, type=kind, aggregate_type="any", aggregate_id=ENTITY, aggregate_version=4,
        legal_entity_id=ENTITY, data=data, occurred_at=dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        (event("exception.opened", number=12),
         [(["queue.exceptions", "exception.EXC-12"], ("exception", "EXC-12", 4))]),
        (event("connection.paused", code="netsuite"),
         [(["queue.connections"], ("connection", "netsuite", 4))]),
        (event("step.failed", run_id="r1"), [(["queue.runs", "run.r1"], ("run", "r1", 5))]),
        (event("posting.confirmed"), []),
    ],
)  # fmt: skip
def test_events_name_the_records_they_changed(found: Event, changes: list[Any]) -> None:
    assert list(changes_of(found)) == changes


@pytest.mark.django_db(transaction=True)
def test_pages_are_told_after_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr("apps.console.subscribers._send", sent.append)
    tell_pages(
        [event("exception.opened", number=12), event("exception.opened", number=12)],
        dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
    )
    [groups] = sent
    assert groups[group_name("queue.exceptions", str(ENTITY))] == [("exception", "EXC-12", 4)]


def test_of_many_groups_only_those_with_a_listener_are_told() -> None:
    """The layer's own keys say who listens: with the real one, on the tests' Redis."""
    layer = RedisChannelLayer(**channel_layer(os.environ["REDIS_URL"])["CONFIG"])
    groups = [group_name(f"run.{uuid.uuid4()}", EVERY_ENTITY) for _ in range(2000)]

    async def play() -> list[str]:
        await layer.group_add(groups[7], "specific.page!1")
        return await heard(layer, groups)

    assert asyncio.run(play()) == [groups[7]]
