"""The analytic tables that SuiteQL sees, as rows of the stored records."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Reader
from apps.simulators.netsuite.amounts import ZERO
from apps.simulators.netsuite.shapes import ITEM_TYPES, RECORD_TYPES, TRANSACTIONS

TYPES = {
    "invoice": "CustInvc",
    "creditMemo": "CustCred",
    "customerPayment": "CustPymt",
    "journalEntry": "Journal",
}
# Column -> SQLite type; columns of type date come out as M/D/YYYY, the account's date format.
# A column with a counterpart "…__df" has a display value (BUILTIN.DF).
COLUMNS: dict[str, dict[str, str]] = {
    "transaction": {
        **dict.fromkeys(("id", "externalid", "tranid", "transactionnumber", "type"), "text"),
        **dict.fromkeys(("trandate", "duedate", "lastmodifieddate", "createddate"), "date"),
        **dict.fromkeys(("entity", "currency", "postingperiod", "status"), "text"),
        **dict.fromkeys(("exchangerate", "foreigntotal", "total"), "number"),
        **dict.fromkeys(("foreignamountunpaid", "foreignamountpaid"), "number"),
        **dict.fromkeys(("posting", "voided", "memo", "otherrefnum"), "text"),
        **dict.fromkeys(("custbody_hub_ref", "custbody_contract_ref"), "text"),
    },
    "transactionline": {
        **dict.fromkeys(("transaction", "id", "uniquekey", "mainline", "taxline"), "text"),
        **dict.fromkeys(("item", "entity", "subsidiary", "memo", "custcol_hub_line"), "text"),
        **dict.fromkeys(("department", "class", "location"), "text"),
        **dict.fromkeys(("linesequencenumber", "quantity", "rate"), "number"),
        **dict.fromkeys(("foreignamount", "netamount"), "number"),
    },
    "transactionaccountingline": {
        **dict.fromkeys(("transaction", "transactionline", "account", "posting"), "text"),
        **dict.fromkeys(("debit", "credit", "amount"), "number"),
    },
    "customer": {
        **dict.fromkeys(("id", "externalid", "entityid", "companyname", "email"), "text"),
        **dict.fromkeys(("isinactive", "currency", "subsidiary", "custentity_hub_ref"), "text"),
        **dict.fromkeys(("lastmodifieddate", "datecreated"), "date"),
    },
    "accountingperiod": {
        **dict.fromkeys(("id", "periodname", "closed", "arlocked", "alllocked"), "text"),
        **dict.fromkeys(("isquarter", "isyear", "isposting"), "text"),
        **dict.fromkeys(("startdate", "enddate"), "date"),
    },
    "subsidiary": dict.fromkeys(("id", "externalid", "name", "currency"), "text"),
    "department": dict.fromkeys(("id", "externalid", "name"), "text"),
    "classification": dict.fromkeys(("id", "externalid", "name"), "text"),
    "location": dict.fromkeys(("id", "externalid", "name"), "text"),
    "currency": dict.fromkeys(("id", "externalid", "name", "symbol"), "text"),
    "item": dict.fromkeys(("id", "externalid", "itemid", "displayname"), "text"),
    "account": dict.fromkeys(("id", "externalid", "acctnumber", "fullname", "accttype"), "text"),
}
DISPLAYED = {
    "transaction": {
        "entity": "customer",
        "currency": "currency",
        "postingperiod": "accountingPeriod",
    },
    "transactionline": {
        "subsidiary": "subsidiary",
        "department": "department",
        "class": "classification",
        "location": "location",
        "entity": "customer",
    },
    "transactionaccountingline": {"account": "account"},
    "customer": {"currency": "currency", "subsidiary": "subsidiary"},
}
_PLAIN = {
    "customer": "customer",
    "accountingPeriod": "accountingperiod",
    "subsidiary": "subsidiary",
    "department": "department",
    "classification": "classification",
    "location": "location",
    "currency": "currency",
    "account": "account",
    **dict.fromkeys(ITEM_TYPES, "item"),
}
_RENAMED = {"datecreated": "createdDate", "fullname": "acctName", "arlocked": "arLocked"}

Row = tuple[str, dict[str, Any]]


def rows_of(reader: Reader, kind: str, document: Document) -> Iterator[Row]:
    """(table, row) pairs that a record contributes."""
    if kind in TRANSACTIONS:
        yield "transaction", _displayed(reader, "transaction", _transaction(kind, document))
        yield from _lines(reader, document)
    elif kind in _PLAIN:
        table = _PLAIN[kind]
        yield table, _displayed(reader, table, _plain(table, document))


def _transaction(kind: str, document: Document) -> dict[str, Any]:
    sign = -1 if kind in ("creditMemo", "customerPayment") else 1
    total: Decimal = document.get("total") or document.get("payment") or ZERO
    total *= sign
    return {
        "id": document["id"],
        "externalid": document.get("externalId"),
        "tranid": document["tranId"],
        "transactionnumber": document["tranId"],
        "type": TYPES[kind],
        "trandate": document["tranDate"],
        "duedate": document.get("dueDate"),
        "lastmodifieddate": _moment(document["lastModifiedDate"]),
        "createddate": _moment(document["createdDate"]),
        "entity": document.get("entity") or document.get("customer"),
        "currency": document["currency"],
        "postingperiod": document["postingPeriod"],
        "status": document["status"],
        "exchangerate": document["exchangeRate"],
        "foreigntotal": total,
        "total": total * document["exchangeRate"],
        "foreignamountunpaid": document.get("amountRemaining"),
        "foreignamountpaid": document.get("amountPaid"),
        "posting": "T",
        "voided": "F",
        "memo": document.get("memo"),
        "otherrefnum": document.get("otherRefNum"),
        "custbody_hub_ref": document.get("custbody_hub_ref"),
        "custbody_contract_ref": document.get("custbody_contract_ref"),
        "status__df": document["status"],
    }


def _lines(reader: Reader, document: Document) -> Iterator[Row]:
    """Debits are positive and credits negative, also on the item lines of an invoice."""
    for index, posting in enumerate(document["_postings"]):
        amount: Decimal = posting["debit"] - posting["credit"]
        quantity = posting.get("quantity")
        signed = None if quantity is None else (quantity if amount > 0 else -quantity)
        line = {
            "transaction": document["id"],
            "id": str(index),
            "uniquekey": f"{document['id']}{index:03d}",
            "linesequencenumber": Decimal(index),
            "mainline": "T" if posting["role"] == "main" else "F",
            "taxline": "T" if posting["role"] == "tax" else "F",
            "subsidiary": document["subsidiary"],
            "quantity": signed,
            "rate": abs(amount / quantity) if quantity else None,
            "foreignamount": amount,
            "netamount": amount * document["exchangeRate"],
            **{n: posting.get(n) for n in ("item", "entity", "memo", "custcol_hub_line")},
            **{n: posting.get(n) for n in ("department", "class", "location")},
        }
        yield "transactionline", _displayed(reader, "transactionline", line)
        accounting = {
            "transaction": document["id"],
            "transactionline": str(index),
            "account": posting["account"],
            "posting": "T",
            "debit": posting["debit"] or None,
            "credit": posting["credit"] or None,
            "amount": amount * document["exchangeRate"],
        }
        table = "transactionaccountingline"
        yield table, _displayed(reader, table, accounting)


def _plain(table: str, document: Document) -> dict[str, Any]:
    folded = {name.lower(): value for name, value in document.items()}
    row = {}
    for column in COLUMNS[table]:
        value = folded.get(_RENAMED.get(column, column).lower())
        if column in ("lastmodifieddate", "datecreated"):
            value = _moment(str(value))
        row[column] = ("T" if value else "F") if isinstance(value, bool) else value
    if table == "accountingperiod":
        flags = ("closed", "arlocked", "alllocked", "isquarter", "isyear")
        row |= {name: row[name] or "F" for name in flags}
        row["isposting"] = "T" if row["isquarter"] == row["isyear"] == "F" else "F"
    return row


def _displayed(reader: Reader, table: str, row: dict[str, Any]) -> dict[str, Any]:
    for column, kind in DISPLAYED.get(table, {}).items():
        target = reader.get(kind, row.get(column) or "")
        label = RECORD_TYPES[kind].label
        row[f"{column}__df"] = target.get(label) if target else None
    return row


def _moment(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z")
