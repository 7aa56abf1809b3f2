"""Programs sign in with ``Authorization: Bearer <key>``."""

from dataclasses import dataclass
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.core.principal import Principal
from apps.users.models import ApiClient
from apps.users.selectors import find_client, principal_of_client
from apps.users.services import PREFIX_LENGTH, hash_key

CHALLENGE = 'Bearer realm="q2c"'


@dataclass(frozen=True, slots=True)
class ClientUser:
    """What DRF calls the user of a request: a program and what it may do."""

    client: ApiClient
    principal: Principal
    is_authenticated: bool = True
    is_active: bool = True


class ApiKeyAuthentication(BaseAuthentication):
    """The client of a key. No key is anonymous; a wrong one is refused."""

    def authenticate(self, request: Request) -> tuple[ClientUser, ApiClient] | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or not key.strip():
            raise AuthenticationFailed("Send the API key as: Authorization: Bearer <key>.")
        key = key.strip()
        client = find_client(hash_key(key), key[:PREFIX_LENGTH])
        if client is None:
            raise AuthenticationFailed("The API key is not known or was revoked.")
        return ClientUser(client, principal_of_client(client)), client

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes the key."""

    target_class = "apps.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "API key of a client."}
