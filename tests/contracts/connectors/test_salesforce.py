"""Salesforce: quotes read in bulk and by polling, contract values, the write-back."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.connectors.base import OutboundCall, Page
from apps.core.errors import ConfigurationError, RejectedError, TransientError
from tests.contracts.connectors.rig import Rig

pytestmark = pytest.mark.contract
API = "/services/data/v67.0/sobjects"


@dataclass
class Org:
    """What a sales person does in the org, through its REST API."""

    api: httpx.Client

    def create(self, kind: str, **values: Any) -> str:
        answer = self.api.post(f"{API}/{kind}", json=values).raise_for_status()
        return str(answer.json()["id"])

    def change(self, kind: str, key: str, **values: Any) -> None:
        self.api.patch(f"{API}/{kind}/{key}", json=values).raise_for_status()

    def quote(self, account: str, product: str, price: int, **values: Any) -> str:
        quote = self.create(
            "SBQQ__Quote__c",
            SBQQ__Account__c=account,
            CurrencyIsoCode="EUR",
            Legal_Entity__c="DE01",
            SBQQ__StartDate__c="2026-11-01",
            SBQQ__EndDate__c="2027-10-31",
            ApprovalStatus__c="Approved",
            **values,
        )
        self.create(
            "SBQQ__QuoteLine__c",
            SBQQ__Quote__c=quote,
            SBQQ__Product__c=product,
            SBQQ__Quantity__c=3,
            SBQQ__NetPrice__c=price,
            SBQQ__Number__c=1,
            CurrencyIsoCode="EUR",
        )
        return quote

    def accept(self, quote: str) -> None:
        self.change("SBQQ__Quote__c", quote, SBQQ__Status__c="Accepted", SBQQ__Ordered__c=True)


@pytest.fixture(scope="module")
def org(salesforce: Rig) -> Iterator[Org]:
    app = {"client_id": "seller", "client_secret": "seller-secret"}
    salesforce.simulator.control("POST", "apps", app)
    with httpx.Client(base_url=salesforce.simulator.url) as api:
        token = api.post(
            "/services/oauth2/token", data={"grant_type": "client_credentials", **app}
        ).json()["access_token"]
        api.headers["authorization"] = f"Bearer {token}"
        yield Org(api)


@pytest.fixture(scope="module")
def accepted(org: Org) -> dict[str, str]:
    account = org.create(
        "Account", Name="Nordwind", BillingCountryCode="DE", VAT_ID__c="DE123456789"
    )
    product = org.create("Product2", Name="Suite", ProductCode="SUITE")
    first = org.quote(account, product, 1200)
    org.accept(first)
    query = {"q": f"SELECT Id, ContractNumber FROM Contract WHERE SBQQ__Quote__c IN ('{first}')"}  # noqa: S608 - SOQL
    (contract,) = org.api.get("/services/data/v67.0/query", params=query).json()["records"]
    amendment = org.quote(
        account, product, 100, SBQQ__Type__c="Amendment", SBQQ__MasterContract__c=contract["Id"]
    )
    org.accept(amendment)
    return {"first": first, "amendment": amendment, "account": account, "product": product,
            "contract": contract["Id"], "number": contract["ContractNumber"]}  # fmt: skip


def fetch(rig: Rig, *ids: str) -> dict[str, Any]:
    found = rig.run(lambda session: rig.connector.fetch(session, "quote", list(ids)))
    return {message.object_id: message for message in found}


def test_quotes_come_with_account_lines_products_and_contract(
    salesforce: Rig, accepted: dict[str, str]
) -> None:
    found = fetch(salesforce, accepted["first"], accepted["amendment"], "a0Q00000000ZZZZAAA")
    assert set(found) == {accepted["first"], accepted["amendment"]}
    payload = found[accepted["first"]].payload
    assert payload["SBQQ__Account__r"]["VAT_ID__c"] == "DE123456789"
    (line,) = payload["lines"]
    assert line["SBQQ__Product__r"]["ProductCode"] == "SUITE"
    assert line["SBQQ__NetTotal__c"] == Decimal("3600.00")
    assert payload["Contract"]["ContractNumber"] == accepted["number"]
    amended = found[accepted["amendment"]].payload
    assert amended["Contract"]["Id"] == accepted["contract"]


def test_versions_rise_with_each_write(
    salesforce: Rig, org: Org, accepted: dict[str, str]
) -> None:
    before = fetch(salesforce, accepted["first"])[accepted["first"]].source_version
    org.change("SBQQ__Quote__c", accepted["first"], SBQQ__Notes__c="called")
    assert fetch(salesforce, accepted["first"])[accepted["first"]].source_version > before


def walk(rig: Rig, cursor: Mapping[str, Any] | None = None) -> list[Page]:
    """Pages of a poll until the source has no more."""
    pages: list[Page] = []
    while not pages or pages[-1].more:
        pages.append(rig.poll(pages[-1].cursor if pages else cursor or {}))
    return pages


def test_polling_walks_every_page_and_overlaps(
    salesforce: Rig, org: Org, accepted: dict[str, str]
) -> None:
    for _ in range(3):
        key = org.quote(accepted["account"], accepted["product"], 10)
        org.change("SBQQ__Quote__c", key, SBQQ__Status__c="Approved")
    salesforce.simulator.control("POST", "limits", {"query_batch": 2})
    pages = walk(salesforce)
    salesforce.simulator.control("POST", "limits", {"query_batch": 2000})
    messages = [message for page in pages for message in page.objects]
    seen = {message.object_id for message in messages}
    assert all(m.needs_fetch and m.payload is None for m in messages)
    assert len(pages) == 3
    assert len(seen) == 5
    assert {accepted["first"], accepted["amendment"]} <= seen
    assert set(pages[-1].cursor) == {"since"}
    (again,) = walk(salesforce, pages[-1].cursor)
    assert {message.object_id for message in again.objects} == seen  # within the overlap


def test_a_contract_is_worth_all_its_ordered_quotes(
    salesforce: Rig, accepted: dict[str, str]
) -> None:
    page = salesforce.run(lambda s: salesforce.connector.snapshot(s, "contract", {}))
    (document,) = [d for d in page.documents if d.match_key == accepted["number"]]
    assert (document.net, document.currency, document.entity) == (
        Decimal("3900.00"),
        "EUR",
        "DE01",
    )
    assert sorted(line.net for line in document.lines) == [Decimal(300), Decimal(3600)]
    assert document.customer_name == "Nordwind"
    assert page.more is False


def call_of(accepted: dict[str, str], **values: str) -> OutboundCall:
    payload = {"Id": accepted["first"], "Hub_Order__c": "O-1", "Hub_Status__c": "Booked", **values}
    return OutboundCall("quote.write_back", "Q0000000000WB", "q2c-wb-0", payload)


def test_the_write_back_is_looked_up_by_what_it_wrote(
    salesforce: Rig, accepted: dict[str, str]
) -> None:
    call, connector = call_of(accepted), salesforce.connector
    assert salesforce.run(lambda s: connector.look_up(s, call)) is None
    written = salesforce.run(lambda s: connector.write(s, call))
    assert salesforce.run(lambda s: connector.look_up(s, call)) == written
    reading = salesforce.run(lambda s: connector.read_back(s, call, written))
    assert reading.data["Hub_Order__c"] == "O-1"


def test_an_ended_session_is_renewed_once(salesforce: Rig, accepted: dict[str, str]) -> None:
    fetch(salesforce, accepted["first"])
    salesforce.simulator.control("POST", "tokens/expire")
    assert fetch(salesforce, accepted["first"])


@pytest.mark.parametrize("rig", ["salesforce"], indirect=True)
def test_refusals_have_their_kinds(rig: Rig, accepted: dict[str, str]) -> None:
    rig.is_valid = False
    call = call_of(accepted, Nope__c="1")
    with pytest.raises(RejectedError) as refused:
        rig.run(lambda s: rig.connector.write(s, call))
    assert (refused.value.facts.code, refused.value.facts.field) == ("field_refused", "Nope__c")
    rig.simulator.fault("rate_limit")
    with pytest.raises(TransientError) as limited:
        fetch(rig, accepted["first"])
    assert (limited.value.facts.code, limited.value.retry_after) == ("rate_limited", 60.0)


def test_an_unknown_app_stops_the_connection(salesforce: Rig, accepted: dict[str, str]) -> None:
    config = {**salesforce.config, "client_id": "stranger"}
    with pytest.raises(ConfigurationError) as refused:
        salesforce.run(
            lambda s: salesforce.connector.fetch(s, "quote", [accepted["first"]]),
            config=config,
            tokens={},
        )
    assert refused.value.facts.code == "not_authorised"


def test_only_utc_milliseconds_reach_a_query() -> None:
    from apps.connectors.vendors.salesforce.schemas import moment_of, soql_list, soql_moment

    moment = moment_of("2026-11-23T10:50:00.123+0000")
    assert moment == dt.datetime(2026, 11, 23, 10, 50, 0, 123000, tzinfo=dt.UTC)
    assert soql_moment(moment) == "2026-11-23T10:50:00.123Z"
    assert soql_list(["a'b", "c\\"]) == "'a\\'b','c\\\\'"
