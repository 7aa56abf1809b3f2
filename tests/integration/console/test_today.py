"""Today: one truth about what is late, one legal entity or all, only what is yours to decide."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.core.fsm import transition_set
from apps.core.ids import uuid7
from apps.events.services import acting, publish_events
from apps.exceptions.announce import family_event
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.exceptions.services import close_cases, snooze_cases
from apps.monitoring.models import Journey
from apps.organisation.models import PostingPeriod
from apps.workflows.models import WorkflowRun
from tests.factories.flow import RunFactory
from tests.factories.world import TESTS, World

SignIn = Callable[[str], Client]


def _navigation_count(text: str, page: str) -> str:
    link = re.search(rf'href="/{page}/".*?</a>', text, re.DOTALL)
    assert link is not None
    count = re.search(r'class="count[^"]*"[^>]*>\s*([^<\s]+)', link.group(0))
    return count.group(1) if count else ""


def _settle_cases() -> None:
    """No exception is late any more."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=5)
    ExceptionCase.objects.update(sla_due_at=soon)


def test_late_orders_are_in_the_verdict_and_below_it(signed_in: SignIn, world: World) -> None:
    _settle_cases()
    client = signed_in("ada")
    today = client.get("/").context["today"]
    assert today.verdict == "1 order behind a step."
    assert [order.key for order in today.orders.rows] == ["ORD-13310"]
    assert len(client.get("/orders/?view=late").context["journeys"]) == today.orders.count
    Journey.objects.update(next_due_at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    response = client.get("/")
    assert response.context["today"].verdict == "Nothing is late."
    assert "Orders behind a step" not in response.text
    assert client.get("/orders/?view=late").context["journeys"] == []


def test_only_what_a_person_may_decide_is_counted(signed_in: SignIn, world: World) -> None:
    for name, waiting in (("mara", ""), ("fiona", ""), ("anton", "1")):
        response = signed_in(name).get("/")
        assert _navigation_count(response.text, "approvals") == waiting, name
        assert response.context["today"].approvals.count == int(waiting or 0), name


def test_one_legal_entity_narrows_every_figure(signed_in: SignIn, world: World) -> None:
    client = signed_in("ada")
    whole = client.get("/").context["today"]
    german = client.get("/?entity=DE01").context["today"]
    mine = [c for c in world.cases if c.legal_entity and c.legal_entity.code == "DE01"]
    assert german.equation[-1].text == str(len(mine))
    assert int(german.equation[-1].text) < int(whole.equation[-1].text)
    assert {row.currency for row in german.late.rows} <= {"EUR", "GBP"}
    assert all("DE01" in blocker.note for blocker in german.blockers.rows)
    entity = world.entities["DE01"].pk
    assert f"entity={entity}" in german.blockers.url
    listed = client.get(german.blockers.url).context["page"].paginator.count
    assert listed == german.blockers.count


def test_an_entity_of_others_is_not_offered_and_not_obeyed(
    signed_in: SignIn, world: World
) -> None:
    response = signed_in("dieter").get("/?entity=JP01")
    assert response.context["entities"] == []
    own = signed_in("dieter").get("/").context["today"]
    assert response.context["today"].equation == own.equation


def test_totals_in_another_currency(signed_in: SignIn, world: World) -> None:
    client = signed_in("ada")
    dollars = client.get("/").context["today"]
    euros = client.get("/?currency=EUR").context["today"]
    assert (dollars.flow.currency, euros.flow.currency) == ("USD", "EUR")
    first, second = dollars.blockers.rows[0], euros.blockers.rows[0]
    assert first.title == second.title
    assert abs(first.amount / second.amount - Decimal("1.162")) < Decimal("0.001")
    assert client.get("/?currency=XTS").context["today"].flow.currency == "USD"


def test_blockers_are_summed_over_all_cases_of_a_cause(signed_in: SignIn, world: World) -> None:
    cases = [case for case in world.cases if case.blocks_close]
    today = signed_in("ada").get("/").context["today"]
    assert today.blockers.count == len(cases)
    largest = today.blockers.rows[0]
    assert largest.amount == max(blocker.amount for blocker in today.blockers.rows)
    assert today.blockers.link.startswith(f"All {len(cases)}, ≈")


def test_the_flow_shows_every_way_and_what_went_through(signed_in: SignIn, world: World) -> None:
    with acting(TESTS):
        runs = [
            RunFactory.create(
                definition="order_activation", key=f"order:{n}", amount=Decimal(100),
                currency="USD", legal_entity=world.entities["US01"],
            )
            for n in range(3)
        ]  # fmt: skip
        old = uuid7().int - (25 * 3600 * 1000 << 80)
        WorkflowRun.objects.filter(pk=runs[0].pk).update(id=type(runs[0].pk)(int=old))
        ids = list(
            WorkflowRun.objects.filter(key__startswith="order:").values_list("id", flat=True)
        )
        transition_set(WorkflowRun, "run", ids)
        transition_set(WorkflowRun, "complete", ids)
    today = signed_in("ada").get("/").context["today"]
    assert [node.name for node in today.flow.nodes] == [
        "CPQ", "Billing", "Tax", "Provisioning", "ERP",
    ]  # fmt: skip
    bands = {(band.source, band.target): band for band in today.flow.bands}
    assert bands["billing", "provisioning"].figure == "2 through · ≈\u00a0$200"
    assert bands["billing", "provisioning"].count == 2
    stuck = sum(band.stuck for band in today.flow.bands)
    assert stuck == int(today.equation[-1].text)


def test_incidents_are_told_and_routine_is_not(signed_in: SignIn, world: World) -> None:
    now = dt.datetime.now(dt.UTC)  # the page begins at midnight, whenever the test runs
    DeadLetter.objects.update(parked_at=now)
    ExceptionCase.objects.update(opened_at=now)
    titles = [change.title for change in signed_in("ada").get("/").context["today"].changes]
    count = DeadLetter.objects.count()
    assert f"{count} messages went to dead letters" in titles
    assert any(title.endswith("exceptions opened") for title in titles)
    assert not any("succeeded" in title or "snapshot" in title.lower() for title in titles)
    # Dead letters are not finance's page.
    told = [change.title for change in signed_in("fiona").get("/").context["today"].changes]
    assert not any("dead letters" in title for title in told)


def test_more_cases_need_no_more_queries(
    signed_in: SignIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in("ada")
    client.get("/")
    for path in ("/", "/?entity=DE01&currency=EUR"):
        with django_assert_max_num_queries(28):
            assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/?entity=%00", "/?currency=%C2%B2", "/?entity=DE01%27"])
def test_odd_addresses_are_no_server_error(signed_in: SignIn, path: str) -> None:
    assert signed_in("ada").get(path).status_code in {200, 400}


def test_the_period_that_ends_next_is_named_here_and_on_the_queue(
    signed_in: SignIn, world: World
) -> None:
    today = dt.datetime.now(dt.UTC).date()
    month = today - dt.timedelta(days=20)
    PostingPeriod.objects.all().delete()
    for code, days in (("DE01", 9), ("US01", 3)):
        PostingPeriod.objects.create(
            legal_entity=world.entities[code], code="now", state="open", start=month,
            end=today + dt.timedelta(days=days),
        )  # fmt: skip
    client = signed_in("ada")
    assert f"Blocking the {month:%B} close" in client.get("/").text
    assert f"{month:%b %Y} ends in 3 days" in client.get("/exceptions/").text
    of_one = client.get(f"/exceptions/?entity={world.entities['DE01'].pk}").text
    assert f"{month:%b %Y} ends in 9 days" in of_one


def test_the_people_of_a_remedy_are_named_where_the_hub_closed_the_case(
    signed_in: SignIn, world: World
) -> None:
    case = world.cases[1]
    closed = close_cases(
        [case.pk], resolution="retry", note="Posted.", actor=TESTS,
        now=dt.datetime.now(dt.UTC), credit="Mara, approved by Anton",
    )  # fmt: skip
    assert closed[0].closed_by_label == "Mara, approved by Anton"
    client = signed_in("ada")
    page = client.get(f"/exceptions/{case.reference}/").text
    assert "Mara, approved by Anton" in page
    with acting(TESTS):
        event = family_event(case.family, "resolved", closed_by="Mara, approved by Anton")
        publish_events([event], actor=TESTS, now=dt.datetime.now(dt.UTC))
    told = [change.note for change in client.get("/").context["today"].changes]
    assert "Mara, approved by Anton" in told
    titles = [change.title for change in client.get("/").context["today"].changes]
    assert f"Resolved: {case.family.title}" in titles


def test_what_is_counted_is_what_is_listed(signed_in: SignIn, world: World) -> None:
    now = dt.datetime.now(dt.UTC)
    awake, mended, gone, hidden = world.cases[:4]
    close_cases([mended.pk], resolution="retry", note="", actor=TESTS, now=now, credit="Mara")
    close_cases([gone.pk], resolution="cause_gone", note="", actor=TESTS, now=now)
    hour = dt.timedelta(hours=1)
    snooze_cases([hidden.pk], until=now + hour, actor=TESTS, now=now)
    client = signed_in("ada")
    page = client.get("/")
    terms = {term.label.split(",")[0]: term for term in page.context["today"].equation}
    for label, case in (
        ("open now", awake), ("closed by people", mended), ("cleared themselves", gone),
        ("snoozed", hidden),
    ):  # fmt: skip
        shown = client.get(terms[label].url).context["page"]
        assert str(shown.paginator.count) == terms[label].text.lstrip("−")
        assert case.pk in {row.pk for row in shown.paginator.object_list}
    assert _navigation_count(page.text, "exceptions") == terms["open now"].text
