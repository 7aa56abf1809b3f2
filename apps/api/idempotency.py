"""A POST that a client repeats under the same key does its work once."""

import datetime as dt
import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.models import IdempotencyRecord
from apps.api.problems import Problem
from apps.core.clock import utc_now
from apps.core.codec import to_json
from apps.users.models import ApiClient

ABANDONED = dt.timedelta(minutes=2)  # longer than any request; the worker that had it is gone
KEPT = dt.timedelta(days=7)
LONGEST_KEY = 255

_CLAIM = """
INSERT INTO api_idempotencyrecord AS held (client_id, key, request_hash, made_at)
VALUES (%(client)s, %(key)s, %(hash)s, %(now)s)
ON CONFLICT (client_id, key) DO UPDATE
   SET made_at = excluded.made_at, request_hash = excluded.request_hash, status_code = NULL,
       body = NULL
 WHERE (held.status_code IS NULL AND held.made_at < %(abandoned)s
        AND held.request_hash = excluded.request_hash)
    OR held.made_at < %(forgotten)s
RETURNING held.id
"""

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Run a view's POST once for each ``Idempotency-Key``; a repetition gets the same answer.

    What was refused leaves no answer behind, so that the key can be used again once it is mended.
    """

    @wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = _key_of(request)
        client_id, digest = cast(ApiClient, request.auth).id, _digest(request)
        now = utc_now()
        if not _claim(client_id, key, digest, now):
            return _known_answer(client_id, key, digest)
        record = IdempotencyRecord.objects.filter(client_id=client_id, key=key)
        try:
            response = handler(view, request, *args, **kwargs)
        except BaseException:
            record.delete()
            raise
        record.update(status_code=response.status_code, body=to_json(response.data))
        return response

    return once


def _key_of(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not 1 <= len(key) <= LONGEST_KEY:
        raise Problem(
            400,
            "idempotency_key_missing",
            f"Send the header Idempotency-Key with 1 to {LONGEST_KEY} characters, a new one for "
            f"each new request.",
        )
    return key


def _digest(request: Request) -> str:
    head = f"{request.method} {request.path}\n".encode()
    return hashlib.sha256(head + request._request.body).hexdigest()


def _claim(client_id: Any, key: str, digest: str, now: dt.datetime) -> bool:
    """Take the key for this request; False when it was used before."""
    values = {
        "client": client_id,
        "key": key,
        "hash": digest,
        "now": now,
        "abandoned": now - ABANDONED,
        "forgotten": now - KEPT,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        return cursor.fetchone() is not None


def _known_answer(client_id: Any, key: str, digest: str) -> Response:
    record = IdempotencyRecord.objects.filter(client_id=client_id, key=key).first()
    if record is not None and record.request_hash != digest:
        raise Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request. Use a new key.",
        )
    if record is None or record.status_code is None:
        raise Problem(
            409, "in_progress", "A request with this Idempotency-Key is being worked. Wait."
        )
    return Response(
        record.body, status=record.status_code, headers={"Idempotency-Replayed": "true"}
    )
