"""One chunk from an empty directory to its verdict."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

import redis

from apps.core.failpoints import CATALOGUE
from benchmarks.faults.company import Trade, plan_trade, set_up
from benchmarks.faults.conductor import Conductor
from benchmarks.faults.database import HubDatabase
from benchmarks.faults.evidence import unsealed
from benchmarks.faults.inbound import INBOUND_STRIKES, usual_policy
from benchmarks.faults.judge import judge
from benchmarks.faults.ledgers import Ledgers
from benchmarks.faults.links import LINK_STRIKES, PLATFORM_STRIKES, end_platform_faults
from benchmarks.faults.people import Helpers, Operator
from benchmarks.faults.plan import FAMILIES, Planned, meetings, schedule, unknown
from benchmarks.faults.points import POINT_STRIKES
from benchmarks.faults.processes import PROCESS_STRIKES
from benchmarks.faults.returns import Returns
from benchmarks.faults.stack import Stack
from q2c.stack.errors import StackError
from q2c.stack.session import session

MANY = 5000  # draws, when only some kinds are wanted
WINDOW = 60  # rows in motion above which nobody sells more
WARM_SECONDS = 60.0
DRAIN_SECONDS = 100.0
RETURN_SECONDS = 30.0
SEAL_SECONDS = 20.0  # the chain may be five seconds behind
STRIKES = {
    **POINT_STRIKES, **PROCESS_STRIKES, **LINK_STRIKES, **PLATFORM_STRIKES, **INBOUND_STRIKES
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chunk:
    """A fresh stack's share of a run: its number, its seed, how much, which fault kinds only."""

    number: int
    seed: int
    transactions: int
    faults: int
    at_once: int
    only: str = ""

    def groups(self) -> list[list[Planned]]:
        """The chunk's faults; with ``only``, as many of those families or kinds alone, each kind
        in its turn."""
        if not self.only:
            planned = schedule(self.faults, self.seed, database_link=self.database_link)
            return meetings(planned, self.at_once)
        wanted, met = set(self.only.split(",")), Counter[str]()
        chosen = []
        for fault in schedule(MANY, self.seed, database_link=self.database_link):
            if wanted & {fault.family, fault.kind}:
                met[fault.kind] += 1
                chosen.append((met[fault.kind], fault.number, fault))
        return meetings([fault for *_, fault in sorted(chosen)[: self.faults]], self.at_once)

    @property
    def database_link(self) -> bool:
        """Every second chunk reaches its database through the proxy, which costs speed."""
        return self.number % 2 == 1


def check_plan(only: str = "") -> None:
    """Raises ``StackError`` when the plan, or ``only``, names what nobody can strike."""
    missing = unknown(STRIKES, CATALOGUE)
    missing += [f"kind {word}" for word in only.split(",") if word and word not in strikable()]
    if missing:
        raise StackError(
            f"Nobody can strike these: {', '.join(missing)}. Correct benchmarks/faults/plan.py or "
            f"--only; the failpoints are in apps/core/failpoints.py, the kinds in run.STRIKES."
        )


def strikable() -> set[str]:
    """What ``only`` may name: families and kinds."""
    return {*FAMILIES, *STRIKES}


def say(line: str) -> None:
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()


def run_chunk(chunk: Chunk, directory: str) -> dict[str, Any]:
    """Play a chunk; returns what its report needs. Raises ``StackError`` when it cannot start."""
    with session(directory, "make faults") as current:
        current.run.wipe()
        stack = Stack(current, seed=chunk.seed, database_link=chunk.database_link)
        begun = time.monotonic()
        stack.start_servers()
        set_up(stack)
        stack.start_product()
        say(f"chunk {chunk.number}: up after {time.monotonic() - begun:.0f} s")
        return _Play(chunk, stack).play()


