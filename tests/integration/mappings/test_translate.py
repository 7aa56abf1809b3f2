"""Translating in sets: constant queries, a row each, the crosswalk of the connection at hand."""

import datetime as dt
import uuid
from dataclasses import replace

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.core.errors import ConfigurationError
from apps.mappings.models import ExternalReference, Translation
from apps.mappings.selectors import references_of
from apps.mappings.services import link_references, translate
from apps.mappings.types import ReferenceDraft
from tests.integration.mappings.conftest import CONNECTION, request

pytestmark = pytest.mark.usefixtures("maps")
CUSTOMER = uuid.uuid4()


def link(connection: uuid.UUID, external_id: str, record: uuid.UUID = CUSTOMER) -> None:
    link_references([ReferenceDraft(connection, "customer", external_id, "customer", record)])


def test_each_request_gives_its_output_and_a_translation_row(now: dt.datetime) -> None:
    link(CONNECTION, "cus_1")
    link(uuid.uuid4(), "cus_of_another_account")
    first, second = translate(
        [
            request(sku="SEAT-PRO", customer_id=str(CUSTOMER), amount="12.30"),
            request("DE01", sku="SEAT-PRO", customer_id=str(CUSTOMER), amount="1"),
        ],
        now=now,
    )
    assert first.output == {"sku": "prod_1", "customer": "cus_1", "amount": 1230}
    assert second.output == {"sku": "prod_1_de", "customer": "cus_1", "amount": 100}
    row = Translation.objects.get(id=first.translation_id)
    assert row.value_versions == {"products.stripe": 1}
    assert row.mapping_version.mapping.code == "stripe.item.out"
    assert row.input["amount"] == "12.30"
    assert row.missing == []


def test_what_is_missing_is_named_and_recorded(now: dt.datetime) -> None:
    (done,) = translate([request(sku="EDGE-NODE", customer_id="", amount="1.005")], now=now)
    assert done.output is None
    assert {(m.mapping, m.key, m.path) for m in done.missing} == {
        ("products.stripe", "EDGE-NODE", "sku"),
        ("", "", "customer_id"),
        ("", "", "amount"),
    }
    row = Translation.objects.get(id=done.translation_id)
    assert row.output_hash == ""
    assert {missing["path"] for missing in row.missing} == {"sku", "customer_id", "amount"}


def test_the_number_of_queries_does_not_grow_with_the_set(
    now: dt.datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    link(CONNECTION, "cus_1")
    some = [request(sku="SEAT-PRO", customer_id=str(CUSTOMER), amount="1") for _ in range(60)]
    with django_assert_num_queries(5):
        done = translate(some, now=now)
    assert len(done) == Translation.objects.count() == 60


def test_a_mapping_without_an_active_version_says_what_to_do(now: dt.datetime) -> None:
    unknown = replace(request(sku="SEAT-PRO"), mapping="no.such.out")
    with pytest.raises(ConfigurationError) as refused:
        translate([unknown], now=now)
    assert "no.such.out" in refused.value.facts.message
    assert Translation.objects.count() == 0


def test_a_link_told_twice_stands_once_and_both_sides_are_unique() -> None:
    link(CONNECTION, "cus_1")
    link(CONNECTION, "cus_1")
    link(CONNECTION, "cus_2")  # the record is known there already
    link(CONNECTION, "cus_1", uuid.uuid4())  # the object is known here already
    assert ExternalReference.objects.count() == 1
    assert [known.external_id for known in references_of([CUSTOMER])[CUSTOMER]] == ["cus_1"]
