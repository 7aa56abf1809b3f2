"""The conductor's loop with a hub and a stack that only exist here."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.faults import conductor as loop
from benchmarks.faults.conductor import Conductor, Scene
from benchmarks.faults.people import _decision
from benchmarks.faults.plan import Planned


class FakeStack:
    def __init__(self) -> None:
        self.running: dict[str, Any] = {}
        self.mended = 0

    def mend(self) -> list[str]:
        self.mended += 1
        return []


class FakeHub:
    """Rows that come to rest one by one each time somebody asks."""

    def __init__(self, owed: int, *, circuit: str = "") -> None:
        self.owed, self.circuit, self.asked = owed, circuit, 0

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 2, tzinfo=dt.UTC)

    def moving(self, at: dt.datetime | None = None) -> int:
        self.owed -= 1
        return max(0, self.owed)

    def transitions(self) -> int:
        self.asked += 1
        return self.asked

    def has_open_circuit(self, vendors: list[str]) -> bool:
        return self.circuit in vendors


class NoOperator:
    def resume_paused(self) -> None: ...


def planned(number: int, kind: str, family: str = "link") -> Planned:
    return Planned(number, family, kind, 0.0, number, {"kind": kind})


def on(link: str) -> Planned:
    return replace(planned(0, "a"), what={"kind": "a", "link": link})


def conduct(hub: FakeHub, strikes: dict[str, Any], *groups: list[Planned]) -> Conductor:
    made = Conductor(FakeStack(), hub, strikes, NoOperator(), None)  # type: ignore[arg-type]
    made.run(list(groups), lambda line: None)
    return made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "TICK", 0.01)


def test_faults_that_meet_run_side_by_side_and_share_a_recovery() -> None:
    order: list[str] = []

    def strike(scene: Scene) -> Iterator[float]:
        order.append(f"{scene.what['kind']} begins")
        yield 0.05
        order.append(f"{scene.what['kind']} ends")

    made = conduct(
        FakeHub(6), {"a": strike, "b": strike}, [planned(0, "a"), planned(1, "b", "broker")]
    )
    assert order[:2] == ["a begins", "b begins"]
    assert set(order[2:]) == {"a ends", "b ends"}
    first, second = made.log
    assert first.recovery_s == second.recovery_s == first.plain_s
    assert (first.met, second.met) == (["b"], ["a"])
    assert first.owed == 5


def test_what_is_away_already_is_noted_and_not_struck() -> None:
    def strike(scene: Scene) -> Iterator[float]:
        yield 0.0
        raise ProcessLookupError("gone")

    made = conduct(FakeHub(0), {"a": strike}, [planned(0, "a")])
    assert made.log[0].notes["not_struck"] == "ProcessLookupError: gone"


def test_a_fault_without_recovery_counts_as_long_as_it_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "LONGEST_RECOVERY", 0.1)

    def strike(scene: Scene) -> Iterator[float]:
        yield 0.0

    made = conduct(FakeHub(10**6, circuit="stripe"), {"a": strike}, [on("stripe")])
    assert made.log[0].circuit_s > 0
    assert made.log[0].recovery_s is not None
    assert made.log[0].recovery_s == made.log[0].plain_s
    assert made.log[0].recovery_s >= 0.1
    assert made.log[0].notes["still_owed"] > 0


def test_only_the_circuit_of_the_struck_platform_is_left_out() -> None:
    def strike(scene: Scene) -> Iterator[float]:
        yield 0.0

    def outage(scene: Scene) -> Iterator[float]:
        scene.notes["vendor"] = "stripe"
        yield 0.0

    own = conduct(FakeHub(12, circuit="stripe"), {"a": strike}, [on("stripe")]).log[0]
    noted = conduct(FakeHub(12, circuit="stripe"), {"a": outage}, [planned(0, "a")]).log[0]
    for one in (own, noted):
        assert one.circuit_s > 0
        assert one.recovery_s is not None
        assert one.plain_s is not None
        assert one.recovery_s < one.plain_s
    for link in ("netsuite", "valkey"):
        other = conduct(FakeHub(12, circuit="stripe"), {"a": strike}, [on(link)]).log[0]
        assert (other.circuit_s, other.recovery_s) == (0, other.plain_s)


def test_every_group_lets_its_share_of_business_happen() -> None:
    def strike(scene: Scene) -> Iterator[float]:
        yield 0.0

    shares: list[float] = []
    made = Conductor(FakeStack(), FakeHub(0), {"a": strike}, NoOperator(), None)  # type: ignore[arg-type]
    made.on_strike = shares.append
    made.run([[planned(0, "a")], [planned(1, "a")]], lambda line: None)
    assert shares == [0.5, 1.0]


def test_people_decide_by_what_stands_at_the_platform() -> None:
    assert _decision("inv-1", "") == {"decision": "exists", "external_id": "inv-1"}
    assert _decision("inv-1", "inv-9") == {"decision": "exists", "external_id": "inv-1"}
    assert _decision("", "") == {"decision": "absent", "external_id": ""}
    assert _decision("", "inv-9") == {}
