"""Asynchronous requests and the only idempotency that NetSuite knows."""

from __future__ import annotations

from apps.simulators.core.calls import Call, Reply
from apps.simulators.core.codec import Document
from apps.simulators.core.store import Store
from apps.simulators.netsuite.errors import NetSuiteError, nonexistent

KIND = "_job"
ASYNC_PATH = "/services/rest/async/v1/job"


class Jobs:
    def __init__(self, store: Store) -> None:
        self._store = store
        store.index(KIND, "key")

    def duplicate(self, call: Call) -> Reply | None:
        """A second asynchronous request with a used key: Conflict, and where the first is."""
        key = call.headers.get("x-netsuite-idempotency-key")
        found = self._store.find(KIND, "key", key) if key else []
        if not found:
            return None
        reply = NetSuiteError(
            "IDEMPOTENCY_ERROR",
            "A request with the same idempotency key has already been received.",
            title="Conflict",
        ).reply()
        reply.headers["location"] = f"{call.base_url}{ASYNC_PATH}/{found[0]['id']}"
        return reply

    def start(self, call: Call, result: Reply) -> Reply:
        """Keep what the request came to as a finished job and answer 202."""
        number = str(self._store.next_number("job"))
        self._store.put(
            KIND,
            number,
            {
                "id": number,
                "key": call.headers.get("x-netsuite-idempotency-key"),
                "status": result.status,
                "content": result.content,
                "headers": result.headers,
                "content_type": result.content_type,
            },
        )
        return Reply(202, headers={"location": f"{call.base_url}{ASYNC_PATH}/{number}"})

    def job(self, call: Call, path: Document) -> Reply:
        job = self._find(path["id"])
        href = f"{call.base_url}{ASYNC_PATH}/{job['id']}"
        task = {"links": [{"rel": "self", "href": f"{href}/task/"}]}
        state = "succeeded" if job["status"] < 400 else "failed"
        return Reply(200, {"completed": True, "id": job["id"], "progress": state, "task": task})

    def task(self, call: Call, path: Document) -> Reply:
        job = self._find(path["id"])
        href = f"{call.base_url}{ASYNC_PATH}/{job['id']}/task/1/result"
        state = "succeeded" if job["status"] < 400 else "failed"
        body = {
            "completed": True,
            "id": "1",
            "progress": state,
            "links": [{"rel": "result", "href": href}],
        }
        return Reply(200, body)

    def result(self, _call: Call, path: Document) -> Reply:
        job = self._find(path["id"])
        return Reply(job["status"], job["content"], dict(job["headers"]), job["content_type"])

    def _find(self, key: str) -> Document:
        job = self._store.get(KIND, key)
        if job is None:
            raise nonexistent()
        return job
