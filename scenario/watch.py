"""Questions to the hub's own command line: what is in flight, lost, or not signed.

``unexplained`` looks ahead to the end of reconciliation's grace, which a script does not wait for.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scenario.checker import Sums


@dataclass(frozen=True, slots=True)
class HubState:
    """The hub's answer of this moment."""

    in_flight: int
    moving: int
    lost: int
    unsigned: int
    waited: int
    unexplained: list[str]
    invoice_sums: Sums


def hub_state() -> HubState:
    """Ask `manage.py invariants`. Raises ``CalledProcessError`` when it fails."""
    answer = _ask("invariants")
    return HubState(
        in_flight=answer["in_flight"],
        moving=answer["moving"],
        lost=answer["lost"],
        unsigned=answer["transitions_without_actor"],
        waited=answer["waited"],
        unexplained=answer["unexplained_breaks"],
        invoice_sums={
            (row["entity"], row["currency"]): Decimal(row["gross"])
            for row in answer["invoice_sums"]
        },
    )


def inbound_outcomes() -> dict[str, list[tuple[str, int]]]:
    """Every message the hub keeps, as ``connection:id``, with the state and the number of open
    cases of each event in it."""
    return {
        message: [(state, cases) for state, cases in events]
        for message, events in _ask("inbound_outcomes").items()
    }


def _ask(command: str) -> Any:
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "manage.py", command], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)
