"""A bare webhook: verify the HMAC, insert one row."""

import hashlib
import hmac
import os

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

SECRET = os.environ["BENCH_SECRET"].encode()


def receive(request: HttpRequest) -> HttpResponse:
    """The view that a programmer writes first, in the form that costs least."""
    stamp, _, given = request.headers["Stripe-Signature"].partition(",v1=")
    signed = f"{stamp.removeprefix('t=')}.".encode() + request.body
    if not hmac.compare_digest(hmac.new(SECRET, signed, hashlib.sha256).hexdigest(), given):
        return HttpResponse(status=401)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_bare (body) VALUES (%s)", [request.body])
    return HttpResponse(headers={"Content-Length": "0"})


urlpatterns = [path("webhooks/stripe/", receive)]
