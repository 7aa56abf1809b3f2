"""Identity across systems."""

import uuid
from collections.abc import Sequence

from django.db.models import Q

from apps.mappings.models import ExternalReference
from apps.mappings.types import ReferenceDraft


def link_references(drafts: Sequence[ReferenceDraft]) -> None:
    """Note which objects of theirs our records are; a link that stands already is kept.

    Both sides are unique on a connection: a second link of either is left out, in silence,
    because the same fact is told by the write, by its webhook and by polling.
    """
    ExternalReference.objects.bulk_create(
        [
            ExternalReference(
                connection_id=draft.connection_id,
                object_type=draft.object_type,
                external_id=draft.external_id,
                record_type=draft.record_type,
                record_id=draft.record_id,
                legal_entity_id=draft.legal_entity_id,
                label=draft.label[:120],
            )
            for draft in drafts
            if draft.external_id
        ],
        ignore_conflicts=True,
    )


def unlink_references(gone: Sequence[tuple[uuid.UUID, str, uuid.UUID]]) -> None:
    """Forget objects of theirs that are not there any more: (connection, external id, our
    record)."""
    wanted = Q(pk__in=[])
    for connection_id, external_id, record_id in gone:
        wanted |= Q(connection_id=connection_id, external_id=external_id, record_id=record_id)
    ExternalReference.objects.filter(wanted).delete()
