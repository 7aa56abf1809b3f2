"""Reads of mappings, their versions and the crosswalk."""

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum

from apps.core.codec import content_hash
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.mappings.engine import ValueTable, tables_used
from apps.mappings.models import (
    ExternalReference,
    Mapping,
    MappingVersion,
    Translation,
    ValueMapRow,
)
from apps.mappings.policies import (
    RowAtFault,
    RowChange,
    changed_rows,
    row_at_fault,
    rule_changes,
)
from apps.mappings.types import Refusal


def active_versions(codes: Collection[str]) -> dict[str, MappingVersion]:
    """The active versions of mappings, by code; a mapping without one is left out."""
    if not codes:
        return {}
    found = MappingVersion.objects.filter(state="active", mapping__code__in=codes)
    return {version.mapping.code: version for version in found.select_related("mapping")}


def active_tables(versions: MappingOf[str, MappingVersion]) -> dict[str, ValueTable]:
    """The rows of value maps' versions as tables, by code, in one query."""
    return tables_of({code: version.id for code, version in versions.items()})


def tables_of(version_ids: MappingOf[str, uuid.UUID]) -> dict[str, ValueTable]:
    """The rows of any versions as tables, by the codes given."""
    codes = {version_id: code for code, version_id in version_ids.items()}
    rows: dict[str, dict[tuple[str, str], str]] = {code: {} for code in version_ids}
    found = ValueMapRow.objects.filter(version_id__in=codes).values_list(
        "version_id", "source_value", "scope", "target_value"
    )
    for version_id, source, scope, target in found if codes else ():
        rows[codes[version_id]][source, scope] = target
    return {code: ValueTable(table) for code, table in rows.items()}


def sources_of(what: str, targets: Collection[str]) -> dict[str, str]:
    """Our value of each platform's value, by all active value maps of a kind (``products`` …)."""
    rows = ValueMapRow.objects.filter(
        version__state="active",
        version__mapping__code__startswith=f"{what}.",
        target_value__in=targets,
    )
    return dict(rows.order_by("target_value").values_list("target_value", "source_value"))


def list_mappings(principal: Principal) -> ScopedQuerySet:
    """Mappings a principal may see with ``active_number``, ``row_count``, ``drafts`` and
    ``proposed`` (how many versions are in those states)."""
    active = MappingVersion.objects.filter(mapping=OuterRef("pk"), state="active")
    rows = (
        ValueMapRow.objects.filter(version__mapping=OuterRef("pk"), version__state="active")
        .order_by()
        .values("version__mapping")
        .annotate(n=Count("id"))
    )
    listed: ScopedQuerySet = (
        Mapping.objects.visible_to(principal)
        .annotate(
            active_number=Subquery(active.values("number")[:1]),
            activated_at=Subquery(active.values("activated_at")[:1]),
            row_count=Subquery(rows.values("n")[:1]),
            drafts=Count("versions", filter=Q(versions__state="draft")),
            proposed=Count("versions", filter=Q(versions__state="proposed")),
        )
        .order_by("-kind", "code")
    )
    return listed


def get_mapping(principal: Principal, code: str) -> Mapping:
    """A mapping with its versions (newest first) and their rows.

    Raises ``Mapping.DoesNotExist``.
    """
    versions = MappingVersion.objects.order_by("-number").prefetch_related("rows")
    mapping: Mapping = (
        Mapping.objects.visible_to(principal)
        .prefetch_related(Prefetch("versions", queryset=versions))
        .get(code=code)
    )
    return mapping


def get_version(principal: Principal, version_id: uuid.UUID) -> MappingVersion:
    """A version with its mapping and rows. Raises ``MappingVersion.DoesNotExist``."""
    seen = Mapping.objects.visible_to(principal)
    return (
        MappingVersion.objects.filter(mapping__in=seen)
        .select_related("mapping", "based_on")
        .prefetch_related("rows", "based_on__rows")
        .get(id=version_id)
    )


def content_of(version: MappingVersion) -> dict[str, Any]:
    """What is approved and hashed: the expression, or the rows in order."""
    rows = sorted(
        [row.source_value, row.scope, row.target_value, row.note] for row in version.rows.all()
    )
    return {"mapping": version.mapping.code, "rules": version.rules, "rows": rows}


def hash_of(version: MappingVersion) -> str:
    return content_hash(content_of(version))


def rows_of(version: MappingVersion | None) -> dict[tuple[str, str], str]:
    if version is None:
        return {}
    return {(row.source_value, row.scope): row.target_value for row in version.rows.all()}


