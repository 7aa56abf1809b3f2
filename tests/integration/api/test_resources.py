"""The domain API: who may, what is seen, refusals with the field, repetition under a key."""

import base64
import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest

from apps.api.models import ApiCall, IdempotencyRecord
from apps.api.setup.load import DEFAULTS
from apps.canonical.models import Contract, Invoice, Order, Product, Quote
from apps.connectors.models import Connection
from apps.core.clock import utc_now
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.ingestion.models import Delivery, InboundEvent
from apps.ingestion.services import process_due, split_deliveries
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec
from apps.monitoring.models import Journey
from apps.postings.models import Posting
from apps.reconciliation.models import ReconciliationRun
from apps.users.models import ApiClient
from apps.users.services import PREFIX_LENGTH, hash_key
from tests.builders.people import make_entities
from tests.builders.stuck import make_connection, make_customer, make_posting, open_case

pytestmark = pytest.mark.django_db

READS = {
    "/api/v1/orders/": "records:read",
    "/api/v1/orders/O-1/": "records:read",
    "/api/v1/invoices/": "records:read",
    "/api/v1/invoices/INV-1/": "records:read",
    "/api/v1/journeys/Q-1/": "records:read",
    "/api/v1/exceptions/": "exceptions:read",
    "/api/v1/postings/": "postings:read",
    "/api/v1/reconciliation/runs/": "reconciliation:read",
    "/api/v1/reconciliation/breaks/": "reconciliation:read",
    "/api/v1/connections/": "connections:read",
    "/api/v1/connections/netsuite/": "connections:read",
}
SCOPES = sorted({*READS.values(), "quotes:write", "exceptions:write"})


@pytest.fixture
def entities():
    return make_entities()


def _key(*scopes, entity=None, name="Portal"):
    key = f"q2c_{uuid.uuid4().hex}"
    ApiClient.objects.create(
        name=f"{name} {key[4:10]}", key_prefix=key[:PREFIX_LENGTH], key_hash=hash_key(key),
        scopes=list(scopes), legal_entity=entity,
    )  # fmt: skip
    return {"Authorization": f"Bearer {key}"}


def _world(entity, now):
    """An order, an invoice, a journey, a stuck posting and its case of one legal entity."""
    acme = make_customer(entity)
    journey = Journey.objects.create(
        id=uuid.uuid4(), key="Q-1", legal_entity_id=entity.id, currency="EUR",
        amount=Decimal("1200"), opened_at=now, changed_at=now,
    )  # fmt: skip
    days = {"start_date": dt.date(2026, 11, 1), "end_date": dt.date(2027, 11, 1)}
    common = {"legal_entity": entity, "customer": acme, "currency": "EUR", "net": Decimal(1200)}
    quote = Quote.objects.create(number="Q-1", term_months=12, **days, **common)
    contract = Contract.objects.create(number="C-1", **days, **common)
    order = Order.objects.create(
        number="O-1", quote=quote, contract=contract, journey_id=journey.id, **days, **common
    )
    product = Product.objects.create(sku="PRO-1", name="Pro")
    order.lines.create(
        position=0, product=product, charge_type="recurring", frequency="annual",
        quantity=Decimal("12.50"), unit_price=Decimal(96), net=Decimal(1200),
    )  # fmt: skip
    Invoice.objects.create(
        number="INV-1", contract=contract, invoice_date=dt.date(2026, 11, 1), tax=Decimal(228),
        gross=Decimal(1428), **common,
    )  # fmt: skip
    netsuite = make_connection()
    posting = make_posting(netsuite, entity, "reject", journey_id=journey.id)
    case = open_case(entity, "postings.posting", posting.id, now)
    with acting(system_actor("tests")):
        ReconciliationRun.objects.create(
            subject="invoice", legal_entity=entity, requested_by_label="Tests"
        )
    return posting, case


@pytest.mark.parametrize("path", READS)
def test_each_read_needs_its_scope(client, entities, now, path):
    _world(entities["DE01"], now)
    needed = READS[path]
    assert client.get(path).status_code == 401
    for scope in SCOPES:
        response = client.get(path, headers=_key(scope))
        allowed = scope == needed or (needed, scope) == ("exceptions:read", "exceptions:write")
        assert response.status_code == (200 if allowed else 403), (scope, response.content)
    refused = client.get(path, headers=_key("quotes:write")).json()
    assert refused["code"] == "not_allowed"
    calls = ApiCall.objects.filter(path=path)
    assert calls.count() == len(SCOPES) + 2
    assert set(calls.values_list("status_code", flat=True)) == {200, 401, 403}


