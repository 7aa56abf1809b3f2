"""The versions of records, and what a source has changed since it last spoke."""

import datetime as dt
import uuid
from collections.abc import Container, Iterable, Mapping
from typing import Any

from apps.canonical.models import CanonicalRecord, RecordVersion
from apps.core.codec import content_hash, to_json


def last_words(
    record_type: str, ids: Iterable[uuid.UUID], source: str
) -> dict[uuid.UUID, dict[str, Any]]:
    """What a source said of each record when it was last applied."""
    rows = (
        RecordVersion.objects.filter(
            record_type=record_type, record_id__in=list(ids), source_system=source
        )
        .order_by("record_id", "-version")
        .distinct("record_id")
    )
    return {row.record_id: row.content for row in rows}


def changed_fields(
    said: Mapping[str, Any], before: Mapping[str, Any], not_theirs: Container[str] = ()
) -> dict[str, Any]:
    """The fields a source says otherwise than the last time and may change. A person's correction
    of a field stands until the source itself changes that field."""
    return {
        name: value
        for name, value in said.items()
        if name not in not_theirs and before.get(name) != to_json(value)
    }


def version_row(
    record_type: str,
    record: CanonicalRecord,
    content: Mapping[str, Any],
    *,
    source: str,
    actor_label: str,
    now: dt.datetime,
    translation_id: uuid.UUID | None = None,
) -> RecordVersion:
    """The history row of a record as it stands now."""
    return RecordVersion(
        record_type=record_type,
        record_id=record.id,
        version=record.version,
        legal_entity_id=record.legal_entity_id,
        content=to_json(dict(content)),
        content_hash=content_hash(content),
        source_system=source,
        source_version=record.source_version,
        translation_id=translation_id,
        actor_label=actor_label,
        applied_at=now,
    )
