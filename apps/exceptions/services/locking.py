"""Taking cases in hand: locked, and unchanged since the person who acts looked at them."""

import uuid
from collections.abc import Mapping, Sequence

from apps.core.errors import StaleWriteError
from apps.exceptions.models import ExceptionCase

Revisions = Mapping[uuid.UUID, int]


def lock_cases(ids: Sequence[uuid.UUID], revs: Revisions | None = None) -> list[ExceptionCase]:
    """The cases, locked in order of id. Raises ``StaleWriteError`` for one that changed since
    the revision that the caller saw."""
    cases = list(ExceptionCase.objects.select_for_update().filter(id__in=ids).order_by("id"))
    for case in cases:
        seen = (revs or {}).get(case.id, case.rev)
        if seen != case.rev:
            raise StaleWriteError(
                f"{case.reference} changed since you opened it. Look at it again, then decide."
            )
    return cases
