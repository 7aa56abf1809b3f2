"""Mappings: list, a value map's editor with what its draft would do, and versions."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from apps.approvals.models import Approval
from apps.connectors.selectors import platform_name
from apps.console.listing import ViewTab
from apps.console.presentation.charts import Part
from apps.console.requests import ConsoleRequest
from apps.core.principal import Principal
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.mappings.models import Mapping, MappingVersion
from apps.mappings.policies import may_discard
from apps.mappings.selectors import changes_of, rows_of
from apps.rehearsals.selectors import LatestRehearsal, doubtful_changes, latest_rehearsal
from apps.users.policies import may

VIEWS = (("changed", "Changed"), ("unmapped", "Unmapped"), ("all", "All"))
MOST_ROWS = 400
_SAMPLE_TONES = {
    "now_passes": ("good", "now passes"), "changed": ("near", "changes"),
    "newly_fails": ("late", "newly fails"), "still_fails": ("late", "still fails"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A row of a value map in the editor; ``was`` is the live value when the draft differs."""

    source: str
    scope: str
    target: str
    was: str
    change: str  # "" | new | edited | removed | waiting
    note: str
    waiting: int
    error: str = ""

    @property
    def key(self) -> str:
        """An id for the row that is safe in HTML and CSS."""
        return "-".join(f"{ord(c):x}" for c in f"{self.source}|{self.scope}")


@dataclass(frozen=True, slots=True)
class StripStep:
    """A step of ``approval_strip.html``."""

    label: str
    note: str
    state: str


@dataclass(frozen=True, slots=True)
class StripAction:
    """The button at its end, or the reason why it is not there yet."""

    label: str
    url: str
    blocked: str
    doubt: str = ""  # what the person must have looked up at the platform first


@dataclass(frozen=True, slots=True)
class Report:
    """What the draft would have done."""

    latest: LatestRehearsal
    parts: tuple[Part, ...]
    samples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MappingPage:
    """The page of one mapping."""

    mapping: Mapping
    active: MappingVersion | None
    work: MappingVersion | None
    rows: list[MappingRow]
    views: list[ViewTab]
    view: str
    steps: list[StripStep]
    action: StripAction | None
    report: Report | None
    changes: list[str]
    rules: str
    history: list[MappingVersion]
    approval: Approval | None
    may_edit: bool
    may_discard: bool
    source_name: str
    target_name: str

    @property
    def active_words(self) -> str:
        """``v14 live``."""
        return f"v{self.active.number} live" if self.active else ""

    @property
    def note(self) -> str:
        """Why the draft stands: the reason of the checker who sent it back, or its maker's."""
        return self.work.note if self.work and self.work.state == "draft" else ""

    @property
    def work_words(self) -> str:
        """``Draft v15 · Mara Quist``."""
        if self.work is None:
            return ""
        return f"{self.work.state.capitalize()} v{self.work.number} · {self.work.author_label}"


def mapping_page(mapping: Mapping, request: ConsoleRequest) -> MappingPage:
    """A mapping with its live version, the version in work, and what that would do."""
    principal = request.principal
    versions: Sequence[MappingVersion] = list(mapping.versions.all())
    active = next((v for v in versions if v.state == "active"), None)
    work = next((v for v in versions if v.state in ("draft", "proposed")), None)
    waiting = _waiting(mapping, principal)
    rows = _rows(active, work, waiting)
    report = report_of(work, principal)
    changes = changes_of(work) if work else []
    view = _view(request, rows)
    approval = _approval(work)
    return MappingPage(
        mapping=mapping,
        active=active,
        work=work,
        rows=_shown(rows, view, request.GET.get("q", ""))[:MOST_ROWS],
        views=_tabs(mapping, rows, view),
        view=view,
        steps=_steps(work, active, changes, report) if work else [],
        action=_action(mapping, work, changes, report, principal, approval),
        report=report,
        changes=changes,
        rules=_expression(mapping, work or active),
        history=[v for v in versions if v.activated_at][:10],
        approval=approval,
        may_edit=may(principal, "mapping.propose") and (work is None or work.state == "draft"),
        may_discard=work is not None
        and work.state == "draft"
        and may_discard(principal, work.author_id),
        source_name=side_name(mapping.source),
        target_name=side_name(mapping.target),
    )


def side_name(vendor: str) -> str:
    """What people call a side of a mapping."""
    return "Hub" if vendor == "hub" else platform_name(vendor)


def _expression(mapping: Mapping, version: MappingVersion | None) -> str:
    """A field map's expression as text."""
    if version is None or mapping.kind != Mapping.Kind.FIELD:
        return ""
    return json.dumps(version.rules, indent=1, ensure_ascii=False)


def _waiting(mapping: Mapping, principal: Principal) -> dict[tuple[str, str], int]:
    """How many open cases wait for a value that this map does not know."""
    cases = ExceptionCase.objects.visible_to(principal).filter(
        state__in=OPEN_STATES, facts__mapping=mapping.code
    )
    counts: dict[tuple[str, str], int] = {}
    for facts in cases.values_list("facts", flat=True):
        key = (str(facts.get("key", "")), "")
        counts[key] = counts.get(key, 0) + 1
    return counts


