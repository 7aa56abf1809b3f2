"""Every write of this app."""

from apps.postings.services.decide import accept_postings, adopt_postings, doubt_postings
from apps.postings.services.hold import hold_postings, release_postings
from apps.postings.services.lane import run_lane
from apps.postings.services.redrive import cancel_postings, requeue_postings
from apps.postings.services.submit import submit_postings

__all__ = [
    "accept_postings",
    "adopt_postings",
    "cancel_postings",
    "doubt_postings",
    "hold_postings",
    "release_postings",
    "requeue_postings",
    "run_lane",
    "submit_postings",
]
