"""Every write of this app."""

from apps.reconciliation.services.breaks import assign_breaks, write_off_breaks
from apps.reconciliation.services.explain import explain_breaks, unexplained_breaks
from apps.reconciliation.services.run import (
    execute_pending,
    execute_run,
    hear_snapshots,
    request_run,
    review_breaks,
    run_reconciliation,
)

__all__ = [
    "assign_breaks",
    "execute_pending",
    "execute_run",
    "explain_breaks",
    "hear_snapshots",
    "request_run",
    "review_breaks",
    "run_reconciliation",
    "unexplained_breaks",
    "write_off_breaks",
]
