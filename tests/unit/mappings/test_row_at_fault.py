"""Which row of a value map made what a platform refused: exactly one, or none."""

import pytest

from apps.mappings.policies import RowAtFault, RowChange, changed_rows, row_at_fault

ITEMS = {("SEAT", ""): "NO-SUCH-ITEM", ("SEAT", "DE01"): "SEAT-DE", ("PLAT", ""): "PLAT-1"}
TABLES = {"products.netsuite": ITEMS, "departments.netsuite": {("SALES", ""): "PLAT-1"}}
WORDS = "NetSuite refuses the document: Invalid reference externalId {}."


@pytest.mark.parametrize(
    ("said", "value", "scope", "found"),
    [
        ({"SEAT"}, "NO-SUCH-ITEM", "US01", ("products.netsuite", "SEAT", "")),
        ({"SEAT"}, "SEAT-DE", "DE01", ("products.netsuite", "SEAT", "DE01")),
        ({"SEAT"}, "NO-SUCH-ITEM", "DE01", None),  # hidden by the row for DE01
        ({"PLAT"}, "NO-SUCH-ITEM", "US01", None),  # not on the document
        ({"SEAT"}, "NO-SUCH-ITEM-2", "US01", None),  # another word
        ({"SEAT"}, "X-NO-SUCH-ITEM", "US01", None),
        ({"PLAT", "SALES"}, "PLAT-1", "US01", None),  # two rows fit: nothing is guessed
        ({"PLAT"}, "PLAT-1", "US01", ("products.netsuite", "PLAT", "")),
    ],
)
def test_one_row_or_none(said, value, scope, found):
    row = row_at_fault(TABLES, said, WORDS.format(value), scope)
    assert (row and (row.mapping, row.source, row.scope)) == found
    assert row is None or isinstance(row, RowAtFault)


def test_changes_are_told_in_words():
    before = {("A", ""): "1", ("B", "DE01"): "2", ("C", ""): "3"}
    after = {("A", ""): "9", ("C", ""): "3", ("D", ""): "4"}
    changes = changed_rows(before, after)
    assert changes == [
        RowChange("A", "", "1", "9"), RowChange("B", "DE01", "2", ""), RowChange("D", "", "", "4"),
    ]  # fmt: skip
    assert [change.words for change in changes] == [
        "A becomes 9 (was 1)", "B in DE01 is no longer mapped (was 2)", "D becomes 4 (new)",
    ]  # fmt: skip
