"""Documents written to NetSuite and read back in the hub's own words.

References are shown with internal ids; their external ids are the hub's codes and are read once
per process.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.connectors.base import OutboundCall, ReadBack, Written
from apps.connectors.errors import silence
from apps.connectors.http import Session
from apps.connectors.vendors.netsuite.client import NetSuiteClient, record_path
from apps.connectors.vendors.netsuite.schemas import RECORDS, items_of, reference_id
from apps.core.errors import HubError, RejectedError

EXPANDED = (("expandSubResources", "true"),)
REPLACED = "?replace=addressBook"  # else each upsert would add the address once more
SALES = ("invoice", "creditMemo")
SEGMENTS = {"department": "department", "class": "classification", "location": "location"}
_LABELS = ("externalId", "symbol", "name", "startDate")


async def write_document(session: Session, call: OutboundCall) -> Written:
    """Upsert a customer; create an invoice, credit memo or journal under our reference, once.

    A transaction is created, not upserted: an upsert that arrives twice would rewrite what an
    accountant may have touched since. "Already exists" is success. A refusal is believed only
    after the reference was looked up, since a period may have closed after a first try.
    """
    kind, client = RECORDS[call.operation], NetSuiteClient(session)
    external_id = _external_id(call)
    document = {**call.payload, "externalId": external_id}
    if kind == "customer":
        path = record_path(kind, f"eid:{external_id}")
        key = await client.write(call.operation, "PUT", path, document, REPLACED)
        return await _described(client, call, key)
    source = document.pop("createdFrom", None)
    path = f"/{kind}"
    if source is not None:  # what it credits says the lines, taxes and segments
        path = f"{record_path('invoice', reference_id(source))}/!transform/{kind}"
    try:
        key = await client.write(call.operation, "POST", path, document)
    except RejectedError:
        found = await find_document(session, call)
        if found is None:
            raise
        return found
    return await _described(client, call, key)


async def find_document(session: Session, call: OutboundCall) -> Written | None:
    """The document under our reference, or None."""
    kind = RECORDS[call.operation]
    path = record_path(kind, f"eid:{_external_id(call)}")
    found = await NetSuiteClient(session).find(call.operation, path, _brief(kind))
    return None if found is None else _written(kind, found)


def _external_id(call: OutboundCall) -> str:
    return str(call.payload.get("externalId") or call.reference)


async def _described(client: NetSuiteClient, call: OutboundCall, key: str) -> Written:
    """The document's number with its id. The write stands even when this reading fails: the
    reading back that follows says the number again."""
    kind = RECORDS[call.operation]
    own = key or f"eid:{_external_id(call)}"
    try:
        return _written(
            kind, await client.get(call.operation, record_path(kind, own), _brief(kind))
        )
    except HubError as error:
        if key:
            return Written(key)
        raise silence("NetSuite", writes=True, detail="the answer named no record") from error


def _brief(kind: str) -> tuple[tuple[str, str], ...]:
    return (("fields", "entityId" if kind == "customer" else "tranId"),)


def _written(kind: str, record: Mapping[str, Any]) -> Written:
    number = record.get("entityId" if kind == "customer" else "tranId")
    return Written(str(record["id"]), str(number or ""))


async def read_document(session: Session, call: OutboundCall, written: Written) -> ReadBack:
    """The document as it stands, with codes instead of internal ids."""
    kind = RECORDS[call.operation]
    client = NetSuiteClient(session)
    path = record_path(kind, written.external_id)
    record = await client.get(call.operation, path, EXPANDED)
    if kind == "customer":
        return ReadBack(written.external_id, str(record.get("entityId") or ""))
    lines = items_of(record.get("item" if kind in SALES else "line"))
    names = Names(session, client)
    net, tax, gross = _amounts(kind, record, lines)
    return ReadBack(
        external_id=written.external_id,
        number=str(record.get("tranId") or ""),
        currency=await names.of("currency", reference_id(record.get("currency")), "symbol"),
        net=net,
        tax=tax,
        gross=gross,
        document_date=dt.date.fromisoformat(str(record["tranDate"])),
        period=await names.month(reference_id(record.get("postingPeriod"))),
        entity=await names.of("subsidiary", reference_id(record.get("subsidiary"))),
        dimensions=await _dimensions(names, record, lines),
    )


def _amounts(
    kind: str, record: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> tuple[Decimal, Decimal | None, Decimal | None]:
    """(net, tax, gross) of an invoice or credit memo; of a journal its debits as net."""
    if kind in SALES:
        return (
            Decimal(str(record["subtotal"])),
            Decimal(str(record.get("taxTotal") or 0)),
            Decimal(str(record["total"])),
        )
    return sum((Decimal(str(line.get("debit") or 0)) for line in lines), Decimal(0)), None, None


async def _dimensions(
    names: "Names", record: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Codes of the segments that every line carries, itself or through the header."""
    carried: set[str] | None = None
    for line in lines:
        codes = set()
        for segment, kind in SEGMENTS.items():
            key = reference_id(line.get(segment)) or reference_id(record.get(segment))
            codes.add(await names.of(kind, key))
        carried = codes if carried is None else carried & codes
    return tuple(sorted((carried or set()) - {""}))


class Names:
    """Codes of reference records by internal id, remembered while the process lives."""

    def __init__(self, session: Session, client: NetSuiteClient) -> None:
        self._memory, self._client = session.memory, client

    async def month(self, period: str) -> str:
        """An accounting period as ``2026-11``, the month in which it begins."""
        return (await self.of("accountingPeriod", period, "startDate"))[:7]

    async def of(self, kind: str, key: str, label: str = "externalId") -> str:
        """The code of a record; its name when it has no external id; empty without an id."""
        if not key:
            return ""
        known = self._memory.get((kind, key))
        if known is None:
            known = await self._client.find(f"{kind}.name", record_path(kind, key)) or {}
            self._memory[kind, key] = {name: known.get(name) for name in _LABELS}
        for name in (label, *_LABELS):
            if known.get(name):
                return str(known[name])
        return key
