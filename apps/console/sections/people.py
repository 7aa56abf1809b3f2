"""People a case or a break can be given to."""

import uuid

from django.db.models import Q

from apps.users.models import Role, User


def assignable_people(legal_entity_id: uuid.UUID | None) -> list[tuple[uuid.UUID, str]]:
    """Ids and names of active people with a role that resolves cases of the legal entity."""
    scope = Q(grants__legal_entity__isnull=True) | Q(grants__legal_entity_id=legal_entity_id)
    people = User.objects.filter(
        scope, is_active=True, grants__role__in=[Role.OPERATIONS, Role.FINANCE, Role.ADMIN]
    )
    return [(user.pk, user.get_full_name() or user.username) for user in people.distinct()]
