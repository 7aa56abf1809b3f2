"""Connections: worst first, and one with what pausing it would mean."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, Count, Exists, Min, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from apps.connectors import selectors
from apps.connectors.models import Connection, Exchange, MaintenanceWindow
from apps.connectors.policies import circuit_shown
from apps.console.presentation.durations import duration
from apps.console.presentation.words import in_words
from apps.console.sections.changes import Change, change_of
from apps.console.sections.subjects import LANES
from apps.core.principal import Principal
from apps.events.models import Event
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.ingestion.selectors import find_source_check
from apps.postings.models import STUCK, Posting
from apps.postings.selectors import lane_budgets
from apps.postings.types import LaneBudget

QUEUED = ("queued", "sending", "unknown")
STALE_AFTER = dt.timedelta(minutes=15)
MANY_FAILED = 0.05  # of an hour's calls: more is worth a look
_ORDER = {"down": 0, "degraded": 1, "paused": 2, "draining": 2, "idle": 3, "healthy": 4}


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection in the list: state word, what waits, how far behind it is."""

    connection: Connection
    condition: str
    waiting: int
    oldest_seconds: int | None
    url: str
    held_by: tuple[str, ...] = ()  # cases that writes wait for, by reference

    @property
    def role(self) -> str:
        """``ERP``, ``Billing``."""
        role = str(self.connection.role)
        return dict(LANES).get(role, role.capitalize())


def list_connections(principal: Principal, now: dt.datetime) -> list[ConnectionRow]:
    """Connections a principal may see, worst first, in a fixed number of queries."""
    connections = list(selectors.list_connections(principal))
    waiting = _waiting([c.id for c in connections])
    held = _held_by([c.id for c in connections], principal)
    rows = [_row(c, waiting.get(c.id), now, held[c.id]) for c in connections]
    return sorted(rows, key=lambda row: (_ORDER[row.condition], row.connection.name))


def _waiting(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[int, dt.datetime]]:
    rows = (
        Posting.objects.filter(connection_id__in=ids, state__in=QUEUED)
        .order_by()
        .values("connection_id")
        .annotate(n=Count("pk"), oldest=Min("due_at"))
    )
    return {row["connection_id"]: (row["n"], row["oldest"]) for row in rows}


def _held_by(
    ids: Sequence[uuid.UUID], principal: Principal
) -> Mapping[uuid.UUID, tuple[str, ...]]:
    """Open cases of postings that others of their ordering key wait behind."""
    waiting = Posting.objects.filter(
        connection_id=OuterRef("connection_id"), ordering_key=OuterRef("ordering_key"),
        state__in=QUEUED, sequence__gt=OuterRef("sequence"),
    )  # fmt: skip
    heads = Posting.objects.filter(Exists(waiting), connection_id__in=ids, state__in=STUCK)
    of_head = dict(heads.filter(skipped_at=None).values_list("id", "connection_id"))
    cases = ExceptionCase.objects.visible_to(principal).filter(
        state__in=OPEN_STATES, subject_id__in=list(of_head)
    )
    found: dict[uuid.UUID, tuple[str, ...]] = defaultdict(tuple)
    for case in cases.order_by("number"):
        found[of_head[case.subject_id]] += (case.reference,)
    return found


def _row(
    connection: Connection,
    waiting: tuple[int, dt.datetime] | None,
    now: dt.datetime,
    held_by: tuple[str, ...],
) -> ConnectionRow:
    behind = max(0, int((now - waiting[1]).total_seconds())) if waiting else None
    return ConnectionRow(
        connection,
        condition_of(connection, now),
        waiting[0] if waiting else 0,
        behind,
        reverse("connector", args=[connection.code]),
        held_by,
    )


