"""Lists name what a person knows, in plain words; a closed door says why it is closed."""

import uuid
from collections.abc import Callable

import pytest
from django.apps import apps
from django.test import Client

from apps.connectors.models import Connection
from apps.console.sections.event_words import Platforms, business_key, what_happened
from apps.core.clock import utc_now
from apps.core.principal import system_actor
from apps.events.models import Event
from apps.events.services import publish_events
from apps.events.types import NewEvent
from apps.exceptions.models import ExceptionCase
from apps.resolutions.types import RETRY
from apps.resolutions.words import words_of
from tests.factories.world import World

SignIn = Callable[[str], Client]


def test_a_dead_letter_names_document_and_customer(signed_in: SignIn, world: World) -> None:
    case = world.cases[0]
    letter = case.dead_letters.get()
    client = signed_in("ada")
    for path in ("/dead-letters/", f"/dead-letters/{letter.code}/"):
        text = client.get(path).text
        assert f"{case.document} · {case.customer}" in text, path
        assert letter.ordering_key not in text


@pytest.mark.parametrize(
    ("kind", "data", "what", "key"),
    [("step.succeeded", {"step": "invoice_in_erp", "lane": "erp", "label": "INV-4"},
      "Invoice posted to NetSuite", "INV-4"),
     ("step.failed", {"step": "customer_in_erp", "lane": "erp", "label": "ORD-1"},
      "Customer in ERP stopped", "ORD-1"),
     ("snapshot.refreshed", {"side": "erp", "changed": 7, "document_type": "invoice"},
      "Records read for reconciliation", "NetSuite: 7 changed invoices"),
     ("exception.opened", {"number": 10003, "title": "x"}, "Exception opened", "EXC-10003"),
     ("break.opened", {"number": 4, "subject": "invoice", "key": "A-1"},
      "Break found", "BRK-4 invoice A-1")],
)  # fmt: skip
def test_an_event_is_told_in_plain_words(
    world: World, kind: str, data: dict[str, object], what: str, key: str
) -> None:
    event, platforms = Event(type=kind, data=data), Platforms()
    assert (what_happened(event, platforms), business_key(event, platforms)) == (what, key)


def test_the_back_office_says_why_it_is_closed(signed_in: SignIn) -> None:
    response = signed_in("fiona").get("/backoffice/", follow=True)
    assert response.status_code == 403
    assert "Your role has no back office." in response.text
    assert 'href="/"' in response.text


def test_the_back_office_asks_a_stranger_to_sign_in(client: Client, db: None) -> None:
    response = client.get("/backoffice/", follow=True)
    assert response.redirect_chain[-1][0] == "/sign-in/?next=/backoffice/"


def test_plurals_are_words() -> None:
    made = [str(m._meta.verbose_name_plural) for m in apps.get_models()]
    assert not [words for words in made if words.endswith(("chs", "ys", "xs", "sss"))
                and not words.endswith(("ays", "eys", "oys"))]  # fmt: skip


def test_a_mapping_without_draft_opens_on_all_rows(signed_in: SignIn) -> None:
    response = signed_in("ada").get("/mappings/products.netsuite/")
    editor = response.context["editor"]
    changed = any(row.change in ("new", "edited", "removed") for row in editor.rows)
    assert editor.view == ("changed" if changed else "all")


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [("step.succeeded", {"step": "invoice_in_erp", "lane": "erp"}, "posted to netsuite"),
     ("step.failed", {"step": "customer_in_erp", "lane": "erp"}, "customer in erp stopped"),
     ("posting.confirmed", {"operation": "invoice.create"}, "Invoice  confirmed by NetSuite"),
     ("snapshot.refreshed", {}, "records read"),
     ("mapping_version.active", {}, "mapping_version.active"),
     ("batch.created", {}, "batch created")],
)  # fmt: skip
def test_the_log_is_searched_by_the_words_on_the_page(
    signed_in: SignIn, world: World, kind: str, data: dict[str, object], text: str
) -> None:
    connection = str(Connection.objects.get(name="NetSuite").id)
    found = {**data, "connection_id": connection, "label": "FIND-1", "reason": "FIND-1"}
    events = [
        NewEvent(kind, "thing", uuid.uuid4(), data=found),
        NewEvent("posting.queued", "posting", uuid.uuid4(), data={"label": "OTHER-2"}),
    ]
    publish_events(events, actor=system_actor("test"), now=utc_now())
    page = signed_in("ada").get("/audit/", {"q": text}).text
    assert "FIND-1" in page
    assert "OTHER-2" not in page


def test_a_step_is_found_by_its_own_platform_alone(signed_in: SignIn, world: World) -> None:
    done = {"step": "invoice_in_erp", "lane": "erp", "label": "FIND-1"}
    events = [NewEvent("step.succeeded", "step", uuid.uuid4(), data=done)]
    publish_events(events, actor=system_actor("test"), now=utc_now())
    assert "FIND-1" not in signed_in("ada").get("/audit/", {"q": "posted to stripe"}).text


def test_the_log_is_searched_by_any_id_of_a_journey(signed_in: SignIn, world: World) -> None:
    events = [
        NewEvent("order.created", "order", uuid.uuid4(), data={"label": label}, journey_id=journey)
        for label, journey in (("FIND-1", world.journey.id), ("OTHER-2", uuid.uuid4()))
    ]
    publish_events(events, actor=system_actor("test"), now=utc_now())
    page = signed_in("ada").get("/audit/", {"q": "SUB_1QXHALVORSEN"}).text
    assert "FIND-1" in page
    assert "OTHER-2" not in page


def test_connectors_open_on_the_worst(signed_in: SignIn, world: World) -> None:
    response = signed_in("ada").get("/connectors/")
    worst = response.context["rows"][0].connection
    assert response.context["detail"].row.connection == worst


def test_a_value_of_a_map_is_found(signed_in: SignIn, world: World) -> None:
    rows = signed_in("ada").get(f"/mappings/{world.mapping.code}/?view=all").context["editor"].rows
    wanted = rows[-1].source
    found = signed_in("ada").get(f"/mappings/{world.mapping.code}/?view=all&q={wanted.lower()}")
    assert {row.source for row in found.context["editor"].rows} >= {wanted}
    assert len(found.context["editor"].rows) < len(rows)


@pytest.mark.parametrize(
    ("code", "subject", "words"),
    [("acceptance_without_approval", "ingestion.event", "Once Q-9 is approved in CPQ"),
     ("missing_customer", "ingestion.event", "Reads the message of Q-9 again"),
     ("vendor_outage", "postings.posting", "Sends Q-9 again")],
)  # fmt: skip
def test_a_retry_says_what_it_does(code: str, subject: str, words: str) -> None:
    case = ExceptionCase(code=code, subject_type=subject, document="Q-9")
    assert words_of(RETRY, case, 1).note.startswith(words)
