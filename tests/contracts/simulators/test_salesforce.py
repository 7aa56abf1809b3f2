"""Salesforce: records, queries, orders of accepted quotes, outbound messages, limits."""

import time
from typing import Any
from urllib.parse import quote

import jwt
import pytest

from apps.simulators.core.webhooks import DELIVERY
from apps.simulators.salesforce.order_objects import OBJECTS
from apps.simulators.salesforce.outbound import acknowledged
from apps.simulators.salesforce.vendor import SalesforceVendor
from tests.contracts.contract_client import ContractClient
from tests.contracts.salesforce_contract import fields_of, outbound_problems

pytestmark = pytest.mark.contract

DATA = "/services/data/v67.0"


def query_path(soql: str) -> str:
    return f"{DATA}/query?q={quote(soql)}"


class Org:
    """Short forms of the REST calls that a user's browser would make."""

    def __init__(self, client: ContractClient) -> None:
        self.client = client

    @property
    def vendor(self) -> SalesforceVendor:
        assert isinstance(self.client.vendor, SalesforceVendor)
        return self.client.vendor

    def create(self, name: str, **fields: Any) -> str:
        status, body = self.client.json("POST", f"{DATA}/sobjects/{name}", fields)
        assert status == 201, body
        return str(body["id"])

    def update(self, name: str, key: str, **fields: Any) -> None:
        status, body = self.client.json("PATCH", f"{DATA}/sobjects/{name}/{key}", fields)
        assert status == 204, body

    def query(self, soql: str) -> list[Any]:
        status, body = self.client.json("GET", query_path(soql))
        assert status == 200, body
        return list(body["records"])

    def product(self, **fields: Any) -> str:
        defaults = {
            "Name": "Suite",
            "ProductCode": "SUITE",
            "SBQQ__SubscriptionPricing__c": "Fixed Price",
            "SBQQ__ChargeType__c": "Recurring",
            "SBQQ__BillingFrequency__c": "Annual",
        }
        return self.create("Product2", **{**defaults, **fields})

    def quote(self, **fields: Any) -> str:
        account = self.create("Account", Name="Acme", Legal_Entity__c="DE01")
        defaults = {
            "SBQQ__Account__c": account,
            "SBQQ__StartDate__c": "2026-11-01",
            "SBQQ__SubscriptionTerm__c": 12,
            "CurrencyIsoCode": "EUR",
            "Legal_Entity__c": "DE01",
        }
        return self.create("SBQQ__Quote__c", **{**defaults, **fields})

    def accept(self, key: str) -> None:
        self.update(
            "SBQQ__Quote__c", key, SBQQ__Status__c="Approved", ApprovalStatus__c="Approved"
        )
        self.update("SBQQ__Quote__c", key, SBQQ__Status__c="Accepted", SBQQ__Ordered__c=True)


@pytest.fixture
def org(salesforce_sim: ContractClient) -> Org:
    return Org(salesforce_sim)


@pytest.mark.parametrize("name", [name for name in OBJECTS if name != "User"])
def test_simulated_fields_are_those_of_the_contract(name: str) -> None:
    contract = fields_of(name)
    simulated = {field.name: field.kind for field in OBJECTS[name].fields.values()}
    assert simulated == contract


def test_bundle_becomes_order_contract_and_subscription(org: Org) -> None:
    suite = org.product()
    setup = org.product(
        Name="Setup",
        ProductCode="SETUP",
        SBQQ__SubscriptionPricing__c=None,
        SBQQ__ChargeType__c="One-Time",
        SBQQ__BillingFrequency__c=None,
    )
    key = org.quote()
    bundle = org.create(
        "SBQQ__QuoteLine__c",
        SBQQ__Quote__c=key,
        SBQQ__Product__c=suite,
        SBQQ__Quantity__c=10,
        SBQQ__ListPrice__c=100,
        SBQQ__Discount__c=10,
        SBQQ__Bundle__c=True,
    )
    org.create(
        "SBQQ__QuoteLine__c",
        SBQQ__Quote__c=key,
        SBQQ__Product__c=setup,
        SBQQ__Quantity__c=1,
        SBQQ__ListPrice__c=500,
        SBQQ__RequiredBy__c=bundle,
    )
    org.accept(key)
    order = org.query(
        "SELECT Id, TotalAmount, EndDate, Contract.ContractNumber, "
        "(SELECT Id, Quantity, UnitPrice, SBQQ__RequiredBy__c FROM OrderItems) FROM Order"
    )[0]
    items = order["OrderItems"]["records"]
    assert (order["TotalAmount"], order["EndDate"]) == (1400, "2027-10-31")
    assert [(item["Quantity"], item["UnitPrice"]) for item in items] == [(10, 90), (1, 500)]
    assert items[1]["SBQQ__RequiredBy__c"] == items[0]["Id"]
    rows = org.query("SELECT Id, SBQQ__RootId__c, SBQQ__Quantity__c FROM SBQQ__Subscription__c")
    assert [(row["SBQQ__Quantity__c"], row["SBQQ__RootId__c"] == row["Id"]) for row in rows] == [
        (10, True)
    ]
    org.update("SBQQ__Quote__c", key, Hub_Status__c="Billed")
    assert len(org.query("SELECT Id FROM Order")) == 1


