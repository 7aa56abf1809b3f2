"""Reads of rehearsals."""

from collections.abc import Collection
from dataclasses import dataclass

from apps.core.principal import Principal
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.mappings.models import Mapping, MappingVersion
from apps.mappings.policies import RowChange
from apps.mappings.selectors import active_versions, hash_of, row_changes_of, rows_of
from apps.rehearsals.models import Rehearsal
from apps.snapshots.selectors import items_seen


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


ITEM_MAPS = "products"  # value maps whose targets documents carry as items


def known_targets(code: str) -> list[str]:
    """Values that the target platform is known to have, to choose from: what the value map's
    active version uses without having been refused, and what documents read from there carry."""
    things, _, vendor = code.partition(".")
    seen = items_seen(vendor) if things == ITEM_MAPS else []
    return sorted({*_used(code), *seen})


def unknown_targets(code: str, targets: Collection[str]) -> set[str]:
    """Those of the targets that neither the active version of the value map uses nor any document
    read from the platform carries. That is a doubt, not a proof (ADR-0027)."""
    doubtful = set(targets) - _used(code) - {""}
    things, _, vendor = code.partition(".")
    if doubtful and things == ITEM_MAPS:
        doubtful -= set(items_seen(vendor, doubtful))
    return doubtful


def _used(code: str) -> set[str]:
    """Targets in force, without those that the platform has just refused."""
    version = active_versions([code]).get(code)
    refused = ExceptionCase.objects.filter(
        state__in=OPEN_STATES, code="unknown_reference", facts__mapping=code
    ).values_list("facts__target", flat=True)
    return set(rows_of(version).values()) - set(refused)


def doubtful_changes(version: MappingVersion) -> list[RowChange]:
    """The changed rows of a version whose new target nobody has seen at the platform."""
    changes = row_changes_of(version)
    doubtful = unknown_targets(version.mapping.code, {change.new for change in changes})
    return [change for change in changes if change.new in doubtful]
