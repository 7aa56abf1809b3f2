"""A new version of a mapping, from its first change to its proposal."""

import datetime as dt
import uuid
from collections.abc import Mapping as MappingOf
from dataclasses import asdict
from typing import Any

from django.db.models import F, Max

from apps.approvals.models import Approval
from apps.approvals.services import make_stale, request_approval
from apps.approvals.types import ApprovalRequest
from apps.core.errors import StaleWriteError
from apps.core.fsm import transition_set
from apps.core.principal import Actor, Principal
from apps.events.services import acting, publish_events
from apps.mappings.announce import version_event
from apps.mappings.engine import validate_rules
from apps.mappings.errors import MappingError
from apps.mappings.models import Mapping, MappingVersion, ValueMapRow
from apps.mappings.policies import may_discard
from apps.mappings.selectors import (
    at_risk,
    changes_of,
    content_of,
    hash_of,
    waiting_cases,
)
from apps.mappings.types import RowDraft

APPROVAL_KIND = "mapping_version"
SUBJECT = "mappings.version"


def start_draft(code: str, *, actor: Actor, now: dt.datetime) -> MappingVersion:
    """The mapping's draft: the one that stands, or a copy of its active version.

    Raises ``Mapping.DoesNotExist``.
    """
    with acting(actor):
        mapping = Mapping.objects.select_for_update().get(code=code)
        standing: MappingVersion | None = (
            mapping.versions.filter(state="draft").order_by("-number").first()
        )
        if standing is not None:
            return standing
        draft = copy_version(mapping, mapping.versions.filter(state="active").first(), actor)
        publish_events([version_event(draft, "draft")], actor=actor, now=now)
    return draft


def copy_version(
    mapping: Mapping, source: MappingVersion | None, actor: Actor, note: str = ""
) -> MappingVersion:
    """A new draft with the content of a version; empty when there is none."""
    highest = mapping.versions.aggregate(highest=Max("number"))["highest"] or 0
    draft = MappingVersion.objects.create(
        mapping=mapping,
        number=highest + 1,
        rules=source.rules if source else {},
        based_on=mapping.versions.filter(state="active").first(),
        author_id=uuid.UUID(actor.id) if actor.kind == "user" else None,
        author_label=actor.label,
        note=note,
    )
    rows = source.rows.all() if source else ()
    ValueMapRow.objects.bulk_create(
        [
            ValueMapRow(
                version=draft, source_value=row.source_value, target_value=row.target_value,
                scope=row.scope, note=row.note,
            )
            for row in rows
        ]
    )  # fmt: skip
    return draft


def set_row(
    version_id: uuid.UUID, row: RowDraft, *, actor: Actor, rev: int | None = None
) -> MappingVersion:
    """Add a row to a draft or change the one with the same source and scope.

    Raises ``MappingError`` for a version that is no draft or for empty values,
    ``StaleWriteError`` when the draft is not at ``rev`` any more.
    """
    if not row.source.strip() or not row.target.strip():
        raise MappingError("Give both the source value and what it becomes.")
    with acting(actor):
        draft = _draft_for_change(version_id, rev)
        ValueMapRow.objects.update_or_create(
            version=draft,
            source_value=row.source.strip(),
            scope=row.scope,
            defaults={"target_value": row.target.strip(), "note": row.note},
        )
    return draft


def remove_row(
    version_id: uuid.UUID, source: str, scope: str, *, actor: Actor, rev: int | None = None
) -> MappingVersion:
    """Take a row out of a draft. Raises ``MappingError``, ``StaleWriteError``."""
    with acting(actor):
        draft = _draft_for_change(version_id, rev)
        draft.rows.filter(source_value=source, scope=scope).delete()
    return draft


def set_rules(
    version_id: uuid.UUID, rules: MappingOf[str, Any], *, actor: Actor, rev: int | None = None
) -> MappingVersion:
    """Replace the expression of a field map's draft.

    Raises ``RuleError`` naming the expression, ``MappingError``, ``StaleWriteError``.
    """
    validate_rules(rules)
    with acting(actor):
        draft = _draft_for_change(version_id, rev)
        draft.rules = dict(rules)
        draft.save(update_fields=["rules", "updated_at"])
    return draft


