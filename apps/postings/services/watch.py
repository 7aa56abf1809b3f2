"""Nothing stays unsettled in silence: a person is told of what is unknown, or was taken and is
not shown, for too long."""

import datetime as dt

from apps.connectors.selectors import connections_by_id
from apps.core.errors import ErrorFacts
from apps.events.services import acting
from apps.exceptions.selectors import open_cases_of
from apps.exceptions.services import open_cases
from apps.postings.announce import posting_case
from apps.postings.models import Posting
from apps.postings.policies import UNSETTLED_FOR
from apps.postings.services.claim import LANE

AT_ONCE = 500


def report_unsettled(*, now: dt.datetime) -> int:
    """Open a case for each posting that is sending, unknown or not read back beyond its deadline
    and has none.

    The case closes by itself when the posting is confirmed. Returns how many were opened.
    """
    with acting(LANE):
        late = list(
            Posting.objects.filter(
                state__in=["sending", "unknown", "posted"], unsettled_since__lt=now - UNSETTLED_FOR
            ).order_by("unsettled_since")[:AT_ONCE]
        )
        told = open_cases_of([("postings.posting", posting.id) for posting in late])
        fresh = [p for p in late if ("postings.posting", p.id) not in told]
        rows = connections_by_id([p.connection_id for p in fresh])
        open_cases(
            [
                posting_case(p, _late(rows[p.connection_id].name, p), rows[p.connection_id].code,
                             rows[p.connection_id].role)
                for p in fresh
            ],
            actor=LANE,
            now=now,
        )  # fmt: skip
    return len(fresh)


def _late(name: str, posting: Posting) -> ErrorFacts:
    minutes = int(UNSETTLED_FOR.total_seconds() // 60)
    if posting.state == "posted":
        return ErrorFacts(
            "unknown_for_long",
            f"{name} took {posting.document_label} as {posting.external_id} and has not shown it "
            f"for {minutes} minutes. The hub goes on asking; see there whether it stands.",
            detail=posting.error_detail or posting.error_message,
        )
    return ErrorFacts(
        "unknown_for_long",
        f"{name} has not said for {minutes} minutes whether {posting.document_label} stands "
        f"there. The hub goes on looking; see whether {name} works and its connection is active.",
        detail=posting.error_detail or posting.error_message,
    )
