"""A lane's calls in the worker's own thread, one after the other.

In production they have a thread of their own. Layer A kills and freezes a whole process by what
it does to one thread, so there must be no other.
"""

import asyncio
from collections.abc import Sequence

from apps.connectors.lanes.calls import Calls
from apps.connectors.lanes.work import Job, Priority
from apps.connectors.services import connect


class InlineCalls(Calls):
    """Calls that are over when ``start`` returns."""

    def open(self) -> None:
        """Nothing to begin."""

    def close(self) -> None:
        self._loop.close()

    def shut(self) -> None:
        """Nobody waits for a place."""

    def keep_until(self, moment: float) -> None:
        self.until = moment

    def start(self, jobs: Sequence[Job], priority: Priority, work: int) -> None:
        for job in jobs:
            self._jobs[id(job)] = (work, job)
            asyncio.run(self._call(job, priority, work))

    async def _call(self, job: Job, priority: Priority, work: int) -> None:
        async with connect(self._connection, record=self.records.append) as session:
            self._session = session
            await self._run(job, priority, work)
