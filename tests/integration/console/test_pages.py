"""Every page opens for those who may open it, in few queries, and says who may otherwise."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.approvals.models import Approval
from apps.core.fsm import transition_set
from apps.core.ids import uuid7
from apps.events.services import acting
from apps.exceptions.models import DeadLetter
from apps.exceptions.services import start_redrive
from apps.ingestion.models import InboundEvent
from apps.monitoring.models import JourneyItem
from apps.postings.models import Posting
from apps.reconciliation.models import Break
from tests.factories.flow import PostingFactory, make_exchange
from tests.factories.world import TESTS, World

SignIn = Callable[[str], Client]

PAGES = (
    "/", "/exceptions/", "/dead-letters/", "/reconciliation/", "/approvals/", "/orders/",
    "/orders/ORD-13310/", "/workflows/", "/messages/", "/messages/?view=refused",
    "/messages/?view=calls", "/batches/", "/mappings/", "/mappings/products.netsuite/",
    "/connectors/", "/connectors/netsuite/", "/audit/", "/profile/", "/find/?q=halvorsen",
    "/jump/?q=ORD", "/live/counts/?path=/exceptions/",
)  # fmt: skip
MASTER_DATA = (
    "customers", "products", "entities", "dimensions", "tax-codes", "periods", "rates",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_page_opens(signed_in: SignIn, path: str) -> None:
    response = signed_in("ada").get(path)
    assert response.status_code == 200
    assert "Content-Security-Policy" in response.headers
    assert "style=" not in response.text
    assert "<script>" not in response.text


@pytest.mark.parametrize("view", MASTER_DATA)
def test_master_data_opens(signed_in: SignIn, view: str) -> None:
    assert signed_in("ada").get(f"/master-data/?view={view}").status_code == 200


def test_detail_pages_open(signed_in: SignIn, world: World) -> None:
    client, case = signed_in("ada"), world.cases[0]
    assert world.run is not None
    assert world.batch is not None
    for path in (
        f"/exceptions/{case.reference}/",
        f"/exceptions/?sel={case.reference}",
        f"/workflows/{world.run.id}/",
        f"/batches/{world.batch.code}/",
        "/master-data/customers/CUS-20418/",
        "/dead-letters/?sel=DL-" + str(case.dead_letters.get().number),
    ):
        assert client.get(path).status_code == 200, path


def test_nul_in_a_form_is_refused_and_nothing_is_written(signed_in: SignIn, world: World) -> None:
    path = f"/exceptions/{world.cases[0].reference}/comments/"
    assert signed_in("ada").post(path, {"text": "a\x00b"}).status_code == 400


@pytest.mark.parametrize("path", ["/exceptions/", "/", "/orders/ORD-13310/"])
def test_nobody_sees_a_page_without_signing_in(client: Client, db: None, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize(
    ("path", "most"),
    [("/exceptions/", 12), ("/orders/", 12), ("/workflows/", 12), ("/messages/", 12),
     ("/dead-letters/", 12), ("/approvals/", 12), ("/audit/", 12), ("/batches/", 12),
     ("/mappings/", 12), ("/master-data/", 12), ("/connectors/", 20), ("/reconciliation/", 14)],
)  # fmt: skip
def test_list_stays_in_its_query_budget(
    signed_in: SignIn, django_assert_max_num_queries: DjangoAssertNumQueries, path: str, most: int
) -> None:
    client = signed_in("ada")
    client.get(path)  # notes the visit, so that the second request only reads
    with django_assert_max_num_queries(most):
        client.get(path)


def test_row_count_does_not_change_the_number_of_queries(
    signed_in: SignIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in("ada")
    client.get("/exceptions/")
    with django_assert_max_num_queries(12):
        assert len(client.get("/exceptions/").context["cases"]) == 14


def test_finance_may_not_open_connectors_and_is_told_who_may(signed_in: SignIn) -> None:
    response = signed_in("fiona").get("/connectors/")
    assert response.status_code == 403
    assert "This page is for Operations or Admin." in response.text


def test_only_who_may_repair_is_offered_boxes_and_keys(signed_in: SignIn, world: World) -> None:
    row = f"/exceptions/{world.cases[0].reference}/row/"
    for person, offered in (("mara", True), ("fiona", False)):
        client = signed_in(person)
        queue = client.get("/exceptions/").content.decode()
        for part in ('name="ids"', "data-select-page", "<span>retry</span>", "Retry</dd>"):
            assert (part in queue) is offered, part
        assert ('name="ids"' in client.get(row).content.decode()) is offered
        assert ('name="ids"' in client.get("/dead-letters/").content.decode()) is offered


def test_navigation_hides_what_a_role_may_not_open(signed_in: SignIn) -> None:
    text = signed_in("fiona").get("/").text
    assert 'href="/reconciliation/"' in text
    assert 'href="/connectors/"' not in text
    assert 'href="/backoffice/"' not in text


def test_batch_is_fetched_again_with_the_outcome_that_was_chosen(
    signed_in: SignIn, world: World
) -> None:
    assert world.batch is not None
    client, path = signed_in("mara"), f"/batches/{world.batch.code}/"
    for address in (path, f"{path}?outcome=pending"):
        shown = client.get(address).content.decode()
        assert re.findall(r'<div hidden\s+hx-get="([^"]+)"', shown) == [address]


def test_other_entities_rows_are_not_there(signed_in: SignIn, world: World) -> None:
    client = signed_in("dieter")
    foreign = next(c for c in world.cases if c.legal_entity and c.legal_entity.code == "JP01")
    own = next(c for c in world.cases if c.legal_entity and c.legal_entity.code == "DE01")
    listed = client.get("/exceptions/").text
    assert own.reference in listed
    assert foreign.reference not in listed
    assert client.get(f"/exceptions/{foreign.reference}/").status_code == 404
    assert client.post(f"/exceptions/{foreign.reference}/retry/", {"rev": 1}).status_code == 404


@pytest.mark.parametrize("query", ["INV-2026-006991", "sub_1QxHalvorsen", "q-55204", "ORD-13310"])
def test_any_id_of_any_system_finds_the_journey(signed_in: SignIn, query: str) -> None:
    response = signed_in("mara").get("/find/", {"q": query})
    assert response.status_code == 302
    assert response.headers["Location"] == "/orders/ORD-13310/"


def test_boxes_of_an_order_open_what_they_stand_for(signed_in: SignIn, world: World) -> None:
    items = JourneyItem.objects.filter(journey=world.journey)
    items.filter(title="CUS-20418").update(subject_type="posting", subject_id=uuid7())
    items.filter(title="INV-2026-006991").update(subject_type="invoice", subject_id=uuid7())

    def boxes(name: str) -> set[str]:
        page = signed_in(name).get("/orders/ORD-13310/").context["journey_page"]
        return {event.url for event in page.picture.events if event.url}

    found = boxes("ada")
    assert any(url.startswith("/messages/?view=calls&q=") for url in found)
    for url in found:
        assert signed_in("ada").get(url).status_code == 200, url
    # Finance has no page of messages, so its boxes lead to none.
    assert not any(url.startswith("/messages/") for url in boxes("fiona"))


def test_a_break_is_found_by_its_number(signed_in: SignIn, db: None) -> None:
    client = signed_in("ada")
    number = f"BRK-{Break.objects.order_by('number')[0].number}"
    response = client.get(f"/find/?q={number}")
    assert response.status_code == 302
    assert number in client.get(response.headers["Location"]).text


def test_unknown_id_says_so(signed_in: SignIn) -> None:
    response = signed_in("mara").get("/orders/ORD-999/", follow=True)
    assert response.status_code == 200
    assert "No document with this key." in response.text


def test_partials_carry_no_page(signed_in: SignIn, world: World) -> None:
    client, number = signed_in("mara"), world.cases[0].reference
    for path, target in (
        ("/exceptions/", "list"),
        (f"/exceptions/{number}/panel/", "panel"),
        (f"/exceptions/{number}/row/", f"case-{number}"),
        (f"/exceptions/{number}/payload/?mode=all", "payload"),
    ):
        text = client.get(path, headers={"hx-request": "true", "hx-target": target}).text
        assert "<html" not in text, path
    assert f'id="case-{number}"' in client.get(f"/exceptions/{number}/row/").text


def test_private_values_are_withheld(signed_in: SignIn, world: World) -> None:
    client = signed_in("mara")
    text = client.get("/messages/").text
    path = re.search(r'href="(/messages/in/[^"]+)"', text)
    assert path is not None
    shown = client.get(path.group(1)).text
    assert "jo@halvorsen.example" not in shown
    assert "v1=abc" not in shown
    payload = client.get(f"/exceptions/{world.cases[0].reference}/payload/?mode=raw").text
    assert "DE811907980" not in payload


def test_health_answers_without_a_session(client: Client, db: None) -> None:
    assert client.get("/healthz/").json() == {"status": "ok"}


def test_csv_quotes_what_a_spreadsheet_would_run(signed_in: SignIn, world: World) -> None:
    type(world.cases[0]).objects.filter(pk=world.cases[0].pk).update(customer="=HYPERLINK(1)")
    text = signed_in("mara").get("/exceptions/export/?view=open").text
    assert "'=HYPERLINK(1)" in text
    assert text.splitlines()[0].endswith("owner,flow")


def test_unmapped_value_is_marked_in_the_payload(signed_in: SignIn, world: World) -> None:
    text = signed_in("mara").get(f"/exceptions/{world.cases[0].reference}/panel/").text
    assert "no mapping" in text
    assert "At fault 1" in text


SEARCHES = (
    "/exceptions/", "/exceptions/export/", "/orders/", "/mappings/", "/master-data/",
    "/dead-letters/", "/approvals/", "/find/",
)  # fmt: skip


@pytest.mark.parametrize("path", SEARCHES)
def test_odd_characters_in_a_search_are_no_server_error(signed_in: SignIn, path: str) -> None:
    for text in ("%00", "%C2%B2", "EXC-%C2%B2"):  # ² counts as a digit, but is no number
        assert signed_in("mara").get(f"{path}?q={text}").status_code in {200, 302}


@pytest.mark.parametrize(
    "path",
    [
        "/exceptions/?view=open", "/orders/?view=all", "/workflows/?", "/messages/?view=in",
        "/messages/?view=refused", "/messages/?view=calls", "/batches/?", "/mappings/?",
        "/audit/?",
    ],
)  # fmt: skip
def test_two_ticks_of_a_menu_list_the_rows_of_both(signed_in: SignIn, path: str) -> None:
    client = signed_in("ada")

    def found(**ticks: list[str]) -> int:
        page = client.get(f"{path}&{urlencode(ticks, doseq=True)}").context["page"]
        return int(page.paginator.count)

    menus = client.get(path).context["menus"]
    assert menus
    for menu in menus:
        counts = Counter({c.value: found(**{menu.name: [c.value]}) for c in menu.choices[:6]})
        both = counts.most_common(2)
        ticked = [value for value, _ in both]
        assert found(**{menu.name: ticked}) == sum(rows for _, rows in both), menu.name


@pytest.mark.parametrize(
    "path", ["/messages/?view=calls&connection=x", "/workflows/?definition=x"]
)
def test_a_tick_that_nobody_offers_does_not_narrow(signed_in: SignIn, path: str) -> None:
    assert signed_in("ada").get(path).status_code == 200


def test_every_number_of_the_hub_is_found(signed_in: SignIn, world: World) -> None:
    client = signed_in("ada")
    assert world.batch is not None
    approval = Approval.objects.get()
    for path in (f"/batches/{world.batch.code}/", f"/approvals/{approval.code}/"):
        code = path.split("/")[2]
        assert f'href="{path}"' in client.get(f"/jump/?q={code.lower()}").text
        assert client.get(f"/find/?q={code}").headers["Location"] == path


@pytest.mark.parametrize("view", ["in", "calls"])
def test_messages_are_found_by_any_id_of_their_order(
    signed_in: SignIn, world: World, view: str
) -> None:
    assert world.journey is not None
    InboundEvent.objects.update(journey_id=world.journey.pk)
    make_exchange(world.connections["netsuite"], journey_id=world.journey.pk)
    client = signed_in("ada")
    assert client.get(f"/messages/?view={view}&q=q-55204").context["page"].paginator.count == 1
    assert not client.get(f"/messages/?view={view}&q=q-5520").context["page"].paginator.count


def test_only_a_letter_that_waits_is_advised_to_be_discarded(
    signed_in: SignIn, world: World
) -> None:
    letter = DeadLetter.objects.filter(origin_type="postings.posting").earliest("number")
    with acting(TESTS):
        posting = PostingFactory.create(legal_entity=world.entities["DE01"])
        for move in ("send", "post", "confirm"):
            transition_set(Posting, move, [posting.pk])
        DeadLetter.objects.filter(pk=letter.pk).update(origin_id=posting.pk)
    client = signed_in("ada")
    assert "Yes, discard" in client.get("/dead-letters/?state=parked").text
    start_redrive([letter.pk], actor=TESTS, now=dt.datetime.now(dt.UTC))
    page = client.get("/dead-letters/?state=redriving").text
    assert letter.code in page
    assert "Yes, discard" not in page
