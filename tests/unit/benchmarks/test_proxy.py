"""The fault proxy between a real client and a real server, one link, each toxic once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks.faults.proxy import Link, read_link
from benchmarks.faults.toxics import Chances, ToxicBoard, ToxicError
from q2c.stack.ports import random_free_port

ANSWER = b"x" * 2000


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        writer.write(ANSWER)
        await writer.drain()
    writer.close()


async def ask(link: Link) -> bytes:
    """One question; all bytes until the answer is whole or the connection over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"question\n")
    got = b""
    try:
        while len(got) < len(ANSWER) and (piece := await reader.read(65536)):
            got += piece
    finally:
        writer.close()
    return got


async def _until_quiet() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=2)


def run(story: Callable[[Link], Awaitable[None]], *, unix: Path | None = None) -> None:
    async def main() -> None:
        if unix is not None:
            server = await asyncio.start_unix_server(_serve, unix)
            upstream = str(unix)
        else:
            server = await asyncio.start_server(_serve, "127.0.0.1", 0)
            upstream = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        link = read_link(f"shop={random_free_port()}:{upstream}", 7)
        await link.listen()
        await story(link)
        await link.refuse()
        server.close()
        await _until_quiet()

    asyncio.run(main())


def test_a_healthy_link_passes_everything(tmp_path: Path) -> None:
    async def story(link: Link) -> None:
        assert await ask(link) == ANSWER
        assert link.state()["accepted"] == 1

    run(story)
    run(story, unix=tmp_path / "socket")


def test_latency_holds_the_answer_until_it_is_cleared() -> None:
    async def story(link: Link) -> None:
        await link.put({"kind": "latency", "seconds": 0.2})
        begun = time.monotonic()
        assert await ask(link) == ANSWER
        assert time.monotonic() - begun >= 0.2
        assert (await link.clear())["hits"] == 1
        begun = time.monotonic()
        await ask(link)
        assert time.monotonic() - begun < 0.2

    run(story)


def test_a_cut_body_ends_orderly_and_a_reset_does_not() -> None:
    async def story(link: Link) -> None:
        await link.put({"kind": "limit", "bytes": 100})
        assert await ask(link) == ANSWER[:100]
        await link.clear()
        await link.put({"kind": "reset", "bytes": 0})
        with pytest.raises(ConnectionResetError):
            await ask(link)

    run(story)


def test_refused_connections_come_back_when_it_is_over() -> None:
    async def story(link: Link) -> None:
        await link.put({"kind": "refuse"})
        with pytest.raises(ConnectionRefusedError):
            await ask(link)
        await link.clear()
        assert await ask(link) == ANSWER

    run(story)


def test_a_black_hole_resets_in_the_end() -> None:
    async def story(link: Link) -> None:
        await link.put({"kind": "blackhole", "direction": "up", "seconds": 0.1})
        with pytest.raises(ConnectionResetError):
            await ask(link)

    run(story)


def test_slow_links_still_deliver_all_of_it() -> None:
    async def story(link: Link) -> None:
        await link.put({"kind": "slicer", "bytes": 500, "seconds": 0.01})
        assert await ask(link) == ANSWER
        await link.clear()
        await link.put({"kind": "bandwidth", "bytes_per_second": 10_000})
        begun = time.monotonic()
        assert await ask(link) == ANSWER
        assert time.monotonic() - begun >= 0.1

    run(story)


def test_the_same_seed_hits_the_same_connections() -> None:
    def hits(seed: str) -> list[bool]:
        board = ToxicBoard(seed)
        toxic = board.put({"kind": "reset", "probability": 0.5})
        return [Chances(board.random).is_hit(toxic) for _ in range(30)]

    assert hits("7:shop") == hits("7:shop")
    assert hits("7:shop") != hits("8:shop")
    assert 0 < sum(hits("7:shop")) < 30


def test_an_unknown_toxic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ToxicError, match="blackhole"):
        ToxicBoard("7").put({"kind": "gremlin"})
