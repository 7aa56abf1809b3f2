"""Reading quotes in bulk: by id, by polling, and as contract values for reconciliation."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.connectors.base import (
    InboundMessage,
    Page,
    SnapshotDocument,
    SnapshotLine,
    SnapshotPage,
)
from apps.connectors.vendors.salesforce.client import SalesforceClient, locator_ended
from apps.connectors.vendors.salesforce.schemas import (
    LINE_FIELDS,
    QUOTE_FIELDS,
    READ_STATUSES,
    moment_of,
    quote_message,
    soql_list,
    soql_moment,
    thin_quote,
    version_of,
)
from apps.core.errors import HubError

IDS_AT_ONCE = 200  # keeps a query below the 16,384 bytes a URI may have
CONTRACTS_AT_ONCE = 100
# A transaction may commit after a later one was read; SystemModstamp is of its beginning.
OVERLAP = dt.timedelta(seconds=30)
BEGINNING = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

Record = Mapping[str, Any]


async def fetch_quotes(client: SalesforceClient, ids: Sequence[str]) -> list[InboundMessage]:
    """Quotes with account, lines, products and contract: three queries for up to 200 ids.

    A quote that was deleted is left out.
    """
    messages: list[InboundMessage] = []
    for some in _batches(ids, IDS_AT_ONCE):
        messages += await _fetch_some(client, some)
    return messages


async def _fetch_some(client: SalesforceClient, ids: Sequence[str]) -> list[InboundMessage]:
    listed = soql_list(ids)
    quotes = await client.query(
        "quote.fetch",
        f"SELECT {', '.join(QUOTE_FIELDS)} FROM SBQQ__Quote__c WHERE Id IN ({listed})",
    )
    lines = _grouped(await _lines(client, listed), "SBQQ__Quote__c")
    contracts = await client.query(
        "quote.contracts",
        f"SELECT Id, ContractNumber, SBQQ__Quote__c FROM Contract "
        f"WHERE SBQQ__Quote__c IN ({listed})",
    )
    by_quote = {str(c["SBQQ__Quote__c"]): c for c in contracts}
    return [
        quote_message(
            quote,
            lines.get(str(quote["Id"]), []),
            by_quote.get(str(quote["Id"])) or quote.get("SBQQ__MasterContract__r"),
        )
        for quote in quotes
    ]


async def _lines(client: SalesforceClient, listed: str) -> list[dict[str, Any]]:
    return await client.query(
        "quote.lines",
        f"SELECT {', '.join(LINE_FIELDS)} FROM SBQQ__QuoteLine__c "
        f"WHERE SBQQ__Quote__c IN ({listed}) ORDER BY SBQQ__Quote__c, SBQQ__Number__c, Id",
    )


async def poll_quotes(client: SalesforceClient, cursor: Mapping[str, Any]) -> Page:
    """Quotes that changed since the cursor, as ids to fetch; pages overlap by 30 s."""
    since = _since(cursor)
    fresh = (
        f"SELECT Id, SystemModstamp FROM SBQQ__Quote__c "
        f"WHERE SystemModstamp >= {soql_moment(since)} "
        f"AND SBQQ__Status__c IN ({soql_list(READ_STATUSES)}) ORDER BY SystemModstamp, Id"
    )
    try:
        records, following = await client.query_page("quote.poll", cursor.get("next") or fresh)
    except HubError as error:
        if not locator_ended(error):
            raise
        records, following = await client.query_page("quote.poll", fresh)
    messages = [
        thin_quote(str(r["Id"]), str(r["SystemModstamp"]), "quote.polled") for r in records
    ]
    latest = max([_latest(cursor, since), *(moment_of(str(r["SystemModstamp"])) for r in records)])
    if following:
        more = {"since": since.isoformat(), "latest": latest.isoformat(), "next": following}
        return Page(messages, more, more=True)
    return Page(messages, {"since": latest.isoformat()}, more=False)


def _since(cursor: Mapping[str, Any]) -> dt.datetime:
    if not cursor.get("since"):
        return BEGINNING
    since = dt.datetime.fromisoformat(cursor["since"])
    return since if cursor.get("next") else since - OVERLAP


def _latest(cursor: Mapping[str, Any], since: dt.datetime) -> dt.datetime:
    known = cursor.get("latest") or cursor.get("since")
    return dt.datetime.fromisoformat(known) if known else since


async def snapshot_contracts(client: SalesforceClient, cursor: Mapping[str, Any]) -> SnapshotPage:
    """Contracts touched by quotes ordered since the cursor, each with the net of all its
    ordered quotes: the first and every amendment."""
    since = _since(cursor)
    quotes, following = await client.query_page(
        "snapshot.quotes",
        cursor.get("next")
        or f"SELECT Id, SystemModstamp, SBQQ__MasterContract__c FROM SBQQ__Quote__c "
        f"WHERE SystemModstamp >= {soql_moment(since)} AND SBQQ__Ordered__c = true "
        f"ORDER BY SystemModstamp, Id",
    )
    contracts = await _contracts_of(client, quotes)
    documents: list[SnapshotDocument] = []
    for some in _batches(contracts, CONTRACTS_AT_ONCE):
        documents += await _contract_documents(client, some)
    latest = max([_latest(cursor, since), *(moment_of(str(q["SystemModstamp"])) for q in quotes)])
    state: dict[str, Any] = {"since": latest.isoformat()}
    if following:
        state = {"since": since.isoformat(), "latest": latest.isoformat(), "next": following}
    return SnapshotPage(documents, state, bool(following))


async def _contracts_of(client: SalesforceClient, quotes: Sequence[Record]) -> list[Record]:
    """The contracts that these quotes made or amended."""
    found: dict[str, Record] = {}
    fields = (
        "SELECT Id, ContractNumber, SBQQ__Quote__c, StartDate, Status, Legal_Entity__c, "
        "CurrencyIsoCode, SystemModstamp, Account.Name FROM Contract WHERE "
    )
    master = sorted({str(q["SBQQ__MasterContract__c"]) for q in quotes} - {"None", ""})
    for column, ids in (("SBQQ__Quote__c", [str(q["Id"]) for q in quotes]), ("Id", master)):
        for some in _batches(ids, IDS_AT_ONCE):
            where = f"{column} IN ({soql_list(some)})"
            for contract in await client.query("snapshot.contracts", fields + where):
                found[str(contract["Id"])] = contract
    return list(found.values())


async def _contract_documents(
    client: SalesforceClient, contracts: Sequence[Record]
) -> list[SnapshotDocument]:
    first = soql_list(str(c["SBQQ__Quote__c"]) for c in contracts)
    amended = soql_list(str(c["Id"]) for c in contracts)
    quotes = await client.query(
        "snapshot.quotes",
        f"SELECT Id, Name, SystemModstamp, SBQQ__NetAmount__c, SBQQ__MasterContract__c "
        f"FROM SBQQ__Quote__c WHERE SBQQ__Ordered__c = true "
        f"AND (Id IN ({first}) OR SBQQ__MasterContract__c IN ({amended}))",
    )
    lines = _grouped(
        await _lines(client, soql_list(str(q["Id"]) for q in quotes)), "SBQQ__Quote__c"
    )
    return [
        _contract_document(contract, _quotes_of(contract, quotes), lines) for contract in contracts
    ]


def _quotes_of(contract: Record, quotes: Sequence[Record]) -> list[Record]:
    return [
        quote
        for quote in quotes
        if quote["Id"] == contract["SBQQ__Quote__c"]
        or quote.get("SBQQ__MasterContract__c") == contract["Id"]
    ]


def _contract_document(
    contract: Record, quotes: Sequence[Record], lines: Mapping[str, Sequence[Record]]
) -> SnapshotDocument:
    net = sum((_amount(quote["SBQQ__NetAmount__c"]) for quote in quotes), Decimal(0))
    stamps = [str(contract["SystemModstamp"]), *(str(q["SystemModstamp"]) for q in quotes)]
    start = contract.get("StartDate")
    return SnapshotDocument(
        document_type="contract",
        external_id=str(contract["Id"]),
        number=str(contract["ContractNumber"]),
        match_key=str(contract["ContractNumber"]),
        entity=str(contract.get("Legal_Entity__c") or ""),
        currency=str(contract["CurrencyIsoCode"]),
        net=net,
        tax=Decimal(0),
        gross=net,
        status=str(contract.get("Status") or ""),
        document_date=dt.date.fromisoformat(str(start)) if start else None,
        customer_name=str((contract.get("Account") or {}).get("Name") or ""),
        source_version=max(version_of(stamp) for stamp in stamps),
        lines=tuple(_line(line) for quote in quotes for line in lines.get(str(quote["Id"]), [])),
    )


def _line(line: Record) -> SnapshotLine:
    return SnapshotLine(
        item=str(line.get("SBQQ__ProductCode__c") or ""),
        description=str(line.get("SBQQ__ProductName__c") or ""),
        quantity=_amount(line.get("SBQQ__EffectiveQuantity__c")),
        unit_price=_amount(line.get("SBQQ__NetPrice__c")),
        net=_amount(line.get("SBQQ__NetTotal__c")),
    )


def _amount(value: object) -> Decimal:
    return Decimal(str(value)) if value is not None else Decimal(0)


def _grouped(records: Sequence[Record], column: str) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(str(record[column]), []).append(record)
    return groups


def _batches(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
