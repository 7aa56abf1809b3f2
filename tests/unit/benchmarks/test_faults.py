"""The campaign's pure parts: schedule, mix, quantiles, minima, and the page."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults.company import plan_trade
from benchmarks.faults.outcome import figures, has_struck, quantile, summary
from benchmarks.faults.page import write_page
from benchmarks.faults.plan import (
    FAMILIES,
    FIRST,
    TIERS,
    VARIANTS,
    chunk_seed,
    counts_of,
    meetings,
    schedule,
)
from benchmarks.faults.run import STRIKES, Chunk, check_plan
from benchmarks.faults.sometimes import MINIMA, unreached
from q2c.stack.errors import StackError


def test_the_release_tier_has_the_planned_faults() -> None:
    assert counts_of(500) == FAMILIES
    assert sum(FAMILIES.values()) == 500


@pytest.mark.parametrize("faults", [5, 10, 20, 50, 100])
def test_smaller_tiers_keep_the_shares_and_miss_no_family(faults: int) -> None:
    counts = counts_of(faults)
    assert sum(counts.values()) == faults
    assert all(counts.values()) or faults < len(FAMILIES)
    assert counts["failpoint"] == max(counts.values())


def test_a_seed_gives_one_schedule_and_another_seed_another() -> None:
    assert schedule(50, 7) == schedule(50, 7)
    assert schedule(50, 7) != schedule(50, 8)
    assert chunk_seed(7, 0) != chunk_seed(7, 1)


@pytest.mark.parametrize("seed", range(20))
def test_the_ci_tier_holds_what_every_rare_path_needs(seed: int) -> None:
    planned = schedule(TIERS["ci"].faults, seed, database_link=False)
    for wanted in [wanted for cards in FIRST.values() for wanted in cards]:
        assert any(fault.what.items() >= wanted.items() for fault in planned), wanted


def test_faults_that_meet_are_of_different_families_and_none_is_lost() -> None:
    planned = schedule(50, 7)
    groups = meetings(planned, 2)
    assert sorted(p.number for group in groups for p in group) == list(range(50))
    assert all(len({p.family for p in group}) == len(group) <= 2 for group in groups)
    assert meetings(planned, 1) == [[p] for p in planned]


def test_every_kind_can_be_struck() -> None:
    kinds = {what["kind"] for variants in VARIANTS.values() for what, _ in variants}
    assert kinds == set(STRIKES)


def test_a_plan_that_names_what_nobody_can_strike_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_plan("broker,flushall")
    with pytest.raises(StackError, match="kind flushal"):
        check_plan("flushal")
    typed = [({"kind": "kill-after-send", "point": "posting.after_sent"}, 1)]
    monkeypatch.setitem(VARIANTS, "failpoint", typed)
    monkeypatch.setattr(command, "run_chunk", lambda *_: pytest.fail("it started"))
    assert command.main(["--seed", "7", "--transactions", "1"]) == 1
    with pytest.raises(StackError, match=r"failpoint posting\.after_sent\."):
        check_plan()


def test_no_database_link_no_fault_on_it() -> None:
    planned = schedule(500, 3, database_link=False)
    assert not [fault for fault in planned if fault.what.get("link") == "database"]
    assert [fault for fault in schedule(500, 3) if fault.what.get("link") == "database"]


def test_chunks_share_a_tier_exactly() -> None:
    for tier in TIERS.values():
        transactions, faults = tier.share()
        assert (transactions * tier.chunks, faults * tier.chunks) == (
            tier.transactions, tier.faults,
        )  # fmt: skip


def test_the_mix_of_trade_is_exact_and_begins_with_quotes() -> None:
    kinds = plan_trade(200, Random("seed"))
    assert Counter(kinds) == {"quote": 140, "amendment": 32, "invoice": 28}
    assert kinds[:10] == ["quote"] * 10
    assert kinds == plan_trade(200, Random("seed"))


def test_a_run_goes_on_with_the_chunks_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    def run_chunk(given: Chunk, directory: str) -> dict[str, Any]:
        ran.append(given.number)
        if given.number == 1 and len(ran) == 2:
            raise KeyboardInterrupt
        return {"chunk": given.number}

    monkeypatch.setattr(command, "run_chunk", run_chunk)
    chunks = [Chunk(number, 7, 20, 2, 1) for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        command.play(chunks, tmp_path)
    played = command.play(chunks, tmp_path)
    assert ran == [0, 1, 1, 2]
    assert [chunk["chunk"] for chunk in played] == [0, 1, 2]


def test_only_some_kinds_gives_that_many_of_them_in_turn() -> None:
    groups = Chunk(0, 7, 20, 5, 1, "flushall").groups()
    assert [[p.kind for p in group] for group in groups] == [["flushall"]] * 5
    groups = Chunk(0, 7, 20, 4, 1, "flushall,clock").groups()
    assert {p.kind for group in groups for p in group} == {
        "flushall", "clock-ahead", "clock-behind",
    }  # fmt: skip


def test_quantiles_name_a_measured_value() -> None:
    assert quantile([], 0.95) == 0
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0


def test_counters_below_their_minimum_are_named() -> None:
    enough = {name: least["release"] for name, least in MINIMA.items()}
    assert unreached(enough, "release") == []
    assert unreached({**enough, "compensated": 19}, "release") == ["compensated"]
    assert set(unreached({}, "release")) == set(unreached({}, "ci")) == set(MINIMA)


def chunk(**changes: Any) -> dict[str, Any]:
    fault = {"number": 0, "family": "broker", "kind": "flushall", "what": {"kind": "flushall"},
             "at": "2026-11-02T10:00:00.000+00:00", "lasted_s": 1.5, "owed": 4,
             "recovery_s": 61.0, "plain_s": 75.5,
             "notes": {"bells_lost": 3, "hits": 2}}  # fmt: skip
    return {
        "chunk": 0, "seed": 9, "servers": {"postgresql": "18.6"},
        "asked": {"transactions": 3, "faults": 1},
        "transactions": {"quote": 3}, "faults": [fault], "all_s": 20.0,
        "restarts": 1, "fired": 0, "people": {"decided": 0, "refused": []}, "lost": 1,
        "duplicate": 0, "unequal_sums": 0, "broken": {"I1": 1}, "ledgers": {"hub": "00ff"},
        "breaches": [{"invariant": "I1", "subject": "<m-1>", "words": "lost & gone"}],
        "sometimes": {"lost_bell_swept": 3}, **changes,
    }  # fmt: skip


def test_a_run_is_the_sum_of_its_chunks() -> None:
    whole = summary([chunk(), chunk(chunk=1)], tier="ci", seed=1, commit="abc")
    said = {figure.name: (figure.value, figure.is_met) for figure in figures(whole)}
    assert said["faults.lost"] == (2, False)
    assert said["faults.duplicate"] == (0, True)
    assert said["faults.invariants_broken"] == (1, False)
    assert said["faults.recovery_max_s"] == (61.0, False)
    assert said["faults.transactions"] == (6, True)
    assert said["faults.struck"] == (2, True)
    assert whole["plain_max_s"] == 75.5
    assert whole["sometimes"]["lost_bell_swept"] == {"met": 6, "least": 1}
    assert set(whole["unreached"]) == set(MINIMA) - {"lost_bell_swept"}


def test_a_run_that_was_cut_off_or_hit_nobody_says_so() -> None:
    short = chunk(transactions={"quote": 2})
    short["faults"][0]["notes"] = {"fired": []}
    said = {f.name: f for f in figures(summary([short], tier="ci", seed=1, commit="abc"))}
    assert said["faults.transactions"].line() == (
        "RESULT faults.transactions 2 transactions target >=3 missed"
    )
    assert said["faults.struck"].line() == "RESULT faults.struck 0 faults target >=1 missed"


@pytest.mark.parametrize(
    ("notes", "struck"),
    [
        ({}, True),
        ({"vendor": "stripe", "hits": "all"}, True),
        ({"hits": 0}, False),
        ({"fired": []}, False),
        ({"undoing": 1, "fired": [{"pid": 7}]}, True),
        ({"pids": [7], "lease_left_s": 0.0}, True),
        ({"pids": []}, False),
        ({"cut": 3, "not_struck": "OperationalError: away"}, False),
    ],
)
def test_a_fault_struck_when_it_met_something(notes: dict[str, Any], struck: bool) -> None:
    assert has_struck(notes) == struck


def test_the_page_is_whole_and_escapes_what_it_shows(tmp_path: Path) -> None:
    whole = summary([chunk()], tier="ci", seed=1, commit="abc")
    write_page(tmp_path / "index.html", whole, [chunk()])
    page = (tmp_path / "index.html").read_text()
    assert "&lt;m-1&gt;" in page
    assert "lost &amp; gone" in page
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "broken 1×" in page
