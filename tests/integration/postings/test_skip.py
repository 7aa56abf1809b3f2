"""A stuck head shows what it blocks and can be left aside by two people."""

from decimal import Decimal

import pytest

from apps.approvals.models import Approval
from apps.approvals.services import approve
from apps.connectors.lanes.run import run_lane
from apps.core.fsm import transition_set
from apps.events.models import Event
from apps.events.services import acting
from apps.exceptions.models import ExceptionCase
from apps.postings.models import Posting
from apps.postings.selectors import blocked_behind
from apps.resolutions.selectors import remedies_for
from apps.resolutions.services import apply_remedy
from tests.builders.events import deliver
from tests.builders.ledger import install, make_due
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import TESTS, open_case

pytestmark = pytest.mark.django_db


def test_two_people_let_the_rest_go_on(monkeypatch, now):
    entity = make_entities()["DE01"]
    vendor, _, connection = install(monkeypatch)
    head, *rest = make_due(connection, entity, 4, ordering_key="contract:1")
    with acting(TESTS):
        transition_set(Posting, "reject", [head.id])
    blocked = blocked_behind(Posting.objects.get(id=head.id))
    assert (blocked.count, blocked.amounts) == (3, {"EUR": Decimal(300)})
    case = open_case(entity, "postings.posting", head.id, now, code="rejected_by_vendor")
    mara = make_principal("Mara", "operations")
    assert "skip_head" in [remedy.code for remedy in remedies_for(case, mara)]
    apply_remedy(
        case.id, "skip_head", params={}, principal=mara, now=now, reason="the rest cannot wait"
    )
    run_lane(str(connection.id), worker="w")
    assert vendor.writes == []
    approval = Approval.objects.get()
    checker = make_principal("Lena", "finance")
    approve(approval.id, principal=checker, seen_hash=approval.content_hash, now=now)
    deliver(
        "approval.approved", "approval", approval.id, now, kind="outcome_decision",
        decided_by_id=str(checker.actor.id), decided_by="Lena",
    )  # fmt: skip
    run_lane(str(connection.id), worker="w")
    assert [w["reference"] for w in vendor.writes] == [p.reference for p in rest]
    assert Posting.objects.get(id=head.id).state == "rejected"
    assert ExceptionCase.objects.get(id=case.id).is_open
    assert Event.objects.filter(type="posting.skipped", aggregate_id=head.id).count() == 1
