"""What explains a break, without a database."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from apps.reconciliation.policies import asks_a_person, break_title, explain
from apps.reconciliation.types import BreakFacts, OpenCase

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
OLD = NOW - dt.timedelta(hours=1)
CASE = OpenCase(uuid.uuid4(), "EXC-7", "No mapping")


def _facts(type_="missing_in_erp", **more):
    return BreakFacts(**{"type": type_, "variance": Decimal(10), "currency": "USD",
                         "newest": OLD, **more})  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "explained", "type_", "text"),
    [
        (_facts(case=CASE, posting_state="queued"), True, "missing_in_erp", "EXC-7: No mapping"),
        (_facts(posting_state="unknown", posting_label="INV-1"), True, "timing",
         "INV-1 is on its way to the ERP"),
        (_facts(run_label="INV-1", step="our_tax"), True, "timing",
         "INV-1 is still in progress, in our tax"),
        (_facts("duplicate", run_label="INV-1"), True, "duplicate", "INV-1 is still in progress"),
        (_facts("amount_differs", accounted=Decimal("10.00"), reasons=("A1",)), True, "timing",
         "A1"),
        (_facts(newest=NOW), True, "timing",
         "Seen a moment ago; the other side has ten minutes to follow"),
    ],
)  # fmt: skip
def test_the_nearest_explanation_is_given(facts, explained, type_, text):
    found = explain(facts, NOW)
    assert (found.explained, found.type, found.text) == (explained, type_, text)


@pytest.mark.parametrize(
    "facts",
    [
        _facts(),
        _facts(posting_state="rejected", posting_label="INV-1"),
        _facts("amount_differs", accounted=Decimal("10.01"), reasons=("A1",)),
        _facts("amount_differs", newest=NOW),
        _facts("amount_differs", variance=Decimal(0), accounted=Decimal(0)),
    ],
)
def test_what_nothing_accounts_for_is_unexplained(facts):
    found = explain(facts, NOW)
    assert (found.explained, found.type) == (False, facts.type)


def test_a_person_is_asked_after_the_grace_of_the_type():
    minutes = {
        type_: next(
            m for m in range(60) if asks_a_person(type_, NOW, NOW + dt.timedelta(minutes=m))
        )
        for type_ in ("missing_in_erp", "amount_differs", "duplicate")
    }
    assert minutes == {"missing_in_erp": 10, "amount_differs": 2, "duplicate": 2}


def test_a_title_names_key_and_type():
    assert break_title("missing_in_erp", "INV-1") == "INV-1: missing in ERP"
