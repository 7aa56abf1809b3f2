"""The matrix of who may do what, written out a second time."""

import pytest

from apps.core.principal import Actor, Principal
from apps.users.errors import NotAllowedError
from apps.users.policies import PERMISSIONS, SCOPES, may, require, who_may

MATRIX = {  # operations, finance, admin
    "case.read": (1, 1, 1),
    "case.assign": (1, 1, 1),
    "case.resolve": (1, 0, 1),
    "case.retry": (1, 0, 1),
    "dead_letter.redrive": (1, 0, 1),
    "master_data.correct": (1, 1, 1),
    "mapping.propose": (1, 0, 1),
    "mapping.approve": (0, 0, 1),
    "outcome.propose": (1, 0, 1),
    "outcome.approve": (0, 1, 1),
    "reconciliation.decide": (0, 1, 1),
    "period.manage": (0, 1, 1),
    "connection.steer": (0, 0, 1),
    "user.manage": (0, 0, 1),
    "comment": (1, 1, 1),
    "run.read": (1, 1, 1),
    "run.steer": (1, 0, 1),
    "run.approve": (0, 1, 1),
    "quote.submit": (0, 0, 0),
    "record.read": (1, 1, 1),
    "posting.read": (1, 1, 1),
    "reconciliation.read": (1, 1, 1),
    "connection.read": (1, 0, 1),
}


def _principal(*roles):
    return Principal(Actor("user", "1", "x"), frozenset(roles))


def test_every_action_is_in_the_matrix():
    assert set(MATRIX) == set(PERMISSIONS)


@pytest.mark.parametrize("action", MATRIX)
def test_roles(action):
    roles = ("operations", "finance", "admin")
    assert tuple(int(may(_principal(role), action)) for role in roles) == MATRIX[action]
    assert not may(_principal(), action)


def test_a_scope_opens_only_its_own_actions():
    opened = {
        scope: {action for action in PERMISSIONS if may(_principal(scope), action)}
        for scope in SCOPES
    }
    assert opened == {
        "quotes:write": {"quote.submit"},
        "exceptions:read": {"case.read"},
        "exceptions:write": {"case.read", "case.retry"},
        "workflows:read": {"run.read"},
        "workflows:write": {"run.read", "run.steer"},
        "records:read": {"record.read"},
        "postings:read": {"posting.read"},
        "reconciliation:read": {"reconciliation.read"},
        "connections:read": {"connection.read"},
    }


def test_a_refusal_names_who_may():
    assert who_may("case.resolve") == "Operations or Admin"
    with pytest.raises(NotAllowedError, match="Only a key with the scope quotes:write"):
        require(_principal("admin"), "quote.submit")
