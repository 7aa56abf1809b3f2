"""Telling open pages never holds up the readers of events."""

import asyncio
import time

import pytest

from apps.console import subscribers


class Silent:
    """A layer whose server takes a message and never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def group_send(self, group: str, message: dict) -> None:
        self.asked += 1
        await asyncio.sleep(60)


class Heard:
    def __init__(self) -> None:
        self.messages: list[tuple[str, dict]] = []

    async def group_send(self, group: str, message: dict) -> None:
        self.messages.append((group, message))


@pytest.fixture(autouse=True)
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "_silent_until", 0.0)


def use(monkeypatch: pytest.MonkeyPatch, layer: object) -> None:
    monkeypatch.setattr(subscribers, "get_channel_layer", lambda: layer)


def test_a_silent_layer_costs_a_second_once(monkeypatch: pytest.MonkeyPatch):
    layer = Silent()
    use(monkeypatch, layer)
    monkeypatch.setattr(subscribers, "SEND_SECONDS", 0.1)
    begun = time.monotonic()
    for _ in range(20):
        subscribers._send({"live.queue.runs.all": [("run", "1", 1)]})
    assert time.monotonic() - begun < 1
    assert layer.asked == 1


def test_every_group_is_told(monkeypatch: pytest.MonkeyPatch):
    layer = Heard()
    use(monkeypatch, layer)
    subscribers._send({"a": [("run", "1", 1)], "b": [("run", "2", 1)]})
    assert [group for group, _ in layer.messages] == ["a", "b"]
    assert layer.messages[0][1] == {"type": "live.changes", "changes": [("run", "1", 1)]}
