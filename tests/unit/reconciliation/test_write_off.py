"""How much a write-off accepts."""

from decimal import Decimal

import pytest

from apps.reconciliation.policies import write_off_size


@pytest.mark.parametrize(
    ("type_", "variance", "sides", "size"),
    [("amount_differs", "-1", ("100", "101"), "1"),
     ("amount_differs", "1", ("101", "100", "9000"), "8900"),
     ("missing_in_erp", "500", ("500", None), "500"),
     ("tax_differs", "19", ("100", "100"), "19"),
     ("entity_differs", "0", ("7000", "7000"), "7000"),
     ("duplicate", "0", ("80", "80"), "80")],
)  # fmt: skip
def test_the_largest_difference_counts(
    type_: str, variance: str, sides: tuple[str | None, ...], size: str
) -> None:
    compared = [Decimal(side) if side else None for side in sides]
    assert write_off_size(type_, Decimal(variance), compared) == Decimal(size)
