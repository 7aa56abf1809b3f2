"""A source's word on a field of another's is taken once, when the record is new."""

import pytest

from apps.canonical.models import Customer
from apps.connectors.models import Connection
from apps.masterdata.models import FieldOwnership
from apps.masterdata.selectors import list_ownership, owner_of
from tests.integration.canonical.conftest import Receive
from tests.integration.canonical.world import line, quote


@pytest.fixture(autouse=True)
def rules(db: None) -> None:
    Connection.objects.create(code="crm", name="CRM", vendor="salesforce", role="cpq")
    FieldOwnership.objects.create(record_type="customer", owner="cpq")
    FieldOwnership.objects.create(record_type="customer", field="location", owner="hub")


def test_a_field_of_the_hub_stays_and_a_field_of_the_source_follows(receive: Receive) -> None:
    receive("salesforce.quote.in", quote())
    moved = quote(lines=[line(0, "SEAT-PRO", "40", "300", Region__c="MUC")])
    moved["SBQQ__Account__r"]["BillingCity"] = "Bremen"
    receive("salesforce.quote.in", moved, version=2)
    customer = Customer.objects.get()
    assert (customer.location, customer.city, customer.version) == ("BER", "Bremen", 2)


def test_the_owner_of_a_field_is_the_one_named_for_it() -> None:
    assert owner_of("customer", "location") == "hub"
    assert owner_of("customer", "city") == "cpq"
    assert owner_of("invoice", "net") == ""
    assert [rule.field for rule in list_ownership()] == ["*", "location"]
