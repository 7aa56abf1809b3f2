"""Accounting periods: which one a date falls into, and whether it can be posted to."""

from __future__ import annotations

from collections.abc import Iterable

from apps.simulators.core.codec import Document
from apps.simulators.netsuite.errors import NetSuiteError, user_error

OUT_OF_PERIOD = (
    "The transaction date you specified is not within the date range of your accounting period."
)


def posting_period(
    periods: Iterable[Document], day: str, chosen: str | None, *, receivables: bool
) -> str:
    """The internal id of the open period of a date.

    With the period of the date closed or locked NetSuite would default to another one and
    then refuse the date; both cases are this USER_ERROR. AR documents also mind `arLocked`.
    """
    own = _period_of(periods, day)
    if own is None or not _is_open(own, receivables=receivables):
        raise out_of_period()
    if chosen is not None and chosen != own["id"]:
        raise out_of_period()
    return str(own["id"])


def out_of_period() -> NetSuiteError:
    return user_error(OUT_OF_PERIOD)


def _period_of(periods: Iterable[Document], day: str) -> Document | None:
    for period in periods:
        if period.get("isYear") or period.get("isQuarter") or period.get("isAdjust"):
            continue
        if period["startDate"] <= day <= period["endDate"]:
            return period
    return None


def _is_open(period: Document, *, receivables: bool) -> bool:
    if period.get("closed") or period.get("allLocked"):
        return False
    return not (receivables and period.get("arLocked"))
