"""The bare client makes the calls that an amendment needs, and no others."""

import httpx

from apps.connectors.http import address
from benchmarks.flow.belonging import FETCHES, KEPT_PATH, Kept, belonging, by_operation, named
from benchmarks.flow.recorder import Call

HOST = "http://127.0.0.1:1"


def call(vendor: str, method: str, target: str) -> Call:
    return Call(0.0, vendor, f"{method} {target} HTTP/1.1\r\nHost: x".encode(), b"")


def test_what_the_hub_does_beyond_its_postings_is_not_replayed():
    calls = [
        call("stripe", "POST", "/v1/subscriptions/sub_1"),
        call("stripe", "GET", "/v1/events?limit=100"),
        call("stripe", "GET", "/v1/subscriptions/sub_1"),
        call("netsuite", "POST", "/token"),
    ]
    kept = [
        Kept("stripe", "subscription.change", "POST", "/v1/subscriptions/sub_1", "p1"),
        Kept("stripe", "subscription.change", "GET", "/v1/subscriptions/sub_1", "p1"),
        Kept("stripe", "event.poll", "GET", "/v1/events?limit=100"),
        Kept("netsuite", "token", "POST", "/token"),
    ]
    found, unseen = named(calls, kept)
    assert (len(found), unseen) == (4, [])
    assert [one for one, _ in belonging(found)] == [calls[0], calls[2]]
    assert by_operation(belonging(found)) == {"stripe subscription.change": 2}


def test_an_equal_read_of_one_posting_is_made_once_and_every_write_each_time():
    read, write = call("stripe", "GET", "/v1/a"), call("stripe", "POST", "/v1/a")
    kept = [Kept("stripe", "a.change", one, "/v1/a", p) for p in "pq" for one in ("GET", "GET")]
    kept += [Kept("stripe", "a.change", "POST", "/v1/a", "p")] * 2
    found, _ = named([read, read, write, write, read, read], kept)
    assert [one for one, _ in belonging(found)] == [read, write, write, read]


def test_a_long_query_is_known_by_what_is_kept_of_it():
    def sent(key: str) -> str:
        text = " ".join([*(f"Field_{n}__c," for n in range(40)), f"Größe > 5 AND Id = '{key}'"])
        return address(HOST, "/query", [("q", text)])

    def on_the_wire(key: str) -> Call:
        return call("salesforce", "GET", httpx.Request("GET", sent(key)).url.raw_path.decode())

    def kept(key: str) -> Kept:
        return Kept("salesforce", FETCHES[0], "GET", sent(key).removeprefix(HOST)[:KEPT_PATH])

    calls = [on_the_wire(key) for key in "ABA"]
    found, unseen = named(calls, [kept(key) for key in "ABA"])
    assert unseen == []
    assert [one for one, _ in belonging(found)] == calls[:2]


def test_a_call_that_the_recorder_did_not_see_is_told():
    kept = Kept("stripe", "a.change", "POST", "/v1/a", "p")
    assert named([], [kept]) == ([], [kept])
