"""``make bench-growth``: what a transaction costs beside 10,000 stored ones and beside a million.

Two products stand side by side on copies of the databases of ``make bench-data`` and sell in turn.
TRANSACTIONS names another size for the large one; QUICK=1 plays two rounds instead of five.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.multiply import say
from benchmarks.data.templates import LARGE, SMALL, address, copy, drop, make, superuser, template
from benchmarks.report import Figure, report
from q2c.stack.layout import REPOSITORY
from q2c.stack.roles import APP_ROLE, OWNER_ROLE

ROUNDS = 2 if os.environ.get("QUICK") else 5
HOME = REPOSITORY / ".run-bench-data"
KEPT = ("keys.json", "setup.json", "setup.pem")


@dataclass
class Product:
    """A product on its own copy of a database, and the rounds that it played."""

    transactions: int
    process: subprocess.Popen[str]
    rounds: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, transactions: int) -> "Product":
        name, folder = f"growth_{transactions}", HOME / f"growth-{transactions}"
        with superuser("postgres") as server:
            drop(server, name)
            copy(server, template(transactions), name)
        _bring_state(folder)
        process = subprocess.Popen(
            [sys.executable, "-m", "q2c.stack", "--dir", str(folder), "product", "--keep", "--",
             sys.executable, "-m", "benchmarks.growth.rounds"],
            env={**os.environ, "DATABASE_URL": address(APP_ROLE, name), "REDIS_URL": "",
                 "DATABASE_OWNER_URL": address(OWNER_ROLE, name), "GROWTH_DATABASE": name},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        product = cls(transactions, process)
        product.answer()
        return product

    def answer(self) -> dict[str, Any]:
        """The next line of JSON; what the launcher says before it is passed on."""
        for line in self.process.stdout or ():
            if line.startswith("{"):
                return dict(json.loads(line))
            sys.stdout.write(f"  [{self.transactions:,}] {line}")
        raise SystemExit("The product ended; its lines above say why.")

    def play(self) -> None:
        print(file=self.process.stdin, flush=True)
        self.rounds.append(self.answer())

    def stop(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait(60)

    def buffers(self) -> list[float]:
        return [r["buffers"] / r["postings"] for r in self.rounds]

    def cpu_ms(self) -> list[float]:
        return [1000 * sum(r["cpu_s"].values()) / r["postings"] for r in self.rounds]


def _bring_state(folder: Path) -> None:
    """The platforms as they were after the sales that were multiplied."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in KEPT:
        shutil.copy2(HOME / "story" / name, folder / name)
    shutil.copytree(HOME / "story" / "state", folder / "state")


def main() -> int:
    for transactions in (SMALL, LARGE):
        make(transactions)
    small, large = products = [Product.start(SMALL), Product.start(LARGE)]
    try:
        for number in range(ROUNDS + 1):  # the first one warms up
            for product in products:
                product.play()
                if number:
                    say(_line(number, product))
    finally:
        for product in products:
            product.stop()
    for product in products:
        del product.rounds[0]
    for product in products:
        say(_cost(product))
    _print_growth(small, large)
    return report(
        [
            Figure("growth.buffers_ratio", _ratio(small.buffers(), large.buffers()), "x", "<=1.1"),
            Figure("growth.cpu_ratio", _ratio(small.cpu_ms(), large.cpu_ms()), "x", "<=1.25"),
            Figure("growth.stored", LARGE, "transactions", ">=1000000"),
        ]
    )


def _line(number: int, product: Product) -> str:
    return (
        f"round {number}, {product.transactions:>9,} stored: {product.buffers()[-1]:6.0f} buffers "
        f"and {product.cpu_ms()[-1]:5.1f} ms of processor a posting"
    )


def _cost(product: Product) -> str:
    """The medians of everything that a posting costs; commits count the waiting of a round too."""
    each = {
        role: statistics.median(1000 * r["cpu_s"][role] / r["postings"] for r in product.rounds)
        for role in product.rounds[0]["cpu_s"]
    }
    log, commits = (
        statistics.median(r[name] / r["postings"] for r in product.rounds)
        for name in ("log_kb", "commits")
    )
    processor = ", ".join(f"{role} {ms:.1f}" for role, ms in each.items())
    return (
        f"A posting beside {product.transactions:,}: {statistics.median(product.buffers()):.0f} "
        f"buffers, {log:.0f} kB of log, {commits:.1f} commits, ms of processor: {processor}"
    )


def _ratio(small: list[float], large: list[float]) -> float:
    return statistics.median(large) / statistics.median(small)


def _print_growth(small: Product, large: Product) -> None:
    """Which statements read more beside many rows, in buffers a posting."""
    more: Counter[str] = Counter()
    for product, sign in ((large, 1), (small, -1)):
        postings = sum(r["postings"] for r in product.rounds)
        for played in product.rounds:
            for query, buffers in played["statements"].items():
                more[query] += sign * buffers / postings
    say("Statements that read more, in buffers a posting:")
    for query, buffers in more.most_common(8):
        say(f"  {buffers:8.1f}  {' '.join(query.split())[:150]}")


if __name__ == "__main__":
    sys.exit(main())
