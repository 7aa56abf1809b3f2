"""NetSuite: records, rules, ledger postings, SuiteQL, jobs, limits."""

import json
from decimal import Decimal
from typing import Any

import pytest

from apps.simulators.core.calls import Call
from apps.simulators.netsuite.vendor import NetSuiteVendor
from tests.contracts.contract_client import ContractClient

pytestmark = pytest.mark.contract

RECORD = "/services/rest/record/v1"
SUITEQL = "/services/rest/query/v1/suiteql"
OUT_OF_PERIOD = "is not within the date range of your accounting period"


def ext(name: str) -> dict[str, str]:
    return {"externalId": name}


def line(**changes: Any) -> dict[str, Any]:
    base = {
        "item": ext("SUITE"),
        "quantity": 10,
        "rate": 19.99,
        "taxDetailsReference": "L1",
        "department": ext("Sales"),
        "class": ext("SaaS"),
        "revRecStartDate": "2026-11-01",
        "revRecEndDate": "2027-10-31",
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def invoice(**changes: Any) -> dict[str, Any]:
    tax = {
        "taxDetailsReference": "L1",
        "taxType": ext("VAT_DE"),
        "taxCode": ext("VAT19"),
        "taxRate": 19,
        "taxBasis": 199.9,
        "taxAmount": 37.98,
    }
    return {
        "entity": ext("QCUST"),
        "externalId": "QINV",
        "tranDate": "2026-11-10",
        "item": {"items": [line()]},
        "taxDetailsOverride": True,
        "taxDetails": {"items": [tax]},
        **changes,
    }


@pytest.fixture
def erp(netsuite_sim: ContractClient) -> ContractClient:
    customer = {
        "companyName": "Acme GmbH",
        "subsidiary": ext("DE01"),
        "currency": ext("EUR"),
        "addressBook": {
            "items": [
                {"defaultBilling": True, "addressBookAddress": {"city": "Berlin", "country": "DE"}}
            ]
        },
    }
    status, _ = netsuite_sim.json("PUT", f"{RECORD}/customer/eid:QCUST", customer)
    assert status == 204
    return netsuite_sim


def vendor_of(client: ContractClient) -> NetSuiteVendor:
    assert isinstance(client.vendor, NetSuiteVendor)
    return client.vendor


def refusal(result: tuple[int, Any]) -> tuple[int, str, str]:
    status, body = result
    detail = body["o:errorDetails"][0]
    return status, detail["o:errorCode"], detail["detail"]


def test_invoice_totals_and_postings_with_deferred_revenue(erp: ContractClient) -> None:
    reply = erp.send("POST", f"{RECORD}/invoice", _raw(invoice()))
    assert reply.status == 204
    assert reply.headers["location"].rpartition("/")[2].isdigit()
    got = erp.json("GET", f"{RECORD}/invoice/eid:QINV?expandSubResources=true")[1]
    assert (got["subtotal"], got["taxTotal"], got["total"]) == (199.9, 37.98, 237.88)
    assert got["item"]["items"][0]["department"]["refName"] == "Sales"
    assert got["postingPeriod"]["refName"] == "Nov 2026"
    rows = vendor_of(erp).controls["GET", "trial-balance"]({})["rows"]
    assert [(row["account"], row["debit"], row["credit"]) for row in rows] == [
        ("Deferred", "0", "199.90"),
        ("Receivables", "237.88", "0"),
        ("VAT", "0", "37.98"),
    ]
    entry = vendor_of(erp).kit.ledger.lines()[-1]
    assert (entry["external_ref"], entry["entity"], entry["currency"]) == ("QINV", "DE01", "EUR")
    assert (entry["net"], entry["tax"], entry["gross"]) == ("199.90", "37.98", "237.88")


def test_upsert_is_repeatable_and_replaces_lines_when_told(erp: ContractClient) -> None:
    for path in ("eid:QINV", "eid:QINV?replace=item,taxDetails"):
        body = invoice()
        body.pop("externalId")
        assert erp.json("PUT", f"{RECORD}/invoice/{path}", body)[0] == 204
    got = erp.json("GET", f"{RECORD}/invoice/eid:QINV?expandSubResources=true")[1]
    assert got["item"]["totalResults"] == 1
    assert erp.json("GET", f"{RECORD}/invoice")[1]["totalResults"] == 1


def test_second_post_of_an_external_id_is_refused(erp: ContractClient) -> None:
    assert erp.json("POST", f"{RECORD}/invoice", invoice())[0] == 204
    status, code, detail = refusal(erp.json("POST", f"{RECORD}/invoice", invoice()))
    assert (status, code) == (400, "USER_ERROR")
    assert "This record already exists" in detail


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"tranDate": "2026-09-10"}, "USER_ERROR", OUT_OF_PERIOD),
        ({"tranDate": "2026-10-10"}, "USER_ERROR", OUT_OF_PERIOD),
        ({"tranDate": "2020-01-01"}, "USER_ERROR", OUT_OF_PERIOD),
        (
            {"item": {"items": [line(department=None)]}},
            "USER_ERROR",
            "Please enter value(s) for: Department",
        ),
        ({"item": {"items": [line(item=ext("NOPE"))]}}, "INVALID_KEY_OR_REF", "NOPE"),
        (
            {"item": {"items": [line(item={"id": "9999"})]}},
            "INVALID_CONTENT",
            "Invalid Field Value 9999 for the following field: item",
        ),
    ],
)
def test_broken_rules_are_refused_and_nothing_is_posted(
    erp: ContractClient, changes: dict[str, Any], code: str, text: str
) -> None:
    result = erp.json("POST", f"{RECORD}/invoice", invoice(**changes))
    status, found, detail = refusal(result)
    assert (status, found) == (400, code)
    assert text in detail
    assert erp.json("GET", f"{RECORD}/invoice")[1]["totalResults"] == 0


