"""Workflow runs over the API: read, steered with a reason, refused in words."""

import uuid

import pytest

from apps.core.clock import utc_now
from apps.core.principal import system_actor
from apps.events.models import Event
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.workflows.models import Step, WorkflowRun
from apps.workflows.services import start_runs
from apps.workflows.types import RunDraft
from tests.builders.people import make_entities
from tests.integration.api.test_resources import _key

pytestmark = pytest.mark.django_db

WHY = "The customer withdrew."


@pytest.fixture
def entities():
    return make_entities()


@pytest.fixture
def run(entities):
    entity = next(iter(entities.values())) if isinstance(entities, dict) else entities[0]
    subject = uuid.uuid4()
    draft = RunDraft("order_activation", str(subject), "order", subject, "ORD-1", "contract:1",
                     entity.id, None)  # fmt: skip
    with acting(system_actor("tests")):
        [made] = start_runs([draft], now=utc_now())
    return made


def post(client, run, path, headers, **body):
    headers = {**headers, "Idempotency-Key": uuid.uuid4().hex}
    return client.post(
        f"/api/v1/workflow-runs/{run.id}/{path}/", {"reason": WHY, **body},
        content_type="application/json", headers=headers,
    )  # fmt: skip


def test_runs_are_listed_and_read_with_their_steps(client, run):
    headers = _key("workflows:read")
    [row] = client.get("/api/v1/workflow-runs/", headers=headers).json()["results"]
    assert (row["document"], row["state"], row["held"]) == ("ORD-1", "pending", False)
    found = client.get(f"/api/v1/workflow-runs/{run.id}/", headers=headers).json()
    assert [step["name"] for step in found["steps"]][:2] == [
        "check_references", "customer_in_billing",
    ]  # fmt: skip
    empty = client.get("/api/v1/workflow-runs/?state=completed", headers=headers).json()
    assert empty["results"] == []


def test_another_entity_has_no_such_run(client, entities, run):
    others = entities.values() if isinstance(entities, dict) else entities
    other = next(e for e in others if e.id != run.legal_entity_id)
    headers = _key("workflows:write", entity=other)
    assert client.get(f"/api/v1/workflow-runs/{run.id}/", headers=headers).status_code == 404
    assert post(client, run, "pause", headers).status_code == 404
    assert WorkflowRun.objects.get(id=run.id).state == "pending"


def test_reading_does_not_allow_steering(client, run):
    response = post(client, run, "pause", _key("workflows:read"))
    assert (response.status_code, response.json()["code"]) == (403, "not_allowed")


def test_pause_resume_and_cancel(client, run):
    headers = _key("workflows:write", name="Bot")
    for path, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        response = post(client, run, path, headers)
        assert (response.status_code, response.json()["state"]) == (202, state)
    told = Event.objects.filter(aggregate_id=run.id, type__startswith="run.").order_by("id")
    kinds = [(e.type, e.actor_kind, e.data.get("reason", "")) for e in told]
    assert kinds[1:] == [(f"run.{w}", "client", WHY) for w in ("paused", "resumed", "cancelled")]


def test_a_refusal_says_why_and_changes_nothing(client, run):
    response = post(client, run, "resume", _key("workflows:write"))
    assert (response.status_code, response.json()["code"]) == (409, "run_refused")
    assert "not paused" in response.json()["detail"]
    response = post(client, run, "reset", _key("workflows:write"), step="book")
    assert "not been reached" in response.json()["detail"]
    assert WorkflowRun.objects.get(id=run.id).state == "pending"


def test_a_reason_is_needed(client, run):
    response = post(client, run, "pause", _key("workflows:write"), reason="no")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "reason"


def test_a_repeated_request_is_done_once(client, run):
    headers = {**_key("workflows:write"), "Idempotency-Key": "once"}
    url = f"/api/v1/workflow-runs/{run.id}/pause/"
    answers = [
        client.post(url, {"reason": WHY}, content_type="application/json", headers=headers)
        for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert Event.objects.filter(type="run.paused").count() == 1


def test_a_reset_goes_back_to_a_step(client, run):
    with acting(system_actor("tests")):
        from apps.core.fsm import transition_set

        steps = list(Step.objects.filter(run=run, name__in=["check_references", "tax"]))
        transition_set(Step, "succeed", [s.id for s in steps])
    response = post(client, run, "reset", _key("workflows:write"), step="check_references")
    assert response.status_code == 202
    assert {step["state"] for step in response.json()["steps"]} == {"pending"}


def test_compensation_is_a_case_for_people(client, run):
    with acting(system_actor("tests")):
        from apps.core.fsm import transition_set

        transition_set(WorkflowRun, "wait", [run.id])
    response = post(client, run, "compensation", _key("workflows:write", name="Bot"))
    assert response.status_code == 202
    case = ExceptionCase.objects.get()
    assert (response.json()["reference"], case.code) == (case.reference, "compensation_requested")
    assert WHY in case.explanation
    assert WorkflowRun.objects.get(id=run.id).state == "waiting"


def test_the_schema_describes_the_actions(client):
    text = client.get("/api/v1/schema/?format=json").text
    for noun in ("pause", "resume", "cancel", "reset", "compensation"):
        assert f"/workflow-runs/{{run_id}}/{noun}/" in text
