"""Sessions: JWT bearer and client credentials on the My Domain host."""

from __future__ import annotations

import base64
import binascii
import secrets
from urllib.parse import parse_qs

import jwt

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document
from apps.simulators.core.kit import Kit
from apps.simulators.salesforce.ids import make_id
from apps.simulators.salesforce.outbound import ORGANIZATION_ID

APP = "_app"
SESSION = "_session"
SESSION_SECONDS = 2 * 3600
MAX_ASSERTION_SECONDS = 300  # three minutes plus clock skew
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class GrantError(Exception):
    """An OAuth refusal: {error, error_description} with status 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description

    def reply(self) -> Reply:
        return Reply(400, {"error": self.error, "error_description": self.description})


class Sessions:
    """Registered apps and the access tokens they were given."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def register(self, spec: Document) -> Document:
        """Control API: {client_id, client_secret?, public_key?, username?}."""
        client_id = str(spec["client_id"])
        app: Document = {
            "client_id": client_id,
            "client_secret": spec.get("client_secret"),
            "public_key": spec.get("public_key"),
            "username": spec.get("username"),
            "user": make_id("005", self._kit.store.next_number("user", first=2)),
        }
        self._kit.store.put(APP, client_id, app)
        return {"client_id": client_id, "user_id": app["user"]}

    def expire_all(self, _spec: Document) -> Document:
        """Control API: every token becomes INVALID_SESSION_ID."""
        sessions = list(self._kit.store.all(SESSION))
        for session in sessions:
            self._kit.store.delete(SESSION, session["token"])
        return {"expired": len(sessions)}

    def user_of(self, token: str | None) -> str | None:
        """The user id behind a valid token, else None."""
        session = self._kit.store.get(SESSION, token) if token else None
        if session is None or session["expires"] <= self._kit.clock.unix():
            return None
        return str(session["user"])

    def grant(self, call: Call) -> Reply:
        """POST /services/oauth2/token."""
        fields = {k: v[-1] for k, v in parse_qs(call.body.decode("utf-8", "replace")).items()}
        try:
            kind = fields.get("grant_type")
            if kind == JWT_BEARER:
                app = self._app_of_assertion(fields.get("assertion", ""), call.base_url)
                return Reply(200, self._token(app, call.base_url))
            if kind == "client_credentials":
                app = self._app_of_secret(fields, call)
                body = {**self._token(app, call.base_url), "token_format": "opaque"}
                body |= {"signature": secrets.token_urlsafe(24)}
                body |= {"issued_at": str(self._kit.clock.unix() * 1000)}
                return Reply(200, body)
            raise GrantError("unsupported_grant_type", "grant type not supported")
        except GrantError as refusal:
            return refusal.reply()

    def _token(self, app: Document, base_url: str) -> Document:
        token = f"{ORGANIZATION_ID[:15]}!{secrets.token_urlsafe(48)}"
        session = {
            "token": token,
            "user": app["user"],
            "expires": self._kit.clock.unix() + SESSION_SECONDS,
        }
        self._kit.store.put(SESSION, token, session)
        return {
            "access_token": token,
            "scope": "api",
            "instance_url": base_url,
            "id": f"https://login.salesforce.com/id/{ORGANIZATION_ID}/{app['user']}",
            "token_type": "Bearer",
        }

    def _app_of_assertion(self, assertion: str, base_url: str) -> Document:
        claims = self._claims(assertion, base_url)
        app = self._kit.store.get(APP, str(claims["iss"]))
        if app is None:
            raise GrantError("invalid_client_id", "client identifier invalid")
        now = self._kit.clock.unix()
        if not now <= int(claims["exp"]) <= now + MAX_ASSERTION_SECONDS:
            raise GrantError("invalid_grant", "expired authorization code")
        if app["username"] not in (None, claims.get("sub")):
            raise GrantError("invalid_grant", "user hasn't approved this consumer")
        return app

    def _claims(self, assertion: str, base_url: str) -> Document:
        """Verified claims; time is checked against the vendor's clock by the caller."""
        try:
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
            app = self._kit.store.get(APP, str(issuer)) or {}
            if not app.get("public_key"):
                raise GrantError("invalid_client_id", "client identifier invalid")
            claims: Document = jwt.decode(
                assertion,
                app["public_key"],
                algorithms=["RS256"],
                audience=[*AUDIENCES, base_url],
                options={"verify_exp": False, "require": ["iss", "sub", "aud", "exp"]},
            )
        except jwt.InvalidAudienceError:
            raise GrantError("invalid_grant", "audience is invalid") from None
        except jwt.PyJWTError:
            raise GrantError("invalid_grant", "invalid assertion") from None
        return claims

    def _app_of_secret(self, fields: dict[str, str], call: Call) -> Document:
        key, secret = fields.get("client_id"), fields.get("client_secret")
        scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(encoded).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise GrantError("invalid_client", "invalid client credentials") from None
        app = self._kit.store.get(APP, key or "")
        if app is None:
            raise GrantError("invalid_client_id", "client identifier invalid")
        if not secret or app["client_secret"] != secret:
            raise GrantError("invalid_client", "invalid client credentials")
        return app
