"""Every write of this app."""

from apps.reconciliation.services.breaks import assign_breaks, write_off_breaks
from apps.reconciliation.services.explain import count_unexplained, explain_breaks
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
    "count_unexplained",
    "execute_pending",
    "execute_run",
    "explain_breaks",
    "hear_snapshots",
    "request_run",
    "review_breaks",
    "run_reconciliation",
    "write_off_breaks",
]
