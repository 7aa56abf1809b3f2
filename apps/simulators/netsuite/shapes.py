"""Record types and their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Field:
    """kind: text, number, boolean, date, ref (to one of `to`), address, lines."""

    kind: str
    to: tuple[str, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict)
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class RecordType:
    """`family` shares one sequence of internal ids; `label` is what refName shows."""

    name: str
    family: str
    fields: Mapping[str, Field]
    label: str = "name"
    required: tuple[tuple[str, str], ...] = ()  # (field, label in messages)
    writable: bool = True


TEXT = Field("text")
NUMBER = Field("number")
BOOLEAN = Field("boolean")
DATE = Field("date")
ITEM_TYPES = ("serviceSaleItem", "nonInventorySaleItem")


def ref(*to: str) -> Field:
    return Field("ref", to=to)


def shown(kind: str, *to: str) -> Field:
    return Field(kind, to=to, read_only=True)


def lines(**fields: Field) -> Field:
    return Field("lines", fields=fields)


ADDRESS = Field(
    "address",
    fields={
        **dict.fromkeys(("addr1", "addr2", "addr3", "city", "state", "zip"), TEXT),
        **dict.fromkeys(("addressee", "attention", "addrPhone"), TEXT),
        "country": TEXT,
    },
)
_SEGMENTS = {
    "department": ref("department"),
    "class": ref("classification"),
    "location": ref("location"),
}
_TRANSACTION: dict[str, Field] = {
    "externalId": TEXT,
    "tranId": TEXT,
    "tranDate": DATE,
    "currency": ref("currency"),
    "exchangeRate": NUMBER,
    "subsidiary": ref("subsidiary"),
    "postingPeriod": ref("accountingPeriod"),
    "memo": TEXT,
    "custbody_hub_ref": TEXT,
    "custbody_contract_ref": TEXT,
    **_SEGMENTS,
}
_SALE_LINE = {
    "line": NUMBER,
    "item": ref(*ITEM_TYPES),
    "quantity": NUMBER,
    "rate": NUMBER,
    "amount": NUMBER,
    "description": TEXT,
    "taxCode": ref("salesTaxItem"),
    "taxDetailsReference": TEXT,
    "revRecStartDate": DATE,
    "revRecEndDate": DATE,
    "revRecSchedule": TEXT,
    "deferRevRec": BOOLEAN,
    "custcol_hub_line": TEXT,
    **_SEGMENTS,
}
_TAX_DETAILS = lines(
    taxDetailsReference=TEXT,
    taxType=ref("taxType"),
    taxCode=ref("salesTaxItem"),
    taxRate=NUMBER,
    taxBasis=NUMBER,
    taxAmount=NUMBER,
    netAmount=shown("number"),
)
_SALE: dict[str, Field] = {
    **_TRANSACTION,
    "entity": ref("customer"),
    "account": ref("account"),
    "otherRefNum": TEXT,
    "terms": TEXT,
    "taxDetailsOverride": BOOLEAN,
    "item": lines(**_SALE_LINE),
    "taxDetails": _TAX_DETAILS,
    "subtotal": shown("number"),
    "taxTotal": shown("number"),
    "total": shown("number"),
    "createdFrom": shown("ref", "invoice"),
    "status": shown("enum"),
}
_APPLY = lines(doc=ref("invoice"), apply=BOOLEAN, amount=NUMBER)

INVOICE = RecordType(
    "invoice",
    "transaction",
    {
        **_SALE,
        "dueDate": DATE,
        "startDate": DATE,
        "endDate": DATE,
        "billingAddress": ADDRESS,
        "amountRemaining": shown("number"),
        "amountPaid": shown("number"),
    },
    label="tranId",
    required=(("entity", "Customer"),),
)
CREDIT_MEMO = RecordType(
    "creditMemo",
    "transaction",
    {**_SALE, "apply": _APPLY, "unapplied": shown("number"), "applied": shown("number")},
    label="tranId",
    required=(("entity", "Customer"),),
)
PAYMENT = RecordType(
    "customerPayment",
    "transaction",
    {
        **_TRANSACTION,
        "customer": ref("customer"),
        "payment": NUMBER,
        "account": ref("account"),
        "undepFunds": BOOLEAN,
        "apply": _APPLY,
        "unapplied": shown("number"),
        "applied": shown("number"),
        "status": shown("enum"),
    },
    label="tranId",
    required=(("customer", "Customer"), ("payment", "Payment Amount")),
)
JOURNAL = RecordType(
    "journalEntry",
    "transaction",
    {
        **_TRANSACTION,
        "reversalDate": DATE,
        "reversalDefer": BOOLEAN,
        "approved": BOOLEAN,
        "line": lines(
            line=NUMBER,
            account=ref("account"),
            debit=NUMBER,
            credit=NUMBER,
            memo=TEXT,
            entity=ref("customer"),
            scheduleType=TEXT,
            revenueRecognitionRule=TEXT,
            startDate=DATE,
            endDate=DATE,
            custcol_hub_line=TEXT,
            **_SEGMENTS,
        ),
        "status": shown("enum"),
    },
    label="tranId",
    required=(("subsidiary", "Subsidiary"),),
)
CUSTOMER = RecordType(
    "customer",
    "entity",
    {
        **dict.fromkeys(
            ("externalId", "entityId", "companyName", "firstName", "lastName", "email"), TEXT
        ),
        **dict.fromkeys(("phone", "url", "comments", "vatRegNumber", "terms"), TEXT),
        "custentity_hub_ref": TEXT,
        "isPerson": BOOLEAN,
        "isInactive": BOOLEAN,
        "subsidiary": ref("subsidiary"),
        "currency": ref("currency"),
        "parent": ref("customer"),
        "receivablesAccount": ref("account"),
        "addressBook": lines(
            defaultBilling=BOOLEAN,
            defaultShipping=BOOLEAN,
            label=TEXT,
            addressBookAddress=ADDRESS,
        ),
        "balance": shown("number"),
    },
    label="entityId",
    required=(("subsidiary", "Primary Subsidiary"),),
)
PERIOD = RecordType(
    "accountingPeriod",
    "accountingPeriod",
    {
        "periodName": TEXT,
        "startDate": DATE,
        "endDate": DATE,
        "closedOnDate": DATE,
        **dict.fromkeys(("closed", "arLocked", "apLocked", "allLocked"), BOOLEAN),
        **dict.fromkeys(("isAdjust", "isQuarter", "isYear", "allowNonGLChanges"), BOOLEAN),
    },
    label="periodName",
    writable=False,
)


def _simple(name: str, label: str = "name", **fields: Field) -> RecordType:
    base = {"externalId": TEXT, label: TEXT, "isInactive": BOOLEAN}
    return RecordType(name, name, {**base, **fields}, label=label)


RECORD_TYPES = {
    each.name: each
    for each in (
        INVOICE,
        CREDIT_MEMO,
        PAYMENT,
        JOURNAL,
        CUSTOMER,
        PERIOD,
        _simple("subsidiary", currency=ref("currency"), country=TEXT),
        _simple("department"),
        _simple("classification"),
        _simple("location"),
        _simple("currency", symbol=TEXT, currencyPrecision=NUMBER),
        _simple("account", "acctName", acctNumber=TEXT, acctType=TEXT),
        _simple("taxType"),
        _simple(
            "salesTaxItem",
            "itemId",
            rate=NUMBER,
            taxType=ref("taxType"),
            taxAccount=ref("account"),
            country=TEXT,
        ),
        *(
            _simple(
                name,
                "itemId",
                displayName=TEXT,
                incomeAccount=ref("account"),
                deferredRevenueAccount=ref("account"),
                subsidiary=ref("subsidiary"),
            )
            for name in ITEM_TYPES
        ),
    )
}
TRANSACTIONS = ("invoice", "creditMemo", "customerPayment", "journalEntry")
