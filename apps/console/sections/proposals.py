"""A mapping version that waits for a second person: what changes, its test, what it sets free."""

from dataclasses import asdict, dataclass
from typing import Any

from apps.approvals.models import Approval
from apps.connectors.selectors import platform_name
from apps.console.sections.mappings import Report, report_of
from apps.core.principal import Principal
from apps.exceptions.models import ExceptionCase
from apps.mappings.models import Mapping, MappingVersion
from apps.mappings.policies import RowChange
from apps.mappings.selectors import (
    at_risk,
    changes_of,
    get_version,
    row_changes_of,
    waiting_cases,
)
from apps.rehearsals.selectors import doubtful_changes

KIND = "mapping_version"
CASES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One row that a proposal changes, in words and side by side."""

    words: str
    source: str
    scope: str
    old: str
    new: str
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a second person reads before a mapping comes into force."""

    mapping: Mapping
    platform: str
    work: MappingVersion
    lines: list[ChangeLine]
    changes: list[str]
    doubts: list[ChangeLine]
    report: Report | None
    cases: list[ExceptionCase]
    cases_total: int
    risks: list[dict[str, Any]]
    is_open: bool


def proposal_of(approval: Approval, principal: Principal) -> Proposal | None:
    """The mapping version of a request with its test and what waits for it; None for a request
    of another kind, or of a mapping that this person may not see."""
    if approval.kind != KIND:
        return None
    try:
        work = get_version(principal, approval.subject_id)
    except MappingVersion.DoesNotExist:
        return None
    is_open = approval.state == "requested"
    doubtful = {c.new for c in doubtful_changes(work)} if is_open else set()
    platform = platform_name(work.mapping.code.partition(".")[2])
    lines = [_change_line(c, platform, doubtful) for c in row_changes_of(work)]
    cases = waiting_cases(work).filter(id__in=ExceptionCase.objects.visible_to(principal))
    risks = [asdict(risk) for risk in at_risk(cases)]
    return Proposal(
        mapping=work.mapping,
        platform=platform,
        work=work,
        lines=lines,
        changes=changes_of(work),
        doubts=[line for line in lines if line.doubtful],
        report=report_of(work, principal),
        cases=list(cases[:CASES_SHOWN]) if is_open else [],
        cases_total=cases.count() if is_open else 0,
        risks=risks if is_open else list(approval.snapshot.get("waiting", [])),
        is_open=is_open,
    )


def _change_line(change: RowChange, platform: str, doubtful: set[str]) -> ChangeLine:
    where = change.scope or "all legal entities"
    before = f"Until now it is {change.old}." if change.old else "It is not mapped until now."
    words = f"{change.source} becomes {change.new} in {platform}, for {where}. {before}"
    if not change.new:
        words = f"{change.source} is not mapped any more, for {where}. It was {change.old}."
    return ChangeLine(
        words, change.source, change.scope, change.old, change.new, change.new in doubtful
    )
