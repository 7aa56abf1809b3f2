"""The connector against a real ERP: an invoice with tax and a dimension, a journal, a closed
period."""

import asyncio
import datetime as dt
import itertools
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from apps.connectors.base import OutboundCall, ReadBack, Written
from apps.connectors.http import Session, new_client
from apps.connectors.registry import connector_for
from apps.core.errors import ConfigurationError, RejectedError
from q2c.stack.tryton.server import TrytonServer

CONNECTOR = connector_for("tryton")
numbers = itertools.count(1)


class Erp:
    """A session to the running server; tokens and reference data live as long as it does."""

    def __init__(self, server: TrytonServer) -> None:
        self.server = server
        self.tokens: dict[str, Any] = {}
        self.memory: dict[Any, Any] = {}

    def run(self, work: Callable[[Session], Awaitable[Any]], **changes: Any) -> Any:
        async def inside() -> Any:
            async with new_client() as client:
                values: dict[str, Any] = {
                    "vendor_name": "Tryton",
                    "base_url": self.server.url,
                    "config": {"database": self.server.database, "login": self.server.login},
                    "secrets": {"password": self.server.password},
                    "client": client,
                    "record": [].append,
                    "tokens": self.tokens,
                    "memory": self.memory,
                }
                return await work(Session(**{**values, **changes}))

        return asyncio.run(inside())

    def write(self, call: OutboundCall) -> Written:
        written: Written = self.run(lambda session: CONNECTOR.write(session, call))
        return written

    def look_up(self, call: OutboundCall) -> Written | None:
        found: Written | None = self.run(lambda session: CONNECTOR.look_up(session, call))
        return found

    def read_back(self, call: OutboundCall, written: Written) -> ReadBack:
        reading: ReadBack = self.run(lambda s: CONNECTOR.read_back(s, call, written))
        return reading


@pytest.fixture(scope="module")
def erp(tryton: TrytonServer) -> Erp:
    return Erp(tryton)


def call(operation: str, payload: Mapping[str, Any], reference: str = "") -> OutboundCall:
    """A call whose reference no other test, nor an earlier run on this server, has used."""
    started = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    reference = reference or f"Q{(started * 100 + next(numbers)) % 10**13:013d}"
    return OutboundCall(operation, reference, f"q2c-{reference}", payload)


@pytest.fixture(scope="module")
def customer(erp: Erp) -> str:
    own = call("customer.upsert", {})
    number = f"C-{own.reference}"
    payload = {
        "hub_external_id": number,
        "name": "Nordwind Logistik GmbH",
        "address": {"street": "Hafenstr. 1", "city": "Hamburg", "postal_code": "20457"},
    }
    erp.write(call("customer.upsert", payload))
    return number


def invoice(customer: str, day: dt.date, **changes: Any) -> OutboundCall:
    line = {
        "product": "SAAS-PLAT", "description": "Platform, 12 months", "quantity": "3",
        "unit_price": "100.0000", "tax": "VAT 19 %", "analytic": "SALES",
    }  # fmt: skip
    payload = {
        "party": customer, "currency": "EUR", "reference": "NW-0001",
        "invoice_date": day.isoformat(), "accounting_date": day.isoformat(),
        "lines": [{**line, **changes}],
    }  # fmt: skip
    return call("invoice.create", payload)


def journal(day: dt.date, credit: str = "25.00") -> OutboundCall:
    lines = [
        {"account": "4.1.1", "debit": "25.00", "credit": "0", "analytic": "ENG"},
        {"account": "6.3.6", "debit": "0", "credit": credit},
    ]
    return call(
        "journal.create",
        {"date": day.isoformat(), "description": "Reclass", "currency": "EUR", "lines": lines},
    )


TODAY = dt.date.today()  # noqa: DTZ011 - the server's fiscal years are of the calendar year
CLOSED = dt.date(TODAY.year - 1, 1, 15)