def test_amendment_adds_a_delta_row_to_the_same_contract(org: Org) -> None:
    suite, key = org.product(), org.quote()
    org.create(
        "SBQQ__QuoteLine__c",
        SBQQ__Quote__c=key,
        SBQQ__Product__c=suite,
        SBQQ__Quantity__c=10,
        SBQQ__ListPrice__c=100,
    )
    org.accept(key)
    first = org.query("SELECT Id, SBQQ__Contract__c FROM SBQQ__Subscription__c")[0]
    amendment = org.quote(
        SBQQ__Type__c="Amendment",
        SBQQ__MasterContract__c=first["SBQQ__Contract__c"],
        SBQQ__StartDate__c="2027-02-01",
        SBQQ__EndDate__c="2027-10-31",
    )
    org.create(
        "SBQQ__QuoteLine__c",
        SBQQ__Quote__c=amendment,
        SBQQ__Product__c=suite,
        SBQQ__Quantity__c=15,
        SBQQ__PriorQuantity__c=10,
        SBQQ__Existing__c=True,
        SBQQ__UpgradedSubscription__c=first["Id"],
        SBQQ__ListPrice__c=100,
        SBQQ__ProrateMultiplier__c=0.75,
    )
    org.accept(amendment)
    rows = org.query(
        "SELECT Id, SBQQ__Quantity__c, SBQQ__RootId__c, SBQQ__RevisedSubscription__c, "
        "SBQQ__Contract__c, SBQQ__NetPrice__c FROM SBQQ__Subscription__c ORDER BY Id"
    )
    delta = rows[1]
    assert (delta["SBQQ__Quantity__c"], delta["SBQQ__NetPrice__c"]) == (5, 75)
    assert delta["SBQQ__RevisedSubscription__c"] == delta["SBQQ__RootId__c"] == first["Id"]
    assert delta["SBQQ__Contract__c"] == first["SBQQ__Contract__c"]
    assert len(org.query("SELECT Id FROM Contract")) == 1


def test_line_change_moves_the_total_and_the_time_stamp_of_the_quote(org: Org) -> None:
    suite, key = org.product(), org.quote()
    soql = "SELECT SBQQ__NetAmount__c, SystemModstamp FROM SBQQ__Quote__c"
    before = org.query(soql)[0]
    time.sleep(0.002)
    line = org.create(
        "SBQQ__QuoteLine__c",
        SBQQ__Quote__c=key,
        SBQQ__Product__c=suite,
        SBQQ__Quantity__c=3,
        SBQQ__ListPrice__c=19.99,
    )
    after = org.query(soql)[0]
    assert after["SBQQ__NetAmount__c"] == 59.97
    assert after["SystemModstamp"] > before["SystemModstamp"]
    org.update("SBQQ__QuoteLine__c", line, SBQQ__Quantity__c=1)
    assert org.query(soql)[0]["SBQQ__NetAmount__c"] == 19.99


def test_outbound_message_keeps_the_wsdl_and_shows_latest_values(org: Org) -> None:
    org.vendor.outbox.add_endpoint({"id": "e", "url": "http://hub", "secret": ""})
    key = org.quote()
    org.accept(key)
    org.update("SBQQ__Quote__c", key, Department__c="Sales")
    org.vendor.tick()
    deliveries = list(org.vendor.kit.store.all(DELIVERY))
    assert len(deliveries) == 1
    body = deliveries[0]["body"].encode()
    assert outbound_problems(body) == []
    assert body.count(b"<Notification>") == 2  # approved, then accepted
    assert body.count(b"<sf:SBQQ__Status__c>Accepted<") == 2
    assert not acknowledged(200, b"<html>")
    assert acknowledged(200, b"<n:notificationsResponse><n:Ack>true</n:Ack>")


