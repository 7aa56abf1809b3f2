"""A trickle of new business while the demo runs: one accepted quote every half minute or so."""

import datetime as dt
import time
from dataclasses import replace
from itertools import count

import httpx

from scenario.drive import SalesTeam
from scenario.platforms import PlatformRefused
from scenario.world import deals

PAUSE_SECONDS = 30


def trickle(today: dt.date, pause: float = PAUSE_SECONDS) -> None:
    """Sell the story's deals again, one every ``pause`` seconds, until the process is stopped."""
    sales, story = SalesTeam(today), deals()
    sales.stock_catalogue()
    found = sales.crm.query("SELECT Id, AccountNumber FROM Account")
    sales.state.accounts = {row["AccountNumber"]: row["Id"] for row in found}
    for number in count():
        time.sleep(pause)
        deal = replace(story[number % len(story)], key=f"T-{number}", start_days_ago=0)
        try:
            quote = sales.quote(deal)
            sales.approve(quote)
            sales.accept(quote)
        except (PlatformRefused, httpx.HTTPError):
            sales = SalesTeam(today)  # a new session at the next round
            sales.stock_catalogue()
