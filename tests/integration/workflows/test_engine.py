"""Every step is committed before the next, a stalled worker is refused, a bad run stands alone."""

import datetime as dt
import os
import threading

import pytest
from django.db import connection, transaction

from apps.core.clock import utc_now
from apps.core.errors import RejectedError
from apps.events.models import Event, Transition
from apps.exceptions.models import ExceptionCase
from apps.workflows.models import Signal, Step, WorkflowRun
from apps.workflows.services import advance, advance_due, pause_runs, raise_signals, retry_steps
from apps.workflows.services.claim import claim_runs
from apps.workflows.services.rounds import play_round
from apps.workflows.services.turns import load_turns

pytestmark = pytest.mark.django_db(transaction=True)


def _states(run):
    return list(Step.objects.filter(run_id=run.id).values_list("state", flat=True))


def _play_all():
    while advance_due(now=utc_now()):
        pass


def _play_through_rests():
    """Play, and let what rests after a failure rest no longer, until nothing moves."""
    while True:
        _play_all()
        if not WorkflowRun.objects.filter(due_at__isnull=False).update(due_at=utc_now()):
            return


def test_each_step_is_committed_before_the_next_begins(define, start):
    define("chain")
    runs = start("chain", 3)
    _play_all()
    for run in runs:
        assert WorkflowRun.objects.get(id=run.id).state == "completed"
        ids = [str(pk) for pk in Step.objects.filter(run_id=run.id).values_list("id", flat=True)]
        done = Transition.objects.filter(row_id__in=ids, to_state="succeeded").order_by("id")
        transactions = [str(found.xid) for found in done]
        assert len(transactions) == 4 == len(set(transactions))
    outputs = Step.objects.filter(run_id=runs[0].id).values_list("output", flat=True)
    assert list(outputs)[3] == {"after": ["first", "second", "third"]}
    assert Event.objects.filter(type="step.succeeded").count() == 12
    assert Event.objects.filter(type="run.completed").count() == 3


def test_a_round_that_was_committed_stands_when_the_worker_is_killed(
    define, start, end_leases, monkeypatch
):
    define("chain")
    [run] = start("chain")
    played: list[int] = []

    def play_two(*args, **kwargs):
        if len(played) == 2:
            raise KeyboardInterrupt  # nothing of the engine runs after it, as after a kill
        played.append(1)
        return play_round(*args, **kwargs)

    monkeypatch.setattr(advance, "play_round", play_two)
    with pytest.raises(KeyboardInterrupt):
        advance_due(now=utc_now())
    monkeypatch.undo()
    define("chain")
    assert _states(run) == ["succeeded", "succeeded", "pending", "pending"]
    assert advance_due(now=utc_now()) == 0  # held until its lease is over
    end_leases()
    assert advance_due(now=utc_now()) == 1
    assert _states(run) == ["succeeded"] * 4
    attempts = Step.objects.filter(run_id=run.id).values_list("attempt", flat=True)
    assert list(attempts) == [1, 1, 1, 1]


def test_a_worker_that_stalled_is_refused_and_the_refusal_counted(define, start, end_leases):
    """REL-12, REL-11: the take-over raises the epoch; what the old holder writes later is not."""
    define("chain")
    [run] = start("chain")
    now = utc_now()
    stalled = load_turns(claim_runs(now=now))
    end_leases()
    assert advance_due(now=now) == 1
    before = list(Step.objects.filter(run_id=run.id).values())
    going, done = play_round(stalled, now=now, keep=True)
    assert (going, done.events, done.cases) == ([], [], [])
    assert list(Step.objects.filter(run_id=run.id).values()) == before
    refused = Event.objects.get(type="run.stale_refused")
    assert (refused.aggregate_id, refused.aggregate_version) == (run.id, 1)
    assert WorkflowRun.objects.get(id=run.id).epoch == 2


