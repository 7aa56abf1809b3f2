"""Reconciliation: the headline adds up over currencies, documents stand line by line."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from apps.approvals.models import Approval
from apps.core.fsm import transition_set
from apps.events.services import acting
from apps.mappings.models import Mapping, MappingVersion, ValueMapRow
from apps.monitoring.models import Journey
from apps.organisation.models import ExchangeRate
from apps.reconciliation.models import Break, Match, ReconciliationRun
from apps.snapshots.models import SourceDocument, SourceDocumentLine
from tests.factories.world import TESTS, World

SignIn = Callable[[str], Client]


def _total(entity: str, currency: str, ledger: str, gap: str) -> dict[str, object]:
    billing = str(Decimal(ledger) + Decimal(gap))
    return {
        "entity": entity, "currency": currency, "matched": 2, "gaps": ["0", gap],
        "sides": [{"side": "cpq", "amount": billing, "count": 2},
                  {"side": "billing", "amount": billing, "count": 3},
                  {"side": "erp", "amount": ledger, "count": 2}],
        "parts": [{"type": "missing_in_erp", "state": "explained", "count": 1,
                   "gaps": ["0", gap]}] if Decimal(gap) else [],
    }  # fmt: skip


def _run(*totals: dict[str, object]) -> None:
    with acting(TESTS):
        run = ReconciliationRun.objects.create(
            subject="contract", requested_by_label="Scheduler", totals={"totals": list(totals)},
            finished_at=dt.datetime.now(dt.UTC),
        )  # fmt: skip
        transition_set(ReconciliationRun, "start", [run.id])
        transition_set(ReconciliationRun, "complete", [run.id])


@pytest.fixture
def rates(world: World) -> None:
    ExchangeRate.objects.all().delete()
    for base, rate in (("EUR", "1.2"), ("JPY", "0.01")):
        ExchangeRate.objects.create(
            base_id=base, quote_id="USD", rate=Decimal(rate), rate_date=dt.date(2026, 1, 2),
            source="test",
        )  # fmt: skip


def test_all_entities_are_one_total_that_adds_up(signed_in: SignIn, rates: None) -> None:
    _run(
        _total("DE01", "EUR", "100.01", "10.03"), _total("US01", "USD", "50.00", "0"),
        _total("JP01", "JPY", "1000", "333"),
    )  # fmt: skip
    response = signed_in("ada").get("/reconciliation/")
    head = response.context["headline"]
    assert (head.currency, head.converted, head.left_out) == ("USD", True, ())
    assert head.rate_date == dt.date(2026, 1, 2)
    cpq, billing, erp = head.sides
    # 100.01 EUR and 1000 JPY in the ledger; 10.03 EUR and 333 JPY are missing there.
    assert erp.amount == Decimal("120.01") + Decimal("50.00") + Decimal("10.00")
    assert billing.change == -(Decimal("12.04") + Decimal("3.33"))
    assert billing.amount + billing.change == erp.amount
    assert cpq.amount + cpq.change == billing.amount
    [part] = head.parts
    assert part.text == "Billing → ERP −$15.37"
    assert len(response.context["totals"]) == 3
    assert "≈" in response.text
    assert "rates of 2 Jan 2026" in response.text


def test_a_currency_without_a_rate_is_named_and_in_no_total(
    signed_in: SignIn, rates: None
) -> None:
    _run(_total("DE01", "GBP", "100", "0"), _total("US01", "USD", "50.00", "0"))
    response = signed_in("ada").get("/reconciliation/")
    head = response.context["headline"]
    assert head.left_out == ("DE01 · GBP",)
    assert [side.amount for side in head.sides] == [Decimal("50.00")] * 3
    assert "No exchange rate for DE01 · GBP" in response.text


def test_one_currency_is_never_converted(signed_in: SignIn, rates: None) -> None:
    _run(_total("DE01", "EUR", "100.01", "10.03"), _total("US01", "USD", "50.00", "0"))
    response = signed_in("ada").get("/reconciliation/?entity=DE01&currency=EUR")
    head = response.context["headline"]
    assert (head.currency, head.converted) == ("EUR", False)
    assert [side.amount for side in head.sides] == [
        Decimal("110.04"), Decimal("110.04"), Decimal("100.01"),
    ]  # fmt: skip
    assert response.context["totals"] == []


def test_nobody_sees_totals_of_other_entities(signed_in: SignIn, rates: None) -> None:
    _run(_total("DE01", "EUR", "100.01", "10.03"), _total("US01", "USD", "50.00", "0"))
    head = signed_in("dieter").get("/reconciliation/").context["headline"]
    assert (head.currency, head.converted) == ("EUR", False)


def _erp_document(world: World, *lines: tuple[str, str]) -> None:
    document = SourceDocument.objects.create(
        connection_id=world.connections["netsuite"].id, side="erp", document_type="invoice",
        external_id="101", number="INV000101", match_key="INV-2026-006991",
        legal_entity_id=world.entities["DE01"].id, currency="EUR",
        net=sum(Decimal(net) for _, net in lines), gross=sum(Decimal(net) for _, net in lines),
        content_hash="0" * 64, read_at=dt.datetime.now(dt.UTC), customer_name="Halvorsen",
    )  # fmt: skip
    SourceDocumentLine.objects.bulk_create(
        SourceDocumentLine(
            document=document, position=n, item=item, quantity=1, net=Decimal(net),
            unit_price=Decimal(net),
        )
        for n, (item, net) in enumerate(lines, 1)
    )  # fmt: skip
    found = Break.objects.get(type="missing_in_erp")
    found.document_ids = {**found.document_ids, "erp": [str(document.id)]}
    found.save(update_fields=["document_ids"])


def test_the_same_product_stands_on_the_same_row_under_each_systems_name(
    signed_in: SignIn, world: World
) -> None:
    with acting(TESTS):
        mapping = Mapping.objects.create(code="products.test", name="Test", kind="value")
        version = MappingVersion.objects.create(
            mapping=mapping, number=1, state="active", author_label="Setup"
        )
        ValueMapRow.objects.create(
            version=version, source_value="PLAT-ENT-36", target_value="Platform Ent 36"
        )
    _erp_document(world, ("SEAT-PRO", "8000"), ("Platform Ent 36", "148210"))
    number = Break.objects.get(type="missing_in_erp").number
    response = signed_in("ada").get(f"/reconciliation/breaks/BRK-{number}/")
    _, billing, erp = response.context["detail"].documents
    assert [(line.name, line.state) for line in billing.lines] == [
        ("PLAT-ENT-36", ""), ("SEAT-PRO", "missing"),
    ]  # fmt: skip
    assert [(line.name, line.state) for line in erp.lines] == [
        ("Platform Ent 36", ""), ("SEAT-PRO", ""),
    ]  # fmt: skip


def test_a_line_with_another_amount_is_marked_on_both_sides(
    signed_in: SignIn, world: World
) -> None:
    _erp_document(world, ("PLAT-ENT-36", "148000"))
    number = Break.objects.get(type="missing_in_erp").number
    response = signed_in("ada").get(f"/reconciliation/breaks/BRK-{number}/")
    _, billing, erp = response.context["detail"].documents
    assert [billing.lines[0].state, erp.lines[0].state] == ["differs", "differs"]


def test_several_lines_of_a_product_stand_beside_those_of_the_same_amount(
    signed_in: SignIn, world: World
) -> None:
    _erp_document(world, ("PLAT-ENT-36", "-210"), ("PLAT-ENT-36", "148210"))
    number = Break.objects.get(type="missing_in_erp").number
    response = signed_in("ada").get(f"/reconciliation/breaks/BRK-{number}/")
    _, billing, erp = response.context["detail"].documents
    shown = [[(line.amount, line.state) for line in side.lines] for side in (billing, erp)]
    assert shown == [
        [(Decimal("148210"), ""), (None, "blank")],
        [(Decimal("148210"), ""), (Decimal("-210"), "")],
    ]


def test_rows_name_their_figures_for_narrow_screens(signed_in: SignIn) -> None:
    text = signed_in("ada").get("/reconciliation/?subject=invoice").text
    row = re.search(r'<tr role="row"\s+id="break-.*?</tr>', text, re.DOTALL)
    assert row is not None
    for label in ("Billing", "ERP", "Variance"):
        assert f'data-label="{label}"' in row.group(0)


def _standing(**values: object) -> Break:
    found = Break.objects.get(match_key="INV-2026-006991")
    Break.objects.filter(id=found.id).update(**values)
    return Break.objects.get(id=found.id)


def test_a_write_off_asks_another_person_and_the_drawer_shows_it(signed_in: SignIn) -> None:
    found = _standing()
    url, client = f"/reconciliation/breaks/BRK-{found.number}/", signed_in("fiona")
    form = client.get(f"{url}write-off/").text
    assert "EUR 148,210.00 is accepted for good. Another person" in form
    answer = client.post(f"{url}write-off/", {"rev": 0, "reason": "Agreed with the customer"})
    asked = Approval.objects.get(kind="break_write_off")
    assert f"waits for another person in {asked.code}" in answer.headers["HX-Trigger"]
    assert f"{asked.code}</a>, asked by Fiona: Agreed with the customer" in answer.text
    assert "Write off…" not in answer.text
    assert Break.objects.get(id=found.id).state in ("open", "explained")
    page = signed_in("ada").get(f"/approvals/{asked.code}/").text
    assert "Approve</button>" in page
    assert f"?sel=BRK-{found.number}" in page


def test_a_small_write_off_shows_who_when_and_why(signed_in: SignIn, rates: None) -> None:
    found = _standing(variance=Decimal("0.02"), erp_amount=Decimal("148209.98"))
    url, client = f"/reconciliation/breaks/BRK-{found.number}/", signed_in("fiona")
    answer = client.post(f"{url}write-off/", {"rev": 0, "reason": "Rounding of the tax"})
    assert "Written off" in answer.text
    assert re.search(r"Fiona, .*: Rounding of the tax", answer.text)
    log = client.get("/audit/?q=written+off").text
    assert "Rounding of the tax (Fiona)" in log


def test_work_in_flight_offers_no_write_off(signed_in: SignIn) -> None:
    found = _standing(type="timing", explanation="Order 1 is still in progress")
    url, client = f"/reconciliation/breaks/BRK-{found.number}/", signed_in("fiona")
    assert "Write off…" not in client.get(url).text
    answer = client.post(f"{url}write-off/", {"rev": 0, "reason": "Agreed with the customer"})
    assert answer.status_code == 422
    assert "Order 1 is still in progress. This difference passes by itself" in answer.text


def test_the_export_holds_what_the_bucket_shows(signed_in: SignIn, world: World) -> None:
    client = signed_in("ada")
    key = Break.objects.get(type="missing_in_erp").match_key
    base = "/reconciliation/export/?subject=invoice&bucket="
    assert key in client.get(f"{base}missing_in_erp").content.decode()
    assert key not in client.get(f"{base}timing").content.decode()
    assert Match.objects.filter(subject="invoice").exists()
    for match in Match.objects.filter(subject="invoice"):
        assert match.match_key in client.get(f"{base}matched").content.decode()
    page = client.get("/reconciliation/?subject=invoice")
    shown = page.context["scope"].bucket
    assert f"/reconciliation/export/?subject=invoice&amp;bucket={shown}" in page.text


def test_a_journey_that_is_done_but_differs_says_so_in_its_list(
    signed_in: SignIn, world: World
) -> None:
    assert world.journey is not None
    Journey.objects.filter(id=world.journey.id).update(is_stuck=False, is_done=True)
    _standing(journey_id=world.journey.id, type="timing")
    client = signed_in("ada")
    assert "Completed" in client.get("/orders/?q=ORD-13310").text
    _standing(journey_id=world.journey.id, type="missing_in_erp")
    assert "Amounts differ" in client.get("/orders/?q=ORD-13310").text
