"""What the platforms' own ledgers say, against each other and against the hub's sums."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

Sums = dict[tuple[str, str], Decimal]


def finalized_invoices(ledger: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Billing's invoices that were issued and not voided, by number."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in ledger:
        if entry["object"] != "invoice":
            continue
        number = entry["detail"].get("number")
        if entry["action"] == "finalized" and number:
            found[number] = entry
        elif entry["action"] == "voided":
            found.pop(number, None)
    return found


def erp_documents(ledger: Iterable[Mapping[str, Any]], kind: str) -> dict[str, Mapping[str, Any]]:
    """The ERP's documents of one kind as they stand, by internal id."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in ledger:
        if entry["object"] == kind:
            if entry["action"] in ("deleted", "voided"):
                found.pop(entry["id"], None)
            else:
                found[entry["id"]] = entry
    return found


def sums(entries: Iterable[Mapping[str, Any]]) -> Sums:
    """Gross per legal entity and currency, exact."""
    total: Sums = defaultdict(Decimal)
    for entry in entries:
        total[str(entry["entity"]), str(entry["currency"])] += Decimal(str(entry["gross"]))
    return dict(total)


def lost(accepted: Iterable[str], outcomes: Mapping[str, list[tuple[str, int]]]) -> list[str]:
    """Acknowledged messages that the hub has not, or whose event ends neither done nor parked
    with exactly one open case."""
    return [
        message
        for message in sorted(accepted)
        if message not in outcomes
        or any(
            state not in ("processed", "ignored") and (state, cases) != ("dead", 1)
            for state, cases in outcomes[message]
        )
    ]


def duplicates(entries: Iterable[Mapping[str, Any]], key: str = "external_ref") -> int:
    """How many documents stand more than once under one reference of the hub."""
    counted = Counter(entry[key] for entry in entries if entry.get(key))
    return sum(count - 1 for count in counted.values())


def unequal(*sides: Sums) -> list[tuple[str, str]]:
    """Entity and currency pairs on which the sides do not all agree to the minor unit."""
    keys = {key for side in sides for key in side}
    return sorted(k for k in keys if len({side.get(k, Decimal(0)) for side in sides}) > 1)
