"""Reads of comments."""

import uuid
from collections.abc import Sequence

from django.db.models import Q

from apps.collaboration.models import Comment
from apps.core.principal import Principal


def list_comments(
    principal: Principal, subject_type: str, ids: Sequence[uuid.UUID]
) -> list[Comment]:
    """Comments on some records of one type that a principal may see, oldest first."""
    comments = Comment.objects.filter(subject_type=subject_type, subject_id__in=ids)
    if principal.entity_ids is not None:
        comments = comments.filter(
            Q(legal_entity_id__in=principal.entity_ids) | Q(legal_entity_id__isnull=True)
        )
    return list(comments.order_by("created_at"))
