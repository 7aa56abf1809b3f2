"""Calls of Tryton's JSON-RPC: one session for a process, errors inside HTTP 200."""

from typing import Any

from apps.connectors.errors import broken, error_for, silence
from apps.connectors.http import Answer, Request, Session, json_content
from apps.connectors.limits import retry_after
from apps.connectors.vendors.tryton.schemas import code_of, session_header, typed, untyped
from apps.core.errors import ConfigurationError, HubError

_READING = frozenset({"read", "search", "search_read", "search_count", "get_preferences"})


class TrytonClient:
    """Calls of models under one session; a dead session is opened anew once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def call(self, operation: str, model: str, method: str, *parameters: Any) -> Any:
        """``model.<model>.<method>`` with the user's context. Raises the errors of ``refusal``."""
        try:
            return await self._call(operation, model, method, parameters)
        except ConfigurationError as error:
            if error.facts.vendor_code != "session":
                raise
            self._session.tokens.clear()
            return await self._call(operation, model, method, parameters)

    async def search_read(
        self, operation: str, model: str, domain: list[Any], fields: list[str]
    ) -> list[dict[str, Any]]:
        """Records that a domain selects."""
        found = await self.call(operation, model, "search_read", domain, 0, None, None, fields)
        return list(found)

    async def _call(
        self, operation: str, model: str, method: str, parameters: tuple[Any, ...]
    ) -> Any:
        tokens = self._session.tokens
        async with self._session.granting:
            if "context" not in tokens:
                await self._log_in()
        return await self._send(
            operation, f"model.{model}.{method}", [*typed(parameters), tokens["context"]],
            writes=method not in _READING,
        )  # fmt: skip

    async def _log_in(self) -> None:
        """Log in once: Tryton delays and then refuses logins that fail repeatedly."""
        session, tokens = self._session, self._session.tokens
        login = session.setting("login")
        user_id, token, *_ = await self._send(
            "login", "common.db.login",
            [login, {"password": session.secret("password")}, "en"], writes=False,
        )  # fmt: skip
        tokens["header"] = session_header(login, user_id, token)
        tokens["context"] = await self._send(
            "login", "model.res.user.get_preferences", [True, {}], writes=False
        )

    async def _send(
        self, operation: str, method: str, parameters: list[Any], *, writes: bool
    ) -> Any:
        session = self._session
        header = session.tokens.get("header")
        request = Request(
            operation,
            "POST",
            f"/{session.setting('database')}/rpc/",
            headers={"authorization": header} if header else {},
            content=json_content({"id": 1, "method": method, "params": parameters}),
            content_type="application/json",
            writes=writes,
        )
        answer = await session.send(
            request,
            lambda a: refusal(session.vendor_name, a, writes=writes, had_session=bool(header)),
        )
        return untyped(answer.json()["result"])


def refusal(
    vendor: str, answer: Answer, *, writes: bool, had_session: bool = True
) -> HubError | None:
    """The error of an answer. A UserError comes with status 200; bad logins are 401 in HTML."""
    body = answer.json_or_none()
    if answer.status == 401:
        return error_for(
            "not_authorised", f"{vendor} refuses the hub's login. Enter the password again, then "
            f"resume the connection.", vendor_code="session" if had_session else "login",
        )  # fmt: skip
    if answer.status == 429:
        wait = retry_after(answer.headers, 5.0)
        return error_for("rate_limited", f"{vendor} asks the hub to slow down.", retry_after=wait)
    if not answer.is_success:
        return _server_error(vendor, answer, writes=writes)
    if not isinstance(body, dict) or not {"result", "error"} & set(body):
        return silence(vendor, writes=writes, detail="the answer is cut off or no JSON object")
    return _refused(vendor, body["error"], writes=writes) if body.get("error") else None


def _server_error(vendor: str, answer: Answer, *, writes: bool) -> HubError:
    detail = answer.content[:300].decode("utf-8", "replace")
    if "could not obtain lock" in detail:
        # The transaction was rolled back: another one numbers a document just now.
        return error_for(
            "locked", f"{vendor} is numbering another document. The hub tries again.",
            detail=detail, retry_after=1.0,
        )  # fmt: skip
    return broken(vendor, answer.status, writes=writes, detail=detail)


def _refused(vendor: str, error: Any, *, writes: bool) -> HubError:
    """``[kind, [message, …]]``; only UserError and UserWarning are words for people."""
    kind = str(error[0]) if isinstance(error, list) and error else str(error)
    parts = error[1] if isinstance(error, list) and len(error) > 1 else ""
    words = " ".join(str(p) for p in parts if p) if isinstance(parts, list) else str(parts)
    if kind in ("UserError", "UserWarning"):
        return error_for(
            code_of(words), f"{vendor} refuses the document: {words.strip()}", detail=words,
            vendor_code=kind,
        )  # fmt: skip
    if kind == "ConcurrencyException":
        return error_for("locked", f"{vendor} changed the record meanwhile.", vendor_code=kind)
    if kind == "LoginException":
        return error_for("not_authorised", f"{vendor} refuses the login.", vendor_code="session")
    if "could not obtain lock" in words:
        return error_for("locked", f"{vendor} is busy. The hub tries again.", detail=words)
    return broken(vendor, 500, writes=writes, detail=f"{kind} {words}"[:400], vendor_code=kind)
