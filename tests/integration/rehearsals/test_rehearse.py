"""A draft is tried on recorded inputs: nothing is sent, nothing of the records changes."""

import uuid

import pytest

from apps.core.principal import Principal
from apps.events.services import acting
from apps.mappings.models import Mapping, MappingVersion, Translation, ValueMapRow
from apps.postings.models import Posting
from apps.rehearsals.models import Rehearsal
from apps.rehearsals.selectors import latest_rehearsal
from apps.rehearsals.services import rehearse_version
from tests.integration.reconciliation.world import World

RULES = {
    "object": {
        "item": {"lookup": {"map": "items.netsuite", "key": "sku"}},
        "quantity": "quantity",
    }
}


@pytest.fixture
def world(db, actor, now) -> World:
    return World(actor, now)


def _version(mapping, number, state, rows=(), rules=None):
    version = MappingVersion.objects.create(
        mapping=mapping, number=number, state=state, rules=rules or {}, author_label="Mara"
    )
    ValueMapRow.objects.bulk_create(
        [ValueMapRow(version=version, source_value=s, target_value=t) for s, t in rows]
    )
    return version


@pytest.fixture
def maps(world, actor):
    with acting(actor):
        field = Mapping.objects.create(code="netsuite.invoice.create.out", name="f", kind="field")
        value = Mapping.objects.create(code="items.netsuite", name="v", kind="value")
        active = _version(field, 1, "active", rules=RULES)
        _version(value, 1, "active", rows=[("SEAT", "11"), ("PLAT", "12"), ("OLD", "13")])
        draft = _version(value, 2, "draft", rows=[("SEAT", "11"), ("PLAT", "99"), ("NEW", "14")])
    return active, draft


def _input(world, version, now, sku):
    contract = world.contract(uuid.uuid4().hex[:8])
    posting = world.posting(contract, "invoice", "invoice.create")
    return Translation.objects.create(
        mapping_version=version, subject_type="postings.posting", subject_id=posting.id,
        legal_entity_id=world.us.id, input={"sku": sku, "quantity": 2}, input_hash=sku,
    )  # fmt: skip


def test_a_value_map_draft_is_compared_with_what_is_active(world, maps, actor, now):
    active, draft = maps
    for sku in ("SEAT", "PLAT", "OLD", "NEW", "NOWHERE"):
        _input(world, active, now, sku)
    before = (Translation.objects.count(), Posting.objects.count())
    done = rehearse_version(draft.id, actor=actor, now=now)
    assert (done.total, done.same, done.changed) == (5, 1, 1)
    assert (done.now_passes, done.newly_fails, done.still_fails) == (1, 1, 1)
    assert (Translation.objects.count(), Posting.objects.count()) == before
    samples = {sample["outcome"]: sample for sample in done.samples}
    assert samples["changed"]["changes"] == [{"path": "item", "before": "12", "after": "99"}]
    assert samples["newly_fails"]["problems"] == ["OLD has no row in items.netsuite for US01"]
    assert done.samples[0]["outcome"] == "newly_fails"


def test_a_subject_counts_once_with_its_newest_input(world, maps, actor, now):
    active, draft = maps
    first = _input(world, active, now, "OLD")
    Translation.objects.create(
        mapping_version=active, subject_type=first.subject_type, subject_id=first.subject_id,
        legal_entity_id=world.us.id, input={"sku": "SEAT", "quantity": 2}, input_hash="x",
    )  # fmt: skip
    done = rehearse_version(draft.id, actor=actor, now=now)
    assert (done.total, done.same) == (1, 1)


def test_a_field_map_draft_is_tried_with_the_active_tables(world, maps, actor, now):
    active, _ = maps
    _input(world, active, now, "SEAT")
    with acting(actor):
        draft = _version(active.mapping, 2, "draft", rules={"object": {"item": "sku"}})
    done = rehearse_version(draft.id, actor=actor, now=now)
    changes = {c["path"]: (c["before"], c["after"]) for c in done.samples[0]["changes"]}
    assert changes == {"item": ("11", "SEAT"), "quantity": (2, None)}


def _is_current(version, principal):
    latest = latest_rehearsal(version, principal)
    return latest is not None and latest.is_current


def test_an_edited_draft_makes_its_rehearsal_out_of_date(world, maps, actor, now):
    _, draft = maps
    everyone = Principal(actor)
    rehearse_version(draft.id, actor=actor, now=now)
    assert _is_current(draft, everyone)
    draft.rows.filter(source_value="NEW").update(target_value="15")
    assert not _is_current(MappingVersion.objects.get(id=draft.id), everyone)
    assert Rehearsal.objects.count() == 1
