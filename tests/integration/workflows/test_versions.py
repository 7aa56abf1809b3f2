"""Runs outlive releases: what a release lacks or would do otherwise is held, the rest goes on."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import InternalError

from apps.core.clock import utc_now
from apps.events.models import Event, Transition
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import open_cases_of
from apps.workflows import registry
from apps.workflows.definition import Definition, Done, Facts, StepForm, WaitFor
from apps.workflows.models import RunFacts, Signal, Step, WorkflowRun
from apps.workflows.services import (
    advance_due,
    claim,
    hold,
    raise_signals,
    release_held,
    replay,
    replay_runs,
    start_runs,
)
from apps.workflows.types import RunDraft
from tests.factories.organisation import LegalEntityFactory
from tests.integration.workflows.hub import TESTS

pytestmark = pytest.mark.django_db


def weigh(facts: Facts) -> Done:
    return Done({"weight": facts["weight"]})


def weigh_in_other_words(facts: Facts) -> Done:
    weight = facts["weight"]
    return Done({"weight": weight})


def weigh_twice(facts: Facts) -> Done:
    return Done({"weight": facts["weight"] * 2})


def wait(facts: Facts) -> WaitFor:
    return WaitFor(f"arrived:{facts['id']}")


def ship(facts: Facts) -> Done:
    return Done({"shipped": facts["outputs"]["weigh"]["weight"]})


def label(facts: Facts) -> Done:
    return Done({"label": "new"})


def facts_of(ids: list[str]) -> dict[str, Facts]:
    return {key: {"id": key, "weight": 7} for key in ids}


def parcel(version: int, *, decide: Any = weigh, more: tuple[StepForm, ...] = ()) -> Definition:
    steps = (
        StepForm("weigh", decide),
        StepForm("wait", wait, ("weigh",)),
        StepForm("ship", ship, ("wait", "weigh")),
        *more,
    )
    return Definition("parcel", version, "parcel", "Parcel", steps, facts_of)


V1 = parcel(1)
V2 = parcel(2, more=(StepForm("label", label, ("ship",)),))


@pytest.fixture(autouse=True)
def release() -> Iterator[Callable[..., None]]:
    """Deploy a release that has exactly these versions of the parcel."""

    def deploy(*definitions: Definition) -> None:
        for version in (1, 2):
            registry.forget("parcel", version)
        for definition in definitions:
            registry.define(definition)

    deploy(V1)
    yield deploy
    deploy()


def start(count: int = 1) -> list[WorkflowRun]:
    entity = LegalEntityFactory.create()
    drafts = [
        RunDraft("parcel", uuid.uuid4().hex, "parcel", uuid.uuid4(), f"P-{n}", f"parcel:{n}",
                 entity.id, None)
        for n in range(count)
    ]  # fmt: skip
    runs = start_runs(drafts, now=utc_now())
    go_on()
    return runs


def go_on() -> None:
    while advance_due(now=utc_now()):
        pass


def arrive(*runs: WorkflowRun) -> None:
    raise_signals({f"arrived:{run.subject_id}": {} for run in runs}, now=utc_now())
    go_on()


def now_of(run: WorkflowRun) -> WorkflowRun:
    return WorkflowRun.objects.get(id=run.id)


def cases_of(*runs: WorkflowRun) -> list[ExceptionCase]:
    return list(open_cases_of([("workflows.run", run.id) for run in runs]).values())


def test_runs_survive_a_deploy_and_a_rollback(release: Callable[..., None]) -> None:
    """REL-24: N in flight, N+1 deployed, rolled back, deployed again, drained."""
    [old] = start()
    release(V1, V2)
    [new] = start()
    assert (old.definition_version, new.definition_version) == (1, 2)
    release(V1)  # the rollback: this release does not know version 2
    [late] = start()
    assert late.definition_version == 1
    arrive(old, new, late)
    assert now_of(old).state == now_of(late).state == "completed"
    assert (now_of(new).state, now_of(new).held_for) == ("waiting", "version")
    [case] = cases_of(old, new, late)
    assert (case.code, case.subject_id) == ("workflow_version_missing", new.id)
    assert "Deploy a release that has the version" in case.explanation
    assert release_held(now=utc_now()) == 0
    release(V1, V2)
    assert release_held(now=utc_now()) == 1
    go_on()
    assert now_of(new).state == "completed"
    assert set(Step.objects.filter(run=new).values_list("name", flat=True)) == {
        "weigh", "wait", "ship", "label",
    }  # fmt: skip
    assert cases_of(new) == []
    assert replay_runs([old.id, new.id, late.id]).identical == 3


def test_a_stalled_worker_does_not_hold_what_another_has_claimed(
    release: Callable[..., None],
) -> None:
    """It is on a release without the version; who took the run over since may well have it."""
    [run] = start()
    raise_signals({f"arrived:{run.subject_id}": {}}, now=utc_now())
    stalled = claim.claim_runs(now=utc_now())
    WorkflowRun.objects.update(claimed_until=utc_now() - claim.LEASE, due_at=utc_now())
    assert len(claim.claim_runs(now=utc_now())) == 1
    before = WorkflowRun.objects.values().get(id=run.id)
    release(V2)
    assert hold.admit(stalled, now=utc_now()) == []
    assert WorkflowRun.objects.values().get(id=run.id) == before
    assert cases_of(run) == []
    assert Event.objects.filter(type="run.stale_refused", aggregate_id=run.id).count() == 1


def test_a_held_run_does_not_hold_up_its_set(release: Callable[..., None]) -> None:
    release(V1, V2)
    strangers = start(3)
    release(V1)
    others = start(3)
    arrive(*strangers, *others)
    assert {now_of(run).state for run in others} == {"completed"}
    assert {now_of(run).held_for for run in strangers} == {"version"}
    assert len(cases_of(*strangers)) == 3
    arrive(*strangers)  # told once more, it stays one case each
    assert [case.seen for case in cases_of(*strangers)] == [1, 1, 1]


def test_code_that_would_take_another_path_is_refused(release: Callable[..., None]) -> None:
    [run] = start()
    release(parcel(1, decide=weigh_twice))
    arrive(run)
    held = now_of(run)
    assert (held.state, held.held_for[:4], held.due_at) == ("waiting", "code", None)
    assert Step.objects.get(run=run, name="ship").state == "pending"
    [case] = cases_of(run)
    assert case.code == "workflow_changed"
    assert "weigh decides otherwise" in case.explanation
    assert release_held(now=utc_now()) == 0
    release(V1)  # the former code again
    assert release_held(now=utc_now()) == 1
    go_on()
    assert now_of(run).state == "completed"
    assert Step.objects.get(run=run, name="ship").output == {"shipped": 7}
    assert cases_of(run) == []


def test_code_that_takes_the_recorded_path_is_obeyed(release: Callable[..., None]) -> None:
    [run] = start()
    before = run.fingerprint
    release(parcel(1, decide=weigh_in_other_words))
    arrive(run)
    assert now_of(run).state == "completed"
    assert now_of(run).fingerprint != before
    assert cases_of(run) == []


def test_other_steps_under_the_same_version_are_refused(release: Callable[..., None]) -> None:
    [run] = start()
    release(parcel(1, more=(StepForm("label", label, ("ship",)),)))
    arrive(run)
    [case] = cases_of(run)
    assert "the steps or their order" in case.explanation
    assert Step.objects.get(run=run, name="ship").state == "pending"


def test_facts_are_kept_once_while_they_do_not_change() -> None:
    [run] = start()
    arrive(run)
    assert RunFacts.objects.filter(run=run).count() == 1
    decided = Step.objects.filter(run=run).values_list("input_hash", "command_hash")
    assert len({read for read, _ in decided}) == 1
    assert len({command for _, command in decided}) == 3


def test_a_replay_writes_nothing_and_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = start(2)
    arrive(runs[0])

    def call(*args: object, **kwargs: object) -> None:
        raise AssertionError("a replay called a platform or loaded facts anew")

    monkeypatch.setattr("apps.connectors.http.Session.send", call)
    monkeypatch.setattr("tests.integration.workflows.test_versions.facts_of", call)
    before = (Event.objects.count(), Transition.objects.count(), Step.objects.count())
    report = replay_runs([run.id for run in runs])
    assert (report.runs, report.identical, report.steps) == (2, 2, 5)
    assert (Event.objects.count(), Transition.objects.count(), Step.objects.count()) == before


def test_the_database_itself_refuses_a_write_in_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    [run] = start()

    def writes(runs: object) -> None:
        Signal.objects.create(key="x", data={}, at=utc_now())

    monkeypatch.setattr(replay, "histories_of", writes)
    with pytest.raises(InternalError, match="read-only transaction"):
        replay_runs([run.id])


def test_the_command_says_what_it_found(
    release: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = start(2)
    arrive(*runs)
    call_command("replay_runs", "--all")
    said = capsys.readouterr().out
    assert "2 runs, 6 steps decided again: 2 identical, 0 different" in said
    assert said.endswith("RESULT replay.different 0 runs target 0 met\n")
    release(parcel(1, decide=weigh_twice))
    with pytest.raises(SystemExit) as ended:
        call_command("replay_runs", f"--run={runs[0].id}")
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "P-0" in said
    assert "weigh: decides otherwise" in said
    assert said.endswith("RESULT replay.different 1 runs target 0 missed\n")


def test_damaged_facts_are_found() -> None:
    [run] = start()
    arrive(run)
    RunFacts.objects.filter(run=run).update(packed=b"no zlib")
    report = replay_runs([run.id])
    assert {d.step for d in report.different[run.id]} == {"weigh", "wait", "ship"}


def test_many_held_runs_do_not_hide_one_that_may_go_on(
    release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "SWEPT", 2)
    release(V1, V2)
    strangers = start(4)
    release(parcel(1, decide=weigh_twice))
    arrive(*strangers)
    release(V2)
    assert [release_held(now=utc_now()) for _ in range(3)] == [2, 2, 0]


def test_a_tampered_history_is_found() -> None:
    [run] = start()
    arrive(run)
    with acting(TESTS):
        Step.objects.filter(run=run, name="ship").update(output={"shipped": 8})
    [found] = replay_runs([run.id]).different.values()
    assert found[0].what == "the final state's hash is another one"
