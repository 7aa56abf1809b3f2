"""One run: compare the sides, keep matches and breaks, explain them, and add everything up."""

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.db import OperationalError

from apps.core.codec import to_json
from apps.core.errors import StaleWriteError
from apps.core.jobs import enqueue_on_commit
from apps.core.principal import Actor
from apps.events.services import acting, publish_events
from apps.reconciliation.errors import IncompleteReadingError
from apps.reconciliation.models import ReconciliationRun
from apps.reconciliation.policies import SIDE_NAMES
from apps.reconciliation.services.breaks import keep_breaks
from apps.reconciliation.services.cases import RECONCILER
from apps.reconciliation.services.claim import (
    claim_run,
    hold_subject,
    note_taken_over,
    recover_runs,
    run_event,
    settle_run,
)
from apps.reconciliation.services.compare import (
    build_comparison,
    differences,
    keep_matches,
    sums_by_type,
)
from apps.reconciliation.services.explain import explain_breaks
from apps.reconciliation.types import SUBJECT_SIDES, SUBJECTS
from apps.snapshots.selectors import side_readings
from apps.snapshots.types import SideReading

logger = logging.getLogger(__name__)

# The document types that each subject is compared from.
READS = {"contract": ("contract", "invoice"), "invoice": ("invoice",)}


def request_run(subject: str, *, requested_by: Actor, now: dt.datetime) -> ReconciliationRun:
    """Ask for a comparison of ``contract`` or ``invoice``; a worker makes it right away.

    One that is already asked for is returned instead of a second one. Raises ``ValueError`` for
    another subject.
    """
    if subject not in SUBJECTS:
        raise ValueError(
            f"There is no reconciliation of {subject}; choose {' or '.join(SUBJECTS)}."
        )
    with acting(requested_by):
        waiting = ReconciliationRun.objects.filter(subject=subject, state="pending").first()
        run = waiting or ReconciliationRun.objects.create(
            subject=subject, requested_by_label=requested_by.label
        )
        if waiting is None:
            publish_events([run_event(run, "requested")], actor=requested_by, now=now)
        enqueue_on_commit("reconciliation.work")
    return run


def run_reconciliation(
    subject: str, *, requested_by: Actor, now: dt.datetime
) -> ReconciliationRun:
    """Compare a subject now and return the finished run (state completed or failed)."""
    run = request_run(subject, requested_by=requested_by, now=now)
    execute_run(run.id, now=now)
    return ReconciliationRun.objects.get(id=run.id)


def execute_pending(*, clock: Callable[[], dt.datetime]) -> int:
    """Make every comparison that was asked for, also one whose worker died. Returns how many."""
    recover_runs(now=clock())
    pending = ReconciliationRun.objects.filter(state="pending").order_by("number")
    ids = list(pending.values_list("id", flat=True))
    return sum(execute_run(pk, now=clock()) for pk in ids)


def execute_run(run_id: uuid.UUID, *, now: dt.datetime) -> bool:
    """Make one comparison; False when another worker has it, or took it over meanwhile. A fault
    ends the run as failed."""
    epoch = claim_run(run_id, now)
    if epoch is None:
        return False
    try:
        _try(run_id, epoch, now)
    except StaleWriteError:
        note_taken_over()
        return False
    return True


def _try(run_id: uuid.UUID, epoch: int, now: dt.datetime) -> None:
    try:
        with acting(RECONCILER):
            _execute(ReconciliationRun.objects.get(id=run_id), epoch, now)
    except StaleWriteError:
        raise
    except OperationalError:  # a server that ended, a lock: no fault of the comparison
        logger.exception("reconciliation run %s is made again when its claim ends", run_id)
    except IncompleteReadingError as error:
        _fail(run_id, epoch, str(error), now)
    except Exception:
        logger.exception("reconciliation run %s failed", run_id)
        _fail(
            run_id,
            epoch,
            "The comparison could not be made. Nothing was changed; run it again, and tell "
            "engineering if it fails twice.",
            now,
        )


