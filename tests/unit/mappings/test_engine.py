"""The expression set: exact values, everything missing at once, clear errors on saving."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import EXPONENTS
from apps.mappings.engine import (
    RuleError,
    ValueTable,
    references_wanted,
    tables_used,
    translate_document,
    validate_rules,
)
from apps.mappings.types import Missing

TABLES = {
    "products.stripe": ValueTable(
        {("SEAT", ""): "prod_1", ("SEAT", "DE01"): "prod_de", ("PLAT", ""): "prod_2"}
    )
}
PRODUCT = {"lookup": {"map": "products.stripe", "key": "sku"}}


def run(rules: Any, document: dict[str, Any], scope: str = "", **references: str) -> Any:
    validate_rules(rules)
    known = {("customer", record): external for record, external in references.items()}
    result = translate_document(rules, document, TABLES, known, scope=scope)
    return list(result.missing) if result.output is None else result.output


def test_an_object_leaves_absent_optional_fields_out() -> None:
    rules = {
        "object": {
            "name": "customer.name",
            "vat": {"path": "customer.vat_id", "optional": True},
            "note": {"const": None},
        }
    }
    assert run(rules, {"customer": {"name": "Lumen", "vat_id": ""}}) == {
        "name": "Lumen",
        "note": None,
    }


def test_every_missing_field_is_found_in_one_pass() -> None:
    rules = {
        "object": {
            "name": "customer.name",
            "items": {"each": {"in": "lines", "do": PRODUCT}},
        }
    }
    missing = run(rules, {"lines": [{"sku": "SEAT"}, {"sku": "EDGE"}, {}]}, "JP01")
    assert [(m.mapping, m.key, m.path, m.scope) for m in missing] == [
        ("", "", "customer.name", ""),
        ("products.stripe", "EDGE", "lines.1.sku", "JP01"),
        ("", "", "lines.2.sku", ""),
    ]


def test_a_row_of_the_legal_entity_comes_before_the_row_of_all() -> None:
    rules = {"object": {"id": PRODUCT}}
    assert run(rules, {"sku": "SEAT"}, "DE01") == {"id": "prod_de"}
    assert run(rules, {"sku": "SEAT"}, "US01") == {"id": "prod_1"}


def test_a_table_reads_backwards_only_where_one_source_has_the_target() -> None:
    rules = {
        "object": {"sku": {"lookup": {"map": "products.stripe", "key": "id", "reverse": True}}}
    }
    assert run(rules, {"id": "prod_2"}) == {"sku": "PLAT"}
    twice = {"products.stripe": ValueTable({("A", ""): "x", ("B", ""): "x"})}
    assert translate_document(rules, {"id": "x"}, twice, {}).missing == (
        Missing("products.stripe", "x", "id", "", "x has no row in products.stripe"),
    )


def test_paths_inside_each_are_of_the_element_and_dollar_is_the_document() -> None:
    rules = {
        "object": {
            "rows": {
                "each": {
                    "in": "lines",
                    "where": {"not": {"equals": ["kind", "bundle"]}},
                    "do": {"object": {"net": "net", "currency": {"lower": "$.currency"}}},
                }
            }
        }
    }
    document = {"currency": "EUR", "lines": [{"net": "1.10"}, {"net": "0", "kind": "bundle"}]}
    assert run(rules, document) == {"rows": [{"net": "1.10", "currency": "eur"}]}


def test_a_reference_comes_from_the_crosswalk_and_can_be_asked_for_beforehand() -> None:
    rules = {"object": {"id": {"ref": {"object_type": "customer", "record": "customer.id"}}}}
    document = {"customer": {"id": "c1"}}
    assert references_wanted(rules, document, {}) == {("customer", "c1")}
    assert run(rules, document, c1="cus_9") == {"id": "cus_9"}
    assert run(rules, document)[0].problem == "the platform has no customer for it yet"


def test_first_of_takes_what_is_there_and_reports_only_its_last() -> None:
    rules = {"object": {"code": {"first_of": ["department", "customer.department"]}}}
    assert run(rules, {"customer": {"department": "SALES"}}) == {"code": "SALES"}
    assert [m.path for m in run(rules, {})] == ["customer.department"]


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ({"date": {"of": "v", "add_days": 1}}, "2027-02-28", "2027-03-01"),
        ({"date": "v"}, "2026-11-23T23:59:59.000+0000", "2026-11-23"),
        ({"epoch": "v"}, "1970-01-02", 86_400),
        ({"from_epoch": "v"}, 1_795_392_000, "2026-11-23"),
        ({"milliseconds": "v"}, "2026-11-23T10:50:00.123+0000", 1_795_431_000_123),
        ({"integer": "v"}, "40.00", 40),
        ({"boolean": "v"}, "true", True),
        ({"truncate": {"of": "v", "at": 3}}, "abcdef", "abc"),
        ({"scale": {"of": "v", "by": "100"}}, "0.0825", "8.2500"),
        ({"choose": {"of": "v", "cases": {"annual": "year"}}}, "annual", "year"),
        ({"concat": [{"const": "Net "}, "v"]}, 30, "Net 30"),
        ({"sum": "v"}, ["0.10", "0.20"], "0.30"),
        ({"minor": {"amount": "v", "currency": {"const": "EUR"}}}, "12.34", 1234),
        ({"major": {"amount": "v", "currency": {"const": "jpy"}}}, 1234, "1234"),
        (
            {"minor": {"amount": "v", "currency": {"const": "USD"}, "fraction": True}},
            "0.00125",
            "0.125",
        ),
        (
            {"minor": {"amount": "v", "currency": {"const": "ISK"}, "places": {"ISK": 2}}},
            "7",
            700,
        ),
    ],
)  # fmt: skip
def test_conversions_are_exact(rule: Any, value: Any, expected: Any) -> None:
    assert run({"object": {"v": rule}}, {"v": value}) == {"v": expected}


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ({"decimal": "v"}, 0.1, "not an exact number"),
        ({"integer": "v"}, "1.5", "not a whole number"),
        ({"date": "v"}, "23.11.2026", "not a date"),
        ({"milliseconds": "v"}, "2026-11-23T10:50:00", "time zone"),
        ({"minor": {"amount": "v", "currency": {"const": "JPY"}}}, "1.5", "more than 0 decimal"),
        ({"minor": {"amount": "v", "currency": {"const": 17}}}, "1", "not a currency"),
        ({"choose": {"of": "v", "cases": {"annual": 1}}}, "weekly", "none of annual"),
        ({"each": {"in": "v", "do": "@"}}, "none", "not a list"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_reason(rule: Any, value: Any, words: str) -> None:
    (missing,) = run({"object": {"v": rule}}, {"v": value})
    assert missing.path == "v"
    assert words in missing.problem


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ({"object": {"a": {"lokup": "x"}}}, "rules.object.a"),
        ({"object": {"a": {"lookup": {"key": "x"}}}}, "rules.object.a.lookup: map"),
        ({"each": {"in": "x", "do": "y", "when": {}}}, "'when' is not one of"),
        ({"lower": {"optional": True}}, "exactly one operator"),
        ({"lower": "a", "optional": True}, "optional is true or false beside"),
        ({"if": {"when": {"like": ["a", 1]}, "then": "a"}}, "one condition of"),
        ({"scale": {"of": "a", "by": 0.5}}, "exact number as text"),
        ("a..b", "is not a path"),
        (7, "not 7"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(rules: Any, place: str) -> None:
    with pytest.raises(RuleError) as refused:
        validate_rules(rules)
    assert place in str(refused.value)


def test_tables_used_are_read_from_the_rules_and_not_from_field_names() -> None:
    rules = {
        "object": {
            "lookup": {"lookup": {"map": "departments.netsuite", "key": "d"}},
            "ref": {"const": {"lookup": {"map": "no.table"}}},
        }
    }
    assert tables_used(rules) == {"departments.netsuite"}


CURRENCIES = st.sampled_from(["USD", "EUR", "GBP", *sorted(EXPONENTS)])


@given(minor=st.integers(-(10**15), 10**15), currency=CURRENCIES)
def test_minor_units_there_and_back_lose_nothing(minor: int, currency: str) -> None:
    there = {"object": {"v": {"major": {"amount": "v", "currency": "c"}}}}
    back = {"object": {"v": {"minor": {"amount": "v", "currency": "c"}}}}
    major = run(there, {"v": minor, "c": currency})
    assert run(back, {**major, "c": currency}) == {"v": minor}


@given(day=st.dates(dt.date(1971, 1, 1), dt.date(2099, 12, 31)))
def test_dates_survive_the_way_through_seconds(day: dt.date) -> None:
    (seconds,) = run({"object": {"v": {"epoch": "v"}}}, {"v": day.isoformat()}).values()
    assert run({"object": {"v": {"from_epoch": "v"}}}, {"v": seconds}) == {"v": day.isoformat()}


@given(parts=st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=20))
def test_sums_are_those_of_exact_decimals(parts: list[Decimal]) -> None:
    texts = [format(part, "f") for part in parts]
    (total,) = run({"object": {"v": {"sum": "v"}}}, {"v": texts}).values()
    assert Decimal(total) == sum(parts, Decimal(0))


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
DOCUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "lines"]),
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["a", "b"]), inner, max_size=2), max_leaves=6),
)  # fmt: skip


@given(document=DOCUMENTS)
def test_no_document_makes_a_translation_fail_otherwise_than_by_naming_what_is_missing(
    document: dict[str, Any],
) -> None:
    rules = {
        "object": {
            "d": {"date": "a"},
            "m": {"minor": {"amount": "b", "currency": "a"}},
            "e": {"each": {"in": "lines", "do": PRODUCT}},
            "c": {"choose": {"of": "b", "cases": {"x": 1}}},
            "s": {"sum": {"each": {"in": "lines", "do": "@"}}},
        }
    }  # fmt: skip
    first = translate_document(rules, document, TABLES, {})
    assert first == translate_document(rules, document, TABLES, {})
    assert (first.output is None) == bool(first.missing)
