"""Events that a part of the hub failed on: each is a case, whose retry hands it over again."""

import datetime as dt

from apps.core.principal import system_actor
from apps.events.models import Event, SetAside
from apps.events.services import MOST_FAILURES, acting, take_untold
from apps.exceptions.services import open_cases
from apps.exceptions.types import CaseDraft
from apps.resolutions.types import SET_ASIDE

REPORTER = system_actor("resolutions")


def report_set_aside(*, now: dt.datetime) -> int:
    """Open a case for each event that was set aside. Returns how many."""
    with acting(REPORTER):
        rows = take_untold()
        events = Event.objects.in_bulk([row.event_id for row in rows])
        cases = [_case(row, events[row.event_id]) for row in rows]
        open_cases(cases, actor=REPORTER, now=now)
    return len(rows)


def _case(row: SetAside, event: Event) -> CaseDraft:
    document = str(event.data.get("label") or event.data.get("document") or "")
    cause = row.error.partition(":")[0]
    return CaseDraft(
        code="processing_fault",
        title=f"{document or event.type} was not taken by {row.subscriber}",
        explanation=f"The hub failed {MOST_FAILURES} times on what should follow from "
        f"{event.type} ({row.error}). The event was set aside and those after it went on; what "
        f"should follow from it is not done. Have the cause mended, then retry.",
        flow="events",
        lane="hub",
        subject_type=SET_ASIDE,
        subject_id=row.id,
        fingerprint=("processing_fault", row.subscriber, cause),
        legal_entity_id=event.legal_entity_id,
        journey_id=event.journey_id,
        document=document,
        facts={"subscriber": row.subscriber, "event": event.id, "event_type": event.type,
               "cause": cause},
        blocks_close=True,
    )  # fmt: skip
