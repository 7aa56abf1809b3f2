"""The live socket: tells a page which records changed, by id only."""

import asyncio
import contextlib
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from apps.console.live import is_topic, listening_groups
from apps.core.principal import Principal
from apps.users.selectors import principal_of

SIGNED_OUT = 4401
MOST_TOPICS = 20
EVERY_SECONDS = 0.5  # a page hears at most twice a second, however much happens


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One page. It names its topics; changes of records in them are gathered and passed on."""

    principal: Principal
    groups_joined: set[str]
    gathered: dict[tuple[str, str], int]
    flushing: "asyncio.Task[None] | None"

    async def connect(self) -> None:
        self.groups_joined, self.gathered, self.flushing = set(), {}, None
        user = self.scope.get("user")
        await self.accept()
        if user is None or not user.is_authenticated:
            await self.close(code=SIGNED_OUT)
            return
        self.principal = await database_sync_to_async(principal_of)(user)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        asked = content.get("watch") if isinstance(content, dict) else None
        if not isinstance(asked, list):
            return
        topics = {str(topic) for topic in asked[:MOST_TOPICS] if is_topic(str(topic))}
        wanted = {group for t in topics for group in listening_groups(t, self.principal)}
        for group in wanted - self.groups_joined:
            await self.channel_layer.group_add(group, self.channel_name)
        for group in self.groups_joined - wanted:
            await self.channel_layer.group_discard(group, self.channel_name)
        self.groups_joined = wanted

    async def live_changes(self, message: dict[str, Any]) -> None:
        """A message of the notifier: ``changes`` are (kind, id, rev)."""
        for kind, number, rev in message["changes"]:
            self.gathered[kind, number] = max(rev, self.gathered.get((kind, number), 0))
        if self.flushing is None:
            self.flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        await asyncio.sleep(EVERY_SECONDS)
        changes, self.gathered, self.flushing = self.gathered, {}, None
        for (kind, number), rev in changes.items():
            await self.send_json({"kind": kind, "id": number, "rev": rev})
        await self.send_json({"kind": "counts", "id": "all", "rev": 0})

    async def disconnect(self, code: int) -> None:
        if self.flushing is not None:
            self.flushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.flushing
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)
