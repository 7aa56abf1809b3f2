"""Connections in the database: set up, paused, broken and well again; exchanges kept."""

import asyncio
import datetime as dt
import uuid
from dataclasses import replace

import pytest

from apps.connectors.http import Request
from apps.connectors.models import Connection
from apps.connectors.selectors import (
    find_door,
    get_connection,
    list_ailing,
    list_connections,
    list_exchanges,
    route_connections,
)
from apps.connectors.services import (
    drain_connection,
    ensure_connection,
    note_failure,
    note_success,
    open_session,
    pause_connection,
    resume_connection,
    store_secrets,
)
from apps.connectors.types import ConnectionSpec
from apps.core.errors import ConfigurationError, ErrorFacts, TransientError
from apps.core.principal import Actor, Principal
from apps.events.models import Event, Transition
from apps.organisation.models import LegalEntity
from tests.builders.people import make_entities

pytestmark = pytest.mark.django_db
DOWN = ErrorFacts("server_error", "Stripe is unavailable (503). The hub tries again.")
SPEC = ConnectionSpec(
    code="stripe-1",
    name="Stripe",
    vendor="stripe",
    role="billing",
    base_url="http://127.0.0.1:9/",
    secrets={"api_key": "sk_test_top"},
    poll_every_seconds=30,
)


@pytest.fixture
def stripe(actor: Actor, now: dt.datetime) -> Connection:
    return ensure_connection(SPEC, actor=actor, now=now)


def events_of(row: Connection) -> list[str]:
    found = Event.objects.filter(aggregate_id=row.id).order_by("id")
    return [event.type for event in found]


def test_credentials_are_ciphertext_and_open_again(stripe: Connection) -> None:
    stored = Connection.objects.get(id=stripe.id)
    assert b"sk_test_top" not in bytes(stored.secrets)
    assert find_door(stored.code).config.secrets == {"api_key": "sk_test_top"}
    assert stored.base_url == "http://127.0.0.1:9"


