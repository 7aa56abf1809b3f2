"""The company that trades during a campaign: set up as the scenario's, its links through the
proxy, then N transactions through the platforms' own doors by one seed.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import httpx

from benchmarks.faults.stack import VENDORS, Stack
from scenario import seed
from scenario.drive import SalesTeam, bill_by_hand
from scenario.platforms import Platform, PlatformRefused
from scenario.world import Deal, deals

# What a transaction is: a quote that a customer accepts (its activation, invoice and revenue), an
# amendment of one, or an invoice that billing staff make by hand.
MIX = (("quote", 0.7), ("amendment", 0.16), ("invoice", 0.14))
# A call to a platform gives up well within the lease of the posting that makes it.
DEADLINE_SECONDS = 5
HUB_AGENT = "^q2c-hub"  # a fault for the hub's calls spares the sales team's own
ADDRESS_NAMES = ("HUB_URL", *(f"SIM_{vendor.upper()}_URL" for vendor in VENDORS))


def set_up(stack: Stack) -> None:
    """Migrate, set the platforms up, load the hub's set-up with addresses of the proxy."""
    owner = {"DATABASE_URL": stack.owner_url}
    stack.run_once("migrate", ["manage.py", "migrate", "--no-input", "-v", "1"], owner)
    file = stack.run.file("setup.json")
    through = {"HUB_URL": stack.link_address("hub")}
    stack.run_once("prepare", ["-m", "scenario", "prepare", str(file)], through)
    document = json.loads(file.read_text())
    for connection in document["connections"]:
        if connection["vendor"] in VENDORS:
            connection["base_url"] = stack.link_address(connection["vendor"])
            connection["config"]["deadline_seconds"] = DEADLINE_SECONDS
    file.write_text(json.dumps(document))
    stack.run_once("load_setup", ["manage.py", "load_setup", str(file)], owner)
    os.environ.update({name: stack.environment[name] for name in ADDRESS_NAMES})


def plan_trade(count: int, chance: Random) -> list[str]:
    """The kinds of the transactions in seeded order, each as often as the mix says; the first few
    are quotes, to have something to amend and to bill."""
    first = min(count, 10)
    kinds = [kind for kind, share in MIX for _ in range(round(count * share))]
    kinds = [kind for kind in kinds if kind != "quote"]
    rest = [*kinds[: count - first], *["quote"] * max(0, count - first - len(kinds))]
    chance.shuffle(rest)
    return ["quote"] * first + rest


class Trade(threading.Thread):
    """Drives the transactions of a chunk: as many as are allowed so far, so that there is
    business during every fault, and only while fewer than ``window`` rows of the hub are moving.

    ``backlog`` tells how many rows the hub has to work on now, -1 when it cannot be asked.
    """

    def __init__(
        self, kinds: list[str], chance: Random, backlog: Callable[[], int], window: int
    ) -> None:
        super().__init__(name="trade", daemon=True)
        self.kinds, self.chance, self.backlog, self.window = kinds, chance, backlog, window
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self.allowed = 0
        self.poisons: deque[str] = deque()  # faults for the next quotes' own write-back
        self.stopped = threading.Event()
        self.sold: list[Deal] = []
        self.amended: set[str] = set()
        self.sales = SalesTeam(dt.datetime.now(dt.UTC).date())
        self.stripe = Platform("stripe")

    @property
    def made(self) -> int:
        return sum(self.done.values())

    def run(self) -> None:
        self.sales.stock_catalogue()
        for number, kind in enumerate(self.kinds):
            self._wait_for_room()
            if self.stopped.is_set():
                return
            try:
                self.done[self._act(kind, number)] += 1
            except (PlatformRefused, httpx.HTTPError) as error:
                self.problems.append(f"{kind} {number}: {error}")

    def _wait_for_room(self) -> None:
        while not self.stopped.is_set():
            may = self.made + len(self.problems) < self.allowed
            if may and 0 <= self.backlog() < self.window:
                return
            time.sleep(0.1)

    def allow(self, share: float) -> None:
        """Let this share of all transactions happen by now."""
        self.allowed = max(self.allowed, round(len(self.kinds) * share))

    def _act(self, kind: str, number: int) -> str:
        """Do one transaction; a quote when there is nothing yet to amend or to bill."""
        if kind == "amendment" and (deal := self._amendable()) is not None:
            days_ago = self.chance.randint(0, min(deal.start_days_ago, 5))
            self.sales.amend(deal, more_seats=self.chance.randint(1, 40), days_ago=days_ago)
            self.amended.add(deal.key)
            return "amendment"
        if kind == "invoice" and self._bill():
            return "invoice"
        story = deals()
        like = story[number % len(story)]
        start = self.chance.randint(1, 20)
        deal = replace(like, key=f"F-{number:05d}", start_days_ago=start)
        quote = self.sales.quote(deal)
        self._poison(quote)
        self.sales.approve(quote)
        self.sales.accept(quote)
        self.sold.append(deal)
        return "quote"

    def _poison(self, quote: str) -> None:
        """Make the CRM fail on one record alone, for the hub's calls, until somebody ends it."""
        if self.poisons:
            self.sales.crm.control(
                "faults", kind=self.poisons.popleft(), method="PATCH", agent_regex=HUB_AGENT,
                path_regex=f"SBQQ__Quote__c/{quote[:15]}",
            )  # fmt: skip

    def _amendable(self) -> Deal | None:
        """A deal with annual seats that was not amended; half the time one sold a moment ago."""
        open_deals = [
            d for d in self.sold
            if d.key not in self.amended and any(line.sku == "SEAT-PRO" for line in d.lines)
        ]  # fmt: skip
        if not open_deals:
            return None
        return open_deals[-1] if self.chance.random() < 0.5 else self.chance.choice(open_deals)

    def _bill(self) -> bool:
        auth = {"Authorization": f"Bearer {seed.STRIPE_KEY}"}
        page: dict[str, Any] = self.stripe.call(
            "GET", "/v1/subscriptions", params={"limit": 100}, headers=auth
        )
        rows = [row for row in page["data"] if row["metadata"].get("hub_contract")]
        if not rows:
            return False
        row = self.chance.choice(sorted(rows, key=lambda each: each["created"]))
        bill_by_hand(
            self.stripe,
            seed.STRIPE_KEY,
            customer=str(row["customer"]),
            contract=str(row["metadata"]["hub_contract"]),
            entity=str(row["metadata"]["legal_entity"]),
            currency=str(row["currency"]),
            tax_rate=str(row["items"]["data"][0]["tax_rates"][0]["id"]),
            day=self.sales.today,
        )
        return True
