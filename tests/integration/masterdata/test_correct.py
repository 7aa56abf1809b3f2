"""A correction that could not work is refused at its field, and nothing is changed."""

import pytest

from apps.canonical.models import AccountingDimension, Customer
from apps.connectors.models import Connection
from apps.core.errors import RejectedError
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.masterdata.services import correct_customer
from tests.builders.people import make_entities

pytestmark = pytest.mark.django_db
TESTS = system_actor("tests")
RATES = {
    "US-NY": "0.08875",
    "US-NONE-0": "0",
    "EXPORT-0": "0",
    "DE-VAT-19": "0.19",
    "EU-RC-0": "0",
}


@pytest.fixture
def entities(db):
    found = make_entities()
    with acting(TESTS):
        Connection.objects.create(
            code="tax", name="Tax table", vendor="ratetable", role="tax", config={"rates": RATES}
        )
    for kind, code in (("department", "SALES"), ("location", "NYC")):
        AccountingDimension.objects.create(kind=kind, code=code, name=code, source_system="erp")
    return found


def customer_of(entity, **values):
    return Customer.objects.create(
        legal_entity=entity, number="C-1", name="Cedar Falls Dairy", currency="USD",
        **{"country": "US", "state_code": "ZZ", **values},
    )  # fmt: skip


def correct(customer, now, **changes):
    return correct_customer(
        customer_id=customer.id, changes=changes, reason="It was wrong.", actor=TESTS, now=now
    )


@pytest.mark.parametrize(
    ("entity", "values", "changes", "field", "words"),
    [
        ("US01", {}, {"state_code": "QQ"}, "state_code", "the state QQ, which the tax table"),
        ("US01", {}, {"state_code": ""}, "state_code", "the state (none)"),
        ("DE01", {"state_code": ""}, {"state_code": "QQ"}, "state_code", "the state QQ"),
        ("US01", {}, {"country": "XX"}, "country", "XX is no country"),
        ("US01", {}, {"country": ""}, "country", "no country"),
        ("US01", {}, {"country": "USA"}, "country", "USA is no country"),
        (
            "DE01",
            {"country": "FR"},
            {"vat_id": "FR12"},
            "vat_id",
            "FR12, which is no VAT number of FR",
        ),
        ("US01", {}, {"department": "NOPE"}, "department", "Known are SALES."),
        ("US01", {}, {"location": "MARS"}, "location", "Known are NYC."),
    ],
)
def test_a_value_nobody_knows_is_refused_at_its_field(
    entities, now, entity, values, changes, field, words
):
    customer = customer_of(entities[entity], **values)
    with pytest.raises(RejectedError) as refused:
        correct(customer, now, **changes)
    assert refused.value.facts.field == field
    assert words in refused.value.facts.message
    same = Customer.objects.get()
    assert (same.version, same.state_code, same.country) == (
        customer.version, customer.state_code, customer.country,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entity", "values", "changes", "expected"),
    [
        ("US01", {}, {"state_code": " ny "}, {"state_code": "NY"}),
        ("US01", {}, {"state_code": "CA"}, {"state_code": "CA"}),  # untaxed, and a state
        ("US01", {}, {"city": "Peoria"}, {"city": "Peoria"}),  # the state was wrong before
        ("US01", {}, {"country": "ca", "state_code": "ON"}, {"country": "CA", "state_code": "ON"}),
        ("DE01", {}, {"country": "FR"}, {"country": "FR"}),  # its VAT number comes next
        ("DE01", {"country": "FR"}, {"vat_id": "fr40303265045"}, {"vat_id": "FR40303265045"}),
        ("US01", {}, {"department": "SALES"}, {"department": "SALES"}),
    ],
)
def test_what_can_work_is_kept(entities, now, entity, values, changes, expected):
    customer = customer_of(entities[entity], **values)
    correct(customer, now, **changes)
    kept = Customer.objects.get()
    assert {name: getattr(kept, name) for name in expected} == expected
    assert kept.version == customer.version + 1


def test_without_a_tax_table_and_dimensions_only_countries_are_known(db, now):
    customer = customer_of(make_entities()["US01"])
    correct(customer, now, state_code="QQ", department="ANY")
    with pytest.raises(RejectedError):
        correct(customer, now, country="QQ")
