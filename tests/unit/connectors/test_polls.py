"""REL-05: a poll finds every row, though rows become visible late and share their moments."""

import asyncio
import datetime as dt
import random
import re
from typing import Any

import pytest

from apps.connectors.vendors.salesforce import reads as salesforce
from apps.connectors.vendors.stripe import reads as stripe

BEGIN = 1_764_000_000


def _rows(chance, latest):
    """(id, moment, when it can be seen): many of one second, some seen up to ``latest`` s late."""
    rows = []
    for n in range(600):
        moment = BEGIN + chance.randrange(0, 300)
        late = chance.choice([0, 0, 0, chance.uniform(0, latest)])
        rows.append((f"{n:015d}", moment, moment + late))
    return rows


class Events:
    """Stripe's list: newest first, pages after an id, as it can be seen at ``now``."""

    def __init__(self, rows):
        self.rows, self.now = rows, 0.0

    async def get(self, operation, path, parameters):
        since = parameters["created"]["gte"]
        seen = [r for r in self.rows if r[2] <= self.now and r[1] >= since]
        seen.sort(key=lambda row: (-row[1], row[0]))
        after = parameters.get("starting_after")
        if after:
            places = [n for n, row in enumerate(seen) if row[0] == after]
            seen = seen[places[0] + 1 :]
        page = seen[: parameters["limit"]]
        data = [
            {"id": key, "type": "invoice.paid", "created": moment,
             "data": {"object": {"id": key, "object": "invoice"}}}
            for key, moment, _ in page
        ]  # fmt: skip
        return {"data": data, "has_more": len(seen) > len(page)}


class Quotes:
    """Salesforce's query: oldest first, from a moment on, one page."""

    def __init__(self, rows):
        self.rows, self.now = rows, 0.0

    async def query_page(self, operation, soql):
        (moment,) = re.findall(r">= (\S+)Z", soql)
        since = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
        seen = [r for r in self.rows if r[2] <= self.now and r[1] >= since.timestamp()]
        return [
            {"Id": key, "SystemModstamp": dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()}
            for key, moment, _ in sorted(seen, key=lambda row: (row[1], row[0]))
        ], ""


def _walk(poll, source, chance):
    found: set[str] = set()
    cursor: dict[str, Any] = {}
    clock = BEGIN
    while clock < BEGIN + 420:
        source.now = clock
        more = True
        while more:
            page = asyncio.run(poll(source, cursor))
            found |= {message.object_id for message in page.objects}
            cursor, more = page.cursor, page.more
        clock += chance.uniform(1, 15)
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("poll", "kind", "latest"),
    [(stripe.poll_events, Events, 58), (salesforce.poll_quotes, Quotes, 28)],
    ids=["stripe", "salesforce"],
)
def test_rows_that_show_late_are_found(poll, kind, latest, seed):
    chance = random.Random(seed)
    rows = _rows(chance, latest)
    found = _walk(poll, kind(rows), chance)
    assert found == {key for key, _, _ in rows}


def test_an_event_that_cannot_be_read_does_not_hide_the_others():
    source = Events([("a", BEGIN, BEGIN), ("b", BEGIN + 1, BEGIN + 1)])
    real = source.get

    async def broken(operation, path, parameters):
        answer = await real(operation, path, parameters)
        answer["data"][0]["data"] = None
        return answer

    client: Any = source
    client.now, client.get = BEGIN + 9, broken
    page = asyncio.run(stripe.poll_events(client, {}))
    assert [(m.object_type, m.fault is None) for m in page.objects] == [
        ("invoice", True), ("unreadable", False),
    ]  # fmt: skip
