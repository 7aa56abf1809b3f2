"""Drafts of cases for tests."""

import uuid
from decimal import Decimal

from apps.exceptions.types import CaseDraft


def case_draft(entity, **changes):
    """A draft of an unmapped product on a posting, worth 1,200.00 EUR."""
    values = {
        "code": "unmapped_product",
        "title": "Product PRO-1 has no mapping in NetSuite",
        "explanation": "Product PRO-1 has no mapping in NetSuite. Map it, then retry.",
        "flow": "invoice_posting",
        "lane": "erp",
        "subject_type": "postings.posting",
        "subject_id": uuid.uuid4(),
        "fingerprint": ("unmapped_product", "products.netsuite", "PRO-1"),
        "legal_entity_id": entity.id if entity else None,
        "amount_at_risk": Decimal("1200.00"),
        "currency": "EUR",
        "document": "INV-1",
        "customer": "Acme",
        "facts": {"mapping": "products.netsuite", "key": "PRO-1", "scope": ""},
    }
    return CaseDraft(**{**values, **changes})
