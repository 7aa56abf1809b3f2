"""Roles, API keys, the limit on guessing passwords, comments."""

import datetime as dt
import uuid

import pytest
from django.contrib.auth import authenticate

from apps.collaboration.selectors import list_comments
from apps.collaboration.services import add_comment
from apps.events.models import Event
from apps.users.errors import NotAllowedError
from apps.users.models import ApiClient, RoleGrant, User
from apps.users.selectors import find_client, principal_of, principal_of_client, sign_in_wait
from apps.users.services import (
    PREFIX_LENGTH,
    grant_role,
    hash_key,
    issue_api_key,
    note_sign_in_failure,
    revoke_api_client,
    revoke_role,
)
from tests.builders.people import make_entities, make_principal

pytestmark = pytest.mark.django_db


def test_only_an_admin_grants_roles(now):
    entities = make_entities()
    admin, ops = make_principal("Ada", "admin"), make_principal("Mara", "operations")
    wanted = {
        "user_id": uuid.UUID(ops.actor.id), "role": "finance",
        "legal_entity_id": entities["DE01"].id, "now": now,
    }  # fmt: skip
    with pytest.raises(NotAllowedError, match="Only Admin may do this"):
        grant_role(principal=ops, **wanted)
    grant = grant_role(principal=admin, **wanted)
    assert grant_role(principal=admin, **wanted).id == grant.id
    roles = principal_of(User.objects.get(id=ops.actor.id)).roles
    assert roles == {"operations", "finance"}
    revoke_role(grant_id=grant.id, principal=admin, now=now)
    assert RoleGrant.objects.filter(user_id=ops.actor.id).count() == 1
    assert list(Event.objects.order_by("id").values_list("type", flat=True)) == [
        "role.granted", "role.revoked",
    ]  # fmt: skip


def test_a_key_is_kept_as_a_hash_and_ends_when_revoked(now):
    entities = make_entities()
    admin = make_principal("Ada", "admin")
    with pytest.raises(ValueError, match="Unknown scope everything"):
        issue_api_key(
            name="Bad", scopes=["everything"], legal_entity_id=None, principal=admin, now=now
        )
    client, key = issue_api_key(
        name="CPQ portal", scopes=["quotes:write"], legal_entity_id=entities["DE01"].id,
        principal=admin, now=now,
    )  # fmt: skip
    assert key not in str(ApiClient.objects.values().get())
    prefix = key[:PREFIX_LENGTH]
    assert find_client(hash_key(key), prefix) == client
    assert find_client(hash_key(key + "x"), prefix) is None
    principal = principal_of_client(client)
    assert (principal.roles, principal.person_id) == (frozenset({"quotes:write"}), None)
    assert principal.entity_ids == frozenset({entities["DE01"].id})
    revoke_api_client(client_id=client.id, principal=admin, now=now)
    assert find_client(hash_key(key), prefix) is None


def test_guessing_closes_the_door_for_a_while(now, settings):
    make_principal("Mara", "operations")
    for second in range(10):
        assert sign_in_wait("mara", "10.0.0.1", now) == dt.timedelta(0)
        note_sign_in_failure(
            username="Mara", address="10.0.0.1", now=now + dt.timedelta(seconds=second)
        )
    late = now + dt.timedelta(minutes=1)
    assert sign_in_wait("MARA", "10.9.9.9", late) == dt.timedelta(minutes=14)
    assert sign_in_wait("dirk", "10.0.0.1", late) == dt.timedelta(0)
    assert sign_in_wait("mara", "10.0.0.1", now + dt.timedelta(minutes=16)) == dt.timedelta(0)


def test_the_backend_counts_and_forgets(settings):
    settings.AUTHENTICATION_BACKENDS = ["apps.users.backends.LimitedModelBackend"]
    make_principal("Mara", "operations")
    assert authenticate(username="mara", password="wrong") is None
    assert authenticate(username="mara", password="correct horse") is not None
    for _ in range(10):
        assert authenticate(username="mara", password="wrong") is None
    assert authenticate(username="mara", password="correct horse") is None


def test_comments_are_kept_in_order_and_scoped(now):
    entities = make_entities()
    mara = make_principal("Mara", "operations")
    japan = make_principal("Jun", "finance", entity=entities["JP01"])
    subject = uuid.uuid4()
    target = {"subject_type": "exceptions.case", "subject_id": subject,
              "legal_entity_id": entities["DE01"].id, "now": now, "principal": mara}  # fmt: skip
    with pytest.raises(ValueError, match="Write something"):
        add_comment(body="  ", **target)
    with pytest.raises(ValueError, match="4000 characters; this one has 4001"):
        add_comment(body="x" * 4001, **target)
    add_comment(body="First", **target)
    add_comment(body="Second", **target)
    bodies = [c.body for c in list_comments(mara, "exceptions.case", [subject])]
    assert bodies == ["First", "Second"]
    assert list_comments(japan, "exceptions.case", [subject]) == []
