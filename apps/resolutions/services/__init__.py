"""Every write of this app."""

from apps.resolutions.services.apply import apply_remedy
from apps.resolutions.services.batch_items import run_batch, running_batches
from apps.resolutions.services.batches import (
    cancel_batch,
    pause_batch,
    resume_batch,
    start_batch,
)
from apps.resolutions.services.decisions import (
    carry_out_decisions,
    drop_proposals,
    retry_mapped,
)
from apps.resolutions.services.outcomes import (
    close_succeeded,
    settle_tried,
    supersede_older,
    unsettle_reopened,
)
from apps.resolutions.services.set_aside import report_set_aside

__all__ = [
    "apply_remedy",
    "cancel_batch",
    "carry_out_decisions",
    "close_succeeded",
    "drop_proposals",
    "pause_batch",
    "report_set_aside",
    "resume_batch",
    "retry_mapped",
    "run_batch",
    "running_batches",
    "settle_tried",
    "start_batch",
    "supersede_older",
    "unsettle_reopened",
]
