"""The remedy that changes a value map: proposed, tested, approved, then retried."""

import pytest

from apps.approvals.models import Approval
from apps.approvals.services import approve, reject
from apps.events.models import Event
from apps.exceptions.models import ExceptionCase
from apps.mappings.models import MappingVersion
from apps.mappings.selectors import get_version, hash_of
from apps.postings.models import Posting
from apps.rehearsals.models import Rehearsal
from apps.resolutions.errors import RemedyError
from apps.resolutions.models import Resolution
from apps.resolutions.selectors import remedies_for
from apps.resolutions.services import apply_remedy
from apps.snapshots.models import SourceDocument, SourceDocumentLine
from tests.builders.events import deliver
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import (
    make_connection,
    make_posting,
    make_value_map,
    move_posting,
    open_case,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def entities():
    return make_entities()


@pytest.fixture
def netsuite():
    return make_connection()


@pytest.fixture
def mara():
    return make_principal("Mara", "operations")


def _apply(case, remedy, principal, now, reason="", rev=None, **params):
    return apply_remedy(
        case.id, remedy, params=params, principal=principal, now=now, reason=reason, rev=rev
    )


def _case(case):
    return ExceptionCase.objects.get(id=case.id)


def _codes(case, principal):
    return [remedy.code for remedy in remedies_for(case, principal)]


def test_a_mapped_value_settles_the_whole_family_after_approval(entities, netsuite, mara, now):
    make_value_map("products.netsuite", {"PRO-0": "1000"}, now)
    postings = [make_posting(netsuite, entities["DE01"], "reject") for _ in range(3)]
    cases = [open_case(entities["DE01"], "postings.posting", p.id, now) for p in postings]
    other = make_posting(netsuite, entities["DE01"], "reject")
    open_case(
        entities["DE01"], "postings.posting", other.id, now,
        facts={"mapping": "products.netsuite", "key": "PRO-9"}, fingerprint=("x",),
    )  # fmt: skip
    assert _codes(cases[0], mara)[0] == "map_value"
    with pytest.raises(RemedyError) as empty:
        _apply(cases[0], "map_value", mara, now)
    assert "what PRO-1 becomes" in empty.value.fields["target_value"]
    _apply(cases[0], "map_value", mara, now, target_value="1001", acknowledged=True)
    assert Resolution.objects.get().outcome == "proposed"
    assert set(Posting.objects.values_list("state", flat=True)) == {"rejected"}
    asked = Approval.objects.get()
    approve(asked.id, principal=make_principal("Ada", "admin"), seen_hash=asked.content_hash,
            now=now)  # fmt: skip
    deliver("approval.approved", "approval", asked.id, now, kind="mapping_version")
    deliver("mapping_version.active", "mapping_version", asked.subject_id, now,
            mapping="products.netsuite")  # fmt: skip
    states = dict(Posting.objects.values_list("id", "state"))
    assert states == {**{p.id: "queued" for p in postings}, other.id: "rejected"}
    assert (
        list(Resolution.objects.values_list("remedy", "outcome")) == [("map_value", "started")] * 3
    )
    assert Event.objects.filter(type="posting.requeued").first().actor_kind == "user"
    posting = postings[0]
    move_posting(posting.id, "send", "post", "confirm")
    deliver("posting.confirmed", "posting", posting.id, now, document="INV-1")
    assert _case(cases[0]).closed_by_label == "Mara, approved by Ada"


def test_a_rejected_proposal_is_a_remedy_that_failed(entities, netsuite, mara, now):
    make_value_map("products.netsuite", {"PRO-0": "1000"}, now)
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now)
    _apply(case, "map_value", mara, now, target_value="1001", acknowledged=True)
    asked = Approval.objects.get()
    reject(asked.id, principal=make_principal("Ada", "admin"), note="Wrong item.", now=now)
    deliver("approval.rejected", "approval", asked.id, now, note="Wrong item.")
    row = Resolution.objects.get()
    assert (row.outcome, row.outcome_note) == ("failed", "The request was rejected. Wrong item.")
    assert _case(case).is_open