def _rows(
    active: MappingVersion | None,
    work: MappingVersion | None,
    waiting: dict[tuple[str, str], int],
) -> list[MappingRow]:
    live, draft = rows_of(active), rows_of(work) if work else rows_of(active)
    notes = {
        (row.source_value, row.scope): row.note
        for version in (active, work)
        if version
        for row in version.rows.all()
    }
    unmapped = [key for key in waiting if not any(key[0] == source for source, _ in draft)]
    rows = [
        _row(key, live.get(key), draft.get(key), notes.get(key, ""), waiting.get((key[0], ""), 0))
        for key in sorted({*live, *draft})
    ]
    rows += [
        MappingRow(s, scope, "", "", "waiting", "", waiting[s, scope]) for s, scope in unmapped
    ]
    order = {"waiting": 0, "new": 1, "edited": 1, "removed": 1}
    return sorted(rows, key=lambda row: (order.get(row.change, 2), row.source, row.scope))


def _row(
    key: tuple[str, str], live: str | None, draft: str | None, note: str, waiting: int
) -> MappingRow:
    if live is None:
        change = "new"
    elif draft is None:
        change = "removed"
    else:
        change = "edited" if live != draft else ""
    was = live if change in ("edited", "removed") and live else ""
    return MappingRow(key[0], key[1], draft or "", was, change, note, waiting)


def _view(request: ConsoleRequest, rows: Iterable[MappingRow]) -> str:
    """The tab asked for; without one, what the draft changes, else every row."""
    asked = request.GET.get("view", "")
    if asked in dict(VIEWS):
        return asked
    return "changed" if any(_is_changed(row) for row in rows) else "all"


def _is_changed(row: MappingRow) -> bool:
    """Whether the draft changes the row; a value that only waits is none."""
    return row.change in ("new", "edited", "removed")


def _shown(rows: list[MappingRow], view: str, text: str) -> list[MappingRow]:
    if view == "changed":
        rows = [row for row in rows if _is_changed(row)]
    if view == "unmapped":
        rows = [row for row in rows if row.change == "waiting"]
    wanted = text.strip().lower()
    return [r for r in rows if wanted in f"{r.source} {r.target} {r.note}".lower()]


def _tabs(mapping: Mapping, rows: Sequence[MappingRow], view: str) -> list[ViewTab]:
    base = reverse("mapping", args=[mapping.code])
    counts = {
        "changed": sum(_is_changed(row) for row in rows),
        "unmapped": sum(row.change == "waiting" for row in rows),
        "all": len(rows),
    }
    return [ViewTab(k, label, f"{base}?view={k}", k == view, counts[k]) for k, label in VIEWS]


def report_of(work: MappingVersion | None, principal: Principal) -> Report | None:
    """What the last test of a version found; None when it was not tested."""
    latest = latest_rehearsal(work, principal) if work else None
    if latest is None:
        return None
    done = latest.rehearsal
    parts = (
        Part("unchanged", done.same, f"{done.same:,}", "quiet"),
        Part("now pass", done.now_passes, f"{done.now_passes:,}", "ok"),
        Part("post differently", done.changed, f"{done.changed:,}", "watch"),
        Part("still fail", done.still_fails, f"{done.still_fails:,}", "near"),
        Part("newly fail", done.newly_fails, f"{done.newly_fails:,}", "late"),
    )
    samples = [
        {**sample, "tone": _SAMPLE_TONES.get(sample["outcome"], ("", ""))[0],
         "words": _SAMPLE_TONES.get(sample["outcome"], ("", sample["outcome"]))[1]}
        for sample in done.samples
    ]  # fmt: skip
    return Report(latest, parts, samples)


def _approval(work: MappingVersion | None) -> Approval | None:
    if work is None or work.approval_id is None:
        return None
    return Approval.objects.filter(pk=work.approval_id).first()


def _steps(
    work: MappingVersion,
    active: MappingVersion | None,
    changes: Sequence[str],
    report: Report | None,
) -> list[StripStep]:
    """Drafted, tested, approved, live: where the version stands."""
    proposed = work.state == "proposed"
    tested = report is not None and report.latest.is_current
    fails = report.latest.rehearsal.newly_fails if report else 0
    drafted = StripStep(
        "Drafted", f"{work.author_label}, {len(changes)} change{'' if len(changes) == 1 else 's'}",
        "done" if changes else "now",
    )  # fmt: skip
    note = "not yet"
    if report:
        note = f"{report.latest.rehearsal.total:,} documents"
        note += f", {fails} newly fail" if fails else ""
        note += "" if tested else ", out of date"
    test = StripStep("Tested", note, "done" if tested else "now" if changes else "later")
    approve = StripStep("Approve", "a second person", "now" if proposed else "later")
    number = active.number if active else 0
    return [
        drafted,
        test,
        approve,
        StripStep(f"Live as v{work.number}", f"v{number} is live", "later"),
    ]


def _action(
    mapping: Mapping,
    work: MappingVersion | None,
    changes: Sequence[str],
    report: Report | None,
    principal: Principal,
    approval: Approval | None,
) -> StripAction | None:
    """Propose, with the reason where it is not possible yet; nothing for who may not."""
    if work is None or not may(principal, "mapping.propose"):
        return None
    if work.state == "proposed":
        url = reverse("mapping-withdraw", args=[mapping.code])
        return StripAction("Withdraw", url, "" if approval else "Nobody was asked")
    url = reverse("mapping-propose", args=[mapping.code])
    blocked = ""
    if not changes:
        blocked = "Nothing is changed yet"
    elif report is None:
        blocked = "Test it first"
    elif not report.latest.is_current:
        blocked = "Edited since the test: test again"
    return StripAction("Submit for approval", url, blocked, doubt_about(work))


def doubt_about(work: MappingVersion) -> str:
    """Which new targets of a version nobody has seen at the platform; empty when there is none."""
    targets = sorted({change.new for change in doubtful_changes(work)})
    if not targets:
        return ""
    platform = platform_name(work.mapping.code.partition(".")[2])
    return f"Nothing read from {platform} carries {', '.join(targets)}."
