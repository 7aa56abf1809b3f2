from __future__ import annotations
from typing import Any
from benchmarks.faults.ledgers import Ledgers


def judge(stack, facts, trade, conductor, left) -> dict[str, Any]:
    ledgers = Ledgers(stack.run.state)
    import collections

    kinds = collections.Counter(
        (v, e["object"], e["action"]) for v, ls in ledgers.by_vendor.items() for e in ls
    )
    return {
        "kinds": [(*k, n) for k, n in kinds.items()],
        "twice": ledgers.twice(),
        "left": left,
        "sums": str(ledgers.sums()),
        "tb": str(ledgers.trial_balance()),
    }
