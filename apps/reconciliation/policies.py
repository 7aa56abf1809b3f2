"""Pure decisions: what explains a break, and when a person is asked."""

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise

from apps.reconciliation.types import (
    BREAK_TYPES,
    BreakFacts,
    Explanation,
    Part,
    SideTotal,
    Total,
)

Convert = Callable[[Decimal, str], Decimal]

# A document may be read on one side a moment before its copy exists on the other; the flow from
# an issued invoice to the ledger takes minutes. After this a missing copy is no timing any more.
SETTLING = dt.timedelta(minutes=10)
# How long an unexplained break may stand before a person is asked.
GRACE = {"missing_in_erp": SETTLING, "missing_in_billing": SETTLING, "missing_in_cpq": SETTLING}
LATE = (*GRACE, "amount_differs")
SHORT_GRACE = dt.timedelta(minutes=2)  # two readings agree that the amounts differ

# A task is ended after 90 s at the latest, so a claim that is older has nobody at work.
CLAIM_TTL = dt.timedelta(seconds=100)
MAX_ATTEMPTS = 5

# What one person may write off alone, in the group's reporting currency; roundings are smaller.
ALONE = Decimal(100)

MOVING = ("queued", "sending", "unknown", "posted")
SIDE_NAMES = {"cpq": "CPQ", "billing": "billing", "erp": "the ERP"}


def explain(facts: BreakFacts, now: dt.datetime) -> Explanation:
    """The best explanation: an open case, work in flight, a later charge, or none."""
    if facts.case is not None:
        text = f"{facts.case.reference}: {facts.case.title}"
        return Explanation(True, facts.type, text, facts.case.id, facts.posting_id)
    passing = _passing(facts, now)
    if passing:
        # A duplicate in flight is still a duplicate; what is missing or short is only late.
        type_ = "timing" if facts.type in LATE and facts.passes else facts.type
        return Explanation(True, type_, passing, posting_id=facts.posting_id)
    return Explanation(False, facts.type, _unexplained(facts), posting_id=facts.posting_id)


def _passing(facts: BreakFacts, now: dt.datetime) -> str:
    """Why a difference will go away by itself; empty when it will not."""
    if facts.posting_state in MOVING:
        return f"{facts.posting_label} is on its way to the ERP"
    if facts.run_label:
        step = facts.step.replace("_", " ")
        return f"{facts.run_label} is still in progress" + (f", in {step}" if step else "")
    if facts.accounted is not None and facts.accounted == facts.variance != 0:
        return "; ".join(facts.reasons)
    if facts.type in GRACE and now - facts.newest < SETTLING:
        return "Seen a moment ago; the other side has ten minutes to follow"
    return ""


def _unexplained(facts: BreakFacts) -> str:
    words = {
        "missing_in_erp": "Billed but not in the ledger, and nothing open in the hub explains it",
        "missing_in_billing": "Not billed, and nothing open in the hub explains it",
        "missing_in_cpq": "Billed without a contract in CPQ",
        "duplicate": "More than one document under one number",
        "entity_differs": "Booked to different legal entities",
        "tax_differs": "Same net amount, different tax",
    }
    return words.get(facts.type, "The amounts differ, and nothing open in the hub explains it")


def write_off_size(type_: str, variance: Decimal, compared: Sequence[Decimal | None]) -> Decimal:
    """What is accepted with a break, in major units: the largest difference between neighbouring
    sides. A document that is there twice or in the wrong company counts in full, whatever the
    difference of the sums. ``compared`` are the amounts of the sides, upstream first."""
    amounts = [amount or Decimal(0) for amount in compared]
    sizes = [abs(one - other) for one, other in pairwise(amounts)]
    if type_ in ("duplicate", "entity_differs"):
        sizes += [abs(amount) for amount in amounts]
    return max([abs(variance), *sizes])


def asks_a_person(type_: str, unexplained_at: dt.datetime, now: dt.datetime) -> bool:
    """Whether a break has stood without an explanation long enough to become a case.

    The grace runs anew when an explanation is over: after a case was resolved the platforms must
    be read again before they can agree.
    """
    return now - unexplained_at >= GRACE.get(type_, SHORT_GRACE)


def break_title(type_: str, key: str) -> str:
    """One line for the case of an unexplained break."""
    label = BREAK_TYPES.get(type_, type_)
    return f"{key}: {label[0].lower()}{label[1:]}"


def is_given_up(attempts: int) -> bool:
    """Whether a comparison that was taken up this often is not tried any more."""
    return attempts >= MAX_ATTEMPTS


def add_up(totals: Sequence[Total], currency: str, convert: Convert) -> Total:
    """Totals of several legal entities and currencies as one, in ``currency``.

    Converted and rounded once each are the shares of the differences and what the last side, the
    ledger, keeps. Differences and the other sides are added up from these, so that all figures
    agree with each other to the minor unit (ADR-0028). ``convert`` knows all currencies.
    """
    parts = _parts_together(totals, convert)
    gaps = tuple(sum(column, Decimal(0)) for column in zip(*(p.gaps for p in parts), strict=True))
    gaps = gaps or tuple(Decimal(0) for _ in totals[0].gaps)
    amount = sum((convert(t.sides[-1].amount, t.currency) for t in totals), Decimal(0))
    amounts = [amount]
    for gap in reversed(gaps):
        amounts.insert(0, amounts[0] + gap)
    sides = tuple(
        SideTotal(side.side, amounts[place], sum(t.sides[place].count for t in totals))
        for place, side in enumerate(totals[0].sides)
    )
    return Total("", currency, sides, gaps, sum(t.matched for t in totals), parts)


def _parts_together(totals: Sequence[Total], convert: Convert) -> tuple[Part, ...]:
    """Shares of one break type and state as one, in the order of the break types."""
    found: dict[tuple[str, str], Part] = {}
    for total in totals:
        for part in total.parts:
            gaps = tuple(convert(gap, total.currency) for gap in part.gaps)
            known = found.get((part.type, part.state))
            if known:
                gaps = tuple(a + b for a, b in zip(known.gaps, gaps, strict=True))
            count = part.count + (known.count if known else 0)
            found[part.type, part.state] = Part(part.type, part.label, part.state, count, gaps)
    order = list(BREAK_TYPES)
    return tuple(found[key] for key in sorted(found, key=lambda key: (order.index(key[0]), key)))
