"""``python -m benchmarks.data.story``, beside a fresh product: the sales to be multiplied.

Each goes through to its end: order, contract, subscription, amendment, invoices, ledgers.
"""

import datetime as dt
import sys

from benchmarks.deals import plain_deals, sell
from scenario.drive import SalesTeam
from scenario.hub import wait_until
from scenario.watch import hub_state

DEALS, AMENDED = 60, 20
SETTLE_SECONDS = 300


def main() -> int:
    deals = plain_deals(DEALS, "S")
    sales = SalesTeam(dt.datetime.now(dt.UTC).date())
    sales.stock_catalogue()
    sell(sales, deals)
    _settle()
    for deal in deals[:AMENDED]:
        sales.amend(deal, more_seats=5, days_ago=1)
    _settle()
    return 0


def _settle() -> None:
    if not wait_until(lambda: hub_state().moving == 0, SETTLE_SECONDS, 2):
        raise SystemExit(f"The hub did not work through the sales within {SETTLE_SECONDS} s.")


if __name__ == "__main__":
    sys.exit(main())