def _active(asked, now):
    """The second person approves and the version comes into force."""
    approve(asked.id, principal=make_principal("Ada", "admin"), seen_hash=asked.content_hash,
            now=now)  # fmt: skip
    deliver("approval.approved", "approval", asked.id, now, kind="mapping_version")
    deliver("mapping_version.active", "mapping_version", asked.subject_id, now,
            mapping="products.netsuite")  # fmt: skip


def test_a_target_nobody_has_seen_must_be_acknowledged(entities, netsuite, mara, now):
    make_value_map("products.netsuite", {"PRO-0": "1000"}, now)
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now)
    with pytest.raises(RemedyError) as doubt:
        _apply(case, "map_value", mara, now, target_value="NO-SUCH-ITEM")
    assert set(doubt.value.fields) == {"target_value", "acknowledged"}
    assert "Nothing read from Netsuite carries NO-SUCH-ITEM" in doubt.value.fields["target_value"]
    assert not Approval.objects.exists()
    assert not MappingVersion.objects.filter(state="draft").exists()
    with pytest.raises(RemedyError) as scope:
        _apply(case, "map_value", mara, now, target_value="1000", scope="XX99")
    assert list(scope.value.fields) == ["scope"]
    _apply(case, "map_value", mara, now, target_value="1000")  # another row uses it
    assert Approval.objects.get().snapshot["waiting"] == [
        {"currency": "EUR", "cases": 1, "amount": "1200.0000"}
    ]
    tested = Rehearsal.objects.get(mapping_version_id=Approval.objects.get().subject_id)
    assert tested.content_hash == hash_of(get_version(mara, tested.mapping_version_id))


def test_an_item_that_a_document_carries_is_known(entities, netsuite, mara, now):
    make_value_map("products.netsuite", {"PRO-0": "1000"}, now)
    document = SourceDocument.objects.create(
        connection_id=netsuite.id, side="erp", document_type="invoice", external_id="1",
        match_key="INV-1", currency="EUR", content_hash="x", read_at=now,
    )  # fmt: skip
    SourceDocumentLine.objects.create(document=document, position=0, item="EDGE-NODE")
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now)
    form = {field.name: field for field in remedies_for(case, mara)[0].fields}
    assert form["target_value"].options == ("1000", "EDGE-NODE")
    assert form["scope"].kind == "select"
    _apply(case, "map_value", mara, now, target_value="EDGE-NODE")
    assert Approval.objects.get().state == "requested"


def test_a_value_that_the_platform_refused_is_mapped_otherwise(entities, netsuite, mara, now):
    """The row exists and is wrong: it is changed, and the case goes on with the new value only."""
    make_value_map("products.netsuite", {"PRO-1": "NO-SUCH-ITEM", "PRO-2": "OTHER"}, now)
    facts = {"mapping": "products.netsuite", "key": "PRO-1", "scope": "", "target": "NO-SUCH-ITEM"}
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now,
                     code="unknown_reference", facts=facts)  # fmt: skip
    assert _codes(case, mara)[:2] == ["map_value", "retry"]
    assert remedies_for(case, mara)[0].title == "Change the mapping of PRO-1"
    with pytest.raises(RemedyError) as same:
        _apply(case, "map_value", mara, now, target_value="NO-SUCH-ITEM", acknowledged=True)
    assert "is what the platform refused" in same.value.fields["target_value"]
    deliver("mapping_version.active", "mapping_version", posting.id, now,
            mapping="products.netsuite")  # fmt: skip
    assert Posting.objects.get().state == "rejected"  # another version, the same value
    _apply(case, "map_value", mara, now, target_value="OTHER")
    _active(Approval.objects.get(), now)
    assert Posting.objects.get().state == "queued"
    assert Resolution.objects.get().outcome == "started"


def test_without_a_row_at_fault_there_is_nothing_to_map(entities, netsuite, mara, now):
    posting = make_posting(netsuite, entities["DE01"], "reject")
    case = open_case(entities["DE01"], "postings.posting", posting.id, now,
                     code="unknown_reference", facts={})  # fmt: skip
    assert _codes(case, mara) == ["retry", "discard"]
