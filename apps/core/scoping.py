"""Isolation by legal entity: every QuerySet can be narrowed to what a principal may see."""

from typing import Any, Self

from django.db import models
from django.db.models import Q

from apps.core.principal import Principal


class ScopedQuerySet(models.QuerySet[Any]):
    """Rows of a model with ``legal_entity_id``; NULL means global and is seen by all."""

    def visible_to(self, principal: Principal) -> Self:
        """Rows of the principal's legal entities and global rows."""
        if principal.entity_ids is None:
            return self
        return self.filter(
            Q(legal_entity_id__in=principal.entity_ids) | Q(legal_entity_id__isnull=True)
        )
