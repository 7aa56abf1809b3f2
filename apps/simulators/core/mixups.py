"""Answers that belong to somebody else: an id given twice, or another tenant's document."""

from __future__ import annotations

import re
from dataclasses import replace

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import dumps, loads

# Ids have a digit or, when chance gave them none, capitals behind their prefix.
_ID_SEGMENT = re.compile(r"/[^/]*\d[^/]*|/[a-z]+_[a-z]*[A-Z][A-Za-z]*(?=/|$)")


class Mixups:
    """The last good answer of each kind of call, to give to the wrong caller when asked to."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], Reply] = {}

    def answer(self, call: Call, reply: Reply) -> Reply:
        """The answer that this call gets, after the faults ``reuse_id`` and ``other_tenant``."""
        before = self._last.get(_shape(call))
        if 200 <= reply.status < 300:
            self._last[_shape(call)] = reply
        if before is None:
            return reply
        if "other_tenant" in call.faults:
            return before
        return _with_id_of(reply, before) if "reuse_id" in call.faults else reply


def _shape(call: Call) -> tuple[str, str]:
    """Method and path with its ids left out, so that calls on like resources are alike."""
    versions_kept = call.path.replace("/v1/", "/v/", 1)
    return call.method, _ID_SEGMENT.sub("/*", versions_kept)


def _with_id_of(reply: Reply, before: Reply) -> Reply:
    """The same answer under the id of an earlier document."""
    headers = dict(reply.headers)
    for name in ("location", "Location"):
        if name in headers and name in before.headers:
            headers[name] = before.headers[name]
    content = reply.content
    mine, theirs = _document(reply), _document(before)
    if "id" in mine and "id" in theirs:
        content = dumps({**mine, "id": theirs["id"]})
    return replace(reply, headers=headers, content=content)


def _document(reply: Reply) -> dict[str, object]:
    try:
        found = loads(reply.body())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