def test_one_poison_run_among_many_becomes_one_case(define, start, perform, monkeypatch):
    bad: set[str] = set()

    def touch(asked, actor, now):
        if bad & {subject for subject, _ in asked}:
            raise ValueError("this thing cannot be touched")
        return [{"touched": subject} for subject, _ in asked]

    define("poisoned", third=perform("touch", touch))
    runs = start("poisoned", 40)
    poison = runs[17]
    bad.add(str(poison.subject_id))
    assert advance_due(now=utc_now()) == 40
    states = dict(WorkflowRun.objects.values_list("id", "state"))
    assert states.pop(poison.id) == "running"
    assert set(states.values()) == {"completed"}
    assert not ExceptionCase.objects.exists()
    _play_through_rests()
    assert WorkflowRun.objects.get(id=poison.id).state == "failed"
    assert _states(poison) == ["succeeded", "succeeded", "failed", "pending"]
    case = ExceptionCase.objects.get()
    step = Step.objects.get(run_id=poison.id, name="third")
    assert (case.subject_id, case.code) == (step.id, "processing_fault")
    assert "this thing cannot be touched" in case.explanation
    bad.clear()
    retry_steps([step.id], actor=_actor(), now=utc_now())
    _play_all()
    assert _states(poison) == ["succeeded"] * 4


def test_a_failure_that_passes_asks_nobody(define, start, perform):
    """It rests up to 2 s, 4 s, … with its dispatches counted, and its error is shown meanwhile."""
    failures = [ValueError("not yet"), ValueError("nor now")]

    def touch(asked, actor, now):
        if failures:
            raise failures.pop(0)
        return [{} for _ in asked]

    define("passing", second=perform("touch", touch))
    [run] = start("passing")
    for attempts, words in ((1, "ValueError: not yet"), (2, "ValueError: nor now")):
        begun = utc_now()
        assert advance_due(now=begun) == 1
        row = WorkflowRun.objects.get(id=run.id)
        assert (row.state, row.attempts, row.claimed_until) == ("running", attempts, None)
        assert row.due_at is not None
        assert begun <= row.due_at <= utc_now() + dt.timedelta(seconds=2**attempts)
        step = Step.objects.get(run_id=run.id, name="second")
        assert (step.state, step.error_code, step.error_message) == (
            "pending", "processing_fault", words
        )  # fmt: skip
        WorkflowRun.objects.update(due_at=utc_now())
    _play_all()
    assert _states(run) == ["succeeded"] * 4
    assert not ExceptionCase.objects.exists()
    assert not Step.objects.exclude(error_code="", error_message="").exists()


def test_a_run_is_given_up_with_the_error_that_its_dispatches_left(
    define, start, perform, end_leases
):
    """It failed once with words and then ended every worker: the case has the words."""

    def touch(asked, actor, now):
        raise ValueError("no such tax code")

    define("worded", second=perform("touch", touch))
    [run] = start("worded")
    assert advance_due(now=utc_now()) == 1
    for _ in range(4):
        end_leases()
        WorkflowRun.objects.update(due_at=utc_now())
        assert len(claim_runs(now=utc_now())) == 1  # and the worker is gone
    end_leases()
    assert advance_due(now=utc_now()) == 1
    assert _states(run) == ["succeeded", "failed", "pending", "pending"]
    assert "ValueError: no such tax code" in ExceptionCase.objects.get().explanation


def test_a_refusal_that_the_hub_understands_goes_to_a_person_at_once(define, start, perform):
    def touch(asked, actor, now):
        raise RejectedError("period_closed", "The period is closed. Reopen it, then retry.")

    define("refused", second=perform("touch", touch))
    [run] = start("refused")
    assert advance_due(now=utc_now()) == 1
    assert _states(run) == ["succeeded", "failed", "pending", "pending"]
    case = ExceptionCase.objects.get()
    assert (case.code, case.explanation) == (
        "period_closed", "The period is closed. Reopen it, then retry."
    )  # fmt: skip


def test_a_step_whose_code_fails_stops_its_run_alone(define, start):
    def fail(facts):
        raise ZeroDivisionError("nothing to divide by")

    define("broken", second=fail)
    define("chain")
    [broken], [sound] = start("broken"), start("chain")
    assert advance_due(now=utc_now()) == 2
    assert _states(broken) == ["succeeded", "failed", "pending", "pending"]
    assert _states(sound) == ["succeeded"] * 4
    assert ExceptionCase.objects.get().code == "processing_fault"


def test_a_run_on_a_definition_that_is_gone_is_refused(define, start, monkeypatch):
    define("gone")
    define("chain")
    [gone], [sound] = start("gone"), start("chain")
    monkeypatch.undo()
    define("chain")
    assert advance_due(now=utc_now()) == 2
    held = WorkflowRun.objects.get(id=gone.id)
    assert (held.state, held.held_for, held.due_at) == ("running", "version", None)
    assert WorkflowRun.objects.get(id=sound.id).state == "completed"
    assert "version 1" in ExceptionCase.objects.get().explanation


