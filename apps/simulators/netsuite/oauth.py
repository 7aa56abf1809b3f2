"""OAuth 2.0 client credentials with a signed assertion (machine to machine)."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

import jwt

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document
from apps.simulators.core.kit import Kit

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - an address
APP = "_app"
SESSION = "_session"
TOKEN_SECONDS = 3600
MAX_ASSERTION_SECONDS = 3600
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
SCOPE = "rest_webservices"


class Refused(Exception):
    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Tokens:
    """Certificates mapped to integrations, and the access tokens given out."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def register(self, spec: Document) -> Document:
        """Control API: {client_id, certificate_id, public_key} (PEM)."""
        certificate = str(spec["certificate_id"])
        mapping = {
            "client_id": str(spec["client_id"]),
            "certificate_id": certificate,
            "public_key": str(spec["public_key"]),
        }
        self._kit.store.put(APP, certificate, mapping)
        return {"certificate_id": certificate}

    def expire_all(self, _spec: Document) -> Document:
        """Control API: every token becomes INVALID_LOGIN."""
        sessions = list(self._kit.store.all(SESSION))
        for session in sessions:
            self._kit.store.delete(SESSION, session["token"])
        return {"expired": len(sessions)}

    def is_valid(self, token: str | None) -> bool:
        session = self._kit.store.get(SESSION, token) if token else None
        return session is not None and session["expires"] > self._kit.clock.unix()

    def grant(self, call: Call) -> Reply:
        """POST the token address; any doubt is `invalid_grant`, as the vendor words it."""
        fields = {k: v[-1] for k, v in parse_qs(call.body.decode("utf-8", "replace")).items()}
        try:
            self._check(fields, f"{call.base_url}{TOKEN_PATH}")
        except Refused as refusal:
            return Reply(400, {"error": refusal.error})
        except jwt.PyJWTError:
            return Reply(400, {"error": "invalid_grant"})
        token = secrets.token_urlsafe(48)
        expires = self._kit.clock.unix() + TOKEN_SECONDS
        self._kit.store.put(SESSION, token, {"token": token, "expires": expires})
        body = {"access_token": token, "expires_in": str(TOKEN_SECONDS), "token_type": "Bearer"}
        return Reply(200, body)

    def _check(self, fields: dict[str, str], audience: str) -> None:
        if fields.get("grant_type") != "client_credentials":
            raise Refused("unsupported_grant_type")
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refused("invalid_request")
        assertion = fields.get("client_assertion", "")
        certificate = jwt.get_unverified_header(assertion).get("kid")
        mapping = self._kit.store.get(APP, str(certificate))
        if mapping is None:
            raise Refused("invalid_client")
        claims = jwt.decode(
            assertion,
            mapping["public_key"],
            algorithms=ALGORITHMS,
            audience=audience,
            issuer=mapping["client_id"],
            options={"verify_exp": False, "require": ["iss", "aud", "exp", "iat"]},
        )
        now = self._kit.clock.unix()
        in_time = now <= int(claims["exp"]) <= now + MAX_ASSERTION_SECONDS + 60
        if not in_time or SCOPE not in _scopes(claims.get("scope")):
            raise Refused("invalid_grant")


def _scopes(scope: object) -> list[str]:
    if isinstance(scope, str):
        return scope.replace(",", " ").split()
    return [str(name) for name in scope] if isinstance(scope, list) else []
