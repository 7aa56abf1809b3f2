"""Versions in force: activation after approval, rolling back, setting up."""

import datetime as dt
import uuid
from collections.abc import Sequence

from apps.approvals.models import Approval
from apps.core.fsm import transition_rows, transition_set
from apps.core.principal import Actor, Principal, system_actor
from apps.events.services import acting, publish_events
from apps.mappings.announce import version_event
from apps.mappings.engine import validate_rules
from apps.mappings.errors import MappingError
from apps.mappings.models import Mapping, MappingVersion, ValueMapRow
from apps.mappings.selectors import hash_of, rows_of
from apps.mappings.services.drafts import APPROVAL_KIND, copy_version, propose_version
from apps.mappings.types import MappingSpec

ACTIVATION = system_actor("mappings.activation")


def activate_approved(approval_ids: Sequence[uuid.UUID], *, now: dt.datetime) -> list[uuid.UUID]:
    """Put approved versions in force, each retiring the one before it.

    The approval must be of another person than asked, and for exactly this content; a proposal
    that was made on a version which is no longer active is sent back to draft. Returns the ids of
    the versions that are active now.
    """
    done = []
    approvals = Approval.objects.filter(
        id__in=approval_ids, kind=APPROVAL_KIND, state="approved"
    ).order_by("number")
    for approval in approvals:
        with acting(ACTIVATION):
            version = _proposed(approval)
            if version is not None and _put_in_force(version, approval, now):
                done.append(version.id)
    return done


def _proposed(approval: Approval) -> MappingVersion | None:
    """The version an approval is for, locked; None when it is not proposed any more."""
    version = (
        MappingVersion.objects.select_for_update(of=("self",))
        .select_related("mapping")
        .filter(id=approval.subject_id, state="proposed")
        .first()
    )
    if version is None or approval.decided_person_id in (None, approval.requested_person_id):
        return None
    return version if hash_of(version) == approval.content_hash else None


def _put_in_force(version: MappingVersion, approval: Approval, now: dt.datetime) -> bool:
    mapping = Mapping.objects.select_for_update().get(id=version.mapping_id)
    current = mapping.versions.filter(state="active").first()
    if current is not None and version.based_on_id != current.id:
        note = f"Version {current.number} was activated meanwhile. {version.note}".strip()
        transition_set(MappingVersion, "withdraw", [version.id], note=note)
        publish_events([version_event(version, "draft")], actor=ACTIVATION, now=now)
        return False
    events = []
    if current is not None:
        transition_set(MappingVersion, "retire", [current.id], retired_at=now)
        events.append(version_event(current, "retired"))
    transition_set(MappingVersion, "activate", [version.id], activated_at=now)
    events.append(version_event(version, "active"))
    publish_events(events, actor=_checker(approval), now=now)
    return True


def send_back_rejected(approval_ids: Sequence[uuid.UUID], *, now: dt.datetime) -> None:
    """A rejected proposal is a draft again, with the checker's reason as its note."""
    approvals = Approval.objects.filter(id__in=approval_ids, kind=APPROVAL_KIND, state="rejected")
    notes = {a.subject_id: f"Rejected: {a.decision_note}" for a in approvals}
    with acting(ACTIVATION):
        moved = transition_rows(
            MappingVersion, "withdraw", [(pk, {"note": note}) for pk, note in notes.items()]
        )
        versions = MappingVersion.objects.filter(id__in=moved).select_related("mapping")
        publish_events([version_event(v, "draft") for v in versions], actor=ACTIVATION, now=now)


def _checker(approval: Approval) -> Actor:
    return Actor("user", str(approval.decided_by_id), approval.decided_by_label)


def roll_back(
    code: str, *, to_number: int, principal: Principal, reason: str, now: dt.datetime
) -> Approval:
    """Propose an earlier version's content again; a second person approves it like any other.

    Raises ``MappingError`` when that version was never in force.
    """
    with acting(principal.actor):
        mapping = Mapping.objects.select_for_update().get(code=code)
        earlier = mapping.versions.filter(number=to_number, activated_at__isnull=False).first()
        if earlier is None:
            raise MappingError(f"Version {to_number} of {code} was never active.")
        note = f"Back to version {to_number}: {reason}"
        draft = copy_version(mapping, earlier, principal.actor, note)
        return propose_version(draft.id, principal=principal, now=now, note=note)


def ensure_mappings(
    specs: Sequence[MappingSpec], *, actor: Actor, now: dt.datetime
) -> list[MappingVersion]:
    """Set mappings up from files: created as version 1, or replaced while the active version is
    the setup's own. A version that people activated is never overwritten.

    Returns the versions that were made.
    """
    made = []
    with acting(actor):
        known = {m.code: m for m in Mapping.objects.filter(code__in=[s.code for s in specs])}
        active = {
            v.mapping_id: v
            for v in MappingVersion.objects.filter(state="active", mapping__in=known.values())
            .select_related("mapping")
            .prefetch_related("rows")
        }
        for spec in specs:
            mapping = known.get(spec.code) or _make_mapping(spec)
            current = active.get(mapping.id)
            if current is None or _is_outdated(current, spec, actor):
                made.append(_replace(mapping, current, spec, actor, now))
        publish_events([version_event(v, "active") for v in made], actor=actor, now=now)
    return made


def _make_mapping(spec: MappingSpec) -> Mapping:
    return Mapping.objects.create(
        code=spec.code, name=spec.name, kind=spec.kind, source=spec.source, target=spec.target
    )


def _is_outdated(current: MappingVersion, spec: MappingSpec, actor: Actor) -> bool:
    if current.author_label != actor.label:
        return False
    rows = {(row.source, row.scope): row.target for row in spec.rows}
    return current.rules != spec.rules or rows_of(current) != rows


def _replace(
    mapping: Mapping,
    current: MappingVersion | None,
    spec: MappingSpec,
    actor: Actor,
    now: dt.datetime,
) -> MappingVersion:
    if spec.kind == "field":
        validate_rules(spec.rules)
    if current is not None:
        transition_set(MappingVersion, "retire", [current.id], retired_at=now)
    last = mapping.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = MappingVersion.objects.create(
        mapping=mapping,
        number=last + 1,
        state="active",
        rules=dict(spec.rules),
        based_on=current,
        author_label=actor.label,
        activated_at=now,
        note="Set up",
    )
    ValueMapRow.objects.bulk_create(
        [
            ValueMapRow(
                version=version, source_value=row.source, target_value=row.target,
                scope=row.scope, note=row.note,
            )
            for row in spec.rows
        ]
    )  # fmt: skip
    version.content_hash = hash_of(version)
    version.save(update_fields=["content_hash"])
    return version
