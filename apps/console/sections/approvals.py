"""Requests that wait for a second person."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone

from apps.approvals.models import Approval
from apps.approvals.selectors import why_not
from apps.console.sections.proposals import Proposal, proposal_of
from apps.console.sections.subjects import flatten
from apps.core.principal import Principal

KIND_ICONS = {
    "break_write_off": "eraser",
    "mapping_version": "git-compare-arrows",
    "outcome_decision": "scale",
    "run_compensation": "undo-2",
    "run_skip": "skip-forward",
}


@dataclass(frozen=True, slots=True)
class WaitingApproval:
    """A line of ``approvals_list.html``."""

    icon: str
    title: str
    note: str
    url: str
    due: str
    near: bool


def waiting_approvals(rows: Iterable[Approval], now: dt.datetime) -> list[WaitingApproval]:
    """Requests as lines: what, by whom, needed by when."""
    lines = []
    for approval in rows:
        due = approval.needed_by
        asked = timezone.localtime(approval.created_at)
        lines.append(
            WaitingApproval(
                KIND_ICONS.get(approval.kind, "stamp"),
                approval.title,
                f"{approval.requested_by_label}, {asked:%H:%M}",
                reverse("approval", args=[approval.code]),
                _due_words(due, now),
                due is not None and due - now < dt.timedelta(hours=1),
            )
        )
    return lines


def _due_words(due: dt.datetime | None, now: dt.datetime) -> str:
    if due is None:
        return ""
    local = timezone.localtime(due)
    same_day = local.date() == timezone.localtime(now).date()
    return f"{local:%H:%M}" if same_day else f"{local:%a}"


@dataclass(frozen=True, slots=True)
class ApprovalDetail:
    """One request: what is asked, on what evidence, and whether this person may decide."""

    approval: Approval
    verdict: str
    verdict_note: str
    content: list[tuple[str, str]]
    refusal: str
    subject_url: str
    proposal: Proposal | None = None


def approval_detail(approval: Approval, principal: Principal) -> ApprovalDetail:
    """A request for its page."""
    who = approval.decided_by_label
    verdicts = {
        "requested": ("Waits for a second person.", f"Asked by {approval.requested_by_label}."),
        "approved": (f"Approved by {who}.", approval.decision_note),
        "rejected": (f"Rejected by {who}.", approval.decision_note),
        "stale": ("Void.", "What it was asked for has changed since."),
        "expired": ("Expired.", "Nobody decided in time."),
    }
    verdict, note = verdicts.get(approval.state, (approval.state.capitalize(), ""))
    return ApprovalDetail(
        approval,
        verdict,
        note,
        snapshot_lines(approval.snapshot),
        why_not(principal, approval),
        _subject_url(approval),
        proposal_of(approval, principal),
    )


def snapshot_lines(snapshot: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the checker reads, as names and values."""
    lines = flatten(snapshot)
    return [(path.replace("_", " ").replace(".", " › "), text) for path, text in lines.items()]


def _subject_url(approval: Approval) -> str:
    code = approval.snapshot.get("mapping")
    if approval.kind == "mapping_version" and code:
        return reverse("mapping", args=[code])
    number = approval.snapshot.get("break")
    if approval.kind == "break_write_off" and number:
        return f"{reverse('reconciliation')}?sel={number}"
    if approval.subject_type == "workflows.run":
        return reverse("workflow", args=[approval.subject_id])
    return ""
