"""Questions to the hub's own command line: what is in flight, lost, or not signed."""

import json
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal

from scenario.checker import Sums


@dataclass(frozen=True, slots=True)
class HubState:
    """The hub's answer of this moment."""

    in_flight: int
    moving: int
    lost: int
    unsigned: int
    invoice_sums: Sums


def hub_state() -> HubState:
    """Ask `manage.py invariants`. Raises ``CalledProcessError`` when it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", "invariants"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    return HubState(
        in_flight=answer["in_flight"],
        moving=answer["moving"],
        lost=answer["lost"],
        unsigned=answer["transitions_without_actor"],
        invoice_sums={
            (row["entity"], row["currency"]): Decimal(row["gross"])
            for row in answer["invoice_sums"]
        },
    )
