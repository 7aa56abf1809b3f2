"""The same inputs again under a draft, with no outbound call and no trace in the records."""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apps.core.codec import to_json
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.ingestion.models import InboundEvent
from apps.mappings.engine import Result, ValueTable, tables_used, translate_document
from apps.mappings.models import ExternalReference, MappingVersion, Translation
from apps.mappings.selectors import (
    active_tables,
    active_versions,
    hash_of,
    recorded_inputs,
    tables_of,
)
from apps.organisation.models import LegalEntity
from apps.postings.models import Posting
from apps.rehearsals.models import Rehearsal
from apps.rehearsals.policies import field_changes, outcome_of, problem_words
from apps.rehearsals.types import OUTCOMES, Sample, Trial

RECENT = 200
WAITING = 500
SAMPLES_EACH = 8
FIELDS_EACH = 12
POSTING = "postings.posting"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything translations of recorded inputs need: the versions in force and the draft."""

    draft: MappingVersion
    rules: Mapping[str, Any]  # field map's code → active rules
    tables: Mapping[str, ValueTable]
    draft_tables: Mapping[str, ValueTable]
    references: Mapping[uuid.UUID, Mapping[tuple[str, str], str]]  # by connection
    connections: Mapping[uuid.UUID, uuid.UUID]  # of the subjects
    entities: Mapping[uuid.UUID | None, str]


def rehearse_version(version_id: uuid.UUID, *, actor: Actor, now: dt.datetime) -> Rehearsal:
    """Translate recorded inputs by the active versions and by this version, and compare.

    Inputs are the last 200 that the mapping took part in, each subject once with its newest
    input, and those of its open cases. Raises ``MappingVersion.DoesNotExist``.
    """
    version = (
        MappingVersion.objects.select_related("mapping")
        .prefetch_related("rows")
        .get(id=version_id)
    )
    waiting = _waiting_subjects()
    inputs = _inputs(version, waiting)
    stage = _stage(version, inputs)
    trials = [_try(stage, row) for row in inputs]
    counts = Counter(trial.outcome for trial in trials)
    with acting(actor):
        rehearsal = Rehearsal.objects.create(
            mapping_version_id=version.id,
            legal_entity_id=version.mapping.legal_entity_id,
            content_hash=hash_of(version),
            requested_by_label=actor.label,
            total=len(trials),
            **{name: counts[name] for name in OUTCOMES},
            samples=to_json([asdict(s) for s in _samples(trials, waiting)]),
            run_at=now,
        )
        publish_events([_event(version, rehearsal)], actor=actor, now=now)
    return rehearsal


def _event(version: MappingVersion, rehearsal: Rehearsal) -> NewEvent:
    return NewEvent(
        type="mapping_version.rehearsed",
        aggregate_type="mapping_version",
        aggregate_id=version.id,
        legal_entity_id=rehearsal.legal_entity_id,
        data={
            "mapping": version.mapping.code,
            "number": version.number,
            "total": rehearsal.total,
            **{name: getattr(rehearsal, name) for name in OUTCOMES},
        },
    )


def _waiting_subjects() -> dict[uuid.UUID, str]:
    """Subjects of open cases, with the words they are known by."""
    cases = ExceptionCase.objects.filter(state__in=OPEN_STATES).values_list(
        "subject_id", "document", "number"
    )
    return {subject: document or f"EXC-{number}" for subject, document, number in cases}


def _inputs(version: MappingVersion, waiting: Mapping[uuid.UUID, str]) -> list[Translation]:
    """The newest input of each subject and field map."""
    rows = recorded_inputs(version, RECENT)
    maps = {row.mapping_version.mapping_id for row in rows}
    rows += (
        Translation.objects.filter(subject_id__in=list(waiting), mapping_version__mapping__in=maps)
        .select_related("mapping_version__mapping")
        .order_by("-created_at")[:WAITING]
    )
    newest: dict[tuple[uuid.UUID, str], Translation] = {}
    for row in rows:
        key = (row.subject_id, row.mapping_version.mapping.code)
        if key not in newest or newest[key].created_at < row.created_at:
            newest[key] = row
    return sorted(newest.values(), key=lambda row: row.created_at, reverse=True)


def _stage(version: MappingVersion, inputs: Sequence[Translation]) -> Stage:
    code = version.mapping.code
    fields = active_versions({row.mapping_version.mapping.code for row in inputs})
    rules = {name: active.rules for name, active in fields.items()}
    used = {name for rule in [*rules.values(), version.rules] for name in tables_used(rule)}
    tables = active_tables(active_versions(used))
    draft_tables = dict(tables)
    if version.mapping.kind == "value":
        draft_tables[code] = tables_of({code: version.id})[code]
    connections = _connections(inputs)
    return Stage(
        draft=version,
        rules=rules,
        tables=tables,
        draft_tables=draft_tables,
        references=_references(set(connections.values())),
        connections=connections,
        entities=dict(LegalEntity.objects.values_list("id", "code")),
    )


def _connections(inputs: Sequence[Translation]) -> dict[uuid.UUID, uuid.UUID]:
    ids = [row.subject_id for row in inputs]
    found = dict(Posting.objects.filter(id__in=ids).values_list("id", "connection_id"))
    found |= dict(InboundEvent.objects.filter(id__in=ids).values_list("id", "connection_id"))
    return found


def _references(
    connections: set[uuid.UUID],
) -> dict[uuid.UUID, dict[tuple[str, str], str]]:
    found: dict[uuid.UUID, dict[tuple[str, str], str]] = {pk: {} for pk in connections}
    rows = ExternalReference.objects.filter(connection_id__in=connections)
    for row in rows.iterator(chunk_size=2000):
        found[row.connection_id][row.object_type, str(row.record_id)] = row.external_id
    return found


def _try(stage: Stage, row: Translation) -> Trial:
    code = row.mapping_version.mapping.code
    connection = stage.connections.get(row.subject_id)
    references = stage.references.get(connection, {}) if connection else {}
    scope = stage.entities.get(row.legal_entity_id, "") if row.subject_type == POSTING else ""
    is_own = stage.draft.mapping.code == code
    active = stage.rules.get(code)
    before: Result | None = None
    if active is not None:
        before = translate_document(active, row.input, stage.tables, references, scope=scope)
    rules = stage.draft.rules if is_own else active
    after = translate_document(rules, row.input, stage.draft_tables, references, scope=scope)
    outcome = outcome_of(before, after)
    return Trial(
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        mapping=code,
        outcome=outcome,
        changes=field_changes(before, after)[:FIELDS_EACH] if outcome == "changed" else [],
        problems=[problem_words(m) for m in after.missing],
    )


def _samples(trials: Sequence[Trial], waiting: Mapping[uuid.UUID, str]) -> list[Sample]:
    """A few of each kind; what newly fails comes first, because it must be decided."""
    chosen = []
    for outcome in ("newly_fails", "changed", "now_passes", "still_fails"):
        chosen += [trial for trial in trials if trial.outcome == outcome][:SAMPLES_EACH]
    labels = _labels(chosen)
    return [
        Sample(
            outcome=trial.outcome,
            label=waiting.get(trial.subject_id) or labels.get(trial.subject_id, ""),
            mapping=trial.mapping,
            subject_type=trial.subject_type,
            subject_id=str(trial.subject_id),
            waiting=trial.subject_id in waiting,
            changes=[asdict(change) for change in trial.changes],
            problems=list(trial.problems),
        )
        for trial in chosen
    ]


def _labels(trials: Sequence[Trial]) -> dict[uuid.UUID, str]:
    ids = [trial.subject_id for trial in trials]
    found = dict(Posting.objects.filter(id__in=ids).values_list("id", "document_label"))
    found |= dict(InboundEvent.objects.filter(id__in=ids).values_list("id", "object_id"))
    return found
