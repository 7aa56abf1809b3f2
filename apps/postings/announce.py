"""How this app tells others what happened to a posting."""

from apps.core.errors import ErrorFacts
from apps.events.types import NewEvent
from apps.exceptions.types import CaseDraft
from apps.mappings.policies import RowAtFault
from apps.postings.models import Posting

FLOWS = {"order": "order_activation", "amendment": "amendment", "invoice": "invoice_posting"}
LANES = {
    "quote": "cpq", "customer": "billing", "subscription": "billing", "tax": "tax",
    "entitlement": "provisioning", "invoice": "erp", "journal": "erp",
}  # fmt: skip


def posting_event(posting: Posting, what: str) -> NewEvent:
    """``posting.<what>`` with the ids that others need to act on it."""
    return NewEvent(
        type=f"posting.{what}",
        aggregate_type="posting",
        aggregate_id=posting.id,
        aggregate_version=posting.attempts,
        legal_entity_id=posting.legal_entity_id,
        journey_id=posting.journey_id,
        data={
            "run_id": posting.run_id,
            "step_id": posting.step_id,
            "operation": posting.operation,
            "purpose": posting.purpose,
            "document_type": posting.document_type,
            "document_id": posting.document_id,
            "document": posting.document_label,
            "connection_id": posting.connection_id,
            "amount": posting.amount,
            "currency": posting.currency,
            "external_id": posting.external_id,
            "reference": posting.reference,
            "result": posting.result,
            "error_code": posting.error_code,
            "error_message": posting.error_message,
        },
    )


def posting_case(
    posting: Posting,
    error: ErrorFacts,
    connection_code: str,
    role: str = "",
    row: RowAtFault | None = None,
) -> CaseDraft:
    """The case of a posting that a person must help: what was refused, and what it holds up.
    ``row`` is the row of a value map that made the value at fault."""
    cause = (row.mapping, row.source) if row else (error.field or error.vendor_code,)
    return CaseDraft(
        code=error.code,
        title=_title(posting, error)[:200],
        explanation=error.message,
        detail=error.detail,
        flow=FLOWS.get(posting.document_type, posting.document_type),
        lane=role or lane_of(posting),
        subject_type="postings.posting",
        subject_id=posting.id,
        fingerprint=(error.code, connection_code, *cause),
        legal_entity_id=posting.legal_entity_id,
        journey_id=posting.journey_id,
        amount_at_risk=posting.amount,
        currency=posting.currency,
        document=posting.document_label,
        customer=str(posting.payload.get("customer", {}).get("name", "")),
        facts={
            "posting": str(posting.id),
            "operation": posting.operation,
            "connection": connection_code,
            "field": error.field,
            "vendor_code": error.vendor_code,
            "attempts": posting.attempts,
            **_mapped(row),
        },
        blocks_close=posting.is_material,
    )


def _mapped(row: RowAtFault | None) -> dict[str, str]:
    """The row at fault as the facts that the remedy of a value map works from."""
    if row is None:
        return {}
    return {"mapping": row.mapping, "key": row.source, "scope": row.scope, "target": row.target}


def _title(posting: Posting, error: ErrorFacts) -> str:
    """One line in plain words: the platform's own words stand in the explanation."""
    if error.code == "period_closed":
        return f"{posting.document_label} is dated into a closed period{_dated(posting)}"
    return error.message.split(". ")[0].replace("the document", posting.document_label, 1)


def _dated(posting: Posting) -> str:
    meant = posting.payload.get("meant") or {}
    date = meant.get("document_date") or posting.payload.get("posting_date")
    return f" ({date})" if date else ""


def lane_of(posting: Posting) -> str:
    """The lane a posting is drawn in, by what it writes."""
    return LANES.get(posting.operation.split(".")[0], "hub")
