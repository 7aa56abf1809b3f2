"""Every write of this app."""

from apps.reconciliation.services.breaks import assign_breaks
from apps.reconciliation.services.explain import explain_breaks, unexplained_breaks
from apps.reconciliation.services.run import (
    execute_pending,
    execute_run,
    hear_snapshots,
    request_run,
    review_breaks,
    run_reconciliation,
)
from apps.reconciliation.services.write_off import (
    carry_out_write_off,
    write_off,
    write_off_breaks,
)

__all__ = [
    "assign_breaks",
    "carry_out_write_off",
    "execute_pending",
    "execute_run",
    "explain_breaks",
    "hear_snapshots",
    "request_run",
    "review_breaks",
    "run_reconciliation",
    "unexplained_breaks",
    "write_off",
    "write_off_breaks",
]