def condition_of(connection: Connection, now: dt.datetime) -> str:
    """One word for how a connection does: idle is not healthy."""
    if connection.state != "active":
        return str(connection.state)
    circuit = circuit_shown(connection.circuit, connection.circuit_until, now)
    if circuit == "open":
        return "down"
    if circuit == "half_open" or connection.consecutive_failures:
        return "degraded"
    return "healthy" if connection.last_success_at else "idle"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of ``figure_grid.html``."""

    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionDetail:
    """One connection."""

    row: ConnectionRow
    sentence: str
    consequences: list[str]
    figures: list[Figure]
    budget: list[Figure]
    windows: list[MaintenanceWindow]
    calls: list[Exchange]
    events: list[Change]
    open_cases: int

    @property
    def steer(self) -> str:
        """The action that its first button takes."""
        return "pause" if self.row.connection.state == "active" else "resume"


def connection_detail(
    connection: Connection, principal: Principal, now: dt.datetime
) -> ConnectionDetail:
    """A connection with its last calls and what steering it would mean."""
    ids = [connection.id]
    held_by = _held_by(ids, principal)[connection.id]
    row = _row(connection, _waiting(ids).get(connection.id), now, held_by)
    calls = selectors.list_exchanges(principal, connection_id=connection.id)
    figures = calls.filter(at__gte=now - dt.timedelta(hours=1)).aggregate(
        calls=Count("pk"),
        failed=Count("pk", filter=Q(status__gte=400) | Q(status__isnull=True)),
        took=Avg("duration_ms"),
    )
    cases = ExceptionCase.objects.visible_to(principal).filter(
        state__in=OPEN_STATES, facts__connection=connection.code
    )
    return ConnectionDetail(
        row,
        _sentence(row, now),
        _consequences(row),
        [*_figures(row, figures), *_comparison(connection)],
        _budget(lane_budgets([connection], now)[connection.id], now),
        list(connection.windows.all()),
        list(calls[:30]),
        [
            change_of(event)
            for event in Event.objects.filter(aggregate_id=connection.id).order_by("-id")[:10]
        ],
        cases.count(),
    )


def _sentence(row: ConnectionRow, now: dt.datetime) -> str:
    """How it does, in words."""
    connection = row.connection
    sentences = {
        "down": f"It does not answer: {connection.last_error or 'no reason known'}",
        "degraded": f"It answers, but {connection.consecutive_failures} calls in a row failed.",
        "idle": "Nothing was sent to it yet.",
        "healthy": _health(connection.last_success_at, now),
    }
    stopped = f"{row.condition.capitalize()}. {connection.state_reason or 'No reason was given.'}"
    return sentences.get(row.condition, stopped)


def _health(last: dt.datetime | None, now: dt.datetime) -> str:
    if last and now - last > STALE_AFTER:
        return f"It answered last at {timezone.localtime(last):%H:%M}; nothing was due since."
    return "It answers as it should."


def _consequences(row: ConnectionRow) -> list[str]:
    writes = "1 write waits" if row.waiting == 1 else f"{row.waiting:,} writes wait"
    lines = [f"{writes} until it is resumed."]
    if row.connection.poll_every_seconds:
        lines.append("It is not polled; webhooks are still received and kept.")
    lines.append("Nothing is lost: work stays queued in order and continues on resume.")
    return lines


def _comparison(connection: Connection) -> list[Figure]:
    """What listing the source's own records brought that no webhook had."""
    check = find_source_check(connection.id)
    if check is None:
        return []
    compared = f"compared at {timezone.localtime(check.compared_at):%H:%M:%S}"
    if check.last_found_at:
        compared += f", last found {timezone.localtime(check.last_found_at):%d %b %H:%M}"
    return [Figure("Missed by webhooks", str(check.found), compared)]


def _figures(row: ConnectionRow, hour: dict[str, Any]) -> list[Figure]:
    connection = row.connection
    failed = f"{hour['failed']:,} failed" if hour["calls"] else "no call"
    many = hour["failed"] > MANY_FAILED * hour["calls"]
    oldest = (
        f"oldest {duration(row.oldest_seconds)} overdue" if row.oldest_seconds else "none overdue"
    )
    took = f"{hour['took']:.0f} ms" if hour["took"] is not None else ""
    tones = {"open": "late", "half_open": "near"}
    return [
        Figure("Waiting", f"{row.waiting:,}", oldest),
        Figure("Calls, last hour", f"{hour['calls']:,}", failed, "near" if many else ""),
        Figure("Answers in", took, "mean of the last hour"),
        Figure(
            "Circuit",
            in_words(connection.circuit),
            f"{connection.concurrency} calls at once at most",
            tones.get(connection.circuit, ""),
        ),
    ]


def _budget(budget: LaneBudget, now: dt.datetime) -> list[Figure]:
    """The call budget that everything sent to this platform shares."""
    pace = f"{budget.pace:.1f} a second" if budget.pace else "No limit met"
    refused = budget.refused_last_minute
    return [
        Figure("Clears at", _clears_at(budget, now), _cleared(budget)),
        Figure("Calls, last minute", f"{budget.calls_last_minute:,}", f"limit: {pace.lower()}"),
        Figure(
            "At once", f"{budget.at_once} of {budget.ceiling}",
            f"{refused} refused for the limit" if refused else "none refused for a limit",
            "near" if refused or budget.at_once < budget.ceiling else "",
        ),
        Figure(
            "Late results refused", str(budget.refused_writes),
            f"{budget.retries_last_minute} retries out or failed in the last minute",
        ),
    ]  # fmt: skip


def _clears_at(budget: LaneBudget, now: dt.datetime) -> str:
    if budget.waiting == 0:
        return "Clear"
    if budget.clears_in is None:
        return "Unknown"
    at = timezone.localtime(now + dt.timedelta(seconds=budget.clears_in))
    return f"{at:%H:%M:%S}" if budget.clears_in < 3600 else f"{at:%d %b %H:%M}"


def _cleared(budget: LaneBudget) -> str:
    words = f"{budget.waiting} can go"
    if budget.blocked:
        words += f", {budget.blocked} behind one that needs a person"
    if budget.held_seconds is None:
        return f"{words}; held by a person"
    return f"{words}; held {budget.held_seconds:.0f} s" if budget.held_seconds else words