def _draft_for_change(version_id: uuid.UUID, rev: int | None) -> MappingVersion:
    draft = (
        MappingVersion.objects.select_for_update(of=("self",))
        .select_related("mapping")
        .get(id=version_id)
    )
    if draft.state != "draft":
        raise MappingError(
            f"Version {draft.number} of {draft.mapping.code} is {draft.state} and keeps its "
            f"content. Start a new draft."
        )
    if rev is not None and rev != draft.rev:
        raise StaleWriteError(f"Someone else changed this draft of {draft.mapping.code}. Reload.")
    MappingVersion.objects.filter(id=draft.id).update(rev=F("rev") + 1)
    draft.rev += 1
    return draft


def propose_version(
    version_id: uuid.UUID, *, principal: Principal, now: dt.datetime, note: str = ""
) -> Approval:
    """Ask another person to approve a draft; from here its content is fixed.

    Raises ``MappingError`` when nothing changed or another version of the mapping waits already,
    ``ApprovalError`` for a principal who is not a person.
    """
    with acting(principal.actor):
        draft = _draft_for_change(version_id, None)
        waiting = draft.mapping.versions.filter(state="proposed").first()
        if waiting is not None:
            raise MappingError(
                f"Version {waiting.number} of {draft.mapping.code} waits for approval. Have it "
                f"decided first, or withdraw it."
            )
        changes = changes_of(draft)
        if not changes:
            raise MappingError(f"This draft of {draft.mapping.code} changes nothing yet.")
        digest = hash_of(draft)
        approval = request_approval(
            _request(draft, changes, note or draft.note), principal=principal, now=now
        )
        transition_set(
            MappingVersion, "propose", [draft.id], content_hash=digest,
            approval_id=approval.id, note=note or draft.note,
        )  # fmt: skip
        proposed = MappingVersion.objects.select_related("mapping").get(id=draft.id)
        publish_events([version_event(proposed, "proposed")], actor=principal.actor, now=now)
    return approval


def _request(draft: MappingVersion, changes: list[str], note: str) -> ApprovalRequest:
    mapping = draft.mapping
    return ApprovalRequest(
        kind=APPROVAL_KIND,
        title=f"{mapping.name}: {changes[0]}"
        + (f" and {len(changes) - 1} more" if len(changes) > 1 else ""),
        subject_type=SUBJECT,
        subject_id=draft.id,
        content=content_of(draft),
        reason=note,
        legal_entity_id=mapping.legal_entity_id,
        snapshot={
            "mapping": mapping.code,
            "version": draft.number,
            "changes": changes,
            "waiting": [asdict(risk) for risk in at_risk(waiting_cases(draft))],
        },
    )


def withdraw_version(version_id: uuid.UUID, *, actor: Actor, now: dt.datetime) -> MappingVersion:
    """Take a proposal back to draft; its open request becomes stale."""
    with acting(actor):
        transition_set(MappingVersion, "withdraw", [version_id], approval_id=None)
        make_stale([(SUBJECT, version_id)], actor=actor, now=now)
        version = MappingVersion.objects.select_related("mapping").get(id=version_id)
        publish_events([version_event(version, "draft")], actor=actor, now=now)
    return version


def discard_draft(version_id: uuid.UUID, *, principal: Principal, now: dt.datetime) -> None:
    """Throw a draft away: it is never proposed, and the next draft starts from the active version.

    Raises ``MappingError`` for a version that is no draft, and for who neither made it nor is an
    admin.
    """
    with acting(principal.actor):
        draft = _draft_for_change(version_id, None)
        if not may_discard(principal, draft.author_id):
            raise MappingError(f"Only {draft.author_label} or an admin may discard this draft.")
        transition_set(MappingVersion, "retire", [draft.id], retired_at=now)
        publish_events([version_event(draft, "discarded")], actor=principal.actor, now=now)