def test_unknown_field_is_refused_when_asked_to_be_strict(erp: ContractClient) -> None:
    body = invoice(nope=1)
    result = erp.json("POST", f"{RECORD}/invoice", body, valid=False)
    assert refusal(result)[1] == "INVALID_CONTENT"
    lenient = {"x-netsuite-propertynamevalidation": "Warning"}
    assert erp.json("POST", f"{RECORD}/invoice", body, valid=False, headers=lenient)[0] == 204


def test_journal_must_balance_and_may_post_into_an_ar_locked_month(erp: ContractClient) -> None:
    def journal(credit: float) -> dict[str, Any]:
        revenue = {"account": ext("Revenue"), "credit": credit, "department": ext("Sales")}
        deferred = {"account": ext("Deferred"), "debit": 16.66}
        return {
            "subsidiary": ext("DE01"),
            "currency": ext("EUR"),
            "tranDate": "2026-10-31",
            "externalId": "QJE",
            "line": {"items": [deferred, revenue]},
        }

    result = erp.json("POST", f"{RECORD}/journalEntry", journal(16.65))
    assert "must balance" in refusal(result)[2]
    assert erp.json("POST", f"{RECORD}/journalEntry", journal(16.66))[0] == 204
    got = erp.json("GET", f"{RECORD}/journalEntry/eid:QJE?expandSubResources=true")[1]
    assert [row.get("debit") for row in got["line"]["items"]] == [16.66, None]


def test_credit_memo_and_payment_take_off_the_invoice(erp: ContractClient) -> None:
    location = erp.send("POST", f"{RECORD}/invoice", _raw(invoice())).headers["location"]
    key = location.rpartition("/")[2]
    payment = {
        "customer": ext("QCUST"),
        "payment": 100,
        "tranDate": "2026-11-12",
        "apply": {"items": [{"doc": {"id": key}, "apply": True, "amount": 100}]},
    }
    assert erp.json("POST", f"{RECORD}/customerPayment", payment)[0] == 204
    path = f"{RECORD}/invoice/{key}/!transform/creditMemo"
    assert erp.json("POST", path, {"externalId": "QCM", "tranDate": "2026-11-13"})[0] == 204
    got = erp.json("GET", f"{RECORD}/invoice/{key}")[1]
    assert (got["amountRemaining"], got["status"]["id"]) == (0, "Paid In Full")
    memo = erp.json("GET", f"{RECORD}/creditMemo/eid:QCM")[1]
    assert Decimal(str(memo["applied"])) == Decimal("137.88")