def test_poll_pages_by_locator(org: Org) -> None:
    org.vendor.controls["POST", "limits"]({"query_batch": 2})
    keys = [org.create("Account", Name=f"A{n}") for n in range(5)]
    soql = "SELECT Id FROM Account WHERE SystemModstamp >= 2026-01-01T00:00:00Z ORDER BY Id"
    status, page = org.client.json("GET", query_path(soql))
    seen = [record["Id"] for record in page["records"]]
    while not page["done"]:
        status, page = org.client.json("GET", page["nextRecordsUrl"])
        seen += [record["Id"] for record in page["records"]]
    assert (status, seen) == (200, keys)
    assert org.client.json("GET", f"{DATA}/query/01gNOTHERE-2")[1][0]["errorCode"] == (
        "INVALID_QUERY_LOCATOR"
    )


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Foo FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ],
)
def test_unknown_names_are_refused_even_without_rows(org: Org, soql: str, code: str) -> None:
    path = query_path(soql)
    status, body = org.client.json("GET", path, valid=False)
    assert (status, body[0]["errorCode"]) == (400, code)


def test_malformed_query(org: Org) -> None:
    path = query_path("SELECT Id FROM Account WHERE")
    assert org.client.json("GET", path)[1][0]["errorCode"] == "MALFORMED_QUERY"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Name": None}, "REQUIRED_FIELD_MISSING"),
        ({"Name": "A", "SBQQ__TaxExempt__c": "Maybe"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Name": "A" * 256}, "STRING_TOO_LONG"),
        ({"Name": "A", "ParentId": "001000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_bad_values_are_refused_and_nothing_is_written(
    org: Org, fields: dict[str, Any], code: str
) -> None:
    status, body = org.client.json("POST", f"{DATA}/sobjects/Account", fields)
    assert (status, body[0]["errorCode"]) == (400, code)
    assert org.query("SELECT Id FROM Account") == []


def test_upsert_creates_updates_and_refuses_several(org: Org) -> None:
    path = f"{DATA}/sobjects/Account/Hub_Id__c/QA1"
    assert org.client.json("PATCH", path, {"Name": "A"})[0] == 201
    status, body = org.client.json("PATCH", path, {"Name": "B"})
    assert (status, body["created"]) == (200, False)
    assert org.client.json("GET", path)[1]["Name"] == "B"
    key, product = org.quote(), org.product()
    for _ in range(2):
        org.create(
            "SBQQ__QuoteLine__c",
            SBQQ__Quote__c=key,
            SBQQ__Product__c=product,
            SBQQ__OriginalQuoteLineId__c="same",
        )
    several = f"{DATA}/sobjects/SBQQ__QuoteLine__c/SBQQ__OriginalQuoteLineId__c/same"
    assert org.client.json("PATCH", several, {"SBQQ__Quantity__c": 9})[0] == 300
    assert org.query("SELECT Id FROM SBQQ__QuoteLine__c WHERE SBQQ__Quantity__c = 9") == []


def test_composite_rolls_back_as_a_whole(org: Org) -> None:
    def part(name: str, reference: str, **fields: Any) -> dict[str, Any]:
        url = f"{DATA}/sobjects/{name}"
        return {"method": "POST", "url": url, "referenceId": reference, "body": fields}

    good = [
        part("Account", "acc", Name="C"),
        part("SBQQ__Quote__c", "quo", SBQQ__Account__c="@{acc.id}"),
    ]
    body = {"allOrNone": True, "compositeRequest": [*good, part("Account", "bad", Nope=1)]}
    results = org.client.json("POST", f"{DATA}/composite", body)[1]["compositeResponse"]
    assert [result["httpStatusCode"] for result in results] == [400, 400, 400]
    assert org.query("SELECT Id FROM Account") == []
    body = {"allOrNone": True, "compositeRequest": good}
    results = org.client.json("POST", f"{DATA}/composite", body)[1]["compositeResponse"]
    assert [result["httpStatusCode"] for result in results] == [201, 201]


def test_expired_token_and_used_up_limit(org: Org) -> None:
    org.vendor.controls["POST", "limits"]({"daily_requests": 1})
    assert org.query("SELECT Id FROM Account") == []
    reply = org.client.send("GET", f"{DATA}/limits")
    assert (reply.status, reply.content[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert reply.headers["sforce-limit-info"] == "api-usage=1/1"
    org.vendor.controls["POST", "limits"]({"daily_requests": 9})
    org.vendor.controls["POST", "tokens/expire"]({})
    status, body = org.client.json("GET", query_path("SELECT Id FROM Account"))
    assert (status, body[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_assertion_signed_by_a_stranger_is_no_grant(org: Org) -> None:
    secret = "a-shared-secret-is-not-a-key-pair"
    claims = {"iss": "key", "sub": "x", "aud": "https://login.salesforce.com", "exp": 1}
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, secret, algorithm="HS256"),
    }
    status, body = org.client.form("POST", "/services/oauth2/token", form)
    assert (status, body["error"]) == (400, "invalid_grant")
