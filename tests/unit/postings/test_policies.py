"""The posting protocol's decisions, without a database."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from apps.connectors.base import AfterUnknown, Capability, ReadBack
from apps.postings.policies import (
    UnknownPlan,
    after_unknown,
    counts_as_attempt,
    differences,
    may_still_send,
    posting_key,
    retry_delay,
    vendor_key,
)

HOUR = dt.timedelta(hours=1)
LAG = dt.timedelta(seconds=5)


NOTHING = frozenset[str]()
PAUSE = dt.timedelta(seconds=2)
UNIQUE = Capability(AfterUnknown.UNIQUE_REFERENCE, shows=NOTHING)
KEYED = Capability(AfterUnknown.NATIVE_KEY, ttl=HOUR, shows=NOTHING)
LAGGING = Capability(AfterUnknown.LOOKUP, visibility_lag=LAG, shows=NOTHING)
NONE = Capability(AfterUnknown.NONE, shows=NOTHING)


@pytest.mark.parametrize(
    ("capability", "sent_ago", "absent", "attempts", "plan"),
    [
        (NONE, HOUR, 0, 1, UnknownPlan("park")),
        (NONE, HOUR, 0, 5, UnknownPlan("park")),
        (UNIQUE, HOUR, 0, 4, UnknownPlan("send_again")),
        (UNIQUE, HOUR, 1, 5, UnknownPlan("look_up", PAUSE)),
        (UNIQUE, HOUR, 2, 5, UnknownPlan("bury")),
        (KEYED, HOUR - LAG, 0, 1, UnknownPlan("send_again")),
        (KEYED, HOUR, 0, 1, UnknownPlan("look_up", PAUSE)),
        (KEYED, HOUR, 2, 1, UnknownPlan("send_again")),
        (KEYED, LAG, 0, 5, UnknownPlan("look_up", PAUSE)),
        (LAGGING, LAG, 0, 1, UnknownPlan("look_up", LAG)),
        (LAGGING, HOUR, 1, 1, UnknownPlan("look_up", LAG)),
        (LAGGING, HOUR, 2, 1, UnknownPlan("send_again")),
        (LAGGING, HOUR, 2, 5, UnknownPlan("bury")),
        (UNIQUE, None, 0, 0, UnknownPlan("look_up", PAUSE)),
        (UNIQUE, None, 2, 0, UnknownPlan("send_again")),
        (KEYED, None, 1, 0, UnknownPlan("look_up", PAUSE)),
        (NONE, None, 2, 0, UnknownPlan("park")),
    ],
)
def test_what_follows_an_unknown_outcome(capability, sent_ago, absent, attempts, plan):
    assert after_unknown(capability, sent_ago, absent, attempts) == plan


@pytest.mark.parametrize(
    ("code", "closed", "counts"),
    [("server_error", True, True), ("server_error", False, False), ("unreachable", True, False),
     ("rate_limited", True, False), ("outcome_unknown", True, True)],
)  # fmt: skip
def test_waiting_burns_no_attempt(code, closed, counts):
    assert counts_as_attempt(code, circuit_closed=closed) is counts


def test_the_same_fact_has_the_same_key():
    entity, document = uuid.uuid4(), ("invoice", uuid.uuid4(), 1)
    key = posting_key(entity, "primary", document, "invoice.create", "erp")
    assert key == posting_key(entity, "primary", document, "invoice.create", "erp")
    assert key != posting_key(entity, "shadow", document, "invoice.create", "erp")
    assert vendor_key(key, 1) != vendor_key(key, 2)
    assert len(vendor_key(key, 1)) <= 100


def test_delays_have_full_jitter_and_a_cap():
    assert retry_delay(3, 0.0, None) == dt.timedelta(0)
    assert retry_delay(3, 1.0, None) == dt.timedelta(seconds=8)
    assert retry_delay(30, 1.0, None) == dt.timedelta(seconds=60)
    assert retry_delay(1, 0.5, 20) == dt.timedelta(seconds=20.5)


MEANT = {
    "currency": "EUR", "net": "100.00", "tax": "19.00", "gross": "119.00", "entity": "DE01",
    "document_date": "2026-11-02", "dimensions": ["SALES-EMEA"],
}  # fmt: skip


def _found(**changes):
    values = {
        "external_id": "1", "currency": "EUR", "net": Decimal(100), "tax": Decimal("19.0"),
        "gross": Decimal("119.00"), "entity": "DE01", "document_date": dt.date(2026, 11, 2),
        "period": "2026-11",
        "dimensions": ("SALES-EMEA", "BER"),
    }  # fmt: skip
    return ReadBack(**{**values, **changes})


def test_a_document_as_meant_has_no_differences():
    assert differences(MEANT, _found()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"gross": Decimal("119.01")},
        {"tax": Decimal(0)},
        {"currency": "USD"},
        {"entity": "US01"},
        {"document_date": dt.date(2026, 12, 1)},
        {"dimensions": ("BER",)},
        {"period": "2026-12"},
        {"period": ""},
        {"tax": None},
    ],
)
def test_every_difference_is_seen(change):
    assert len(differences(MEANT, _found(**change))) == 1


def test_a_lost_dimension_is_seen_even_when_none_is_shown():
    assert differences({"dimensions": ["SALES-EMEA"]}, _found(dimensions=())) == [
        "dimension SALES-EMEA is not on the document"
    ]


@pytest.mark.parametrize(("left", "may"), [(15, True), (3, True), (2.9, False), (-240, False)])
def test_a_write_leaves_within_its_claim_or_not_at_all(left, may):
    now = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
    assert may_still_send(now + dt.timedelta(seconds=left), now) is may


def test_what_a_connector_does_not_show_is_not_compared():
    shows = frozenset({"net", "currency"})
    assert differences(MEANT, ReadBack("1", currency="EUR", net=Decimal(100)), shows) == []
    assert differences(MEANT, ReadBack("1", currency="EUR"), shows) == [
        "net is missing instead of 100.00"
    ]
