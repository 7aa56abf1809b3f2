"""Every write of this app."""

from apps.workflows.services.advance import advance_due
from apps.workflows.services.control import (
    cancel_runs,
    compensate_runs,
    pause_runs,
    reset_to_step,
    resume_runs,
    retry_steps,
    skip_step,
    why_not_retried,
)
from apps.workflows.services.fresh import dated, fresh_payloads
from apps.workflows.services.hear import expire_steps, raise_signals, settle_postings
from apps.workflows.services.hold import release_held
from apps.workflows.services.proposals import (
    carry_out,
    propose_compensation,
    propose_skip,
    request_compensation,
)
from apps.workflows.services.replay import ReplayReport, replay_runs
from apps.workflows.services.start import QUEUE, start_runs
from apps.workflows.services.undo import compensate_due, settle_undos

__all__ = [
    "QUEUE",
    "ReplayReport",
    "advance_due",
    "cancel_runs",
    "carry_out",
    "compensate_due",
    "compensate_runs",
    "dated",
    "expire_steps",
    "fresh_payloads",
    "pause_runs",
    "propose_compensation",
    "propose_skip",
    "raise_signals",
    "release_held",
    "replay_runs",
    "request_compensation",
    "reset_to_step",
    "resume_runs",
    "retry_steps",
    "settle_postings",
    "settle_undos",
    "skip_step",
    "start_runs",
    "why_not_retried",
]
