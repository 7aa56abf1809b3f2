"""Outbound messages: SOAP without a signature, so the door is a secret token in its address
together with the organisation's id; the body is parsed without entities or external references.
"""

import hashlib
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from apps.connectors.base import BadDelivery, DoorConfig, InboundMessage, VerifiedBody
from apps.connectors.doors import (
    TOKEN_HEADER,
    check_content_type,
    is_same,
    lower_names,
    read_text,
    texts,
)
from apps.connectors.vendors.salesforce.schemas import thin_quote, unreadable

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
OUT = "{http://soap.sforce.com/2005/09/outbound}"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
MAX_NOTIFICATIONS = 100  # the vendor's own limit for one message
ID_LENGTH = 15  # the case-sensitive part of an id
ACKNOWLEDGEMENT = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


def verify(door: DoorConfig, headers: Mapping[str, str], body: bytes) -> VerifiedBody:
    """Check the address's token, the organisation and the form. Raises ``BadDelivery``.

    The age cannot be checked: the message bears no time. A repeated one is harmless, since its
    quotes are read from Salesforce as they are then.
    """
    named = lower_names(headers)
    _check_token(door, named)
    check_content_type(named, ("text/xml", "application/xml"))
    notifications = _notifications(_parsed(body))
    own = str(door.config.get("organization_id") or "")
    given = (notifications.findtext(f"{OUT}OrganizationId") or "").strip()
    if not own or not is_same(given[:ID_LENGTH], own[:ID_LENGTH]):
        raise BadDelivery(
            "bad_signature",
            "The message is from another organisation than this connection's. Check the "
            "organisation id of the connection.",
            401,
        )
    # A message sent again holds the latest values, so its id must be of its bytes.
    digest = hashlib.sha256(body).hexdigest()[:40]
    return VerifiedBody(f"om-{digest}", 200, ACKNOWLEDGEMENT, "text/xml; charset=utf-8")


def _check_token(door: DoorConfig, headers: Mapping[str, str]) -> None:
    given = headers.get(TOKEN_HEADER, "")
    if not given:
        raise BadDelivery(
            "unsigned", "The address lacks its token: /webhooks/<connection>/<token>/.", 401
        )
    if not any(is_same(given, token) for token in texts(door.secrets.get("door_tokens"))):
        raise BadDelivery(
            "bad_signature",
            "The token in the address is not one of this connection's. Set the address of the "
            "outbound message anew.",
            401,
        )


def _parsed(body: bytes) -> Element:
    try:
        root: Element = fromstring(read_text(body))
    except (ParseError, ValueError) as error:
        if isinstance(error, DefusedXmlException):
            raise BadDelivery(
                "malformed", "The body declares entities or refers to files; send it plain.", 400
            ) from error
        raise BadDelivery("malformed", f"The body is not XML: {error}.", 400) from error
    return root


def _notifications(root: Element) -> Element:
    found = root.find(f"{SOAP}Body/{OUT}notifications")
    if root.tag != f"{SOAP}Envelope" or found is None:
        raise BadDelivery("unknown_type", "The body is no outbound message of Salesforce.", 422)
    if len(found.findall(f"{OUT}Notification")) > MAX_NOTIFICATIONS:
        raise BadDelivery(
            "malformed", f"The message has more than {MAX_NOTIFICATIONS} notifications.", 400
        )
    return found


def split(body: bytes) -> Sequence[InboundMessage]:
    """One message for each notification of a quote, to be fetched.

    Raises ``RejectedError`` naming the field that cannot be read.
    """
    try:
        notifications = _notifications(_parsed(body))
    except BadDelivery as error:
        raise unreadable("body", error.explanation.rstrip(".")) from error
    return [_message(each) for each in notifications.findall(f"{OUT}Notification")]


def _message(notification: Element) -> InboundMessage:
    record = notification.find(f"{OUT}sObject")
    if record is None:
        raise unreadable("sObject", "a notification has no sObject")
    kind = record.get(TYPE, "").rpartition(":")[2]
    if kind != "SBQQ__Quote__c":
        raise unreadable("sObject", f"the hub reads SBQQ__Quote__c, not {kind or 'nothing'}")
    fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in record}
    return thin_quote(fields.get("Id", ""), fields.get("SystemModstamp", ""), "quote.notified")
