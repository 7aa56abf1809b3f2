"""What the hub's postings left behind is read from ledgers line by line."""

import datetime as dt
from typing import Any

import pytest

from benchmarks.faults.conductor import Struck
from benchmarks.faults.invariants import Facts, Posted, in_order, posted_once
from benchmarks.faults.sometimes import swept
from benchmarks.faults.traces import LEAVES, Meant, kind_of, traces


def line(what: str, action: str, key: str = "1", **more: Any) -> dict[str, Any]:
    return {"at": "2026-11-02T10:00:00+00:00", "object": what, "action": action, "id": key,
            "external_ref": None, "entity": None, "currency": None, "detail": {},
            **more}  # fmt: skip


def changed(reference: str) -> dict[str, Any]:
    return line("subscription", "updated", "sub_1", detail={"metadata": {"hub_change": reference}})


def billed(reference: str) -> dict[str, Any]:
    detail = {"subscription": "sub_1", "billing_reason": "subscription_update",
              "metadata": {"hub_change": reference}}  # fmt: skip
    return line("invoice", "finalized", "in_1", detail=detail)


def quote(status: str | None, order: str | None) -> dict[str, Any]:
    shown = {"Hub_Status__c": status, "Hub_Order__c": order}
    found = {name: value for name, value in shown.items() if value is not None}
    return line("SBQQ__Quote__c", "updated", "a0Q000000000001AAA", detail=found)


def left(vendor: str, lines: list[dict[str, Any]], *meant: Meant) -> list[tuple[str, str]]:
    return [
        (trace.document.kind, trace.document.reference) for trace in traces({vendor: lines}, meant)
    ]


@pytest.mark.parametrize(
    ("operation", "what", "action"),
    [
        ("invoice.create", "invoice", "created"),
        ("entitlement.provision", "entitlement", "provisioned"),
        ("entitlement.change", "entitlement", "changed"),
        ("entitlement.revoke", "entitlement", "revoked"),
    ],
)
def test_what_names_its_posting_is_read_from_the_line(
    operation: str, what: str, action: str
) -> None:
    lines = [line(what, action, external_ref="QAAA"), line(what, action, external_ref="theirs")]
    assert left("any", lines) == [(kind_of(operation), "QAAA")]


def test_a_subscription_is_changed_when_it_names_another_change() -> None:
    kind = kind_of("subscription.change")
    lines = [line("subscription", "created", "sub_1", external_ref="QAAA"), changed("QBBB"),
             changed("QBBB"), billed("QBBB"), changed("QCCC")]  # fmt: skip
    created = (kind_of("subscription.create"), "QAAA")
    assert left("stripe", lines) == [created, (kind, "QBBB"), (kind, "QCCC")]
    assert (
        left("stripe", [changed("QBBB"), billed("QBBB"), billed("QBBB")]) == [(kind, "QBBB")] * 2
    )


def test_an_ended_subscription_is_of_the_posting_that_ends_it() -> None:
    meant = Meant("subscription.cancel", "QDDD", {"subscriptions": [{"id": "sub_1"}]})
    lines = [line("subscription", "canceled", "sub_1"), line("subscription", "canceled", "sub_2")]
    kind = kind_of("subscription.cancel")
    assert left("stripe", lines, meant) == [(kind, "QDDD"), (kind, "end of sub_2")]


def test_a_quote_is_written_back_once_however_often_the_same_is_sent() -> None:
    request = {"Id": "a0Q000000000001", "Hub_Status__c": "Booked", "Hub_Order__c": "O-1"}
    meant = Meant("quote.write_back", "QEEE", request)
    lines = [quote(None, None), quote("Booked", "O-1"), quote("Booked", "O-1")]
    kind = kind_of("quote.write_back")
    assert left("salesforce", lines, meant) == [(kind, "QEEE")]
    assert left("salesforce", [*lines, quote("Booked", "O-9")], meant)[1:] == [
        (kind, "values of a0Q000000000001AAA")
    ]


def test_changes_count_for_once_and_for_order() -> None:
    def posted(reference: str, sequence: int) -> Posted:
        kind = kind_of("subscription.change")
        return Posted("stripe", kind, reference, "confirmed", "contract:1", sequence)

    def facts(lines: list[dict[str, Any]]) -> Facts:
        documents = [trace.document for trace in traces({"stripe": lines}, [])]
        return Facts(postings=[posted("QBBB", 1), posted("QCCC", 2)], documents=documents)

    sound = facts([changed("QBBB"), changed("QCCC")])
    assert posted_once(sound) == in_order(sound) == []
    again = facts([changed("QBBB"), changed("QCCC"), changed("QBBB")])
    assert [b.words for b in posted_once(again)] == ["stripe has 2 documents of one posting"]
    assert [b.subject for b in in_order(again)] == ["QBBB"]
    assert [b.subject for b in posted_once(facts([changed("QBBB")]))] == ["QCCC"]


def test_every_operation_that_leaves_something_has_a_name_of_its_own() -> None:
    assert len(set(LEAVES.values())) == len(LEAVES)
    moment = traces({"stripe": [changed("QBBB")]}, [])[0].at
    assert moment == dt.datetime(2026, 11, 2, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("notes", "owed", "count"),
    [
        ({"bells_lost": 9}, 4, 4),
        ({"bells_lost": 3}, 40, 3),
        ({"bells_lost": 3}, 0, 0),
        ({"bells_lost": 3, "still_owed": 1}, 40, 0),
        ({}, 40, 0),
    ],
)
def test_a_lost_bell_counts_when_its_work_was_done_without_it(
    notes: dict[str, Any], owed: int, count: int
) -> None:
    assert swept(Struck(0, "broker", "flushall", {}, owed=owed, notes=notes)) == count
