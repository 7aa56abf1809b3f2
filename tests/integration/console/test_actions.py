"""What people do in the console: each action changes what it says, or nothing and says why."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from apps.approvals.models import Approval
from apps.canonical.models import Customer
from apps.collaboration.models import Comment
from apps.connectors.models import Connection
from apps.console.sections.master_data import CORRECTABLE
from apps.events.models import Event
from apps.exceptions.models import DeadLetter, ExceptionCase
from apps.jobs.models import Batch
from apps.mappings.models import MappingVersion
from apps.mappings.services import send_back_rejected
from apps.users.models import User
from scenario.forms import read_form
from tests.factories.world import World

SignIn = Callable[[str], Client]
HTMX = {"hx-request": "true", "hx-target": "panel"}


def fresh(case: ExceptionCase) -> ExceptionCase:
    return ExceptionCase.objects.get(pk=case.pk)


def toast(response: Any) -> str:
    return str(json.loads(response.headers["HX-Trigger"])["toast"]["text"])


def post(client: Client, case: ExceptionCase, action: str, **data: Any) -> Any:
    url = f"/exceptions/{case.reference}/{action}/"
    return client.post(url, {"rev": case.rev, **data}, headers=HTMX)


def test_assigning_changes_owner_and_row(signed_in: SignIn, world: World) -> None:
    case = world.cases[1]
    response = post(signed_in("mara"), case, "assign", owner=str(world.users["anton"].pk))
    assert response.status_code == 200
    assert toast(response) == f"{case.reference} is with Anton."
    assert 'hx-swap-oob="true"' in response.text
    assert (fresh(case).owner_label, fresh(case).state) == ("Anton", "assigned")


def test_a_case_goes_only_to_people_of_its_entity(signed_in: SignIn, world: World) -> None:
    case = world.cases[1]
    assert case.legal_entity == world.entities["US01"]
    response = post(signed_in("mara"), case, "assign", owner=str(world.users["dieter"].pk))
    assert response.status_code == 422
    assert fresh(case).owner_label == ""


def test_giving_back_frees_the_case(signed_in: SignIn, world: World) -> None:
    case = world.cases[0]
    assert case.state == "assigned"
    assert post(signed_in("mara"), case, "assign", owner="").status_code == 200
    assert (fresh(case).owner_label, fresh(case).state) == ("", "open")


def test_an_old_page_is_refused_and_changes_nothing(signed_in: SignIn, world: World) -> None:
    case = world.cases[1]
    response = post(signed_in("mara"), case, "assign", owner="", rev=case.rev - 1)
    assert response.status_code == 409
    assert response.headers["HX-Retarget"] == "#case-dialog"
    assert "changed since you opened it" in response.text
    assert fresh(case).rev == case.rev


def test_resolving_needs_a_reason(signed_in: SignIn, world: World) -> None:
    client, case = signed_in("mara"), world.cases[1]
    refused = post(client, case, "resolve", resolution="duplicate", reason="short")
    assert refused.status_code == 422
    assert "at least 10 characters" in refused.text
    assert fresh(case).is_open
    done = post(client, case, "resolve", resolution="duplicate", reason="Same as EXC-10002")
    assert done.status_code == 200
    assert 'hx-swap-oob="delete"' in done.text
    assert (fresh(case).state, fresh(case).closed_by_label) == ("resolved", "Mara")


def test_snoozing_names_the_moment(signed_in: SignIn, world: World) -> None:
    case = world.cases[1]
    response = post(signed_in("mara"), case, "snooze", until="4h")
    assert "comes back on" in toast(response)
    assert fresh(case).state == "snoozed"


def test_times_are_told_in_the_zone_of_the_person(signed_in: SignIn, world: World) -> None:
    User.objects.filter(pk=world.users["mara"].pk).update(time_zone="Asia/Tokyo")
    client, case = signed_in("mara"), world.cases[1]
    response = post(client, case, "snooze", until="4h")
    until = fresh(case).snoozed_until
    assert until is not None
    local = until.astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"comes back on {local:%-d %b at %H:%M}." in toast(response)
    assert f"until {local:%-d %b %H:%M}" in client.get(f"/exceptions/{case.reference}/").text


def test_finance_may_not_resolve(signed_in: SignIn, world: World) -> None:
    case = world.cases[1]
    response = post(
        signed_in("fiona"), case, "resolve", resolution="duplicate", reason="Not needed any more"
    )
    assert response.status_code == 403
    assert "Only Operations or Admin may do this." in response.text
    assert fresh(case).is_open


@pytest.mark.parametrize("action", ["retry", "comments"])
def test_actions_take_post_only(signed_in: SignIn, world: World, action: str) -> None:
    url = f"/exceptions/{world.cases[0].reference}/{action}/"
    assert signed_in("mara").get(url).status_code == 405


def test_forged_request_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.users["mara"], backend="apps.users.backends.LimitedModelBackend")
    case = world.cases[1]
    assert post(client, case, "assign", owner="").status_code == 403
    assert fresh(case).rev == case.rev


def test_comment_is_kept_with_its_author(signed_in: SignIn, world: World) -> None:
    case = world.cases[1]
    response = post(signed_in("fiona"), case, "comments", body="Asked the customer")
    assert "Asked the customer" in response.text
    assert Comment.objects.get(subject_id=case.pk).author_label == "Fiona"


def test_remedy_form_shows_what_is_known(signed_in: SignIn, world: World) -> None:
    response = signed_in("mara").get(f"/exceptions/{world.cases[0].reference}/remedies/map_value/")
    assert response.status_code == 200
    assert 'value="PLAT-ENT-36"' in response.text


def test_another_field_to_correct_comes_with_its_own_value(
    signed_in: SignIn, world: World
) -> None:
    customer = Customer.objects.get(number="CUS-20418")
    case = next(c for c in world.cases if c.code == "missing_dimension")
    facts = {"record_type": "customer", "record_id": str(customer.id), "field": "vat_id"}
    ExceptionCase.objects.filter(pk=case.pk).update(facts=facts)
    client, url = signed_in("mara"), f"/exceptions/{case.reference}/remedies/correct_master_data/"
    first = client.get(url).text
    assert f'hx-get="{url}"' in first
    assert 'hx-target="#case-dialog"' in first
    form = read_form(client.get(url, {"field": "city", "full": "1"}).text)
    assert (form["field"], form["value"]) == ("city", customer.city)
    assert "City is" in client.get(url, {"field": "city"}).text
    refused = post(client, case, "remedies/correct_master_data", field="city", value=customer.city)
    assert refused.status_code == 422
    assert "City has this value already." in refused.text
    assert "City is" in refused.text


def test_mapping_a_value_waits_for_a_second_person(signed_in: SignIn, world: World) -> None:
    case = world.cases[0]
    response = post(
        signed_in("mara"), case, "remedies/map_value", source_value="PLAT-ENT-36",
        target_value="7100", scope="", acknowledged="on",
    )  # fmt: skip
    assert toast(response) == f"{case.reference} waits for a second person's approval."
    request = Approval.objects.get(kind="mapping_version", requested_by_label="Mara", amount=None,
                                   subject_id__in=MappingVersion.objects.values("id"))  # fmt: skip
    assert request.state == "requested"
    assert fresh(case).is_open
    sibling = next(c for c in world.cases[1:] if c.code == case.code)
    ExceptionCase.objects.filter(pk=sibling.pk).update(family=case.family)
    for waiting in (case, sibling):
        panel = signed_in("ada").get(f"/exceptions/{waiting.reference}/panel/").text
        words = " ".join(panel.split())
        assert (
            f'Waits for <a href="/approvals/{request.code}/">{request.code}</a>, asked by Mara.'
            in words
        )
        assert "remedies/map_value" not in panel


def test_missing_target_is_told_at_its_field(signed_in: SignIn, world: World) -> None:
    response = post(
        signed_in("mara"), world.cases[0], "remedies/map_value", source_value="PLAT-ENT-36",
        target_value="", scope="",
    )  # fmt: skip
    assert response.status_code == 422
    assert "This field is required." in response.text
    assert not MappingVersion.objects.filter(number=2).exists()


def test_bulk_retry_previews_then_freezes(signed_in: SignIn, world: World) -> None:
    client = signed_in("mara")
    numbers = [case.reference for case in world.cases[:3]]
    preview = client.post("/exceptions/batches/", {"ids": numbers, "action": "retry", "key": "k1"})
    assert preview.status_code == 200
    assert "Retry 3 exceptions" in preview.text
    assert Batch.objects.count() == 1
    form = {"ids": numbers, "action": "retry", "confirm": "1", "expected": "3", "key": "k1"}
    started = client.post("/exceptions/batches/", form)
    batch = Batch.objects.get(idempotency_key="k1")
    assert started.headers["HX-Redirect"] == f"/batches/{batch.code}/"
    assert [item.label for item in batch.items.order_by("position")] == numbers
    again = client.post("/exceptions/batches/", form)
    assert again.headers["HX-Redirect"] == f"/batches/{batch.code}/"
    assert Batch.objects.count() == 2


def test_bulk_retry_is_refused_when_the_rows_changed(signed_in: SignIn, world: World) -> None:
    form = {"ids": [world.cases[0].reference], "action": "retry", "confirm": "1", "expected": "2"}
    response = signed_in("mara").post("/exceptions/batches/", form)
    assert response.status_code == 422
    assert "Look at the list again" in response.text
    assert Batch.objects.count() == 1


def test_all_that_match_are_counted_again(signed_in: SignIn, world: World) -> None:
    form = {"all_matching": "14", "scope": "view=open&lane=cpq", "action": "retry"}
    response = signed_in("mara").post("/exceptions/batches/", form)
    assert "Retry 2 exceptions" in response.text


def test_discarding_a_dead_letter_needs_a_reason(signed_in: SignIn, world: World) -> None:
    letter = DeadLetter.objects.filter(case=None).earliest("number")
    client, url = signed_in("mara"), f"/dead-letters/{letter.code}/discard/"
    assert client.post(url, {"rev": 0, "reason": ""}).status_code == 422
    assert DeadLetter.objects.get(pk=letter.pk).state == "parked"
    done = client.post(url, {"rev": 0, "reason": "Sent by hand last week"})
    assert toast(done) == f"{letter.code} is discarded."
    assert DeadLetter.objects.get(pk=letter.pk).state == "discarded"


def test_pausing_a_connection_needs_an_admin_and_a_reason(signed_in: SignIn, world: World) -> None:
    url, row = "/connectors/netsuite/pause/", world.connections["netsuite"]
    form = {"rev": row.rev, "reason": "Maintenance window tonight"}
    assert signed_in("mara").post(url, form).status_code == 403
    admin = signed_in("anton")
    assert admin.post(url, {"rev": row.rev, "reason": ""}).status_code == 422
    assert admin.post(url, {**form, "rev": row.rev + 5}).status_code == 409
    assert Connection.objects.get(pk=row.pk).state == "active"
    assert admin.post(url, form).status_code == 302
    paused = Connection.objects.get(pk=row.pk)
    assert (paused.state, paused.state_reason) == ("paused", "Maintenance window tonight")
    assert Event.objects.get(type="connection.paused").actor_label == "Anton"


def propose(client: Client) -> Approval:
    """Draft, test and propose a row as the editor does."""
    code = "products.netsuite"
    row = {"source": "PLAT-ENT-36", "scope": "", "target": "7100"}
    assert client.post(f"/mappings/{code}/rows/", row, headers=HTMX).status_code == 200
    assert client.post(f"/mappings/{code}/test/", headers=HTMX).status_code == 200
    refused = client.post(f"/mappings/{code}/propose/", headers=HTMX)
    assert refused.status_code == 422
    assert "Nothing read from NetSuite carries 7100." in refused.text
    form = {"acknowledged": "on", "note": "The new bundle of this year"}
    assert client.post(f"/mappings/{code}/propose/", form, headers=HTMX).status_code == 200
    return Approval.objects.get(subject_id=MappingVersion.objects.get(number=2).pk)


def test_the_checker_reads_what_changes_why_its_test_and_the_money_at_risk(
    signed_in: SignIn, world: World
) -> None:
    page = signed_in("anton").get(f"/approvals/{propose(signed_in('mara')).code}/").text
    words = " ".join(page.split())
    assert "PLAT-ENT-36 becomes 7100 in NetSuite, for all legal entities." in words
    assert "It is not mapped until now." in words
    assert "The new bundle of this year" in words
    assert "Nothing read from NetSuite carries 7100; Mara says that it is there." in words
    assert "Look it up there before you approve." in words
    assert "What would v2 have done?" in words
    waiting = [case for case in world.cases if case.facts.get("mapping")]
    sums: dict[str, list[ExceptionCase]] = {}
    for case in waiting:
        sums.setdefault(case.currency, []).append(case)
    for currency, cases in sums.items():
        assert f"{currency}: {len(cases)} exception" in words
    assert f"/exceptions/{waiting[0].reference}/" in page
    assert "changes[0]" not in page


def test_a_remedy_that_names_an_unseen_value_is_asked_about(
    signed_in: SignIn, world: World
) -> None:
    case = world.cases[0]
    response = post(
        signed_in("mara"), case, "remedies/map_value", source_value="PLAT-ENT-36",
        target_value="NO-SUCH-ITEM", scope="",
    )  # fmt: skip
    assert response.status_code == 422
    assert "Nothing read from NetSuite carries NO-SUCH-ITEM" in response.text
    assert "Tick this if it is there" in response.text
    assert not MappingVersion.objects.filter(number=2).exists()


def test_known_targets_and_entities_are_offered(signed_in: SignIn, world: World) -> None:
    page = signed_in("mara").get(f"/exceptions/{world.cases[0].reference}/remedies/map_value/")
    for row in world.mapping.versions.get().rows.all() if world.mapping else ():
        assert f'<option value="{row.target_value}">' in page.text
    assert '<select name="scope"' in page.text
    assert "All legal entities" in page.text
    assert 'type="checkbox" name="acknowledged"' in page.text


def decide(client: Client, approval: Approval, how: str, note: str = "") -> Any:
    url = f"/approvals/{approval.code}/{how}/"
    return client.post(url, {"seen_hash": approval.content_hash, "note": note})


def test_maker_cannot_approve_their_own_mapping(signed_in: SignIn) -> None:
    client = signed_in("ada")
    approval = propose(client)
    page = client.get(f"/approvals/{approval.code}/").text
    assert "You asked for this yourself." in page
    assert decide(client, approval, "approve").status_code == 422
    assert Approval.objects.get(pk=approval.pk).state == "requested"


def test_second_account_of_the_same_person_cannot_approve(signed_in: SignIn, world: World) -> None:
    approval = propose(signed_in("mara"))
    User.objects.filter(pk=world.users["anton"].pk).update(person=world.users["mara"].person)
    assert decide(signed_in("anton"), approval, "approve").status_code == 422
    assert Approval.objects.get(pk=approval.pk).state == "requested"


def test_second_person_approves(signed_in: SignIn) -> None:
    approval = propose(signed_in("mara"))
    assert decide(signed_in("anton"), approval, "approve").status_code == 302
    assert Approval.objects.get(pk=approval.pk).decided_by_label == "Anton"


def test_rejecting_needs_a_note(signed_in: SignIn) -> None:
    approval = propose(signed_in("mara"))
    refused = decide(signed_in("anton"), approval, "reject")
    assert refused.status_code == 422
    assert "Say why you reject it" in refused.text


def test_a_rejected_draft_says_why_and_can_be_thrown_away(signed_in: SignIn, world: World) -> None:
    approval = propose(signed_in("mara"))
    decide(signed_in("anton"), approval, "reject", note="7100 is retired next month")
    send_back_rejected([approval.pk], now=dt.datetime.now(dt.UTC))
    url = "/mappings/products.netsuite/"
    page = signed_in("mara").get(url).text
    assert "Rejected: 7100 is retired next month" in page
    assert "Discard draft" in page
    other = signed_in("dieter")
    assert "Discard draft" not in other.get(url).text
    refused = other.post(f"{url}discard/", headers=HTMX)
    assert refused.status_code == 422
    assert "Only Mara or an admin may discard this draft." in refused.text
    done = signed_in("mara").post(f"{url}discard/", headers=HTMX)
    assert "Start draft" in done.text
    assert done.context["editor"].work is None
    assert [version.number for version in done.context["editor"].history] == [1]
    assert MappingVersion.objects.get(number=2).state == "retired"
    assert Event.objects.get(type="mapping_version.discarded").actor_label == "Mara"


def test_approving_other_content_than_seen_is_refused(signed_in: SignIn) -> None:
    approval = propose(signed_in("mara"))
    url = f"/approvals/{approval.code}/approve/"
    assert signed_in("anton").post(url, {"seen_hash": "f" * 64}).status_code == 409


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"country": "US", "state_code": "QQ"}, "state_code", "the state QQ, which the tax table"),
        ({"country": "QQ"}, "country", "QQ is no country"),
        ({"vat_id": "DE12"}, "vat_id", "DE12, which is no VAT number of DE"),
    ],
)
def test_nonsense_is_refused_at_its_field(
    signed_in: SignIn, world: World, changes: dict[str, str], field: str, words: str
) -> None:
    client, url = signed_in("mara"), "/master-data/customers/CUS-20418/correct/"
    before = Customer.objects.get(number="CUS-20418")
    form = {name: getattr(before, name) for name, _ in CORRECTABLE}
    reason = "As the customer wrote to us"
    answer = client.post(url, {**form, **changes, "rev": "1", "reason": reason})
    after = Customer.objects.get(number="CUS-20418")
    assert answer.status_code == 422
    row = answer.text.partition(f'name="{field}"')[2].partition("</div>")[0]
    assert words in row
    assert after.version == before.version


def test_correcting_a_customer_is_versioned(signed_in: SignIn) -> None:
    client, url = signed_in("mara"), "/master-data/customers/CUS-20418/correct/"
    form = {"rev": "1", "department": "SALES-DACH", "country": "DE", "city": "Kiel",
            "reason": "Moved with the reorganisation"}  # fmt: skip
    assert client.post(url, form).status_code == 302
    stale = client.post(url, form | {"department": "SALES-UK"})
    assert stale.status_code == 409
    page = client.get("/master-data/customers/CUS-20418/").text
    assert "SALES-DACH" in page
    assert "v2" in page


def test_profile_takes_only_known_time_zones(signed_in: SignIn, world: World) -> None:
    client = signed_in("mara")
    assert client.post("/profile/", {"time_zone": "Mars/Base"}).status_code == 422
    assert client.post("/profile/", {"time_zone": "Asia/Tokyo"}).status_code == 302
    assert User.objects.get(pk=world.users["mara"].pk).time_zone == "Asia/Tokyo"
    assert "JST" in client.get("/").text


def test_kept_view_becomes_a_tab(signed_in: SignIn) -> None:
    client = signed_in("mara")
    form = {"page": "exceptions", "name": "Big in Japan", "query": "view=open&lane=erp"}
    assert client.post("/profile/views/", form).status_code == 302
    assert "Big in Japan" in client.get("/exceptions/").text
    assert "Big in Japan" not in signed_in("fiona").get("/exceptions/").text


def test_resolving_can_be_undone(signed_in: SignIn, world: World) -> None:
    client, case = signed_in("mara"), world.cases[1]
    done = post(client, case, "resolve", resolution="duplicate", reason="Same as EXC-10002")
    undo = json.loads(done.headers["HX-Trigger"])["toast"]["undo_url"]
    response = client.post(undo, headers={"hx-request": "true"})
    assert toast(response) == f"{case.reference} is open again."
    assert fresh(case).state == "reopened"


def test_finance_sees_what_finance_may_do(signed_in: SignIn, world: World) -> None:
    case = next(c for c in world.cases if c.code == "missing_dimension")
    text = signed_in("fiona").get(f"/exceptions/{case.reference}/panel/").text
    assert 'aria-label="Assign"' in text
    assert 'aria-label="Discard"' not in text
    assert "Resolve" not in text
