"""The workflow that is measured: four material steps, each reading the one before.

Only the benchmark registers it. ``celery -A benchmarks.engine.hub worker`` is the product's own
worker with this one definition more.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import django

import q2c.celery

django.setup()
app = q2c.celery.app

from apps.core.principal import Actor  # noqa: E402
from apps.workflows.definition import (  # noqa: E402
    Command,
    Definition,
    Done,
    Facts,
    Perform,
    StepForm,
)
from apps.workflows.registry import action, define  # noqa: E402

NAME = "bench_engine"


@action("bench_reserve")
def reserve(
    asked: Sequence[tuple[str, Mapping[str, Any]]], _actor: Actor, _now: dt.datetime
) -> Sequence[Mapping[str, Any]]:
    return [{"reserved": subject} for subject, _ in asked]


def _check(facts: Facts) -> Command:
    return Done({"order": facts["order"]["number"]})


def _reserve(_: Facts) -> Command:
    return Perform("bench_reserve")


def _price(facts: Facts) -> Command:
    return Done({"of": facts["outputs"]["reserve"]["reserved"], "net": "148210.00"})


def _confirm(facts: Facts) -> Command:
    return Done({"net": facts["outputs"]["price"]["net"]})


def _load(ids: list[str]) -> Mapping[str, Facts]:
    return {found: {"order": {"id": found, "number": f"ORD-{found[-6:]}"}} for found in ids}


DEFINITION = define(
    Definition(
        name=NAME,
        version=1,
        subject_type="order",
        title="Benchmark of the engine",
        load=_load,
        steps=(
            StepForm("check", _check, kind="pivot", is_material=True),
            StepForm("reserve", _reserve, ("check",), kind="retriable", is_material=True),
            StepForm("price", _price, ("reserve",), kind="retriable", is_material=True),
            StepForm("confirm", _confirm, ("price",), kind="retriable", is_material=True),
        ),
    )
)