def test_closing_a_period_stops_changes_in_it(erp: ContractClient) -> None:
    assert erp.json("POST", f"{RECORD}/invoice", invoice())[0] == 204
    vendor_of(erp).controls["POST", "periods"]({"month": "2026-11", "closed": True})
    result = erp.json("PATCH", f"{RECORD}/invoice/eid:QINV", {"memo": "late"})
    assert OUT_OF_PERIOD in refusal(result)[2]
    assert erp.json("DELETE", f"{RECORD}/invoice/eid:QINV")[0] == 400
    found = erp.json("GET", f'{RECORD}/accountingPeriod?q=periodName%20IS%20"Nov%202026"')[1]
    period = erp.json("GET", f"{RECORD}/accountingPeriod/{found['items'][0]['id']}")[1]
    assert period["closed"] is True


def test_suiteql_joins_pages_and_shows_text(erp: ContractClient) -> None:
    assert erp.json("POST", f"{RECORD}/invoice", invoice())[0] == 204
    body = {
        "q": "SELECT t.externalid, t.trandate, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS day, "
        "BUILTIN.DF(t.currency) AS currency, tl.foreignamount, tl.taxline "
        "FROM transaction t JOIN transactionline tl ON tl.transaction = t.id "
        "WHERE t.type = 'CustInvc' AND t.externalid IN ('QINV') "
        "AND t.lastmodifieddate >= TO_DATE('2026-01-01', 'YYYY-MM-DD') ORDER BY tl.id"
    }
    headers = {"prefer": "transient"}
    status, page = erp.json("POST", f"{SUITEQL}?limit=2", body, headers=headers)
    assert (status, page["count"], page["totalResults"], page["hasMore"]) == (200, 2, 3, True)
    assert page["items"][0] == {
        "links": [],
        "externalid": "QINV",
        "trandate": "11/10/2026",
        "day": "2026-11-10",
        "currency": "EUR",
        "foreignamount": "237.88",
        "taxline": "F",
    }
    assert page["items"][1]["foreignamount"] == "-199.9"
    unknown = erp.json("POST", SUITEQL, {"q": "SELECT nope FROM transaction"}, headers=headers)
    assert "Field 'nope' for record 'transaction' was not found" in refusal(unknown)[2]
    assert erp.json("POST", SUITEQL, body)[0] == 400


def test_idempotency_key_counts_only_for_asynchronous_requests(erp: ContractClient) -> None:
    headers = {"x-netsuite-idempotency-key": "u1", "prefer": "respond-async"}
    first = erp.send("POST", f"{RECORD}/invoice", _raw(invoice()), headers=headers)
    second = erp.send("POST", f"{RECORD}/invoice", _raw(invoice()), headers=headers)
    assert (first.status, second.status) == (202, 400)
    assert second.content["title"] == "Conflict"
    assert second.headers["location"] == first.headers["location"]
    job = first.headers["location"].removeprefix("http://localhost")
    assert erp.json("GET", job)[1]["progress"] == "succeeded"
    assert erp.send("GET", f"{job}/task/1/result").status == 204
    plain = {"x-netsuite-idempotency-key": "u1"}
    body = invoice(externalId="QINV2")
    assert erp.json("POST", f"{RECORD}/invoice", body, headers=plain)[0] == 204


def test_sixth_request_at_once_is_refused(erp: ContractClient) -> None:
    vendor = vendor_of(erp)
    calls = [Call("GET", f"{RECORD}/invoice", headers=erp.headers) for _ in range(6)]
    answers = [vendor.admit(call) for call in calls]
    assert answers[:5] == [None] * 5
    assert answers[5] is not None
    assert answers[5].status == 429
    assert answers[5].content["o:errorDetails"][0]["o:errorCode"] == "CONCURRENCY_LIMIT_EXCEEDED"
    vendor.release(calls[0])
    assert vendor.admit(calls[5]) is None


def test_absent_record_and_expired_token(erp: ContractClient) -> None:
    assert refusal(erp.json("GET", f"{RECORD}/invoice/eid:NONE"))[:2] == (404, "NONEXISTENT_ID")
    vendor_of(erp).controls["POST", "tokens/expire"]({})
    assert refusal(erp.json("GET", f"{RECORD}/invoice"))[:2] == (401, "INVALID_LOGIN")


def _raw(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
