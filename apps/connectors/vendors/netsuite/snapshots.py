"""Posted invoices and credit memos by SuiteQL, changed since a moment, with their lines."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.connectors.base import SnapshotDocument, SnapshotLine, SnapshotPage
from apps.connectors.vendors.netsuite.client import NetSuiteClient
from apps.core.money import quantise

PAGE = 200
OVERLAP = dt.timedelta(seconds=60)
STAMP = "%Y-%m-%d %H:%M:%S"
BEGINNING = "2000-01-01 00:00:00"

_HEADERS = """
SELECT t.id, t.externalid, t.tranid, t.otherrefnum, t.type,
  TO_CHAR(t.trandate, 'YYYY-MM-DD') AS day,
  TO_CHAR(t.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS changed,
  t.foreigntotal AS gross, t.status, c.symbol AS currency, p.periodname AS period,
  s.externalid AS entity, s.name AS entityname, BUILTIN.DF(t.entity) AS customer
FROM transaction t
  JOIN transactionline m ON m.transaction = t.id AND m.mainline = 'T'
  JOIN subsidiary s ON s.id = m.subsidiary
  JOIN currency c ON c.id = t.currency
  JOIN accountingperiod p ON p.id = t.postingperiod
WHERE t.type IN ('CustInvc', 'CustCred')
  AND t.lastmodifieddate >= TO_TIMESTAMP('{since}', 'YYYY-MM-DD HH24:MI:SS')
ORDER BY t.lastmodifieddate, t.id
"""
_LINES = """
SELECT l.transaction, l.taxline, l.quantity, l.rate, l.foreignamount, l.memo, i.itemid AS item
FROM transactionline l LEFT JOIN item i ON i.id = l.item
WHERE l.mainline = 'F' AND l.transaction IN ({ids})
ORDER BY l.transaction, l.linesequencenumber
"""


async def snapshot_invoices(client: NetSuiteClient, cursor: Mapping[str, Any]) -> SnapshotPage:
    """A page of documents changed since the cursor; the next walk overlaps by 60 s."""
    since, offset = str(cursor.get("since", BEGINNING)), int(cursor.get("offset", 0))
    statement = _HEADERS.format(since=_stamp(since))
    headers, more = await client.query("snapshot.invoices", statement, PAGE, offset)
    lines: dict[str, list[Mapping[str, Any]]] = {}
    if headers:
        ids = ", ".join(f"'{int(header['id'])}'" for header in headers)
        for line in await client.query_all("snapshot.lines", _LINES.format(ids=ids)):
            lines.setdefault(str(line["transaction"]), []).append(line)
    documents = [_document(header, lines.get(str(header["id"]), [])) for header in headers]
    newest = max([str(cursor.get("newest", since)), *(str(h["changed"]) for h in headers)])
    if more:
        following = {"since": since, "newest": newest, "offset": offset + len(headers)}
        return SnapshotPage(documents, following, more=True)
    return SnapshotPage(documents, {"since": _earlier(newest)}, more=False)


def _stamp(text: str) -> str:
    """A moment of the cursor in NetSuite's form; anything else never reaches the statement."""
    return dt.datetime.strptime(text, STAMP).strftime(STAMP)  # noqa: DTZ007 - the account's zone


def _earlier(text: str) -> str:
    if text == BEGINNING:
        return text
    moment = dt.datetime.strptime(text, STAMP) - OVERLAP  # noqa: DTZ007 - the account's zone
    return moment.strftime(STAMP)


def _document(header: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> SnapshotDocument:
    """Lines are credits, hence negative, on an invoice."""
    currency = str(header["currency"])
    tax = _total([line for line in lines if line.get("taxline") == "T"], currency)
    net = _total([line for line in lines if line.get("taxline") != "T"], currency)
    return SnapshotDocument(
        document_type="invoice",
        external_id=str(header["id"]),
        number=str(header.get("tranid") or ""),
        match_key=str(header.get("otherrefnum") or header.get("tranid") or ""),
        entity=str(header.get("entity") or header.get("entityname") or ""),
        currency=currency,
        net=net,
        tax=tax,
        gross=quantise(Decimal(str(header["gross"])), currency),
        status=str(header.get("status") or ""),
        document_date=dt.date.fromisoformat(str(header["day"])),
        customer_name=str(header.get("customer") or ""),
        source_version=_version(str(header["changed"])),
        period=str(header.get("period") or ""),
        lines=tuple(_line(line, currency) for line in lines if line.get("taxline") != "T"),
    )


def _total(lines: Sequence[Mapping[str, Any]], currency: str) -> Decimal:
    return sum(
        (quantise(-Decimal(str(line["foreignamount"])), currency) for line in lines), Decimal(0)
    )


def _line(line: Mapping[str, Any], currency: str) -> SnapshotLine:
    return SnapshotLine(
        item=str(line.get("item") or ""),
        description=str(line.get("memo") or ""),
        quantity=abs(Decimal(str(line.get("quantity") or 1))),
        unit_price=Decimal(str(line.get("rate") or 0)),
        net=quantise(-Decimal(str(line["foreignamount"])), currency),
    )


def _version(changed: str) -> int:
    moment = dt.datetime.strptime(changed, STAMP)  # noqa: DTZ007 - compared with itself only
    return int(moment.replace(tzinfo=dt.UTC).timestamp())
