"""Exceptions as rows: the same row in the queue, on Today and in a family."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse

from apps.exceptions.models import ExceptionCase

# Where a case stands on the way; what the hub itself checks comes before billing.
LANE_CODES = {
    "cpq": "CPQ", "hub": "BIL", "billing": "BIL", "tax": "BIL", "provisioning": "BIL",
    "erp": "ERP",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What ``case_row.html`` draws."""

    number: str
    title: str
    severity: str
    state: str
    document: str
    customer: str
    occurrences: int
    blocks_close: bool
    unread: bool
    rev: int
    failed_at: str
    amount: Decimal | None
    currency: str
    opened_at: dt.datetime
    due_at: dt.datetime | None
    owner: str
    url: str
    panel_url: str
    row_url: str
    selected: bool = False

    @property
    def is_closed(self) -> bool:
        return self.due_at is None


def case_row(
    case: ExceptionCase,
    *,
    since: dt.datetime | None = None,
    selected: str = "",
    beside: bool = True,
) -> CaseRow:
    """One case as a row; bold when it was opened after ``since`` and nobody has it yet.

    ``beside`` False leaves out what needs a side panel: the row then opens the full page.
    """
    number = case.reference
    fresh = since is not None and case.opened_at > since and not case.owner_label
    return CaseRow(
        number=number,
        title=case.title,
        severity=case.severity,
        state=case.state,
        document=case.document,
        customer=case.customer,
        occurrences=case.seen,
        blocks_close=case.blocks_close,
        unread=fresh,
        rev=case.rev,
        failed_at=LANE_CODES.get(case.lane, ""),
        amount=case.amount_at_risk,
        currency=case.currency,
        opened_at=case.opened_at,
        due_at=case.sla_due_at if case.is_open else None,
        owner=case.owner_label,
        url=reverse("exception", args=[number]),
        panel_url=reverse("exception-panel", args=[number]) if beside else "",
        row_url=reverse("exception-row", args=[number]) if beside else "",
        selected=number == selected,
    )


def case_rows(
    cases: Iterable[ExceptionCase],
    *,
    since: dt.datetime | None = None,
    selected: str = "",
    beside: bool = True,
) -> list[CaseRow]:
    return [case_row(c, since=since, selected=selected, beside=beside) for c in cases]