class _Play:
    def __init__(self, chunk: Chunk, stack: Stack) -> None:
        self.chunk, self.stack = chunk, stack
        self.hub = HubDatabase(stack.owner_url)
        operator = Operator(self.hub)
        self.operator = operator
        chance = Random(f"trade:{chunk.seed}")
        kinds = plan_trade(chunk.transactions, chance)
        self.trade = Trade(kinds, chance, self.hub.moving, WINDOW)
        self.returns = Returns(self.hub, lambda: self.trade.done["invoice"])
        self.conductor = Conductor(stack, self.hub, STRIKES, operator, self.returns)
        self.conductor.on_strike, self.conductor.poisons = self.trade.allow, self.trade.poisons

    def play(self) -> dict[str, Any]:
        begun = time.monotonic()
        self.begun = begun
        usual_policy(self.chunk.seed)
        self.trade.start()
        self.returns.start()
        self._warm_up()
        before = self._resources()
        self._told("business flows")
        self.conductor.run(self.chunk.groups(), say)
        self._told("faults")
        self._finish_trade()
        self._told("the rest of the trade")
        traded = time.monotonic() - begun
        self._quiet()  # what is poisoned dies before the platforms are well again
        self._told("quiet")
        end_platform_faults()
        helpers = Helpers(self.hub, Ledgers.references, say)
        left = helpers.settle(self._quiet)
        self._told("people")
        self._quiet()
        self._told("quiet again")
        self.conductor.wait_for(lambda: unsealed(self.hub) == 0, SEAL_SECONDS)
        self._told("sealed")
        say(f"settled by people: {helpers.did}, still open: {len(left)}")
        verdict = judge(self.stack, self.hub, self.trade, self.conductor.log, left, before)
        self._told("judged")
        return {
            "chunk": self.chunk.number,
            "seed": self.chunk.seed,
            "servers": self._servers(),
            "asked": {"transactions": self.chunk.transactions, "faults": self.chunk.faults},
            "transactions": dict(self.trade.done),
            "trade_problems": self.trade.problems,
            "trade_s": round(traded, 1),
            "all_s": round(time.monotonic() - begun, 1),
            "faults": self.conductor.as_log(),
            "restarts": self.stack.restarts,
            "resumed_connections": self.operator.resumed,
            "people": {**helpers.did, "refused": helpers.refused},
            "resources": {"before": before, "after": self._resources()},
            **verdict,
        }

    def _told(self, stage: str) -> None:
        say(f"{stage} after {time.monotonic() - self.begun:.0f} s")

    def _warm_up(self) -> None:
        """Faults begin once business flows; an early strike would hit nothing."""
        enough = min(10, self.chunk.transactions // 4)
        self.trade.allowed = enough
        if not self.conductor.wait_for(lambda: self.trade.made >= enough, WARM_SECONDS):
            raise StackError(f"No business after {WARM_SECONDS:.0f} s: {self.trade.problems[:3]}")

    def _finish_trade(self) -> None:
        """The rest of the transactions, undisturbed."""
        self.trade.allow(1.0)
        total, seconds = self.chunk.transactions, 2.0 * self.chunk.transactions + 60
        if not self.conductor.wait_for(lambda: not self.trade.is_alive(), seconds):
            self.trade.stopped.set()
        self.conductor.wait_for(self.returns.is_done, RETURN_SECONDS)
        self.returns.stopped.set()
        say(f"{self.trade.made} of {total} transactions made: {dict(Counter(self.trade.done))}")

    def _quiet(self) -> bool:
        """Wait until the hub has nothing left to do by itself, twice in a row."""

        def still() -> bool:
            if self.hub.moving() != 0 or self.hub.batches() != 0:
                return False
            self.conductor.wait(1.0)
            return self.hub.moving() == 0

        return self.conductor.wait_for(still, DRAIN_SECONDS)

    def _servers(self) -> dict[str, str]:
        with redis.Redis.from_url(self.stack.valkey_url) as client:
            info = client.info("server")
        valkey = str(info.get("valkey_version") or info["redis_version"])
        return {"postgresql": self.stack.server.version, "valkey": valkey}

    def _resources(self) -> dict[str, Any]:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'q2c_app'"
        return {"connections": int(self.hub.one(sql)), "rss_mb": self.stack.rss_mb()}
