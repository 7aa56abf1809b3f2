"""The demo's story: a month of deals in a minute, with ten problems in it."""

import datetime as dt
import sys
import time
from typing import Any

from scenario import seed
from scenario.checker import erp_documents, finalized_invoices
from scenario.drive import (
    SalesTeam,
    bill_by_hand,
    send_headless_invoice,
    send_malformed_invoice,
)
from scenario.forms import read_form
from scenario.hub import HubRefused, Person, wait_until
from scenario.plant import Planted, planted
from scenario.platforms import Platform
from scenario.resolve import open_rows
from scenario.watch import hub_state
from scenario.world import Deal, deals

AMENDMENTS = 20
EARLY_AMENDMENTS = 2  # of these: heard of before their order
OUTAGE_CALLS = 5  # as many as the hub makes by itself; then the outage is over
SETTLE_SECONDS = 300
DELIVERY_SECONDS = 60
SENDERS = ("salesforce", "stripe", "provisioning")


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()


def play(today: dt.date) -> None:
    """Play the whole story and wait until the hub has worked through it."""
    started = time.monotonic()
    unreliable()
    sales = SalesTeam(today)
    sales.stock_catalogue()
    story, problems = deals(), planted()
    sell(sales, story, problems)
    amend(sales, story)
    bill_the_past(today)
    send_malformed_invoice(seed.STRIPE_WEBHOOK_SECRET)
    send_headless_invoice(seed.STRIPE_WEBHOOK_SECRET, seed.STRIPE_KEY)
    say("amendments accepted, one invoice dated into a closed month, two messages malformed")
    settle()
    take_up()
    say(f"the story was played in {time.monotonic() - started:.0f} s")


def unreliable() -> None:
    """Networks duplicate and reorder what the platforms send."""
    for name in SENDERS:
        Platform(name).control("webhooks/policy", duplicate=1, shuffle_window=4, seed=7)


def sell(sales: SalesTeam, story: list[Deal], problems: list[Planted]) -> None:
    """Quote, approve and accept every deal. The planted ones come first, as they are planted: an
    outage takes its time to be past the hub's own attempts.
    """
    for problem in problems:
        if problem.deal is not None:
            sell_planted(sales, problem, problem.deal)
    say(f"{len(problems)} problems planted")
    late = _amended(story)[-EARLY_AMENDMENTS:]
    for deal in story:
        if deal not in late:
            sell_one(sales, deal)
    say(f"{len(story)} quotes accepted by {len({d.buyer.number for d in story})} customers")


def sell_one(sales: SalesTeam, deal: Deal) -> None:
    """Quote, approve, accept."""
    quote = sales.quote(deal)
    sales.approve(quote)
    sales.accept(quote)


def sell_planted(sales: SalesTeam, problem: Planted, deal: Deal) -> None:
    """The one deal of a problem, with what is wrong about it."""
    department = "" if problem.code == "missing_dimension" else None
    quote = sales.quote(deal, department=department)
    if problem.code != "acceptance_without_approval":
        sales.approve(quote)
    sales.accept(quote)
    if problem.code == "vendor_outage":
        # From now on: what the sales team wrote itself went through.
        Platform("salesforce").control(
            "faults", kind="outage", method="PATCH", count=OUTAGE_CALLS,
            path_regex=f"SBQQ__Quote__c/{quote[:15]}",
        )  # fmt: skip


def amend(sales: SalesTeam, story: list[Deal]) -> None:
    """Mid-term upgrades of annual seats. The last ones come before their order: the message of
    its acceptance is lost on the way, so that only the next poll brings it."""
    amended = _amended(story)
    for number, deal in enumerate(amended):
        if deal in amended[-EARLY_AMENDMENTS:]:
            sell_unheard(sales, deal)
        sales.amend(deal, more_seats=5 + number, days_ago=number % min(deal.start_days_ago, 5))


