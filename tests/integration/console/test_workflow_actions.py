"""Acting on a run in the console: a dialog with a reason, done or refused in words."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.approvals.models import Approval
from apps.events.models import Event
from apps.postings.models import Posting
from apps.workflows.models import Step, WorkflowRun
from tests.factories.world import World

SignIn = Callable[[str], Client]
HTMX = {"hx-request": "true", "hx-target": "run"}
WHY = "Finance asked to wait for the new price."


def post(client: Client, run: WorkflowRun | None, path: str, **data: Any) -> Any:
    fields = {"rev": 0, "reason": WHY, **data}
    return client.post(f"/workflows/{run.id}/{path}/", fields, headers=HTMX)


def fresh(world: World) -> WorkflowRun:
    return WorkflowRun.objects.get(id=world.run.id)


def toast(response: Any) -> str:
    return str(json.loads(response.headers["HX-Trigger"])["toast"]["text"])


def test_the_page_offers_what_makes_sense(signed_in: SignIn, world: World) -> None:
    page = signed_in("mara").get(f"/workflows/{world.run.id}/").text
    assert f"/workflows/{world.run.id}/compensate/" in page
    assert f"/workflows/{world.run.id}/steps/invoice_in_erp/skip/" in page
    assert f"/workflows/{world.run.id}/steps/check_tax/reset/" in page
    assert f"/workflows/{world.run.id}/pause/" not in page  # it stands still already
    assert 'aria-keyshortcuts="u"' in page


def test_finance_reads_and_does_not_act(signed_in: SignIn, world: World) -> None:
    client = signed_in("fiona")
    page = client.get(f"/workflows/{world.run.id}/").text
    assert "/compensate/" not in page
    assert post(client, world.run, "cancel").status_code == 403
    assert fresh(world).state == "failed"


def test_another_entity_has_no_such_run(signed_in: SignIn, world: World) -> None:
    other = world.entities["US01"]
    WorkflowRun.objects.filter(id=world.run.id).update(legal_entity=other)
    assert signed_in("dieter").get(f"/workflows/{world.run.id}/cancel/").status_code == 404
    assert post(signed_in("dieter"), world.run, "cancel").status_code == 404


def test_a_dialog_says_what_will_happen(signed_in: SignIn, world: World) -> None:
    shown = signed_in("mara").get(f"/workflows/{world.run.id}/compensate/")
    assert "A second person approves first" in shown.text
    assert "btn-danger" in shown.text


def test_a_reason_is_needed(signed_in: SignIn, world: World) -> None:
    response = post(signed_in("mara"), world.run, "cancel", reason="no")
    assert response.status_code == 422
    assert response.headers["HX-Retarget"] == "#case-dialog"
    assert "at least 10 characters" in response.text
    assert fresh(world).state == "failed"


def test_cancelling_ends_the_run_and_is_told(signed_in: SignIn, world: World) -> None:
    response = post(signed_in("mara"), world.run, "cancel")
    assert response.status_code == 200
    assert toast(response) == "INV-2026-006991 is cancelled."
    assert fresh(world).state == "cancelled"
    [event] = Event.objects.filter(type="run.cancelled", aggregate_id=world.run.id)
    assert (event.actor_label, event.data["reason"]) == ("Mara", WHY)


def test_a_refusal_stays_in_the_dialog(signed_in: SignIn, world: World) -> None:
    response = post(signed_in("mara"), world.run, "pause")
    assert response.status_code == 422
    assert "stands still already" in response.text
    assert fresh(world).state == "failed"


def test_what_later_steps_need_is_not_skipped(signed_in: SignIn, world: World) -> None:
    response = post(signed_in("mara"), world.run, "steps/invoice_in_erp/skip")
    assert response.status_code == 422
    assert "cannot be skipped" in response.text
    assert Approval.objects.filter(kind="run_skip").count() == 0


def test_compensation_asks_a_second_person(signed_in: SignIn, world: World) -> None:
    response = post(signed_in("mara"), world.run, "compensate")
    asked = Approval.objects.get(kind="run_compensation")
    assert toast(response) == f"{asked.code} waits for a second person."
    assert f"/approvals/{asked.code}/" in response.text
    assert fresh(world).state == "failed"
    page = signed_in("fiona").get(f"/approvals/{asked.code}/").text
    assert f"/workflows/{world.run.id}/" in page
    assert WHY in page


def test_going_back_decides_the_steps_again(signed_in: SignIn, world: World) -> None:
    response = post(signed_in("mara"), world.run, "steps/our_tax/reset")
    assert response.status_code == 200
    states = dict(Step.objects.filter(run=world.run).values_list("name", "state"))
    assert states["order_booked"] == "succeeded"
    assert {states[n] for n in ("our_tax", "check_tax", "invoice_in_erp")} == {"pending"}
    assert states["schedule"] == "succeeded"
    assert Posting.objects.filter(run_id=world.run.id).count() == 1


@pytest.mark.parametrize("path", ["skip", "steps/our_tax/pause", "nonsense"])
def test_what_does_not_exist_is_not_found(signed_in: SignIn, world: World, path: str) -> None:
    assert post(signed_in("mara"), world.run, path).status_code == 404
