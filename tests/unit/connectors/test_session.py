"""A session calls one host, once, and names silence honestly."""

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from apps.connectors import http
from apps.connectors.errors import TAXONOMY, ErrorClass, error_for
from apps.connectors.http import Answer, ExchangeRecord, Request, Session
from apps.connectors.policies import address_fault, choose_route, circuit_rest, circuit_shown
from apps.core.errors import (
    ConfigurationError,
    HubError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
Handler = Callable[[httpx.Request], Any]


def send(
    handler: Handler, request: Request, refused: HubError | None = None, **config: Any
) -> tuple[Answer | HubError, list[ExchangeRecord]]:
    """What one exchange gives, and what was kept of it."""
    kept: list[ExchangeRecord] = []

    async def run() -> Answer:
        transport = httpx.MockTransport(handler)
        async with httpx.AsyncClient(transport=transport) as client:
            session = Session(
                "Stripe", "https://api.example", config, {}, client, kept.append, clock=lambda: NOW
            )
            return await session.send(request, lambda _: refused)

    try:
        return asyncio.run(run()), kept
    except HubError as error:
        return error, kept


def raising(error: Exception) -> Handler:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    return handler


READ = Request("invoice.fetch", "GET", "/v1/invoices/in_1")
WRITE = Request(
    "customer.upsert", "POST", "/v1/customers", content=b"email=ada@lovelace.example",
    content_type="application/x-www-form-urlencoded", writes=True,
)  # fmt: skip


@pytest.mark.parametrize("request_", [READ, WRITE])
def test_what_never_left_is_transient(request_: Request) -> None:
    error, (kept,) = send(raising(httpx.ConnectError("refused")), request_)
    assert isinstance(error, TransientError)
    assert (kept.outcome, kept.error_code, kept.status) == ("not_sent", "unreachable", None)


@pytest.mark.parametrize(
    "fault",
    [httpx.ReadTimeout("late"), httpx.ReadError("reset"), httpx.WriteError("broken"),
     httpx.RemoteProtocolError("gone")],
)  # fmt: skip
def test_silence_is_unknown_for_a_write_and_transient_for_a_read(fault: Exception) -> None:
    written, (kept,) = send(raising(fault), WRITE)
    assert isinstance(written, OutcomeUnknownError)
    assert kept.outcome == "no_answer"
    assert isinstance(send(raising(fault), READ)[0], TransientError)


def test_the_deadline_is_of_the_whole_exchange() -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    error, _ = send(slow, WRITE, deadline_seconds=0.01)
    assert isinstance(error, OutcomeUnknownError)


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST_ANSWER", 10)
    error, _ = send(lambda _: httpx.Response(200, content=b"x" * 11), READ)
    assert isinstance(error, TransientError)


def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(302, headers={"location": "http://169.254.169.254/"})

    answer, _ = send(handler, READ)
    assert isinstance(answer, Answer)
    assert (answer.status, seen) == (302, ["https://api.example/v1/invoices/in_1"])


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "v1/x", "@evil"])
def test_a_path_cannot_leave_the_host(path: str) -> None:
    error, kept = send(lambda _: httpx.Response(200), Request("x", "GET", path))
    assert isinstance(error, ConfigurationError)
    assert kept[0].status is None


def test_every_exchange_is_kept_redacted_with_its_error() -> None:
    refused = error_for("field_refused", "no")
    answer = httpx.Response(
        400, json={"error": {}}, headers={"request-id": "req_9", "set-cookie": "a=b"}
    )
    error, (kept,) = send(lambda _: answer, WRITE, refused)
    assert error is refused
    assert (kept.status, kept.outcome, kept.error_code) == (400, "refused", "field_refused")
    assert (kept.vendor_request_id, kept.at) == ("req_9", NOW)
    assert "lovelace" not in kept.request_body
    assert kept.response_headers["set-cookie"] != "a=b"


def test_a_missing_credential_names_itself() -> None:
    kept: list[ExchangeRecord] = []
    session = Session("Stripe", "", {}, {}, httpx.AsyncClient(), kept.append)
    with pytest.raises(ConfigurationError) as missing:
        session.secret("api_key")
    assert "api_key" in missing.value.facts.message
    about = session.about("postings.posting", uuid.UUID(int=1), None)
    assert about.subject == ("postings.posting", uuid.UUID(int=1), None)


def test_numbers_keep_their_digits_on_the_wire() -> None:
    content = http.json_content(
        {"amount": "10.10", "item": [{"rate": "0.00000001"}], "memo": "10.10"},
        frozenset({"amount", "rate"}),
    )
    assert content == b'{"amount":10.10,"item":[{"rate":0.00000001}],"memo":"10.10"}'


@pytest.mark.parametrize(
    ("failures", "seconds"), [(4, None), (5, 5), (6, 10), (7, 20), (8, 30), (50, 30)]
)
def test_the_circuit_rests_longer_each_time(failures: int, seconds: int | None) -> None:
    rest = circuit_rest(failures)
    assert (rest and rest.total_seconds()) == seconds


def test_an_open_circuit_shows_when_a_probe_may_go() -> None:
    later = NOW + dt.timedelta(seconds=1)
    assert circuit_shown("open", later, NOW) == "open"
    assert circuit_shown("open", NOW, NOW) == "half_open"
    assert circuit_shown("closed", None, NOW) == "closed"


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://api.stripe.com", True),
        ("http://127.0.0.1:9101", True),
        ("http://[::1]:9101", True),
        ("http://localhost:9101", True),
        ("http://api.stripe.com", False),
        ("ftp://api.stripe.com", False),
        ("https://user:pw@api.stripe.com", False),
        ("https://api.stripe.com?x=1", False),
        ("", False),
    ],
)
def test_only_https_leaves_the_machine(url: str, is_good: bool) -> None:
    assert (address_fault(url) == "") is is_good


class Candidate:
    def __init__(self, code: str, entity: uuid.UUID | None, state: str = "active") -> None:
        self.code, self.role, self.legal_entity_id, self.state = code, "erp", entity, state


def test_the_own_connection_goes_before_the_groups() -> None:
    own, other = uuid.UUID(int=1), uuid.UUID(int=2)
    group, mine = Candidate("group", None), Candidate("mine", own, "paused")
    theirs = Candidate("theirs", other)
    assert choose_route([group, mine, theirs], "erp", own) is mine
    assert choose_route([group, theirs], "erp", own) is group
    assert choose_route([theirs], "erp", own) is None
    assert choose_route([mine], "tax", own) is None


@pytest.mark.parametrize("code", sorted(TAXONOMY))
def test_each_code_raises_its_kind(code: str) -> None:
    kinds = {
        ErrorClass.TRANSIENT: TransientError,
        ErrorClass.RATE_LIMITED: TransientError,
        ErrorClass.AUTHENTICATION: ConfigurationError,
        ErrorClass.UNKNOWN_OUTCOME: OutcomeUnknownError,
    }
    assert type(error_for(code, "words")) is kinds.get(TAXONOMY[code].error_class, RejectedError)
