"""Definitions that only these tests know, and runs on them."""

import uuid

import pytest
from django.db import connection

from apps.core.clock import utc_now
from apps.workflows import registry
from apps.workflows.definition import Definition, Done, Perform, StepForm, WaitFor
from apps.workflows.services import start_runs
from apps.workflows.types import RunDraft
from tests.builders.people import make_entities

CHAIN = ("first", "second", "third", "fourth")


def _done(facts):
    return Done({"after": sorted(facts["outputs"])})


def _load(ids):
    return {found: {"id": found} for found in ids}


def _chain(name, **decides):
    """Four steps, each after the one before."""
    steps = tuple(
        StepForm(step, decides.get(step, _done), CHAIN[place - 1 : place] if place else ())
        for place, step in enumerate(CHAIN)
    )
    return Definition(name, 1, "thing", name, steps, _load)


@pytest.fixture
def define(monkeypatch):
    """Register a chain of four steps, some of them deciding otherwise."""

    def register(name, **decides):
        definition = _chain(name, **decides)
        monkeypatch.setitem(registry._definitions, (name, 1), definition)
        return definition

    return register


@pytest.fixture
def perform(monkeypatch):
    """Register an action and give the step that performs it."""

    def register(name, action):
        monkeypatch.setitem(registry._actions, name, action)
        return lambda facts: Perform(name)

    return register


@pytest.fixture
def wait_for():
    return lambda key: lambda facts: WaitFor(key)


@pytest.fixture
def start(db):
    """Start runs of a definition, one a subject."""
    entity = make_entities()["DE01"]

    def make(definition, count=1):
        drafts = []
        for number in range(count):
            subject = uuid.uuid4()
            drafts.append(
                RunDraft(
                    definition,
                    str(subject),
                    "thing",
                    subject,
                    f"T-{number}",
                    f"thing:{subject}",
                    entity.id,
                    uuid.uuid4(),
                )
            )
        return start_runs(drafts, now=utc_now())

    return make


@pytest.fixture
def end_leases():
    """Let every claim run out, as if its twenty seconds were over."""

    def end():
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE workflows_workflowrun SET claimed_until = now() - interval '1 s', "
                "due_at = now() - interval '1 s' WHERE claimed_until IS NOT NULL"
            )

    return end
