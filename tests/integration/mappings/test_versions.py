"""From a draft to a version in force: a second person, one active version, a way back."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from apps.approvals.errors import ApprovalError
from apps.approvals.models import Approval
from apps.approvals.services import approve, reject
from apps.core.errors import StaleWriteError
from apps.core.principal import Principal
from apps.events.models import Event, Transition
from apps.mappings.engine import RuleError
from apps.mappings.errors import MappingError
from apps.mappings.models import MappingVersion, ValueMapRow
from apps.mappings.selectors import get_mapping, list_mappings, recorded_inputs
from apps.mappings.services import (
    activate_approved,
    ensure_mappings,
    propose_version,
    remove_row,
    roll_back,
    send_back_rejected,
    set_row,
    set_rules,
    start_draft,
    translate,
    withdraw_version,
)
from apps.mappings.types import MappingSpec, RowDraft
from tests.integration.mappings.conftest import ROWS, SETUP, request

pytestmark = pytest.mark.usefixtures("maps")
EDGE = RowDraft("EDGE-NODE", "prod_edge")


def propose_value(code, row, *, principal, now, note=""):
    """A draft with one row more, proposed at once."""
    draft = start_draft(code, actor=principal.actor, now=now)
    set_row(draft.id, row, actor=principal.actor)
    return propose_version(draft.id, principal=principal, now=now, note=note)


def decided(approval: Approval, checker: Principal, now: dt.datetime) -> list[object]:
    approve(approval.id, principal=checker, seen_hash=approval.content_hash, now=now)
    return list(activate_approved([approval.id], now=now))


def active(code: str = "products.stripe") -> MappingVersion:
    return MappingVersion.objects.get(mapping__code=code, state="active")


def test_a_mapped_value_is_in_force_once_another_person_approves(
    maker: Principal, checker: Principal, now: dt.datetime
) -> None:
    approval = propose_value("products.stripe", EDGE, principal=maker, now=now, note="New product")
    assert approval.snapshot["changes"] == ["EDGE-NODE becomes prod_edge (new)"]
    assert active().number == 1

    assert decided(approval, checker, now) == [active().id]

    assert active().number == 2
    assert active().rows.count() == 4
    assert MappingVersion.objects.get(number=1, mapping=active().mapping).state == "retired"
    told = Event.objects.filter(type="mapping_version.active").latest("id")
    assert told.data["mapping"] == "products.stripe"
    assert told.actor_label == "Idris"
    (done,) = translate([request(sku="EDGE-NODE", amount="1")], now=now)
    assert [m.path for m in done.missing] == ["customer_id"]
    assert not Transition.objects.filter(actor__isnull=True).exists()


def test_the_maker_cannot_check_and_nothing_changes(maker: Principal, now: dt.datetime) -> None:
    approval = propose_value("products.stripe", EDGE, principal=maker, now=now)
    with pytest.raises(ApprovalError):
        approve(approval.id, principal=maker, seen_hash=approval.content_hash, now=now)
    assert activate_approved([approval.id], now=now) == []
    assert active().number == 1


def test_a_rejection_sends_the_version_back_with_its_reason(
    maker: Principal, checker: Principal, now: dt.datetime
) -> None:
    approval = propose_value("products.stripe", EDGE, principal=maker, now=now)
    reject(approval.id, principal=checker, note="Wrong product", now=now)
    send_back_rejected([approval.id], now=now)
    version = MappingVersion.objects.get(id=approval.subject_id)
    assert (version.state, version.note) == ("draft", "Rejected: Wrong product")


def test_a_proposed_version_keeps_its_content(maker: Principal, now: dt.datetime) -> None:
    approval = propose_value("products.stripe", EDGE, principal=maker, now=now)
    with pytest.raises(MappingError, match="is proposed and keeps its content"):
        set_row(approval.subject_id, RowDraft("A", "b"), actor=maker.actor)
    with pytest.raises(MappingError, match="waits for approval"):
        propose_value("products.stripe", RowDraft("A", "b"), principal=maker, now=now)
    withdraw_version(approval.subject_id, actor=maker.actor, now=now)
    assert Approval.objects.get(id=approval.id).state == "stale"
    assert MappingVersion.objects.get(id=approval.subject_id).state == "draft"


def test_content_changed_behind_an_approval_is_not_activated(
    maker: Principal, checker: Principal, now: dt.datetime
) -> None:
    approval = propose_value("products.stripe", EDGE, principal=maker, now=now)
    ValueMapRow.objects.filter(version_id=approval.subject_id, source_value="EDGE-NODE").update(
        target_value="prod_other"
    )
    assert decided(approval, checker, now) == []
    assert active().number == 1


def test_a_draft_that_changes_nothing_or_is_stale_is_refused(
    maker: Principal, now: dt.datetime
) -> None:
    draft = start_draft("products.stripe", actor=maker.actor, now=now)
    assert start_draft("products.stripe", actor=maker.actor, now=now) == draft
    with pytest.raises(MappingError, match="changes nothing"):
        propose_version(draft.id, principal=maker, now=now)
    set_row(draft.id, EDGE, actor=maker.actor, rev=1)
    with pytest.raises(StaleWriteError):
        remove_row(draft.id, "EDGE-NODE", "", actor=maker.actor, rev=1)
    with pytest.raises(MappingError, match="both"):
        set_row(draft.id, RowDraft("EDGE-NODE", " "), actor=maker.actor)
    remove_row(draft.id, "PLAT-ENT", "", actor=maker.actor)
    approval = propose_version(draft.id, principal=maker, now=now)
    assert approval.snapshot["changes"] == [
        "EDGE-NODE becomes prod_edge (new)",
        "PLAT-ENT is no longer mapped (was prod_2)",
    ]


def test_a_field_map_is_validated_and_its_changes_are_told_by_output_field(
    maker: Principal, now: dt.datetime
) -> None:
    draft = start_draft("stripe.item.out", actor=maker.actor, now=now)
    with pytest.raises(RuleError, match=r"rules\.object\.sku"):
        set_rules(draft.id, {"object": {"sku": {"lokup": {}}}}, actor=maker.actor)
    rules = {"object": {"sku": {"upper": "sku"}, "quantity": "quantity"}}
    set_rules(draft.id, rules, actor=maker.actor)
    approval = propose_version(draft.id, principal=maker, now=now)
    assert approval.snapshot["changes"] == [
        "amount is removed",
        "customer is removed",
        "quantity is added",
        "sku is translated otherwise",
    ]


def test_rolling_back_needs_a_second_person_too(
    maker: Principal, checker: Principal, now: dt.datetime
) -> None:
    decided(propose_value("products.stripe", EDGE, principal=maker, now=now), checker, now)
    approval = roll_back(
        "products.stripe", to_number=1, principal=maker, reason="Wrong account", now=now
    )
    assert active().number == 2
    decided(approval, checker, now)
    assert active().number == 3
    assert not active().rows.filter(source_value="EDGE-NODE").exists()
    with pytest.raises(MappingError, match="never active"):
        roll_back("products.stripe", to_number=9, principal=maker, reason="x", now=now)


def test_the_database_allows_one_active_version(maker: Principal, now: dt.datetime) -> None:
    current = active()
    with pytest.raises(IntegrityError), transaction.atomic():
        MappingVersion.objects.create(
            mapping=current.mapping, number=7, state="active", author_label="x"
        )


def test_setting_up_again_changes_nothing_and_never_what_people_activated(
    maker: Principal, checker: Principal, now: dt.datetime
) -> None:
    same = MappingSpec("products.stripe", "Products", "value", "hub", "stripe", rows=ROWS)
    other = MappingSpec("products.stripe", "Products", "value", "hub", "stripe", rows=ROWS[:1])
    assert ensure_mappings([same], actor=SETUP, now=now) == []
    assert [v.number for v in ensure_mappings([other], actor=SETUP, now=now)] == [2]
    decided(propose_value("products.stripe", EDGE, principal=maker, now=now), checker, now)
    assert ensure_mappings([same], actor=SETUP, now=now) == []
    assert active().number == 3


def test_pages_and_rehearsals_read_what_they_need(maker: Principal, now: dt.datetime) -> None:
    translate([request(sku="SEAT-PRO", amount="1")], now=now)
    (field, value) = sorted(list_mappings(maker), key=lambda m: m.kind)
    assert (field.active_number, value.row_count) == (1, 3)
    mapping = get_mapping(maker, "products.stripe")
    assert [v.number for v in mapping.versions.all()] == [1]
    assert len(recorded_inputs(active("products.stripe"), 10)) == 1