@pytest.mark.parametrize("path", READS)
def test_another_entity_s_rows_are_not_there(client, entities, now, path):
    posting, case = _world(entities["DE01"], now)
    foreign = _key(*SCOPES, entity=entities["JP01"])
    response = client.get(path, headers=foreign)
    if path.count("/") == 5 and "reconciliation" not in path and "connections" not in path:
        missing = client.get(f"{path}x/", headers=foreign)
        assert (response.status_code, response.json()["status"]) == (404, 404)
        assert missing.status_code == 404
    elif "connections" not in path:
        assert response.json()["results"] == []
    for hidden in (f"exceptions/{case.reference}", f"postings/{posting.reference}"):
        assert client.get(f"/api/v1/{hidden}/", headers=foreign).status_code == 404
        assert client.get(f"/api/v1/{hidden}/", headers=_key(*SCOPES)).status_code == 200


@pytest.mark.parametrize(
    "header", ["Basic abc", "Bearer", "Bearer q2c_nothing", "Bearer " + "x" * 500]
)
def test_a_wrong_key_is_refused(client, entities, header):
    response = client.get("/api/v1/orders/", headers={"Authorization": header})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="q2c"'
    assert response["Content-Type"] == "application/problem+json"


def test_amounts_are_exact_strings(client, entities, now):
    _world(entities["DE01"], now)
    order = client.get("/api/v1/orders/O-1/", headers=_key(*SCOPES)).json()
    assert (order["net"], order["entity"], order["contract"]) == ("1200.00", "DE01", "C-1")
    assert order["lines"][0]["quantity"] == "12.5"
    assert order["lines"][0]["net"] == "1200.00"
    invoice = client.get("/api/v1/invoices/INV-1/", headers=_key(*SCOPES)).json()
    assert (invoice["net"], invoice["tax"], invoice["gross"]) == ("1200.00", "228.00", "1428.00")


def test_lists_are_read_page_by_page(client, entities, now):
    for _ in range(5):
        open_case(entities["DE01"], "postings.posting", uuid.uuid4(), now)
    headers = _key("exceptions:read")
    url, seen = "/api/v1/exceptions/?page_size=2", []
    while url:
        page = client.get(url, headers=headers).json()
        seen += [case["reference"] for case in page["results"]]
        url = page["next"]
    assert len(seen) == len(set(seen)) == 5
    for cursor in ("abc", base64.b64encode(b"p=yesterday").decode()):
        bad = client.get(f"/api/v1/exceptions/?cursor={cursor}", headers=headers)
        assert (bad.status_code, bad.json()["code"]) == (400, "bad_cursor")
    for address in ("exceptions/?code=%00", "exceptions/EXC-%00/"):
        assert client.get(f"/api/v1/{address}", headers=headers).status_code == 400
    bad = client.get("/api/v1/exceptions/?view=everything", headers=headers).json()
    assert bad["errors"][0]["field"] == "view"


