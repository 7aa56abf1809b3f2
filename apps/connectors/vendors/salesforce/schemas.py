"""What the hub reads of a quote in this org, and how Salesforce writes moments and ids."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.connectors.base import InboundMessage
from apps.core.errors import RejectedError

_ADDRESS = ("Street", "City", "State", "StateCode", "PostalCode", "Country", "CountryCode")
ACCOUNT_FIELDS = (
    "Id", "Name", "AccountNumber", "CurrencyIsoCode", "Legal_Entity__c", "VAT_ID__c",
    "Billing_Email__c", "SystemModstamp", *(f"Billing{part}" for part in _ADDRESS),
)  # fmt: skip
PRODUCT_FIELDS = (
    "Id", "Name", "ProductCode", "Family", "Description", "IsActive", "SBQQ__ChargeType__c",
    "SBQQ__BillingFrequency__c", "SBQQ__SubscriptionType__c", "SBQQ__TaxCode__c",
    "SystemModstamp",
)  # fmt: skip
QUOTE_FIELDS = (
    "Id", "Name", "SystemModstamp", "CreatedDate", "CurrencyIsoCode", "Legal_Entity__c",
    "ApprovalStatus__c", "ApprovedBy__c", "ApprovedOn__c", "DiscountApprovalReason__c",
    "Department__c", "Hub_Order__c", "Hub_Status__c", "SBQQ__Status__c", "SBQQ__Type__c",
    "SBQQ__Ordered__c", "SBQQ__Primary__c", "SBQQ__StartDate__c", "SBQQ__EndDate__c",
    "SBQQ__SubscriptionTerm__c", "SBQQ__RenewalTerm__c", "SBQQ__PaymentTerms__c",
    "SBQQ__BillingFrequency__c", "SBQQ__NetAmount__c", "SBQQ__ListAmount__c",
    "SBQQ__Account__c", "SBQQ__MasterContract__c", "SBQQ__OriginalQuote__c",
    "SBQQ__MasterContract__r.Id", "SBQQ__MasterContract__r.ContractNumber",
    *(f"SBQQ__Account__r.{name}" for name in ACCOUNT_FIELDS),
)  # fmt: skip
LINE_FIELDS = (
    "Id", "Name", "SystemModstamp", "SBQQ__Quote__c", "SBQQ__Product__c", "SBQQ__Number__c",
    "SBQQ__ProductCode__c", "SBQQ__ProductName__c", "SBQQ__RequiredBy__c", "SBQQ__Quantity__c",
    "SBQQ__PriorQuantity__c", "SBQQ__EffectiveQuantity__c", "SBQQ__ListPrice__c",
    "SBQQ__CustomerPrice__c", "SBQQ__NetPrice__c", "SBQQ__UnproratedNetPrice__c",
    "SBQQ__NetTotal__c", "SBQQ__ListTotal__c", "SBQQ__Discount__c", "SBQQ__ProrateMultiplier__c",
    "SBQQ__StartDate__c", "SBQQ__EndDate__c", "SBQQ__EffectiveStartDate__c",
    "SBQQ__EffectiveEndDate__c", "SBQQ__SubscriptionTerm__c", "SBQQ__SubscriptionPricing__c",
    "SBQQ__SubscriptionType__c", "SBQQ__ChargeType__c", "SBQQ__BillingType__c",
    "SBQQ__BillingFrequency__c", "SBQQ__Bundle__c", "SBQQ__Bundled__c", "SBQQ__OptionLevel__c",
    "SBQQ__Existing__c", "SBQQ__UpgradedSubscription__c", "SBQQ__Taxable__c",
    "SBQQ__TaxCode__c", "SBQQ__Description__c", "Region__c", "Department__c",
    "SBQQ__UpgradedSubscription__r.SBQQ__QuoteLine__c",
    "SBQQ__UpgradedSubscription__r.SBQQ__OriginalQuoteLine__c",
    *(f"SBQQ__Product__r.{name}" for name in PRODUCT_FIELDS),
)  # fmt: skip

# A quote matters to the hub from its approval on.
READ_STATUSES = ("Approved", "Denied", "Presented", "Accepted", "Rejected", "Booked")

_ID = re.compile(r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$")
_OFFSET = re.compile(r"([+-]\d\d)(\d\d)$")


def is_id(value: object) -> bool:
    """A record id of 15 or 18 characters."""
    return isinstance(value, str) and _ID.match(value) is not None


def moment_of(text: str) -> dt.datetime:
    """``2026-11-23T10:50:00.123+0000`` or ``…Z`` → aware UTC. Raises ``ValueError``."""
    return dt.datetime.fromisoformat(_OFFSET.sub(r"\1:\2", text)).astimezone(dt.UTC)


def version_of(text: str) -> int:
    """A SystemModstamp as milliseconds since 1970: it rises with each write."""
    moment = moment_of(text)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def soql_moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def soql_list(values: Iterable[str]) -> str:
    """``'a','b'`` for IN (…); quotes and backslashes are escaped."""
    escaped = (value.replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return ",".join(f"'{value}'" for value in escaped)


def plain(record: Any) -> Any:
    """A record without the ``attributes`` that the API adds to each object."""
    if isinstance(record, list):
        return [plain(item) for item in record]
    if isinstance(record, Mapping):
        return {key: plain(item) for key, item in record.items() if key != "attributes"}
    return record


def quote_message(
    quote: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    contract: Mapping[str, Any] | None,
) -> InboundMessage:
    """A quote with its lines and contract as the mapping ``salesforce.quote.in`` reads it."""
    payload = {**plain(quote), "lines": plain(list(lines)), "Contract": plain(contract)}
    return InboundMessage(
        event_type="quote.fetched",
        object_type="quote",
        object_id=str(quote["Id"]),
        source_version=version_of(str(quote["SystemModstamp"])),
        payload=payload,
    )


def thin_quote(key: str, modstamp: str, event_type: str) -> InboundMessage:
    """A quote of which only the id and version came; the rest is fetched.

    Raises ``RejectedError`` when the id or the moment is none.
    """
    try:
        version = version_of(modstamp) if modstamp else 0
    except ValueError as error:
        raise unreadable("SystemModstamp", f"{modstamp!r} is no moment") from error
    if not is_id(key):
        raise unreadable("Id", f"{key!r} is no record id")
    return InboundMessage(event_type, "quote", key, version, None, needs_fetch=True)


def unreadable(field: str, problem: str) -> RejectedError:
    return RejectedError(
        "malformed_payload",
        f"The outbound message cannot be read: {problem}. Edit the payload, then retry.",
        field=field,
    )
