"""REL-44: among many documents that agree, every planted break is found and nothing else."""

import datetime as dt
import random
from collections.abc import Callable

from apps.reconciliation.models import Break, Match
from apps.reconciliation.services import run_reconciliation

DOCUMENTS, PLANTED = 300, 50
LATER = dt.timedelta(minutes=30)  # past the time that documents may be on their way

# What went wrong with a document, and the breaks that tell of it: (currency, type).
Breaks = set[tuple[str, str]]


def _only_billing(world, key):
    world.shown("billing", key, "100", "8")


def _only_erp(world, key):
    world.shown("erp", key, "100", "8")


def _void_in_erp(world, key):
    world.shown("billing", key, "100", "8")
    world.shown("erp", key, "100", "8", status="void")


def _a_cent_less(world, key):
    world.shown("billing", key, "100", "8")
    world.shown("erp", key, "99.99", "8")


def _another_tax(world, key):
    world.shown("billing", key, "100", "8")
    world.shown("erp", key, "100", "8.25")


def _posted_twice(world, key):
    world.shown("billing", key, "100", "8")
    for number in range(2):
        world.shown("erp", key, "100", "8", external_id=f"erp-{key}-{number}")


def _another_entity(world, key):
    world.shown("billing", key, "100", "8")
    world.shown("erp", key, "100", "8", entity="DE01")


def _another_currency(world, key):
    world.shown("billing", key, "100", "8")
    world.shown("erp", key, "100", "8", currency="EUR")


KINDS: list[tuple[Callable[..., None], Breaks]] = [
    (_only_billing, {("USD", "missing_in_erp")}),
    (_only_erp, {("USD", "missing_in_billing")}),
    (_void_in_erp, {("USD", "missing_in_erp")}),
    (_a_cent_less, {("USD", "amount_differs")}),
    (_another_tax, {("USD", "tax_differs")}),
    (_posted_twice, {("USD", "duplicate")}),
    (_another_entity, {("USD", "entity_differs")}),
    (_another_currency, {("USD", "missing_in_erp"), ("EUR", "missing_in_billing")}),
]


def test_fifty_breaks_of_eight_kinds_are_found_and_no_other(world):
    chance = random.Random(44)
    wrong = set(chance.sample(range(DOCUMENTS), PLANTED))
    expected: set[tuple[str, str, str]] = set()
    for number in range(DOCUMENTS):
        key = f"INV-{number:04d}"
        if number in wrong:
            plant, breaks = KINDS[len(expected) % len(KINDS)]
            plant(world, key)
            expected |= {(key, currency, type_) for currency, type_ in breaks}
        else:
            for side in ("billing", "erp"):
                world.shown(side, key, str(100 + number), "8.25")
    run = run_reconciliation("invoice", requested_by=world.actor, now=world.now + LATER)
    assert run.state == "completed", run.error_message
    found = set(Break.objects.values_list("match_key", "currency", "type"))
    assert found == expected
    assert {key for key, _, _ in found} == {f"INV-{number:04d}" for number in wrong}
    assert Match.objects.count() == DOCUMENTS - PLANTED
