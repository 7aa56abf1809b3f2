"""What a write is shown with on its journey."""

from decimal import Decimal

import pytest

from apps.monitoring.projection import worth_of
from apps.postings.models import Posting


@pytest.mark.parametrize(
    ("operation", "result", "worth"),
    [
        ("tax.quote", {"tax": "82.50"}, Decimal("82.50")),
        ("tax.quote", {}, None),  # not answered yet: the net it asks about is no tax
        ("invoice.create", {"tax": "82.50"}, Decimal(1000)),
    ],
)
def test_a_tax_calculation_is_worth_its_tax(
    operation: str, result: dict[str, str], worth: Decimal | None
) -> None:
    assert worth_of(Posting(operation=operation, result=result, amount=Decimal(1000))) == worth
