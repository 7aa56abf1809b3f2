"""A field belongs to the system that is named for it, else to the one named for all others."""

import pytest

from apps.canonical.ownership import foreign_fields

FIELDS = ("name", "city", "department")


@pytest.mark.parametrize(
    ("owners", "role", "foreign"),
    [
        ({}, "cpq", set()),
        ({"*": "cpq"}, "cpq", set()),
        ({"*": "cpq", "department": "hub"}, "cpq", {"department"}),
        ({"*": "cpq", "department": "hub"}, "billing", {"name", "city", "department"}),
        ({"city": "erp"}, "cpq", {"city"}),
    ],
)
def test_what_a_source_may_not_change(
    owners: dict[str, str], role: str, foreign: set[str]
) -> None:
    assert foreign_fields(owners, role, FIELDS) == foreign