def _execute(run: ReconciliationRun, epoch: int, now: dt.datetime) -> None:
    hold_subject(run.subject)
    readings = _readings(run.subject)
    read_at = min(r.read_at for r in readings if r.read_at)
    build_comparison(
        run.subject,
        contracts=[r.connection_id for r in readings if r.side == "cpq"],
        invoices=[r.connection_id for r in readings if r.side != "cpq"],
    )
    keep_matches({"run": run.id, "subject": run.subject, "now": now})
    keep_breaks(run, differences(), now=now)
    explain_breaks(run.subject, now=now)
    totals = totals_of(run.subject, sums_by_type(run.subject))
    done = {"read_at": read_at, "finished_at": now, "totals": to_json({"totals": totals})}
    settle_run(run.id, "complete", epoch, done)
    publish_events([run_event(run, "completed")], actor=RECONCILER, now=now)


def _readings(subject: str) -> list[SideReading]:
    """Who keeps what this subject needs: contracts are CPQ's, invoices billing's and the ERP's.

    Raises ``IncompleteReadingError`` if a side is missing or was not read to the end.
    """
    readings = [
        reading
        for side in SUBJECT_SIDES[subject]
        for reading in side_readings("contract" if side == "cpq" else "invoice")
        if reading.side == side
    ]
    for reading in readings:
        if reading.read_at is None:
            raise IncompleteReadingError(
                f"{reading.connection} was not read to the end yet. The comparison starts by "
                f"itself after its first reading; resume the connection if it is paused."
            )
    for side in SUBJECT_SIDES[subject]:
        if not any(reading.side == side for reading in readings):
            raise IncompleteReadingError(
                f"No connection reads {SIDE_NAMES[side]}. Add one under Connectors, then run "
                f"again."
            )
    return readings


def _fail(run_id: uuid.UUID, epoch: int, message: str, now: dt.datetime) -> None:
    with acting(RECONCILER):
        settle_run(run_id, "fail", epoch, {"error_message": message, "finished_at": now})
        run = ReconciliationRun.objects.get(id=run_id)
        publish_events([run_event(run, "failed")], actor=RECONCILER, now=now)


def totals_of(subject: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Totals of each entity and currency whose parts add up to the gaps between the sides."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["entity"], row["currency"]), []).append(row)
    return [_total(subject, key, group) for key, group in sorted(groups.items())]


def _total(
    subject: str, key: tuple[str, str], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    sides = SUBJECT_SIDES[subject]
    whole = {side: sum((row[side] for row in rows), Decimal(0)) for side in sides}
    return {
        "entity": key[0],
        "currency": key[1],
        "sides": [
            {"side": s, "amount": whole[s], "count": sum(row[f"{s}_n"] for row in rows)}
            for s in sides
        ],
        "gaps": _gaps(sides, whole),
        "matched": sum(row["keys"] for row in rows if row["type"] == "matched"),
        "parts": [
            {
                "type": row["type"],
                "state": row["state"],
                "count": row["keys"],
                "gaps": _gaps(sides, row),
            }
            for row in rows
            if row["type"] != "matched"
        ],
    }


def _gaps(sides: Sequence[str], amounts: Mapping[str, Any]) -> list[Decimal]:
    return [amounts[a] - amounts[b] for a, b in pairwise(sides)]


def review_breaks(*, now: dt.datetime) -> None:
    """Explain open breaks anew, and ring for comparisons whose bell was lost.

    Explanations change without the documents: a case is closed, a posting is stuck.
    """
    with acting(RECONCILER):
        for subject in SUBJECTS:
            hold_subject(subject)
            explain_breaks(subject, now=now)
        if ReconciliationRun.objects.filter(state__in=["pending", "running"]).exists():
            enqueue_on_commit("reconciliation.work")


def hear_snapshots(document_types: Iterable[str], *, now: dt.datetime) -> None:
    """Documents of these types changed: ask for the comparisons that read them."""
    changed = set(document_types)
    for subject, read in READS.items():
        if changed.intersection(read):
            request_run(subject, requested_by=RECONCILER, now=now)
