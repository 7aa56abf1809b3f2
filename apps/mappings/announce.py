"""How this app tells others what happened to a mapping version."""

from apps.events.types import NewEvent
from apps.mappings.models import MappingVersion


def version_event(version: MappingVersion, state: str) -> NewEvent:
    """``mapping_version.<state>`` with the mapping's code."""
    return NewEvent(
        type=f"mapping_version.{state}",
        aggregate_type="mapping_version",
        aggregate_id=version.id,
        aggregate_version=version.rev,
        legal_entity_id=version.mapping.legal_entity_id,
        data={
            "mapping": version.mapping.code,
            "name": version.mapping.name,
            "number": version.number,
            "approval_id": version.approval_id,
        },
    )
