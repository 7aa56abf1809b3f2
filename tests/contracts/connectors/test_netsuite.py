"""NetSuite: documents read back in the hub's words, refusals by their texts, the snapshot."""

import asyncio
import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from apps.connectors.base import OutboundCall, ReadBack
from apps.connectors.http import Session
from apps.connectors.vendors.netsuite.client import NetSuiteClient, signing_key
from apps.connectors.vendors.netsuite.documents import EXPANDED
from apps.connectors.vendors.netsuite.schemas import read_user_error
from apps.core.errors import ConfigurationError, RejectedError
from tests.contracts.connectors import payloads
from tests.contracts.connectors.rig import Rig

pytestmark = pytest.mark.contract


def write_and_read(rig: Rig, call: OutboundCall) -> ReadBack:
    written = rig.run(lambda s: rig.connector.write(s, call))
    reading: ReadBack = rig.run(lambda s: rig.connector.read_back(s, call, written))
    assert written.number == reading.number != ""
    return reading


def test_an_invoice_is_read_back_in_codes(netsuite: Rig) -> None:
    reading = write_and_read(netsuite, netsuite.call("invoice.create", "Q0000000000I1"))
    assert (reading.net, reading.tax, reading.gross) == (
        Decimal(6000),
        Decimal(1140),
        Decimal(7140),
    )
    assert (reading.currency, reading.entity, reading.period) == ("EUR", "DE01", "2026-11")
    assert reading.dimensions == ("SALES",)
    assert reading.document_date == dt.date(2026, 11, 15)


def test_a_journal_is_read_back_with_its_debits(netsuite: Rig) -> None:
    reading = write_and_read(netsuite, netsuite.call("journal.create", "Q0000000000J1"))
    assert (reading.net, reading.dimensions) == (Decimal(500), ("SALES",))


def test_a_customer_upserted_twice_has_one_address(netsuite: Rig) -> None:
    call = netsuite.call("customer.upsert", "Q0000000000A1")
    first = netsuite.run(lambda s: netsuite.connector.write(s, call))
    assert netsuite.run(lambda s: netsuite.connector.write(s, call)) == first
    shown = netsuite.run(
        lambda s: NetSuiteClient(s).get(
            "customer.read", f"/customer/{first.external_id}", EXPANDED
        )
    )
    assert len(shown["addressBook"]["items"]) == 1


def invoice(reference: str, **changes: Any) -> OutboundCall:
    payload = payloads.netsuite_invoice(reference, **changes)
    return OutboundCall("invoice.create", reference, f"q2c-{reference}-0", payload)


def unbalanced(reference: str) -> OutboundCall:
    payload = dict(payloads.netsuite_journal(reference))
    payload["line"]["items"][0]["debit"] = "400.00"
    return OutboundCall("journal.create", reference, f"q2c-{reference}-0", payload)


def without_department(reference: str) -> OutboundCall:
    call = invoice(reference)
    line = call.payload["item"]["items"][0]
    items = [{name: value for name, value in line.items() if name != "department"}]
    payload = {n: v for n, v in call.payload.items() if n != "department"}
    payload["item"] = {"items": items}
    return OutboundCall("invoice.create", reference, call.idempotency_key, payload)


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        (invoice("Q0000000000R1", tranDate="2026-09-15"), "period_closed", ""),
        (without_department("Q0000000000R2"), "missing_dimension", "department"),
        (invoice("Q0000000000R3", entity={"externalId": "C-none"}), "unknown_reference", "entity"),
        (unbalanced("Q0000000000R4"), "unbalanced_entry", ""),
        (invoice("Q0000000000R5", colour="blue"), "field_refused", "colour"),
    ],
)
@pytest.mark.parametrize("rig", ["netsuite"], indirect=True)
def test_refusals_are_told_apart_by_their_texts(
    rig: Rig, call: OutboundCall, code: str, field: str
) -> None:
    rig.is_valid = code != "field_refused"
    with pytest.raises(RejectedError) as refused:
        rig.run(lambda s: rig.connector.write(s, call))
    assert (refused.value.facts.code, refused.value.facts.field) == (code, field)
    assert rig.simulator.ledger(call.reference) == []


def test_a_period_that_closed_after_the_first_try_is_no_refusal(netsuite: Rig) -> None:
    call = invoice("Q0000000000P1", tranDate="2026-10-15")
    first = netsuite.run(lambda s: netsuite.connector.write(s, call))
    netsuite.simulator.control("POST", "periods", {"month": "2026-10", "closed": True})
    again = netsuite.run(lambda s: netsuite.connector.write(s, call))
    assert again == first


def test_expired_tokens_are_asked_for_anew(netsuite: Rig) -> None:
    netsuite.simulator.control("POST", "tokens/expire")
    reading = write_and_read(netsuite, netsuite.call("invoice.create", "Q0000000000T1"))
    assert reading.external_id != ""


def test_a_stranger_certificate_stops_the_connection(netsuite: Rig) -> None:
    call = netsuite.call("invoice.create", "Q0000000000S1")
    config = {**netsuite.config, "certificate_id": "another"}
    with pytest.raises(ConfigurationError) as refused:
        netsuite.run(lambda s: netsuite.connector.write(s, call), config=config, tokens={})
    assert refused.value.facts.code == "not_authorised"


def test_the_snapshot_pages_and_then_reads_only_what_changed(netsuite: Rig) -> None:
    netsuite.run(
        lambda s: netsuite.connector.write(s, netsuite.call("invoice.create", "Q0000000000N1"))
    )
    page = netsuite.run(lambda s: netsuite.connector.snapshot(s, "invoice", {}))
    (document,) = [d for d in page.documents if d.match_key == "NW-Q0000000000N1"]
    assert (document.net, document.tax, document.gross) == (
        Decimal("6000.00"),
        Decimal("1140.00"),
        Decimal("7140.00"),
    )
    assert (document.entity, document.currency) == ("DE01", "EUR")
    (line,) = document.lines
    assert (line.item, line.quantity, line.net) == ("SUITE", Decimal(5), Decimal("6000.00"))
    assert page.more is False
    assert set(page.cursor) == {"since"}
    assert netsuite.run(lambda s: netsuite.connector.snapshot(s, "invoice", page.cursor))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The transaction date you specified is not within the date range of your accounting "
         "period.", "period_closed"),
        ("Please enter value(s) for: Department", "missing_dimension"),
        ("Please enter value(s) for: Memo", "field_refused"),
        ("This record already exists", "conflict"),
        ("The amounts in a journal entry must balance.", "unbalanced_entry"),
        ("Something nobody has seen", "rejected_by_vendor"),
    ],
)  # fmt: skip
def test_texts_of_user_errors(text: str, code: str) -> None:
    assert read_user_error(text).code == code


def test_a_key_that_is_none_names_the_remedy() -> None:
    with pytest.raises(ConfigurationError) as refused:
        signing_key("not a key")
    assert "Enter it again" in refused.value.facts.message


def test_calls_that_start_together_ask_for_one_token(netsuite: Rig) -> None:
    netsuite.tokens.clear()
    before = len(netsuite.exchanges)

    async def together(session: Session) -> None:
        client = NetSuiteClient(session)
        statement = "SELECT id FROM customer WHERE id = 1"
        await asyncio.gather(*(client.query("customer.read", statement, 1, 0) for _ in range(4)))

    netsuite.run(together)
    operations = Counter(e.operation for e in netsuite.exchanges[before:])
    assert operations == {"token": 1, "customer.read": 4}
