"""What a case is about: its posting, step or inbound event, and the master data at fault."""

import uuid
from dataclasses import dataclass
from typing import Any

from apps.canonical.models import Customer
from apps.exceptions.models import ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.postings.models import Posting
from apps.resolutions.types import MasterData
from apps.workflows.models import Step

# Fields of a customer that a case can be mended by, with the words people use.
CUSTOMER_LABELS = {
    "department": "Department",
    "location": "Location",
    "vat_id": "VAT id",
    "country": "Country",
    "state_code": "State",
    "postal_code": "Postal code",
    "city": "City",
    "street": "Street",
    "email": "E-mail",
    "name": "Name",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The row that cannot go on; exactly one of the three, or none for other subjects."""

    posting: Posting | None = None
    step: Step | None = None
    event: InboundEvent | None = None


def subject_of(case: ExceptionCase) -> Subject:
    """Read the row a case is about."""
    if case.subject_type == "postings.posting":
        return Subject(posting=Posting.objects.filter(id=case.subject_id).first())
    if case.subject_type == "workflows.step":
        found = Step.objects.select_related("run").filter(id=case.subject_id).first()
        return Subject(step=found)
    if case.subject_type == "ingestion.event":
        return Subject(event=InboundEvent.objects.filter(id=case.subject_id).first())
    return Subject()


def master_data_of(case: ExceptionCase, subject: Subject) -> MasterData | None:
    """The customer whose data the case is about; None when the case names none."""
    customer = _customer(case, subject.posting)
    if customer is None:
        return None
    named = str(case.facts.get("field", "")).rsplit(".", 1)[-1]
    return MasterData(
        record_type="customer",
        record_id=customer.id,
        label=customer.name,
        version=customer.version,
        field=named if named in CUSTOMER_LABELS else "",
        values={name: str(getattr(customer, name)) for name in CUSTOMER_LABELS},
    )


def _customer(case: ExceptionCase, posting: Posting | None) -> Customer | None:
    found = case.facts.get("record_id") if case.facts.get("record_type") == "customer" else None
    payload: dict[str, Any] = posting.payload if posting else {}
    wanted = found or payload.get("customer", {}).get("id")
    if wanted:
        return Customer.objects.filter(id=uuid.UUID(str(wanted))).first()
    cause = case.facts.get("cause")
    return Customer.objects.filter(number=cause).first() if cause else None


def payload_of(event: InboundEvent | None) -> dict[str, Any] | None:
    """The payload a person may edit: the last repair, else the original; None when the body could
    not be read at all."""
    if event is None or event.is_unreadable:
        return None
    payload: dict[str, Any] | None = (
        event.edited_payload if event.edited_payload is not None else event.payload
    )
    return payload