def row_changes_of(version: MappingVersion) -> list[RowChange]:
    """The rows that a version adds, changes or removes against the one it is based on."""
    return changed_rows(rows_of(version.based_on), rows_of(version))


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Open cases of one currency and what they hold up; ``amount`` None: nobody knows."""

    currency: str
    cases: int
    amount: Decimal | None


def waiting_cases(version: MappingVersion) -> QuerySet[ExceptionCase]:
    """The open cases about a value that this version changes, the largest first."""
    keys = {change.source for change in row_changes_of(version)}
    return ExceptionCase.objects.filter(
        state__in=OPEN_STATES, facts__mapping=version.mapping.code, facts__key__in=keys
    ).order_by(F("amount_at_risk").desc(nulls_last=True), "number")


def at_risk(cases: QuerySet[ExceptionCase]) -> list[AtRisk]:
    """Cases and money held up, by currency."""
    groups = cases.order_by().values("currency").annotate(n=Count("id"), sum=Sum("amount_at_risk"))
    return [AtRisk(g["currency"], g["n"], g["sum"]) for g in groups.order_by("currency")]


def find_rows_at_fault(refusals: Sequence[Refusal]) -> list[RowAtFault | None]:
    """For each refusal the row of a value map that made what the platform does not know, by the
    versions in force. None where it cannot be told for certain."""
    fields = active_versions({refusal.mapping for refusal in refusals})
    used = {code: tables_used(version.rules) for code, version in fields.items()}
    rows = _rows_in_force({table for tables in used.values() for table in tables})
    return [
        row_at_fault(
            {table: rows[table] for table in used.get(r.mapping, ()) if table in rows},
            set(_texts(r.document)),
            r.words,
            r.scope,
        )
        for r in refusals
    ]


def _rows_in_force(codes: Collection[str]) -> dict[str, dict[tuple[str, str], str]]:
    """The rows of value maps' active versions, by code, in one query."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    if not codes:
        return found
    rows = ValueMapRow.objects.filter(version__state="active", version__mapping__code__in=codes)
    for code, source, scope, target in rows.values_list(
        "version__mapping__code", "source_value", "scope", "target_value"
    ):
        found.setdefault(code, {})[source, scope] = target
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, MappingOf):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif value is not None:
        yield str(value)


def changes_of(version: MappingVersion) -> list[str]:
    """What a version changes against the one it is based on, in words."""
    before = version.based_on
    words = [change.words for change in row_changes_of(version)]
    if version.mapping.kind == Mapping.Kind.FIELD:
        words += rule_changes(before.rules if before else {"object": {}}, version.rules)
    return words


@dataclass(frozen=True, slots=True)
class Known:
    """That a record is known on a connection under an external id."""

    connection_id: uuid.UUID
    object_type: str
    external_id: str
    label: str


def references_of(record_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Known]]:
    """The external ids of records, in one query."""
    found: dict[uuid.UUID, list[Known]] = {record_id: [] for record_id in record_ids}
    for row in ExternalReference.objects.filter(record_id__in=found).order_by("object_type", "id"):
        known = Known(row.connection_id, row.object_type, row.external_id, row.label)
        found[row.record_id].append(known)
    return found


def records_by_external_id(
    connection_id: uuid.UUID, object_type: str, external_ids: Sequence[str]
) -> dict[str, uuid.UUID]:
    """Which records of ours these objects of theirs are; unknown ones are left out."""
    rows = ExternalReference.objects.filter(
        connection_id=connection_id, object_type=object_type, external_id__in=external_ids
    )
    return dict(rows.values_list("external_id", "record_id"))


def find_external_id(
    connection_id: uuid.UUID, object_type: str, record_id: uuid.UUID
) -> str | None:
    row = ExternalReference.objects.filter(
        connection_id=connection_id, object_type=object_type, record_id=record_id
    ).first()
    return row.external_id if row else None


def list_translations(subject_id: uuid.UUID) -> list[Translation]:
    """How a message or posting was translated, newest first: its lineage."""
    rows = Translation.objects.filter(subject_id=subject_id).order_by("-created_at")
    return list(rows.select_related("mapping_version__mapping"))


def recorded_inputs(version: MappingVersion, limit: int) -> list[Translation]:
    """The newest recorded translations that this version's mapping took part in.

    For a field map its own; for a value map those of the field maps that look values up in it.
    """
    field_maps = [version.mapping_id]
    if version.mapping.kind == Mapping.Kind.VALUE:
        field_maps = [
            active.mapping_id
            for active in MappingVersion.objects.filter(state="active", mapping__kind="field")
            if version.mapping.code in tables_used(active.rules)
        ]
    rows = Translation.objects.filter(mapping_version__mapping__in=field_maps)
    return list(rows.select_related("mapping_version__mapping").order_by("-created_at")[:limit])
