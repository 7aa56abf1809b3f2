"""Roles, API keys, and the limit on sign-in."""

import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import Sequence

from apps.core.principal import Principal
from apps.events.services import acting, publish_events
from apps.events.types import NewEvent
from apps.users.models import ApiClient, RoleGrant, SignInFailure
from apps.users.policies import SCOPES, SIGN_IN_WINDOW, require

PREFIX_LENGTH = 12


def grant_role(
    *,
    user_id: uuid.UUID,
    role: str,
    legal_entity_id: uuid.UUID | None,
    principal: Principal,
    now: dt.datetime,
) -> RoleGrant:
    """Give an account a role, in one legal entity or in all; a role it has is left as it is."""
    require(principal, "user.manage")
    with acting(principal.actor):
        grant, made = RoleGrant.objects.get_or_create(
            user_id=user_id, role=role, legal_entity_id=legal_entity_id
        )
        if made:
            _publish(grant, "granted", principal, now)
    return grant


def revoke_role(*, grant_id: uuid.UUID, principal: Principal, now: dt.datetime) -> None:
    """Take a role away. Raises ``RoleGrant.DoesNotExist``."""
    require(principal, "user.manage")
    with acting(principal.actor):
        grant = RoleGrant.objects.get(id=grant_id)
        _publish(grant, "revoked", principal, now)
        grant.delete()


def _publish(grant: RoleGrant, what: str, principal: Principal, now: dt.datetime) -> None:
    event = NewEvent(
        type=f"role.{what}",
        aggregate_type="user",
        aggregate_id=grant.user_id,
        legal_entity_id=grant.legal_entity_id,
        data={"role": grant.role},
    )
    publish_events([event], actor=principal.actor, now=now)


def hash_key(key: str) -> str:
    """What is kept of a key. Keys are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def issue_api_key(
    *,
    name: str,
    scopes: Sequence[str],
    legal_entity_id: uuid.UUID | None,
    principal: Principal,
    now: dt.datetime,
) -> tuple[ApiClient, str]:
    """Make a client and its key, which is shown this once. Raises ``ValueError`` for a scope that
    does not exist."""
    require(principal, "user.manage")
    unknown = set(scopes) - SCOPES
    if unknown:
        raise ValueError(f"Unknown scope {min(unknown)}; choose from {', '.join(sorted(SCOPES))}.")
    key = f"q2c_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    with acting(principal.actor):
        client = ApiClient.objects.create(
            name=name,
            key_prefix=key[:PREFIX_LENGTH],
            key_hash=hash_key(key),
            scopes=sorted(scopes),
            legal_entity_id=legal_entity_id,
        )
        _publish_client(client, "issued", principal, now)
    return client, key


def revoke_api_client(
    *, client_id: uuid.UUID, principal: Principal, now: dt.datetime
) -> ApiClient:
    """End a client's key at once."""
    require(principal, "user.manage")
    with acting(principal.actor):
        client = ApiClient.objects.select_for_update().get(id=client_id)
        client.is_active = False
        client.save(update_fields=["is_active", "updated_at"])
        _publish_client(client, "revoked", principal, now)
    return client


def _publish_client(client: ApiClient, what: str, principal: Principal, now: dt.datetime) -> None:
    event = NewEvent(
        type=f"api_client.{what}",
        aggregate_type="api_client",
        aggregate_id=client.id,
        legal_entity_id=client.legal_entity_id,
        data={"name": client.name, "scopes": client.scopes},
    )
    publish_events([event], actor=principal.actor, now=now)


def note_sign_in_failure(*, username: str, address: str, now: dt.datetime) -> None:
    """Count a wrong password against its name and its address; old counts are dropped."""
    SignInFailure.objects.filter(failed_at__lt=now - SIGN_IN_WINDOW).delete()
    SignInFailure.objects.create(
        username=username.lower()[:150], address=address[:45], failed_at=now
    )


def clear_sign_in_failures(*, username: str) -> None:
    """Forget a name's failures after it signed in."""
    SignInFailure.objects.filter(username=username.lower()[:150]).delete()
