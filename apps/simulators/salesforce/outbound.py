"""Outbound messages: SOAP notifications of quotes, batched and acknowledged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from apps.simulators.core.codec import Document
from apps.simulators.core.kit import Kit
from apps.simulators.core.webhooks import Message, Outbox
from apps.simulators.salesforce.ids import make_id

KIND = "_notification"
MAX_NOTIFICATIONS = 100  # in one message
ACTION_ID = make_id("04k", 1)
ORGANIZATION_ID = make_id("00D", 1)
ACK = re.compile(rb"<(?:\w+:)?Ack>\s*true\s*</")

# Status or approval values whose arrival the org's workflow rule reports.
STATUSES = frozenset({"Approved", "Accepted", "Denied", "Rejected"})
APPROVALS = frozenset({"Approved", "Rejected", "Recalled"})
DEFAULT_FIELDS = (
    "Id",
    "ApprovalStatus__c",
    "CurrencyIsoCode",
    "Legal_Entity__c",
    "Name",
    "SBQQ__Account__c",
    "SBQQ__MasterContract__c",
    "SBQQ__NetAmount__c",
    "SBQQ__Ordered__c",
    "SBQQ__StartDate__c",
    "SBQQ__Status__c",
    "SBQQ__Type__c",
    "SystemModstamp",
)


class Announcements:
    """Notes quotes that changed; `send` packs up to 100 of them into one message."""

    def __init__(self, kit: Kit, outbox: Outbox) -> None:
        self._kit, self._outbox = kit, outbox

    def notice(self, before: Document | None, after: Document) -> None:
        """Note a quote whose status or approval has just arrived at a reported value."""
        old = before or {}
        status, approval = after["SBQQ__Status__c"], after["ApprovalStatus__c"]
        reached = status in STATUSES and old.get("SBQQ__Status__c") != status
        decided = approval in APPROVALS and old.get("ApprovalStatus__c") != approval
        if reached or decided:
            number = self._kit.store.next_number("notification")
            key = make_id("04l", number)
            self._kit.store.put(KIND, key, {"Id": key, "quote": after["Id"]})

    def send(self) -> None:
        """Turn what was noted into messages; the body shows the latest field values."""
        noted = list(self._kit.store.all(KIND))
        if not noted:
            return
        with self._kit.store.unit():
            for start in range(0, len(noted), MAX_NOTIFICATIONS):
                batch = noted[start : start + MAX_NOTIFICATIONS]
                self._outbox.publish(self._message(batch))
                for notification in batch:
                    self._kit.store.delete(KIND, notification["Id"])

    def _message(self, batch: list[Document]) -> Message:
        names = tuple(self._kit.setting("outbound_fields", DEFAULT_FIELDS))
        quotes = ((n["Id"], self._kit.store.get("SBQQ__Quote__c", n["quote"])) for n in batch)
        body = envelope([(key, quote) for key, quote in quotes if quote], names)
        return Message(batch[0]["Id"], "quote", body, "text/xml; charset=utf-8")


def envelope(notifications: Iterable[tuple[str, Document]], names: tuple[str, ...]) -> str:
    """The SOAP body of the outbound message's public WSDL."""
    items = "".join(_notification(key, quote, names) for key, quote in notifications)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        " <soapenv:Body>\n"
        '  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">\n'
        f"   <OrganizationId>{ORGANIZATION_ID}</OrganizationId>\n"
        f"   <ActionId>{ACTION_ID}</ActionId>\n"
        '   <SessionId xsi:nil="true"/>\n'
        "   <EnterpriseUrl>https://sim.my.salesforce.com/services/Soap/c/67.0</EnterpriseUrl>\n"
        "   <PartnerUrl>https://sim.my.salesforce.com/services/Soap/u/67.0</PartnerUrl>\n"
        f"{items}"
        "  </notifications>\n"
        " </soapenv:Body>\n"
        "</soapenv:Envelope>"
    )


def _notification(key: str, quote: Document, names: tuple[str, ...]) -> str:
    ordered = ("Id", *(name for name in names if name != "Id"))
    values = "".join(_element(name, quote.get(name)) for name in ordered)
    return (
        "   <Notification>\n"
        f"    <Id>{key}</Id>\n"
        '    <sObject xsi:type="sf:SBQQ__Quote__c" '
        'xmlns:sf="urn:sobject.enterprise.soap.sforce.com">\n'
        f"{values}"
        "    </sObject>\n"
        "   </Notification>\n"
    )


def _element(name: str, value: Any) -> str:
    """One field; the message leaves out fields that are empty."""
    if value is None:
        return ""
    return f"     <sf:{name}>{escape(_text(name, value))}</sf:{name}>\n"


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if name.endswith(("Date", "Modstamp")) and str(value).endswith("+0000"):
        return str(value).replace("+0000", "Z")
    return str(value)


def acknowledged(status: int, body: bytes) -> bool:
    return status == 200 and ACK.search(body) is not None


def soap_headers(_endpoint: Document, _id: str, _body: bytes, _now: datetime) -> dict[str, str]:
    """Outbound messages carry no signature; receivers check the OrganizationId."""
    return {"soapaction": '""'}
