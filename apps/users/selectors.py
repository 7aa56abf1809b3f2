"""Reads about people and what they may see."""

import datetime as dt
import hmac
import uuid
from collections.abc import Sequence

from django.db.models import Q

from apps.core.principal import Actor, Principal
from apps.users.models import ApiClient, Role, RoleGrant, SignInFailure, User
from apps.users.policies import (
    FAILURES_PER_ADDRESS,
    FAILURES_PER_NAME,
    SIGN_IN_WINDOW,
    wait_before_sign_in,
)


def principal_of(user: User) -> Principal:
    """The principal of an account; a superuser holds every role in every legal entity."""
    actor = Actor("user", str(user.pk), user.get_full_name() or user.username)
    if user.is_superuser:
        return Principal(actor, frozenset(Role.values), None, user.person_id)
    grants = list(RoleGrant.objects.filter(user=user).values_list("role", "legal_entity_id"))
    everywhere = any(entity is None for _, entity in grants)
    entities = None if everywhere else frozenset(e for _, e in grants)
    return Principal(actor, frozenset(role for role, _ in grants), entities, user.person_id)


def principal_of_client(client: ApiClient) -> Principal:
    """The principal of a program: its scopes are its roles, and it is nobody's person."""
    actor = Actor("client", str(client.pk), client.name)
    entities = None if client.legal_entity_id is None else frozenset({client.legal_entity_id})
    return Principal(actor, frozenset(client.scopes), entities)


def find_client(key_hash: str, prefix: str) -> ApiClient | None:
    """The active client of a key, compared in constant time."""
    client = ApiClient.objects.filter(key_prefix=prefix, is_active=True).first()
    known = client.key_hash if client else "0" * 64
    return client if hmac.compare_digest(known, key_hash) and client else None


def people_who_may(roles: Sequence[str], legal_entity_id: uuid.UUID | None) -> list[User]:
    """Active accounts with one of the roles in a legal entity, to assign work to."""
    here = Q(grants__legal_entity_id__isnull=True)
    if legal_entity_id is not None:
        here |= Q(grants__legal_entity_id=legal_entity_id)
    accounts = User.objects.filter(here, is_active=True, grants__role__in=roles)
    return list(accounts.select_related("person").distinct().order_by("person__name"))


def sign_in_wait(username: str, address: str, now: dt.datetime) -> dt.timedelta:
    """How long sign-in is refused for a name or an address; zero when it is allowed."""
    recent = SignInFailure.objects.filter(failed_at__gte=now - SIGN_IN_WINDOW)
    moments = recent.order_by("-failed_at").values_list("failed_at", flat=True)
    by_name = moments.filter(username=username.lower()[:150])[:FAILURES_PER_NAME]
    by_address = moments.filter(address=address[:45])[:FAILURES_PER_ADDRESS]
    return wait_before_sign_in(now, list(by_name), list(by_address))
