"""Every write of this app."""

from apps.exceptions.services.closing import (
    close_cases,
    close_for_subjects,
    dismiss_cases,
    reopen_cases,
)
from apps.exceptions.services.dead_letters import (
    discard_dead_letters,
    park_again,
    park_dead_letters,
    settle_dead_letters,
    start_redrive,
)
from apps.exceptions.services.opening import open_cases
from apps.exceptions.services.ownership import (
    assign_cases,
    release_cases,
    snooze_cases,
    wake_snoozed,
)

__all__ = [
    "assign_cases",
    "close_cases",
    "close_for_subjects",
    "discard_dead_letters",
    "dismiss_cases",
    "open_cases",
    "park_again",
    "park_dead_letters",
    "release_cases",
    "reopen_cases",
    "settle_dead_letters",
    "snooze_cases",
    "start_redrive",
    "wake_snoozed",
]
