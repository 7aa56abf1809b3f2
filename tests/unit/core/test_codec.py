"""One JSON form, and references that fit every ERP."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.codec import content_hash, dumps, loads
from apps.core.ids import uuid7, vendor_reference

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner) | st.dictionaries(words, inner),
    max_leaves=20,
)


@given(json_values)
def test_equal_values_have_one_text(value):
    assert content_hash(loads(dumps(value))) == content_hash(value)


def test_a_nul_is_replaced_and_an_escaped_backslash_is_not():
    assert loads(dumps("a\0b")) == "a\ufffdb"
    assert loads(dumps("\\u0000")) == "\\u0000"


def test_decimals_dates_and_order():
    value = {"b": Decimal("1.50"), "a": dt.date(2026, 11, 2)}
    assert dumps(value) == '{"a":"2026-11-02","b":"1.50"}'
    assert loads("1.10") == Decimal("1.10")


def test_a_float_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        dumps(float("nan"))


@given(st.text())
def test_a_reference_is_short_and_plain(key):
    reference = vendor_reference(key)
    assert reference.startswith("Q")
    assert len(reference) == 14
    assert reference.isalnum()


def test_keys_rise_with_time():
    first, second = uuid7(), uuid7()
    assert first.version == 7
    assert first.int >> 80 <= second.int >> 80
