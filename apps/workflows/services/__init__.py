"""Every write of this app."""

from apps.workflows.services.advance import advance_due
from apps.workflows.services.control import cancel_runs, pause_runs, resume_runs, retry_steps
from apps.workflows.services.hear import expire_steps, raise_signals, settle_postings
from apps.workflows.services.start import QUEUE, start_runs

__all__ = [
    "QUEUE",
    "advance_due",
    "cancel_runs",
    "expire_steps",
    "pause_runs",
    "raise_signals",
    "resume_runs",
    "retry_steps",
    "settle_postings",
    "start_runs",
]