def test_a_retry_is_done_once_for_a_key(client, entities, now):
    posting, case = _world(entities["DE01"], now)
    path = f"/api/v1/exceptions/{case.reference}/retry/"
    headers = _key("exceptions:write")

    def send(body="{}", **more):
        return client.post(
            path, body, content_type="application/json", headers={**headers, **more}
        )

    assert send().json()["code"] == "idempotency_key_missing"
    refused = client.post(path, "{}", content_type="application/json",
                          headers={**_key("exceptions:read"), "Idempotency-Key": "a"})  # fmt: skip
    assert refused.status_code == 403
    stale = send(json.dumps({"rev": 99}), **{"Idempotency-Key": "a"})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale")
    assert not IdempotencyRecord.objects.exists()
    first = send(**{"Idempotency-Key": "a"})
    assert first.status_code == 202
    assert Posting.objects.get(id=posting.id).state == "queued"
    again = send(**{"Idempotency-Key": "a"})
    assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    other = send(json.dumps({"reason": "x"}), **{"Idempotency-Key": "a"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    gone = send(**{"Idempotency-Key": "b"})
    assert (gone.status_code, gone.json()["code"]) == (422, "remedy_refused")


def _quote(**changes):
    quote = {
        "number": "Q-API-1", "entity": "DE01", "status": "accepted", "ordered": True,
        "changed_at": "2026-01-05T10:00:00Z", "currency": "EUR", "net": "1200.00",
        "start_date": "2026-02-01", "end_date": "2027-02-01", "term_months": 12,
        "approval_outcome": "approved", "approved_by": "Fin", "department": "SALES",
        "contract_reference": "K-1", "contract_number": "K-1",
        "customer": {"number": "CU-1", "name": "Acme", "country": "DE"},
        "lines": [
            {"key": "1", "position": 0, "product": {"sku": "PRO-1"}, "charge_type": "recurring",
             "frequency": "annual", "quantity": "10", "unit_price": "120", "net": "1200.00"}
        ],
    }  # fmt: skip
    return {**quote, **changes}


def _submit(client, headers, quote, key="k"):
    body = quote if isinstance(quote, str | bytes) else json.dumps(quote)
    return client.post(
        "/api/v1/quotes/", body, content_type="application/json",
        headers={**headers, "Idempotency-Key": key},
    )  # fmt: skip


def test_a_quote_is_stored_once_and_becomes_an_inbound_event(client, entities, now, bells):
    headers = _key("quotes:write", entity=entities["DE01"])
    first = _submit(client, headers, _quote())
    assert first.status_code == 202, first.content
    assert _submit(client, headers, _quote()).json() == first.json()
    delivery = Delivery.objects.get()
    assert str(delivery.id) == first.json()["delivery"]
    assert json.loads(bytes(delivery.raw)) == _quote()
    assert bells == []
    split_deliveries(now=now)
    event = InboundEvent.objects.get()
    assert (event.state, event.object_type, event.object_id) == ("received", "quote", "Q-API-1")
    assert event.source_version == 1767607200000
    assert Connection.objects.get(code="domain-api").vendor == "api"


FUTURE = "2999-01-01T00:00:00Z"
LINE = _quote()["lines"][0]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"number": None}, "number", "null"),
        ({"entity": "JP01"}, "entity", "may sell for"),
        ({"currency": "XTS"}, "currency", "no currency of the hub"),
        ({"net": "1200.01"}, "net", "add up to 1200"),
        ({"net": "1e400"}, "net", "digits"),
        ({"net": "NaN"}, "net", "number"),
        ({"end_date": "2026-02-01"}, "end_date", "exclusive"),
        ({"start_date": "31.12.2026"}, "start_date", "Date has wrong format"),
        ({"changed_at": FUTURE}, "changed_at", "future"),
        ({"status": "maybe"}, "status", "not a valid choice"),
        ({"lines": []}, "lines", "empty"),
        ({"lines": [{**LINE, "frequency": None}]}, "lines[0].frequency", "null"),
        ({"lines": [{**LINE, "quantity": "-1"}]}, "lines[0].quantity", "greater than"),
        ({"lines": [{**LINE, "net": "1200.001"}], "net": "1200.001"}, "lines", "2 decimals"),
        ({"customer": {"number": "1", "name": "A", "country": "Germany"}},
         "customer.country", "required pattern"),
        ({"type": "amendment", "contract_reference": ""}, "contract_reference", "blank"),
    ],
)  # fmt: skip
def test_a_bad_quote_names_the_field(client, entities, changes, field, words):
    headers = _key("quotes:write", entity=entities["DE01"])
    response = _submit(client, headers, _quote(**changes))
    problem = response.json()
    assert response.status_code == 422, problem
    told = {error["field"]: error["detail"] for error in problem["errors"]}
    assert words in told[field]
    assert not Delivery.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_what_is_no_quote_at_all(client, entities):
    headers = _key("quotes:write")
    broken = _submit(client, headers, "{")
    assert (broken.status_code, broken.json()["code"]) == (400, "parse_error")
    form = client.post(
        "/api/v1/quotes/", {"number": "Q"}, headers={**headers, "Idempotency-Key": "f"}
    )
    assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")
    assert _submit(client, headers, "[]").status_code == 422
    assert _submit(client, headers, " " * (4 * 1024 * 1024 + 1)).json()["code"] == "too_large"
    assert _submit(client, _key("records:read"), _quote()).status_code == 403
    assert client.get("/api/v1/quotes/", headers=headers).status_code == 405
    assert client.get("/api/v1/nothing/", headers=headers).json()["code"] == "no_resource"
    assert not Delivery.objects.exists()


def test_the_schema_describes_every_path(client):
    response = client.get("/api/v1/schema/", headers={"Accept": "application/json"})
    assert response.status_code == 200
    text = response.content.decode()
    for path in ("/api/v1/quotes/", "/api/v1/orders/{number}/", "exceptions/{reference}/retry/"):
        assert path in text


def test_a_submitted_quote_becomes_an_order(client, entities, now):
    rules = json.loads((DEFAULTS / "api.quote.in.json").read_text())
    spec = MappingSpec(kind="field", **rules)
    ensure_mappings([spec], actor=system_actor("setup"), now=now)
    answer = _submit(client, _key("quotes:write"), _quote())
    assert answer.status_code == 202
    split_deliveries(now=utc_now())
    assert process_due(now=utc_now()) == 1
    event = InboundEvent.objects.get()
    assert (event.state, event.error_message) == ("processed", "")
    order = Order.objects.get()
    assert (order.quote.number, order.net, order.legal_entity.code) == (
        "Q-API-1", Decimal("1200"), "DE01",
    )  # fmt: skip
    older = _submit(client, _key("quotes:write"), _quote(changed_at="2026-01-04T10:00:00Z"), "2")
    assert older.status_code == 202
    split_deliveries(now=utc_now())
    process_due(now=utc_now())
    assert InboundEvent.objects.order_by("id").last().outcome == "older"
