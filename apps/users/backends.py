"""Signing in with a name and a password, with a limit on guessing."""

import datetime as dt
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http.request import HttpRequest  # noqa: TID251 - the type that Django hands over

from apps.core.clock import utc_now
from apps.users.models import User
from apps.users.selectors import sign_in_wait
from apps.users.services import clear_sign_in_failures, note_sign_in_failure


class LimitedModelBackend(ModelBackend):
    """Django's own check of name and password; too many wrong ones close the door for a while.

    A closed door answers as a wrong password does, so that it tells nobody which names exist.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        name, now = username or "", utc_now()
        address = request.META.get("REMOTE_ADDR", "") if request is not None else ""
        if sign_in_wait(name, address, now) > dt.timedelta(0):
            return None
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            note_sign_in_failure(username=name, address=address, now=now)
        else:
            clear_sign_in_failures(username=name)
        return user
