"""SOQL and SuiteQL: what is understood, what is refused."""

import pytest

from apps.simulators.netsuite.errors import NetSuiteError
from apps.simulators.netsuite.suiteql import translated
from apps.simulators.salesforce.errors import SalesforceError
from apps.simulators.salesforce.ids import long_id, make_id
from apps.simulators.salesforce.soql import Combination, Comparison, parse


def test_soql_with_children_conditions_and_order() -> None:
    query = parse(
        "SELECT Id, Account.Name, (SELECT Id FROM OrderItems WHERE Quantity > 1) FROM Order "
        "WHERE SystemModstamp >= 2026-11-23T10:00:00.5Z AND (Status IN ('A', 'B\\'s') "
        "OR NOT Total != -1.5) ORDER BY SystemModstamp DESC NULLS LAST, Id LIMIT 5 OFFSET 2"
    )
    assert query.fields == ("Id", "Account.Name")
    assert query.children[0].source == "OrderItems"
    assert isinstance(query.where, Combination)
    first = query.where.parts[0]
    assert first == Comparison("SystemModstamp", ">=", "2026-11-23T10:00:00.500+0000")
    assert [(order.field, order.descending) for order in query.order] == [
        ("SystemModstamp", True),
        ("Id", False),
    ]
    assert (query.limit, query.offset) == (5, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELECT Id",
        "SELECT Id FROM A WHERE",
        "SELECT Id FROM A LIMIT x",
        "SELECT Id FROM A WHERE B = ",
        "SELECT Id FROM A garbage",
        "SELECT Id FROM A WHERE B ~ 1",
    ],
)
def test_malformed_soql(text: str) -> None:
    with pytest.raises(SalesforceError) as caught:
        parse(text)
    assert caught.value.code == "MALFORMED_QUERY"


def test_record_ids_have_a_checked_long_form() -> None:
    key = make_id("a0Q", 61)
    assert (len(key), key[:3]) == (18, "a0Q")
    assert long_id(key[:15]) == key
    assert long_id("001A0000006Vm9r") == "001A0000006Vm9rIAC"  # a published example


def test_suiteql_translation_spares_literals() -> None:
    text = translated(
        "SELECT BUILTIN.DF(t.currency) c FROM transaction t WHERE memo = 'a transaction LIMIT' "
        "FETCH FIRST 3 ROWS ONLY"
    )
    assert text == (
        'SELECT * FROM (SELECT t.currency__df c FROM "transaction" t '
        "WHERE memo = 'a transaction LIMIT'  LIMIT 3)"
    )


@pytest.mark.parametrize("text", ["DELETE FROM transaction", "SELECT id FROM transaction LIMIT 5"])
def test_suiteql_refusals(text: str) -> None:
    with pytest.raises(NetSuiteError):
        translated(text)
