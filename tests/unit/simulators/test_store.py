"""The store: units of work, restarts, the past."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from apps.simulators.core.clock import Clock
from apps.simulators.core.ledger import Entry, Ledger
from apps.simulators.core.store import Store


class Boom(Exception):
    """Something went wrong in the middle of a unit."""


def fail_after(store: Store, *writes: Callable[[], object]) -> None:
    """A unit that writes and then fails."""
    with suppress(Boom), store.unit():
        for write in writes:
            write()
        raise Boom


def test_failed_unit_leaves_nothing_and_an_inner_one_only_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.jsonl")
    store.put("box", "a", {"n": 1})
    fail_after(store, lambda: store.put("box", "a", {"n": 2}))
    with store.unit():
        store.put("box", "b", {"n": 3})
        fail_after(
            store,
            lambda: store.put("box", "b", {"n": 4}),
            lambda: store.delete("box", "a"),
        )
    store.close()
    again = Store(tmp_path / "s.jsonl")
    assert list(again.all("box")) == [{"n": 1}, {"n": 3}]


def test_half_a_line_after_a_kill_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    store = Store(path)
    store.put("box", "a", {"n": 1})
    store.close()
    with path.open("ab") as file:
        file.write(b'{"k":"box","i":"b","d":{"n"')
    assert Store(path).counts() == {"box": 1}
    assert path.read_bytes().endswith(b"\n")


def test_index_follows_changes_deletes_and_undo(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.jsonl")
    store.index("box", "colour")
    store.put("box", "a", {"colour": "red"})
    store.put("box", "b", {"colour": "red"})
    store.put("box", "a", {"colour": "blue"})
    fail_after(store, lambda: store.delete("box", "b"))
    assert store.find("box", "colour", "red") == [{"colour": "red"}]
    assert store.find("box", "colour", "blue") == [{"colour": "blue"}]
    store.delete("box", "b")
    assert store.find("box", "colour", "red") == []


def test_lagging_reader_sees_the_past(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.jsonl")
    store.put("box", "a", {"n": 1})
    store.put("box", "a", {"n": 2})
    past = store.as_of(60)
    assert past.get("box", "a") is None
    assert list(past.all("box")) == []
    assert past.find("box", "n", 2) == []
    assert store.as_of(0).get("box", "a") == {"n": 2}


def test_ledger_exists_exactly_when_the_change_does(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.jsonl")
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(store, path, Clock())
    fail_after(store, lambda: ledger.record(Entry("created", "box", "a")))
    with store.unit():
        ledger.record(Entry("created", "box", "b", net="1.00", currency="EUR"))
    assert [line["id"] for line in ledger.lines()] == ["b"]
    assert path.read_text().count("\n") == 1
    path.write_text("")  # killed between the commit and the file
    store.close()
    Ledger(Store(tmp_path / "s.jsonl"), path, Clock())
    assert path.read_text().count('"id":"b"') == 1


def test_clearing_keeps_what_it_is_told_to_keep(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.jsonl")
    store.put("box", "a", {})
    store.put("app", "x", {})
    store.clear(frozenset({"app"}))
    store.close()
    assert Store(tmp_path / "s.jsonl").counts() == {"app": 1}
