"""Translating many documents in one go, each leaving its Translation row."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from apps.core.codec import content_hash, to_json
from apps.core.errors import ConfigurationError
from apps.core.ids import uuid7
from apps.mappings.engine import (
    Result,
    ValueTable,
    references_wanted,
    tables_used,
    translate_document,
)
from apps.mappings.models import ExternalReference, MappingVersion, Translation
from apps.mappings.selectors import active_tables, active_versions
from apps.mappings.types import Translated, TranslationRequest


@dataclass(frozen=True, slots=True)
class Active:
    """The active versions of a call: field maps and value maps by code, rows of the latter."""

    fields: MappingOf[str, MappingVersion]
    values: MappingOf[str, MappingVersion]
    tables: MappingOf[str, ValueTable]


Asked = tuple[uuid.UUID, str, str]  # connection, object type, record id


def translate(requests: Sequence[TranslationRequest], *, now: dt.datetime) -> list[Translated]:
    """Translate by the active mapping versions; a constant number of queries for any number.

    Runs in the caller's transaction. A request whose values are not all known has ``output`` None
    and says what is missing; its Translation row stands as well. Raises ``ConfigurationError``
    when a mapping code has no active version.
    """
    if not requests:
        return []
    active = _active({request.mapping for request in requests})
    references = _references(requests, active)
    rows, results = [], []
    for request in requests:
        version = active.fields[request.mapping]
        result = translate_document(
            version.rules,
            request.document,
            active.tables,
            references[request.connection_id],
            scope=request.scope,
        )
        row = _row(request, version, active, result, now)
        rows.append(row)
        results.append(Translated(row.id, result.output, result.missing))
    Translation.objects.bulk_create(rows)
    return results


def _active(codes: set[str]) -> Active:
    fields = active_versions(codes)
    absent = sorted(codes - set(fields))
    if absent:
        raise ConfigurationError(
            "no_active_mapping",
            f"No version of the mapping {absent[0]} is active. Activate one under Mappings, "
            f"then retry.",
        )
    used = {code for version in fields.values() for code in tables_used(version.rules)}
    values = active_versions(used)
    return Active(fields, values, active_tables(values))


def _references(
    requests: Sequence[TranslationRequest], active: Active
) -> MappingOf[uuid.UUID, MappingOf[tuple[str, str], str]]:
    """The crosswalk entries that the requests will ask for, in one query."""
    found: dict[uuid.UUID, dict[tuple[str, str], str]] = defaultdict(dict)
    wanted: set[tuple[uuid.UUID, str]] = set()
    for request in requests:
        rules = active.fields[request.mapping].rules
        pairs = references_wanted(rules, request.document, active.tables, scope=request.scope)
        wanted |= {(request.connection_id, record) for _, record in pairs if _is_uuid(record)}
    if wanted:
        rows = ExternalReference.objects.filter(
            connection_id__in={connection for connection, _ in wanted},
            record_id__in={record for _, record in wanted},
        )
        for row in rows:
            found[row.connection_id][row.object_type, str(row.record_id)] = row.external_id
    return found


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _row(
    request: TranslationRequest,
    version: MappingVersion,
    active: Active,
    result: Result,
    now: dt.datetime,
) -> Translation:
    document = to_json(request.document)
    used = tables_used(version.rules)
    return Translation(
        id=uuid7(),
        created_at=now,
        mapping_version=version,
        value_versions={c: active.values[c].number for c in sorted(used) if c in active.values},
        legal_entity_id=request.legal_entity_id,
        subject_type=request.subject_type,
        subject_id=request.subject_id,
        journey_id=request.journey_id,
        input=document,
        input_hash=content_hash(document),
        output_hash="" if result.output is None else content_hash(result.output),
        missing=[asdict(missing) for missing in result.missing],
    )
