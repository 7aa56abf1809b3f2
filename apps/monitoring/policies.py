"""What must come next in a journey, and by when."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.monitoring.types import Expected, GenerationFacts

SOON = dt.timedelta(hours=4)
LEDGER_AFTER_INVOICE = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """A document that follows an acceptance: its lane, its name for the original order and for an
    amendment, the time it may take, and what its absence means. An empty name: not expected."""

    kind: str
    lane: str
    original: str
    amendment: str
    within: dt.timedelta
    consequence: str


# Deadlines agreed for the flow: billing knows the subscription a quarter of an hour after the
# customer accepted, the first invoice is out within the hour, the ledger has it within two.
RULES = (
    Rule("subscription", "billing", "Subscription in billing", "Change in billing",
         dt.timedelta(minutes=15), "Without it nothing is invoiced."),
    Rule("entitlement", "provisioning", "Entitlements live", "Changed entitlements live",
         dt.timedelta(minutes=30), "The customer pays for what does not work yet."),
    Rule("booking", "cpq", "Order booked", "Amendment applied",
         dt.timedelta(minutes=45), "Amendments and invoices of the contract wait for it."),
    Rule("modification", "erp", "", "Contract modification in the ledger",
         dt.timedelta(hours=1), "The contract asset is not in the books."),
    Rule("invoice", "billing", "First invoice", "Proration invoice",
         dt.timedelta(hours=1), "What was sold is not billed."),
    Rule("ledger", "erp", "First invoice in the ledger", "Proration invoice in the ledger",
         dt.timedelta(hours=2), "It blocks the close of the period."),
)  # fmt: skip


def expected_next(generations: Iterable[GenerationFacts]) -> list[Expected]:
    """What must still come for all generations of a journey, the earliest deadline first."""
    found = [e for generation in generations for e in _expected_of(generation)]
    return sorted(found, key=lambda e: (e.due_at, e.generation, e.kind))


def _expected_of(facts: GenerationFacts) -> list[Expected]:
    found = [_expected(rule, facts) for rule in RULES if _is_owed(rule, facts)]
    return [*found, *_invoices_not_in_ledger(facts)]


def _is_owed(rule: Rule, facts: GenerationFacts) -> bool:
    if not (rule.amendment if facts.generation else rule.original):
        return False
    charged = facts.expects_invoice and not facts.invoices
    owed = {
        "subscription": not facts.subscribed,
        "entitlement": not facts.provisioned,
        "booking": not facts.settled,
        "modification": facts.expects_invoice and not facts.modified,
        "invoice": charged,
        "ledger": charged,
    }
    return owed[rule.kind]


def _expected(rule: Rule, facts: GenerationFacts) -> Expected:
    bills = rule.kind in ("invoice", "ledger")
    start = max(facts.accepted_at, facts.bills_from) if bills else facts.accepted_at
    money = rule.kind in ("invoice", "ledger", "modification")
    return Expected(
        kind=f"expected_{rule.kind}",
        key=facts.label,
        lane=rule.lane,
        generation=facts.generation,
        title=rule.amendment if facts.generation else rule.original,
        due_at=start + rule.within,
        consequence=rule.consequence,
        amount=facts.expected_net if money else None,
        currency=facts.currency if money and facts.expected_net is not None else "",
    )


def _invoices_not_in_ledger(facts: GenerationFacts) -> list[Expected]:
    return [
        Expected(
            kind="expected_ledger",
            key=invoice.number,
            lane="erp",
            generation=facts.generation,
            title=f"{invoice.number} in the ledger",
            due_at=invoice.seen_at + LEDGER_AFTER_INVOICE,
            consequence="It blocks the close of the period.",
            amount=invoice.amount,
            currency=facts.currency,
        )
        for invoice in facts.invoices
        if not invoice.in_ledger
    ]


def expected_state(due_at: dt.datetime, now: dt.datetime) -> str:
    """``late`` past its deadline, ``soon`` within four hours of it, else ``expected``."""
    if due_at < now:
        return "late"
    return "soon" if due_at - now <= SOON else "expected"


def proration_sentence(label: str, proration: Mapping[str, object]) -> str:
    """How an amendment's prorated amount came about, in one line; empty when it is not known."""
    words = proration.get("words")
    return f"{label}: {words}" if words else ""


# Where a document is on its way to, by the lane that works on it.
BANDS = (
    ("cpq", "billing"), ("billing", "tax"), ("tax", "erp"), ("billing", "provisioning"),
    ("provisioning", "erp"),
)  # fmt: skip
_BAND_OF_LANE = {
    "cpq": ("cpq", "billing"), "hub": ("cpq", "billing"), "billing": ("cpq", "billing"),
    "tax": ("billing", "tax"), "provisioning": ("billing", "provisioning"), "erp": ("tax", "erp"),
}  # fmt: skip
_SOLD = (("cpq", "billing"), ("billing", "provisioning"), ("provisioning", "erp"))
_WAY_OF_FLOW = {
    "order_activation": _SOLD,
    "amendment": _SOLD,
    "invoice_posting": (("billing", "tax"), ("tax", "erp")),
}
_LAST_STEPS = ("book", "apply_change", "tell_cpq")


def band_of(lane: str, step: str = "", flow: str = "") -> tuple[str, str]:
    """The band of the flow picture that a document in this lane, step and flow is drawn in."""
    if step in _LAST_STEPS:
        return ("provisioning", "erp")
    if lane == "billing" and flow in ("ingestion", "invoice_posting"):
        return ("billing", "tax")  # billing has issued it; the hub takes it in
    return _BAND_OF_LANE.get(lane, ("cpq", "billing"))


def bands_of_way(flow: str) -> tuple[tuple[str, str], ...]:
    """The bands that a document of this flow has passed when its run is complete."""
    return _WAY_OF_FLOW.get(flow, ())
