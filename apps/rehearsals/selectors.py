"""Reads of rehearsals."""

from dataclasses import dataclass

from apps.core.principal import Principal
from apps.mappings.models import Mapping, MappingVersion
from apps.mappings.selectors import hash_of
from apps.rehearsals.models import Rehearsal


@dataclass(frozen=True, slots=True)
class LatestRehearsal:
    """The last rehearsal of a version; ``is_current`` False: the draft was edited since."""

    rehearsal: Rehearsal
    is_current: bool


def latest_rehearsal(version: MappingVersion, principal: Principal) -> LatestRehearsal | None:
    """The last rehearsal of a version a principal may see, and whether it still holds."""
    if not Mapping.objects.visible_to(principal).filter(id=version.mapping_id).exists():
        return None
    found = Rehearsal.objects.filter(mapping_version_id=version.id).order_by("-run_at").first()
    if found is None:
        return None
    return LatestRehearsal(found, found.content_hash == hash_of(version))
