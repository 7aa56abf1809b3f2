"""Lists with cursors, and the search language on metadata and fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.stripe.errors import ValidationError, missing
from apps.simulators.stripe.forms import INTEGER, RANGE, TEXT, TEXTS, Field, choice, record
from apps.simulators.stripe.rendering import page, public
from apps.simulators.stripe.request import Operation, Request

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
PAGING = {"limit": INTEGER, "starting_after": TEXT, "ending_before": TEXT, "expand": TEXTS}

_CLAUSE = re.compile(
    r"""\s*(?:metadata\[["'](?P<key>[^"']+)["']\]|(?P<field>\w+))\s*"""
    r"""(?P<sign>:|>=|<=|>|<)\s*(?:["'](?P<text>(?:[^"'\\]|\\.)*)["']|(?P<number>-?\d+|null))\s*"""
)

Matches = Callable[[Document], bool]


def list_operation(kind: str, url: str, **filters: Field) -> Operation:
    """GET of a collection, newest first, filtered by equal fields and by `created`."""
    shape = record(created=RANGE, **PAGING, **filters)

    def handler(request: Request) -> Document:
        wanted = {k: v for k, v in request.form.items() if k in filters and v is not None}
        span = request.form.get("created") or {}
        found = [
            document
            for document in _newest_first(request, kind, wanted)
            if within(_moment(document), span) and _equal(document, wanted)
        ]
        return paged(request, found, kind, url)

    return Operation(handler, shape)


def subscriptions_operation(url: str) -> Operation:
    """GET /v1/subscriptions: without `status` the canceled ones are left out."""
    statuses = choice("active", "canceled", "past_due", "trialing", "unpaid", "all", "ended")
    shape = record(created=RANGE, customer=TEXT, price=TEXT, status=statuses, **PAGING)

    def handler(request: Request) -> Document:
        form = request.form
        wanted = {"customer": form["customer"]} if form.get("customer") else {}
        span, status = form.get("created") or {}, form.get("status")
        found = [
            document
            for document in _newest_first(request, "subscription", wanted)
            if _has_status(document, status)
            and within(document["created"], span)
            and _has_price(document, form.get("price"))
        ]
        return paged(request, found, "subscription", url)

    return Operation(handler, shape)


def _has_status(subscription: Document, status: str | None) -> bool:
    if status == "all":
        return True
    ended = bool(subscription["status"] == "canceled")
    if status in (None, "ended"):
        return ended is (status == "ended")
    return bool(subscription["status"] == status)


def _has_price(subscription: Document, price: str | None) -> bool:
    items = subscription["items"]["data"]
    return price is None or any(item["price"]["id"] == price for item in items)


def search_operation(kind: str, url: str) -> Operation:
    """GET …/search with `query`, e.g. metadata['ref']:'Q1' AND status:'active'."""
    shape = record("query", query=TEXT, limit=INTEGER, page=TEXT, expand=TEXTS)

    def handler(request: Request) -> Document:
        matches = parse_query(request.form["query"])
        found = [d for d in _newest_first(request, kind, {}) if matches(d)]
        start = int(request.form.get("page") or 0)
        limit = request.form.get("limit") or DEFAULT_LIMIT
        data = [public(document) for document in found[start : start + limit]]
        more = len(found) > start + limit
        return {
            "object": "search_result",
            "data": data,
            "has_more": more,
            "next_page": str(start + limit) if more else None,
            "url": url,
        }

    return Operation(handler, shape)


def retrieve_operation(kind: str) -> Operation:
    def handler(request: Request) -> Document:
        return request.account.fetch(kind, request.id, request.reader)

    return Operation(handler, record(expand=TEXTS))


def paged(request: Request, found: list[Document], kind: str, url: str) -> Document:
    """One page of `found`, which is newest first. Raises for a bad limit or cursor."""
    limit = request.form.get("limit")
    limit = DEFAULT_LIMIT if limit is None else limit
    if not 1 <= limit <= MAX_LIMIT:
        raise ValidationError(
            f"This value must be between 1 and {MAX_LIMIT}.",
            code="parameter_invalid_integer",
            param="limit",
        )
    after, before = request.form.get("starting_after"), request.form.get("ending_before")
    if before:
        end = _position(found, before, kind, "ending_before")
        start = max(0, end - limit)
        return _page(found[start:end], url, has_more=start > 0)
    start = _position(found, after, kind, "starting_after") + 1 if after else 0
    return _page(found[start : start + limit], url, has_more=len(found) > start + limit)


def within(moment: int, span: dict[str, int]) -> bool:
    tests = {
        "gt": lambda bound: moment > bound,
        "gte": lambda bound: moment >= bound,
        "lt": lambda bound: moment < bound,
        "lte": lambda bound: moment <= bound,
    }
    return all(tests[name](bound) for name, bound in span.items())


def parse_query(query: str) -> Matches:
    """Clauses joined by AND (or by OR). Raises ValidationError for anything else."""
    joiner = " OR " if " OR " in query else " AND "
    clauses = [_clause(part) for part in query.split(joiner)]
    if joiner == " OR ":
        return lambda document: any(clause(document) for clause in clauses)
    return lambda document: all(clause(document) for clause in clauses)


def _clause(text: str) -> Matches:
    negated = text.lstrip().startswith("-")
    found = _CLAUSE.fullmatch(text.lstrip().removeprefix("-"))
    if not found:
        raise ValidationError(f"We were unable to parse your search query: {text}", param="query")
    wanted: Any = found["text"] if found["number"] is None else found["number"]
    sign = found["sign"]

    def matches(document: Document) -> bool:
        if found["key"]:
            value = (document.get("metadata") or {}).get(found["key"])
        else:
            value = document.get(found["field"])
        return _compare(value, sign, wanted) != negated

    return matches


def _compare(value: Any, sign: str, wanted: str) -> bool:
    if wanted == "null":
        return value is None
    if sign == ":":
        return str(value) == wanted
    if not isinstance(value, int):
        return False
    span = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
    return within(value, {span[sign]: int(wanted)})


def _newest_first(request: Request, kind: str, wanted: Document) -> Iterable[Document]:
    indexed = next((n for n in ("subscription", "customer", "invoice") if n in wanted), None)
    if indexed:
        field = "_subscription" if (kind, indexed) == ("invoice", "subscription") else indexed
        found = request.reader.find(kind, field, wanted[indexed])
    else:
        found = list(request.reader.all(kind))
    found = found[::-1]  # of one second, the later written first
    found.sort(key=lambda document: -_moment(document))
    return found


def _moment(document: Document) -> int:
    """When it was made; an invoice item calls that its date."""
    return int(document["created"] if "created" in document else document["date"])


def _equal(document: Document, wanted: Document) -> bool:
    for name, value in wanted.items():
        actual = document.get(name, document.get(f"_{name}"))
        if isinstance(value, list):
            if actual not in value:
                return False
        elif actual != value:
            return False
    return True


def _position(found: list[Document], key: str, kind: str, param: str) -> int:
    for index, document in enumerate(found):
        if document["id"] == key:
            return index
    raise missing(kind, key, param, status=400)


def _page(data: list[Document], url: str, *, has_more: bool) -> Document:
    return page([public(document) for document in data], url, has_more=has_more)
