"""What a change in the back office says: the fields before and after, under the person's name.

The back office writes rows without a service, so nothing else would tell the audit log.
"""

import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db import models

from apps.core.codec import to_json
from apps.events.types import NewEvent
from apps.organisation.models import LegalEntity

KEYS = uuid.UUID("6f1d1c2e-6f0b-5a53-9d0e-0f5b9a3c7d11")  # for rows whose key is no UUID
SECRET = frozenset({"password"})

Said = Mapping[str, str]


def said_by(row: models.Model | None, names: Iterable[str]) -> Said:
    """Fields of a row in words, by their names; empty for a row that is not there yet."""
    if row is None:
        return {}
    return {name: _said(row, name) for name in names}


def _said(row: models.Model, name: str) -> str:
    if name in SECRET:
        return ""
    label = getattr(row, f"get_{name}_display", None)
    value: Any = label() if label else getattr(row, name)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def office_event(row: models.Model, what: str, before: Said, after: Said) -> NewEvent:
    """``<kind of record>.<what>`` with the changed fields before and after, and a line of both."""
    kind = str(row._meta.verbose_name).replace(" ", "_")
    return NewEvent(
        type=f"{kind}.{what}",
        aggregate_type=kind,
        aggregate_id=_key(row),
        legal_entity_id=_entity(row),
        data=to_json(
            {
                "label": str(row),
                "note": "; ".join(_change(row, n, before.get(n, ""), after[n]) for n in after),
                "before": dict(before),
                "after": dict(after),
            }
        ),
    )


def _change(row: models.Model, name: str, before: str, after: str) -> str:
    title = str(getattr(row._meta.get_field(name), "verbose_name", name))
    if name in SECRET:
        return f"{title} set"
    return f"{title}: {before} → {after or 'empty'}" if before else f"{title}: {after or 'empty'}"


def _key(row: models.Model) -> uuid.UUID:
    if isinstance(row.pk, uuid.UUID):
        return row.pk
    return uuid.uuid5(KEYS, f"{row._meta.label_lower}:{row.pk}")


def _entity(row: models.Model) -> uuid.UUID | None:
    found: uuid.UUID | None = (
        row.pk if isinstance(row, LegalEntity) else getattr(row, "legal_entity_id", None)
    )
    return found
