"""Who may do what. People act by role, programs by the scopes of their key."""

import datetime as dt
from collections.abc import Sequence

from apps.core.principal import Principal
from apps.users.errors import NotAllowedError

OPERATIONS, FINANCE, ADMIN = "operations", "finance", "admin"

PERMISSIONS: dict[str, frozenset[str]] = {
    "case.read": frozenset({OPERATIONS, FINANCE, ADMIN, "exceptions:read", "exceptions:write"}),
    "case.assign": frozenset({OPERATIONS, FINANCE, ADMIN}),
    "case.resolve": frozenset({OPERATIONS, ADMIN}),
    "case.retry": frozenset({OPERATIONS, ADMIN, "exceptions:write"}),
    "dead_letter.redrive": frozenset({OPERATIONS, ADMIN}),
    "master_data.correct": frozenset({OPERATIONS, FINANCE, ADMIN}),
    "mapping.propose": frozenset({OPERATIONS, ADMIN}),
    "mapping.approve": frozenset({ADMIN}),
    "outcome.propose": frozenset({OPERATIONS, ADMIN}),
    "outcome.approve": frozenset({FINANCE, ADMIN}),
    "reconciliation.decide": frozenset({FINANCE, ADMIN}),
    "period.manage": frozenset({FINANCE, ADMIN}),
    "connection.steer": frozenset({ADMIN}),
    "user.manage": frozenset({ADMIN}),
    "comment": frozenset({OPERATIONS, FINANCE, ADMIN}),
    "run.read": frozenset({OPERATIONS, FINANCE, ADMIN, "workflows:read", "workflows:write"}),
    "run.steer": frozenset({OPERATIONS, ADMIN, "workflows:write"}),
    "run.approve": frozenset({FINANCE, ADMIN}),
    "quote.submit": frozenset({"quotes:write"}),
    "record.read": frozenset({OPERATIONS, FINANCE, ADMIN, "records:read"}),
    "posting.read": frozenset({OPERATIONS, FINANCE, ADMIN, "postings:read"}),
    "reconciliation.read": frozenset({OPERATIONS, FINANCE, ADMIN, "reconciliation:read"}),
    "connection.read": frozenset({OPERATIONS, ADMIN, "connections:read"}),
}

SCOPES = frozenset(name for allowed in PERMISSIONS.values() for name in allowed if ":" in name)

# Ten wrong passwords for a name, or fifty from an address, within a quarter of an hour.
SIGN_IN_WINDOW = dt.timedelta(minutes=15)
FAILURES_PER_NAME = 10
FAILURES_PER_ADDRESS = 50


def may(principal: Principal, action: str) -> bool:
    """Whether a role or scope of the principal allows an action; the legal entity is checked with
    the record. Raises ``KeyError`` for an action that nobody declared."""
    return principal.has_role(*PERMISSIONS[action])


def require(principal: Principal, action: str) -> None:
    """Raises ``NotAllowedError`` naming the roles that may."""
    if not may(principal, action):
        raise NotAllowedError(f"Only {who_may(action)} may do this.")


def who_may(action: str) -> str:
    """``Operations or Admin``; for programs the scope that a key needs."""
    allowed = PERMISSIONS[action]
    roles = [role.title() for role in (OPERATIONS, FINANCE, ADMIN) if role in allowed]
    scopes = [f"a key with the scope {name}" for name in sorted(allowed) if ":" in name]
    return " or ".join(roles or scopes)


def wait_before_sign_in(
    now: dt.datetime,
    by_name: Sequence[dt.datetime],
    by_address: Sequence[dt.datetime],
) -> dt.timedelta:
    """How long sign-in stays refused, zero when it is allowed.

    ``by_name`` and ``by_address`` are the recent failures' moments, newest first.
    """
    waits = [
        failures[limit - 1] + SIGN_IN_WINDOW - now
        for failures, limit in (
            (by_name, FAILURES_PER_NAME),
            (by_address, FAILURES_PER_ADDRESS),
        )
        if len(failures) >= limit
    ]
    return max([dt.timedelta(0), *waits])
