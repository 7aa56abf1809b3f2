"""Every write of this app."""

from apps.postings.services.decide import (
    accept_postings,
    adopt_postings,
    doubt_postings,
    skip_postings,
)
from apps.postings.services.hold import hold_postings, release_postings
from apps.postings.services.redrive import cancel_postings, requeue_postings
from apps.postings.services.submit import submit_postings
from apps.postings.services.watch import report_unsettled

__all__ = [
    "accept_postings",
    "adopt_postings",
    "cancel_postings",
    "doubt_postings",
    "hold_postings",
    "release_postings",
    "report_unsettled",
    "requeue_postings",
    "skip_postings",
    "submit_postings",
]