def test_an_invoice_with_tax_and_dimension_is_posted_and_read_back(
    erp: Erp, customer: str
) -> None:
    own = invoice(customer, TODAY)
    written = erp.write(own)
    reading = erp.read_back(own, written)
    assert written.number == reading.number != ""
    assert (reading.net, reading.tax, reading.gross) == (
        Decimal("300.00"),
        Decimal("57.00"),
        Decimal("357.00"),
    )
    assert (reading.currency, reading.dimensions) == ("EUR", ("SALES",))
    assert reading.document_date == TODAY
    assert reading.data["state"] == "posted"


def test_the_same_invoice_twice_is_one(erp: Erp, customer: str) -> None:
    own = invoice(customer, TODAY)
    assert erp.look_up(own) is None
    written = erp.write(own)
    assert erp.write(own) == written
    assert erp.look_up(own) == written


def test_a_credit_note_takes_an_invoice_back(erp: Erp, customer: str) -> None:
    own = invoice(customer, TODAY, quantity="-3")
    credit = call("invoice.credit", own.payload)
    written = erp.write(credit)
    reading = erp.read_back(credit, written)
    assert (reading.net, reading.tax, reading.gross) == (
        Decimal("300.00"),
        Decimal("57.00"),
        Decimal("357.00"),
    )
    assert (reading.data["state"], reading.dimensions) == ("posted", ("SALES",))
    assert erp.write(credit) == written
    assert erp.look_up(credit) == written


def test_a_journal_is_posted_and_read_back(erp: Erp) -> None:
    own = journal(TODAY)
    written = erp.write(own)
    reading = erp.read_back(own, written)
    assert (reading.net, reading.dimensions) == (Decimal("25.00"), ("ENG",))
    assert (reading.document_date, reading.data["state"]) == (TODAY, "posted")
    assert reading.number != ""


def test_a_closed_period_is_refused(erp: Erp, customer: str) -> None:
    for own in (invoice(customer, CLOSED), journal(CLOSED)):
        with pytest.raises(RejectedError) as refused:
            erp.write(own)
        assert refused.value.facts.code == "period_closed", refused.value.facts
        assert erp.look_up(own) is None


def test_a_refused_invoice_can_be_posted_to_an_open_period(erp: Erp, customer: str) -> None:
    refused = invoice(customer, CLOSED)
    with pytest.raises(RejectedError):
        erp.write(refused)
    day = TODAY.isoformat()
    moved = call(
        "invoice.create",
        {**refused.payload, "invoice_date": day, "accounting_date": day},
        refused.reference,
    )
    assert erp.read_back(moved, erp.write(moved)).document_date == TODAY


def test_an_unbalanced_journal_is_refused(erp: Erp) -> None:
    with pytest.raises(RejectedError) as refused:
        erp.write(journal(TODAY, credit="24.00"))
    assert refused.value.facts.code == "unbalanced_entry", refused.value.facts


def test_an_unknown_product_names_its_line(erp: Erp, customer: str) -> None:
    with pytest.raises(RejectedError) as refused:
        erp.write(invoice(customer, TODAY, product="NO-SUCH"))
    assert (refused.value.facts.code, refused.value.facts.field) == (
        "unknown_reference",
        "lines[0].product",
    )


def test_an_unknown_country_is_refused_not_dropped(erp: Erp) -> None:
    own = call("customer.upsert", {"name": "Nobody", "address": {"country": "XX"}})
    with pytest.raises(RejectedError) as refused:
        erp.write(own)
    assert refused.value.facts.field == "address.country"
    assert erp.look_up(own) is None


def test_a_customer_changes_its_name(erp: Erp, customer: str) -> None:
    payload = {"hub_external_id": customer, "name": "Nordwind SE", "address": {}}
    own = call("customer.upsert", payload)
    assert erp.write(own) == erp.write(own)


def test_a_dead_session_is_opened_anew(erp: Erp) -> None:
    assert erp.write(journal(TODAY)).number != ""
    erp.tokens["header"] = "Session aHViOjE6bm90LWEtdG9rZW4="
    assert erp.write(journal(TODAY)).number != ""


def test_a_wrong_password_stops_the_connection(erp: Erp) -> None:
    with pytest.raises(ConfigurationError) as refused:
        erp.run(
            lambda s: CONNECTOR.write(s, journal(TODAY)),
            secrets={"password": "not the password"},
            tokens={},
        )
    assert refused.value.facts.code == "not_authorised"
