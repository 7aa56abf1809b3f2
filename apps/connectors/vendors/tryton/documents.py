"""Party, invoice and journal move in Tryton: created under our reference, then posted.

The reference is unique in the database (module hub_external_id), so a second create is refused
and the first is found. Creating and posting are two transactions; a document counts as written
once it is posted.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apps.connectors.base import OutboundCall, ReadBack, Written
from apps.connectors.http import Session
from apps.connectors.vendors.tryton.client import TrytonClient
from apps.connectors.vendors.tryton.payloads import invoice_values, move_values, party_values
from apps.connectors.vendors.tryton.references import References
from apps.core.errors import RejectedError

MODELS = {
    "customer.upsert": "party.party",
    "invoice.create": "account.invoice",
    "invoice.credit": "account.invoice",  # Tryton's credit note: an invoice of less than nothing
    "journal.create": "account.move",
}
_VALUES = {
    "customer.upsert": party_values,
    "invoice.create": invoice_values,
    "invoice.credit": invoice_values,
    "journal.create": move_values,
}
_STATES_DONE = ("posted", "paid")
EXTERNAL_ID = "hub_external_id"


async def write_document(session: Session, call: OutboundCall) -> Written:
    """Create the record if it is not there and post it.

    A draft that an earlier try left behind is made anew, as its payload may have changed since.
    """
    model, client = MODELS[call.operation], TrytonClient(session)
    record = await _find(client, call)
    if record is not None and model == "party.party":
        await _change_party(client, call, record)
        return _written(record)
    if record is not None and record["state"] in _STATES_DONE:
        return _written(record)
    if record is not None:
        await client.call(call.operation, model, "delete", [record["id"]])
    names = References(session, client, call.operation)
    values = await _VALUES[call.operation](names, call.payload)
    record = await _create(client, call, model, values)
    return _written(record) if model == "party.party" else await _post(client, call, record)


async def _post(client: TrytonClient, call: OutboundCall, draft: dict[str, Any]) -> Written:
    """Post a draft; one that is refused is taken away again."""
    model = MODELS[call.operation]
    try:
        await client.call(call.operation, model, "post", [draft["id"]])
    except RejectedError:
        await client.call(call.operation, model, "delete", [draft["id"]])
        raise
    return _written(await _find(client, call) or draft)


async def find_document(client: TrytonClient, call: OutboundCall) -> Written | None:
    """The record under our reference; a draft does not count as written."""
    record = await _find(client, call)
    if record is None or record.get("state", "posted") not in _STATES_DONE:
        return None
    return _written(record)


def _external_id(call: OutboundCall) -> str:
    return str(call.payload.get(EXTERNAL_ID) or call.reference)


async def _find(client: TrytonClient, call: OutboundCall) -> dict[str, Any] | None:
    model = MODELS[call.operation]
    fields = ["id", "code"] if model == "party.party" else ["id", "number", "state"]
    found = await client.search_read(
        call.operation, model, [[EXTERNAL_ID, "=", _external_id(call)]], fields
    )
    return found[0] if found else None


async def _create(
    client: TrytonClient, call: OutboundCall, model: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    document = {**values, EXTERNAL_ID: _external_id(call)}
    try:
        await client.call(call.operation, model, "create", [document])
    except RejectedError as error:
        if error.facts.code != "conflict":
            raise
    record = await _find(client, call)
    if record is None:
        raise RejectedError(
            "conflict",
            f"Tryton says that {_external_id(call)} exists but does not show it. Check the access "
            f"rights of the hub's user there, then retry.",
        )
    return record


async def _change_party(
    client: TrytonClient, call: OutboundCall, record: Mapping[str, Any]
) -> None:
    """The name changes; the address is created once, with the party."""
    values = {"name": call.payload["name"]}
    await client.call(call.operation, "party.party", "write", [record["id"]], values)


def _written(record: Mapping[str, Any]) -> Written:
    return Written(str(record["id"]), str(record.get("number") or record.get("code") or ""))


async def read_document(client: TrytonClient, call: OutboundCall, written: Written) -> ReadBack:
    """The posted document as Tryton shows it; dimensions are the codes of its analytic lines."""
    if call.operation == "customer.upsert":
        return ReadBack(written.external_id, written.number)
    key = int(written.external_id)
    if call.operation == "invoice.create":
        return await _read_invoice(client, call, key, sign=1)
    if call.operation == "invoice.credit":
        return await _read_invoice(client, call, key, sign=-1)
    return await _read_move(client, call, key, written.number)


async def _read_invoice(
    client: TrytonClient, call: OutboundCall, key: int, *, sign: int
) -> ReadBack:
    fields = ["number", "state", "untaxed_amount", "tax_amount", "total_amount", "move",
              "invoice_date", "currency.code"]  # fmt: skip
    (invoice,) = await client.call(call.operation, "account.invoice", "read", [key], fields)
    lines = await client.search_read(
        call.operation, "account.move.line", [["move", "=", invoice["move"]]],
        ["move.period.name"],
    )  # fmt: skip
    codes = await _dimensions(client, call, invoice["move"])
    return ReadBack(
        external_id=str(key),
        number=str(invoice["number"] or ""),
        currency=str(invoice["currency."]["code"]),
        net=sign * invoice["untaxed_amount"],
        tax=sign * invoice["tax_amount"],
        gross=sign * invoice["total_amount"],
        document_date=invoice["invoice_date"],
        period=_period(lines),
        dimensions=codes,
        data={"state": invoice["state"]},
    )


async def _read_move(client: TrytonClient, call: OutboundCall, key: int, number: str) -> ReadBack:
    fields = ["debit", "move.period.name", "move.number", "move.date", "move.state"]
    lines = await client.search_read(
        call.operation, "account.move.line", [["move", "=", key]], fields
    )
    move = lines[0]["move."] if lines else {}
    return ReadBack(
        external_id=str(key),
        number=str(move.get("number") or number),
        net=sum((line["debit"] for line in lines), Decimal(0)),
        document_date=move.get("date"),
        period=_period(lines),
        dimensions=await _dimensions(client, call, key),
        data={"state": move.get("state")},
    )


def _period(lines: list[dict[str, Any]]) -> str:
    return str(lines[0]["move."]["period."]["name"]) if lines else ""


async def _dimensions(client: TrytonClient, call: OutboundCall, move: int) -> tuple[str, ...]:
    found = await client.search_read(
        call.operation, "analytic_account.line", [["move_line.move", "=", move]], ["account.code"]
    )
    return tuple(sorted({str(line["account."]["code"]) for line in found}))