def _advance_in_a_process_of_its_own():
    """Returns how it ended: 0, or -9 when the run killed it."""
    pid = os.fork()
    if pid == 0:
        connection.connection = None  # the parent's
        code = 1
        try:
            advance_due(now=utc_now())
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_run_that_kills_its_worker_is_given_up_after_five_dispatches(define, start, end_leases):
    """REL-15: each dispatch is counted before the work begins, and only the killer runs out."""
    killers = set()

    def kill(facts):
        if facts["id"] in killers:
            os.kill(os.getpid(), 9)
        return {"after": []} and _done()

    define("killing", second=kill)
    runs = start("killing", 20)
    killers.add(str(runs[6].subject_id))
    ended = []
    while WorkflowRun.objects.filter(due_at__isnull=False).exists():
        end_leases()
        ended.append(_advance_in_a_process_of_its_own())
        assert len(ended) < 60
    assert ended.count(-9) == 5
    assert set(ended) == {0, -9}
    states = dict(WorkflowRun.objects.values_list("id", "state"))
    assert states.pop(runs[6].id) == "failed"
    assert set(states.values()) == {"completed"}
    assert ExceptionCase.objects.get().document == runs[6].label
    assert WorkflowRun.objects.get(id=runs[6].id).attempts == 0


def _done():
    from apps.workflows.definition import Done

    return Done()


def test_two_workers_hold_different_runs(define, start):
    define("chain")
    start("chain", 6)
    mine, theirs = claim_runs(now=utc_now(), limit=3), claim_runs(now=utc_now(), limit=3)
    assert (len(mine), len(theirs)) == (3, 3)
    assert not {run.id for run in mine} & {run.id for run in theirs}
    assert claim_runs(now=utc_now()) == []


def test_a_claim_passes_over_what_another_has_locked(define, start):
    define("chain")
    locked, free = start("chain", 2)
    holds, let_go = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            WorkflowRun.objects.select_for_update().get(id=locked.id)
            holds.set()
            let_go.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(10)
    assert [run.id for run in claim_runs(now=utc_now())] == [free.id]
    let_go.set()
    thread.join()


def test_what_a_run_hears_while_it_is_held_is_not_forgotten(define, start, wait_for):
    define("waiting", second=wait_for("word"))
    [run] = start("waiting")
    now = utc_now()
    turns, _ = play_round(load_turns(claim_runs(now=now)), now=now, keep=False)
    raised = play_round(turns, now=now, keep=False)  # begins to wait and lets the run go
    assert raised[0] == []
    assert WorkflowRun.objects.get(id=run.id).due_at is None
    raise_signals({"word": {"said": 1}}, now=now)
    held = load_turns(claim_runs(now=now))
    assert Step.objects.get(run_id=run.id, name="second").output == {"said": 1}
    with connection.cursor() as cursor:  # somebody tells the run something meanwhile
        cursor.execute("UPDATE workflows_workflowrun SET due_at = now()")
    while held:
        held, _ = play_round(held, now=now, keep=False)
    assert _states(run) == ["succeeded"] * 4


def test_a_word_that_came_before_the_wait_was_committed_is_heard(
    define, start, wait_for, monkeypatch
):
    """Whoever raises a signal looks for waiting steps; ours was not to be seen yet."""
    define("waiting", second=wait_for("word"))
    [run] = start("waiting")

    class Unseen:
        class objects:
            @staticmethod
            def filter(**_):
                raise_signals({"word": {"said": 1}}, now=utc_now())
                return []

    monkeypatch.setattr("apps.workflows.services.rounds.Signal", Unseen)
    advance_due(now=utc_now())
    monkeypatch.undo()
    define("waiting", second=wait_for("word"))
    assert Signal.objects.count() == 1
    _play_all()
    assert _states(run) == ["succeeded"] * 4


def test_a_run_that_a_person_paused_is_left_alone(define, start):
    define("chain")
    [run] = start("chain")
    now = utc_now()
    turns = load_turns(claim_runs(now=now))
    pause_runs([run.id], reason="looks odd", actor=_actor(), now=now)
    assert play_round(turns, now=now, keep=False)[0] == []
    assert _states(run) == ["pending"] * 4
    assert not Event.objects.filter(type="run.stale_refused").exists()


def _actor():
    from apps.core.principal import Actor

    return Actor("user", "mara", "Mara")
