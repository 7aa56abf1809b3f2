"""Every write of this app."""

from apps.canonical.services.apply import apply_drafts
from apps.canonical.services.correct import correct_customer
from apps.canonical.services.lifecycle import (
    apply_amendments,
    book_orders,
    build_revenue_schedules,
)

__all__ = [
    "apply_amendments",
    "apply_drafts",
    "book_orders",
    "build_revenue_schedules",
    "correct_customer",
]
