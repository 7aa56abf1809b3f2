"""What must hold of the hub at any quiet moment, as JSON for scripts."""

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.db.models import Count, Sum

from apps.canonical.models import Invoice
from apps.core.clock import utc_now
from apps.core.codec import to_json
from apps.events.models import Transition
from apps.events.selectors import count_transitions_without_actor, has_unread
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.ingestion.models import Delivery, InboundEvent
from apps.postings.models import Posting
from apps.reconciliation.policies import SETTLING
from apps.reconciliation.services import unexplained_breaks
from apps.workflows.models import Step, WorkflowRun

_HEADS = """
SELECT count(*) FROM (
    SELECT DISTINCT ON (connection_id, ordering_key) state FROM postings_posting
    WHERE state IN ('queued', 'sending', 'unknown', 'posted', 'rejected', 'parked')
    ORDER BY connection_id, ordering_key, sequence
) head WHERE state IN ('queued', 'sending', 'unknown', 'posted')
"""


class Command(BaseCommand):
    help = "Print what is in flight, what was lost, what nobody signed, and invoice sums."

    def handle(self, *args: Any, **options: Any) -> None:
        answer = {
            "in_flight": _in_flight(),
            "moving": _moving(),
            "lost": _lost(),
            "waited": _waited(),
            "unexplained_breaks": _unexplained(),
            "transitions_without_actor": count_transitions_without_actor(),
            "invoice_sums": _invoice_sums(),
        }
        self.stdout.write(json.dumps(to_json(answer)))


def _in_flight() -> int:
    """Rows that the hub itself still works on; what waits for a person is not in flight."""
    inbound = InboundEvent.objects.filter(state__in=["received", "waiting", "processing"])
    postings = Posting.objects.filter(state__in=["queued", "sending", "unknown", "posted"])
    runs = WorkflowRun.objects.filter(state__in=["pending", "running", "waiting"])
    return int(inbound.count() + postings.count() + runs.count())


def _moving() -> int:
    """What the hub still does by itself: not held back by a case, not waiting for a person.

    An event that waits for another record moves: the record comes, or a deadline makes it a case.
    """
    inbound = InboundEvent.objects.filter(state__in=["received", "waiting", "processing"])
    with connection.cursor() as cursor:
        cursor.execute(_HEADS)
        heads = cursor.fetchone()[0]
    signals = Step.objects.filter(state="waiting").exclude(waits_for__startswith="posting:")
    overdue = signals.exclude(waits_for__startswith="order_booked:")
    overdue = overdue.exclude(waits_for__startswith="amendment_over:")
    going = ["pending", "running", "compensating"]
    due = WorkflowRun.objects.filter(due_at__isnull=False, state__in=going)
    unsplit = Delivery.objects.filter(split_at__isnull=True)
    counted = inbound.count() + heads + overdue.count() + due.count() + unsplit.count()
    return int(counted + has_unread())


def _lost() -> int:
    """Accepted deliveries that carry no event, and dead events, refused or dead postings and
    failed steps that have no open case and were not settled by a person."""
    unsplit = Delivery.objects.filter(split_at__isnull=True).count()
    open_subjects = set(
        ExceptionCase.objects.filter(state__in=OPEN_STATES).values_list("subject_id", flat=True)
    )
    dead = InboundEvent.objects.filter(state="dead").values_list("id", flat=True)
    stuck = Posting.objects.filter(state__in=["rejected", "dead", "parked"])
    failed = Step.objects.filter(state="failed").exclude(run__state="cancelled")
    steps = {
        step for step, posting in failed.values_list("id", "posting_id")
        if not {step, posting} & open_subjects
    }  # fmt: skip
    orphans = {*dead, *stuck.values_list("id", flat=True)} - open_subjects
    return unsplit + len(orphans) + len(steps)


def _waited() -> int:
    """Inbound events that waited for another record before they were applied."""
    return Transition.objects.filter(
        table_name="ingestion_inboundevent", from_state="processing", to_state="waiting"
    ).count()


def _unexplained() -> list[str]:
    """Breaks that nothing would explain when their grace is over, each in a line."""
    return [
        f"{b.match_key} ({b.subject}, {b.type}): CPQ {b.cpq_amount}, billing {b.billing_amount}, "
        f"ERP {b.erp_amount} {b.currency}, of run {b.last_run.number}"
        for b in unexplained_breaks(now=utc_now() + SETTLING)
    ]


def _invoice_sums() -> list[dict[str, Any]]:
    rows = Invoice.objects.values("legal_entity__code", "currency").annotate(
        gross=Sum("gross"), count=Count("id")
    )
    return [
        {"entity": r["legal_entity__code"], "currency": r["currency"], "gross": r["gross"],
         "count": r["count"]}
        for r in rows
    ]  # fmt: skip
