"""Which rows made what a platform refused: looked for as a set, however many were refused."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.mappings.policies import RowAtFault
from apps.mappings.selectors import find_rows_at_fault
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec, Refusal
from tests.builders.stuck import TESTS, make_value_map

pytestmark = pytest.mark.django_db

RULES = {"object": {"item": {"lookup": {"map": "products.netsuite", "key": "sku"}}}}


def _queries(refusals):
    with CaptureQueriesContext(connection) as seen:
        found = find_rows_at_fault(refusals)
    return found, len(seen)


def test_many_refusals_cost_as_much_as_one(now):
    make_value_map("products.netsuite", {"PRO-1": "NO-SUCH-ITEM", "PRO-2": "OTHER"}, now)
    spec = MappingSpec(code="netsuite.thing.create.out", name="Things", kind="field", source="hub",
                       target="netsuite", rules=RULES, rows=())  # fmt: skip
    ensure_mappings([spec], actor=TESTS, now=now)
    words = "Invalid reference externalId NO-SUCH-ITEM"
    wrong = Refusal("netsuite.thing.create.out", {"sku": "PRO-1"}, words, "DE01")
    other = Refusal("netsuite.thing.create.out", {"sku": "PRO-2"}, words, "DE01")
    unknown = Refusal("netsuite.nothing.out", {"sku": "PRO-1"}, words, "DE01")
    [one], few = _queries([wrong])
    found, many = _queries([wrong, other, unknown] * 10)
    row = RowAtFault("products.netsuite", "PRO-1", "", "NO-SUCH-ITEM")
    assert one == row
    assert found == [row, None, None] * 10
    assert many == few
    assert _queries([]) == ([], 0)
