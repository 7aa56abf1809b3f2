"""Applying a remedy that a person chose: checked, handed to the app that acts, recorded."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from apps.core.errors import StaleWriteError
from apps.core.principal import Principal
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.resolutions.errors import RemedyError
from apps.resolutions.models import Resolution
from apps.resolutions.policies import permission_of, remedies_of
from apps.resolutions.selectors import facts_of
from apps.resolutions.services.chosen import Chosen
from apps.resolutions.services.corrections import (
    correct_master_data,
    edit_and_retry,
    retry,
    retry_next_period,
)
from apps.resolutions.services.decisions import decide_outcome, map_value, skip_head
from apps.resolutions.services.discarding import discard
from apps.resolutions.subjects import subject_of
from apps.resolutions.types import (
    CORRECT,
    DECIDE,
    DISCARD,
    EDIT,
    MAP_VALUE,
    NEXT_PERIOD,
    RETRY,
    SKIP,
)
from apps.users.policies import require

_APPLY: dict[str, Callable[[Chosen], Resolution]] = {
    RETRY: retry,
    MAP_VALUE: map_value,
    CORRECT: correct_master_data,
    EDIT: edit_and_retry,
    NEXT_PERIOD: retry_next_period,
    DISCARD: discard,
    DECIDE: decide_outcome,
    SKIP: skip_head,
}


def apply_remedy(
    case_id: uuid.UUID,
    remedy: str,
    *,
    params: Mapping[str, Any],
    principal: Principal,
    now: dt.datetime,
    reason: str = "",
    rev: int | None = None,
) -> Resolution:
    """Apply a remedy to a case; ``rev`` is the revision the person saw.

    The case closes by itself once its subject has gone through; only discarding closes it now.
    Raises ``ExceptionCase.DoesNotExist``, ``NotAllowedError``, ``StaleWriteError`` and
    ``RemedyError`` with what to correct in which field. On refusal nothing has changed.
    """
    with acting(principal.actor):
        case = _locked(case_id, principal, rev)
        require(principal, permission_of(_known(remedy), case.subject_type))
        subject = subject_of(case)
        if not case.is_open:
            raise RemedyError(f"{case.reference} is {case.state} already.")
        if remedy not in remedies_of(facts_of(case, subject)):
            raise RemedyError(f"This remedy does not fit {case.reference}. Choose a listed one.")
        given = reason or str(params.get("reason") or "")
        return _APPLY[remedy](Chosen(case, subject, params, given, principal, now))


def _known(remedy: str) -> str:
    if remedy not in _APPLY:
        raise RemedyError(f"There is no remedy {remedy}. Choose a listed one.")
    return remedy


def _locked(case_id: uuid.UUID, principal: Principal, rev: int | None) -> ExceptionCase:
    visible = ExceptionCase.objects.visible_to(principal)
    case: ExceptionCase = visible.select_for_update(of=("self",)).get(id=case_id)
    if rev is not None and rev != case.rev:
        raise StaleWriteError(
            f"{case.reference} changed since you opened it. Look at it again, then decide."
        )
    return case
