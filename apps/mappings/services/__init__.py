"""Every write of this app."""

from apps.mappings.services.drafts import (
    discard_draft,
    propose_version,
    remove_row,
    set_row,
    set_rules,
    start_draft,
    withdraw_version,
)
from apps.mappings.services.references import link_references, unlink_references
from apps.mappings.services.translate import translate
from apps.mappings.services.versions import (
    activate_approved,
    ensure_mappings,
    roll_back,
    send_back_rejected,
)

__all__ = [
    "activate_approved",
    "discard_draft",
    "ensure_mappings",
    "link_references",
    "propose_version",
    "remove_row",
    "roll_back",
    "send_back_rejected",
    "set_row",
    "set_rules",
    "start_draft",
    "translate",
    "unlink_references",
    "withdraw_version",
]
