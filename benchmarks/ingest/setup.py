"""The schema, one connection with a signed door, and the bare view's table."""

import base64
import json
import os
import secrets
import subprocess
import sys
from typing import Any

import psycopg

from benchmarks.ingest.servers import ROOT

SECRET = "whsec_" + secrets.token_urlsafe(24)


def prepare(owner: psycopg.Connection[Any]) -> None:
    """Migrate, empty the tables of the door, and make the connection ``stripe``. Ends the run
    when the server would not keep what it acknowledges."""
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        (value,) = owner.execute(f"SHOW {name}").fetchone() or ("",)
        if value != "on":
            raise SystemExit(f"{name} is {value}: start with `make bench-ingest`.")
    os.environ.setdefault("Q2C_ENV", "demo")
    os.environ.setdefault("Q2C_SECRET_KEY", secrets.token_urlsafe(48))
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    os.environ.setdefault("Q2C_FIELD_KEY", key)
    _migrate()
    owner.execute(
        "DROP TABLE IF EXISTS bench_bare; CREATE TABLE bench_bare ("
        "id bigserial PRIMARY KEY, body bytea NOT NULL, at timestamptz NOT NULL DEFAULT now()); "
        "GRANT INSERT ON bench_bare TO q2c_app; GRANT USAGE ON bench_bare_id_seq TO q2c_app"
    )
    empty(owner)
    _connect_stripe()


def empty(owner: psycopg.Connection[Any]) -> None:
    """Nothing has come in yet, and nothing waits to be worked on."""
    owner.execute("TRUNCATE ingestion_seenmessage, ingestion_delivery, ingestion_inboundevent")


def ensure_default_mapping(code: str) -> None:
    """The mapping of a kind of message that the product comes with."""
    from apps.api.setup.load import DEFAULTS
    from apps.core.clock import utc_now
    from apps.core.principal import system_actor
    from apps.mappings.services import ensure_mappings
    from apps.mappings.types import MappingSpec

    given = json.loads((DEFAULTS / f"{code}.json").read_text())
    spec = MappingSpec(
        given["code"], given["name"], "field", given["source"], given["target"], given["rules"]
    )
    ensure_mappings([spec], actor=system_actor("benchmarks"), now=utc_now())


def _migrate() -> None:
    environment = {**os.environ, "DATABASE_URL": os.environ["DATABASE_OWNER_URL"]}
    words = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
    subprocess.run(words, cwd=ROOT, env=environment, check=True)


def _connect_stripe() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
    import django

    django.setup()
    from django.db import connection

    import q2c.celery  # noqa: F401 - the bell of a changed connection goes to this run's broker
    from apps.connectors.services import ensure_connection, store_secrets
    from apps.connectors.types import ConnectionSpec
    from apps.core.clock import utc_now
    from apps.core.principal import system_actor

    actor = system_actor("benchmarks.ingest")
    spec = ConnectionSpec("stripe", "Stripe", "stripe", "billing", "https://api.stripe.com")
    row = ensure_connection(spec, actor=actor, now=utc_now())
    store_secrets(row.id, {"webhook_secrets": [SECRET]}, actor=actor, now=utc_now())
    connection.close()
