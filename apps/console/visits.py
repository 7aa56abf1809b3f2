"""When a person was here before, so that pages can say what changed since."""

import datetime as dt

from django.utils.dateparse import parse_datetime

from apps.console.requests import ConsoleRequest
from apps.users.models import User

AWAY = dt.timedelta(minutes=30)  # a longer silence ends a visit
_WRITE_EVERY = dt.timedelta(minutes=1)
_KEY = "previous_visit_ended"


def note_visit(request: ConsoleRequest, now: dt.datetime) -> None:
    """Remember that the person is here; at most one write a minute."""
    last = request.user.last_visit_at
    if last is not None and now - last < _WRITE_EVERY:
        return
    if last is not None and (now - last > AWAY or _KEY not in request.session):
        request.session[_KEY] = last.isoformat()
    User.objects.filter(pk=request.user.pk).update(last_visit_at=now)
    request.user.last_visit_at = now


def previous_visit(request: ConsoleRequest) -> dt.datetime | None:
    """The end of the visit before this one; None on the first."""
    stored = request.session.get(_KEY)
    return parse_datetime(stored) if stored else None