def test_an_equal_setup_changes_nothing(
    stripe: Connection, actor: Actor, now: dt.datetime
) -> None:
    again = ensure_connection(SPEC, actor=actor, now=now)
    assert (again.id, again.rev) == (stripe.id, 1)
    assert events_of(stripe) == ["connection.created"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("base_url", "http://api.stripe.com", "https://"),
        ("vendor", "paypal", "netsuite"),
        ("role", "crm", "cpq"),
    ],
)
def test_a_wrong_setup_names_the_remedy(
    field: str, value: str, words: str, actor: Actor, now: dt.datetime
) -> None:
    wrong = replace(SPEC, code="x", **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as refused:
        ensure_connection(wrong, actor=actor, now=now)
    assert words in refused.value.facts.message
    assert not Connection.objects.filter(code="x").exists()


def test_pause_and_resume_are_told_with_their_reason(
    stripe: Connection, actor: Actor, now: dt.datetime
) -> None:
    assert pause_connection(stripe.id, reason="key leaked", actor=actor, now=now)
    assert not pause_connection(stripe.id, reason="again", actor=actor, now=now)
    assert Connection.objects.get(id=stripe.id).state_reason == "key leaked"
    assert resume_connection(stripe.id, reason="new key", actor=actor, now=now)
    assert drain_connection(stripe.id, reason="upgrade", actor=actor, now=now)
    assert events_of(stripe)[1:] == [
        "connection.paused", "connection.resumed", "connection.draining",
    ]  # fmt: skip
    changes = Transition.objects.filter(row_id=stripe.id).order_by("id")
    assert {change.actor for change in changes} == {actor.text}


def test_five_failures_open_the_circuit_and_one_answer_closes_it(
    stripe: Connection, now: dt.datetime, bells: list[tuple[str, tuple[str, ...]]],
    django_capture_on_commit_callbacks,
) -> None:  # fmt: skip
    for _ in range(4):
        note_failure(stripe.id, DOWN, now=now)
    assert Connection.objects.get(id=stripe.id).circuit == "closed"
    note_failure(stripe.id, DOWN, now=now)
    row = Connection.objects.get(id=stripe.id)
    assert (row.circuit, row.circuit_until) == ("open", now + dt.timedelta(seconds=5))
    assert [c.code for c in list_ailing()] == ["stripe-1"]
    later = now + dt.timedelta(seconds=16)
    note_failure(stripe.id, DOWN, now=later)
    row = Connection.objects.get(id=stripe.id)
    assert (row.circuit_until, row.circuit_opened_at) == (later + dt.timedelta(seconds=10), now)
    with django_capture_on_commit_callbacks(execute=True):
        note_success(stripe.id, now=later, writes=True)
    row = Connection.objects.get(id=stripe.id)
    assert (row.circuit, row.consecutive_failures, row.last_success_at) == ("closed", 0, later)
    assert events_of(stripe)[1:] == ["connection.circuit_opened", "connection.circuit_closed"]
    assert ("postings.run_lane", (str(stripe.id),)) in bells


def test_an_answered_read_does_not_clear_the_failures_of_writes(
    stripe: Connection, now: dt.datetime
) -> None:
    """ADR-0034."""
    for _ in range(4):
        note_failure(stripe.id, DOWN, now=now, writes=1)
        note_failure(stripe.id, DOWN, now=now)
        note_success(stripe.id, now=now, writes=False)
    note_failure(stripe.id, DOWN, now=now, writes=1)
    assert circuit_of(stripe) == ("open", 5, 5)
    later = now + dt.timedelta(seconds=6)
    note_success(stripe.id, now=later, writes=False)
    assert circuit_of(stripe) == ("open", 5, 5)
    note_success(stripe.id, now=later, writes=True)
    assert circuit_of(stripe) == ("closed", 0, 0)
    for _ in range(5):
        note_failure(stripe.id, DOWN, now=later)
    note_success(stripe.id, now=later, writes=False)
    assert circuit_of(stripe) == ("closed", 0, 0)


def test_failures_of_writes_that_nobody_owes_any_more_are_forgotten(
    stripe: Connection, now: dt.datetime
) -> None:
    note_failure(stripe.id, DOWN, now=now, calls=5, writes=5)
    later = now + dt.timedelta(minutes=5)
    note_success(stripe.id, now=later, writes=False)
    assert circuit_of(stripe) == ("closed", 0, 0)


def circuit_of(connection: Connection) -> tuple[str, int, int]:
    row = Connection.objects.get(id=connection.id)
    return row.circuit, row.consecutive_failures, row.write_failures


def test_new_credentials_forget_old_tokens(
    stripe: Connection, actor: Actor, now: dt.datetime
) -> None:
    async def token_of(row: Connection) -> str:
        async with open_session(row) as session:
            session.tokens.setdefault("access", session.secrets["api_key"])
            return str(session.tokens["access"])

    assert asyncio.run(token_of(stripe)) == "sk_test_top"
    store_secrets(stripe.id, {"api_key": "sk_test_new"}, actor=actor, now=now)
    assert asyncio.run(token_of(Connection.objects.get(id=stripe.id))) == "sk_test_new"
    data = Event.objects.filter(type="connection.credentials_replaced").get().data
    assert data["names"] == ["api_key"]
    assert "sk_test_new" not in str(data)


def test_a_role_is_routed_to_the_entitys_own_connection(
    actor: Actor, now: dt.datetime, stripe: Connection
) -> None:
    make_entities()
    own, other = LegalEntity.objects.order_by("code")[:2]
    mine = ensure_connection(
        ConnectionSpec(
            code="stripe-own", name="Own", vendor="stripe", role="billing",
            base_url="https://x.example", legal_entity_id=own.id,
        ),
        actor=actor, now=now,
    )  # fmt: skip
    ensure_connection(
        ConnectionSpec(
            code="tryton", name="Shadow", vendor="tryton", role="erp",
            base_url="https://erp.example", config={"ledger_role": "shadow"},
        ),
        actor=actor, now=now,
    )  # fmt: skip
    routes = route_connections([("billing", own.id), ("billing", other.id), ("erp", own.id)])
    assert {pair: row.code for pair, row in routes.items()} == {
        ("billing", own.id): "stripe-own",
        ("billing", other.id): "stripe-1",
    }
    stranger = Principal(actor, entity_ids=frozenset({other.id}))
    assert [c.code for c in list_connections(stranger)] == ["stripe-1", "tryton"]
    with pytest.raises(Connection.DoesNotExist):
        get_connection(stranger, mine.code)


@pytest.mark.django_db(transaction=True)
def test_exchanges_are_kept_even_when_nothing_was_sent(actor: Actor, now: dt.datetime) -> None:
    row = ensure_connection(SPEC, actor=actor, now=now)
    subject, journey = uuid.uuid4(), uuid.uuid4()
    request = Request("invoice.fetch", "GET", "/v1/invoices/in_1")

    async def call() -> None:
        async with open_session(row) as session:
            about = session.about("postings.posting", subject, journey)
            await about.send(request, lambda _: None)

    with pytest.raises(TransientError):
        asyncio.run(call())
    everyone = Principal(actor)
    (kept,) = list_exchanges(everyone, connection_id=row.id, subject_ids=[subject])
    assert (kept.outcome, kept.error_code, kept.path) == (
        "not_sent", "unreachable", "/v1/invoices/in_1",
    )  # fmt: skip
    assert list(list_exchanges(everyone, journey_id=journey)) == [kept]