def sell_unheard(sales: SalesTeam, deal: Deal) -> None:
    """Sell one deal of which no message arrives; everything said before it does."""
    salesforce = Platform("salesforce")
    _wait_for_delivery(salesforce)
    salesforce.control("webhooks/policy", drop_probability=1.0)
    sell_one(sales, deal)
    _wait_for_delivery(salesforce)
    salesforce.control("webhooks/policy", drop_probability=0.0)


def _wait_for_delivery(platform: Platform) -> None:
    if not wait_until(lambda: not _undelivered(platform), DELIVERY_SECONDS, 0.1):
        raise HubRefused(f"messages of {platform.name} not taken in {DELIVERY_SECONDS} s")


def _amended(story: list[Deal]) -> list[Deal]:
    seats = [d for d in story if any(line.sku == "SEAT-PRO" for line in d.lines)]
    return seats[:AMENDMENTS]


def _undelivered(platform: Platform) -> int:
    """Messages that a platform still has to deliver, for the first time or again."""
    owed = [
        platform.call("GET", "/_sim/webhooks/deliveries", params={"state": state})
        for state in ("pending", "retrying")
    ]
    return sum(len(found["deliveries"]) for found in owed)


def bill_the_past(today: dt.date) -> None:
    """Billing staff invoice training by hand, dated into a month that is closed.

    The contract is one for storage: where training was sold, billing it again would be one more
    problem than the story has.
    """
    stripe = Platform("stripe")
    auth = {"Authorization": f"Bearer {seed.STRIPE_KEY}"}

    def subscriptions() -> list[dict[str, Any]]:
        page = stripe.call("GET", "/v1/subscriptions", params={"limit": 100}, headers=auth)
        return [row for row in page["data"] if _is_for_storage(row)]

    if not wait_until(subscriptions, 60):
        raise HubRefused("no contract for storage reached billing in 60 s")
    subscription = subscriptions()[0]
    closed = (today.replace(day=1) - dt.timedelta(days=45)).replace(day=15)
    metadata = subscription["metadata"]
    bill_by_hand(
        stripe,
        seed.STRIPE_KEY,
        customer=str(subscription["customer"]),
        contract=str(metadata["hub_contract"]),
        entity=str(metadata["legal_entity"]),
        currency=str(subscription["currency"]),
        tax_rate=str(subscription["items"]["data"][0]["tax_rates"][0]["id"]),
        day=closed,
    )


def _is_for_storage(subscription: dict[str, Any]) -> bool:
    products = {item["price"]["product"] for item in subscription["items"]["data"]}
    return "hub_contract" in subscription["metadata"] and "prod_storage_tb" in products


def settle() -> None:
    """Wait until the hub has nothing left to do by itself; prints what stands where.

    Work is at a platform until its message is acknowledged and then in the hub: when none is on
    its way, then the hub has none, and the ledgers are as before, there is none anywhere.
    """
    viewer, last = Person("mara"), (-1, -1, -1)
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        now = counts(viewer)
        if now != last:  # asking the hub itself costs more than looking at the ledgers
            last = now
            say(f"{now[0]} invoices in billing, {now[1]} in the ERP, {now[2]} open exceptions")
        elif _is_quiet() and counts(viewer) == last:
            return
        time.sleep(1)


def _is_quiet() -> bool:
    on_their_way = any(_undelivered(Platform(name)) for name in SENDERS)
    return not on_their_way and hub_state().moving == 0


def take_up() -> None:
    """Mara and Tom each take a case: not everything lies with nobody."""
    for name, code in (("mara", "missing_dimension"), ("tom", "tax_validation_failed")):
        person = Person(name)
        for row in [row for row in open_rows(person) if row["code"] == code][:1]:
            path = f"/exceptions/{row['number']}/assign/"
            person.post(path, **read_form(person.page(path)))


def counts(viewer: Person) -> tuple[int, int, int]:
    """Invoices in billing, invoices in the ERP, open cases of the hub."""
    billed = finalized_invoices(Platform("stripe").ledger())
    posted = erp_documents(Platform("netsuite").ledger(), "invoice")
    return len(billed), len(posted), len(open_rows(viewer))
