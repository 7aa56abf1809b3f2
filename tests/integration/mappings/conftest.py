"""A small installation: two maps, people who make and people who check."""

import datetime as dt
import uuid
from typing import Any

import pytest

from apps.core.principal import Principal, system_actor
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec, RowDraft, TranslationRequest
from apps.users.selectors import principal_of
from tests.factories.organisation import make_user
from tests.integration.canonical.conftest import installed, receive  # noqa: F401 - fixtures

SETUP = system_actor("setup")
RULES = {
    "object": {
        "sku": {"lookup": {"map": "products.stripe", "key": "sku"}},
        "customer": {"ref": {"object_type": "customer", "record": "customer_id"}},
        "amount": {"minor": {"amount": "amount", "currency": {"const": "EUR"}}},
    }
}
ROWS = (
    RowDraft("SEAT-PRO", "prod_1"),
    RowDraft("SEAT-PRO", "prod_1_de", "DE01"),
    RowDraft("PLAT-ENT", "prod_2"),
)
CONNECTION = uuid.UUID("00000000-0000-7000-8000-000000000001")


@pytest.fixture
def maps(db: Any, now: dt.datetime) -> None:
    specs = [
        MappingSpec("stripe.item.out", "Item to Stripe", "field", "canonical", "stripe", RULES),
        MappingSpec("products.stripe", "Products", "value", "hub", "stripe", rows=ROWS),
    ]
    ensure_mappings(specs, actor=SETUP, now=now)


@pytest.fixture
def maker(db: Any) -> Principal:
    return principal_of(make_user("mara", "operations"))


@pytest.fixture
def checker(db: Any) -> Principal:
    return principal_of(make_user("idris", "admin"))


def request(scope: str = "", **document: Any) -> TranslationRequest:
    return TranslationRequest(
        mapping="stripe.item.out",
        document=document,
        scope=scope,
        subject_type="postings.posting",
        subject_id=uuid.uuid4(),
        connection_id=CONNECTION,
    )
