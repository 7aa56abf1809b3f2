"""A small real part of SOQL: parsing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.simulators.salesforce.errors import SalesforceError
from apps.simulators.salesforce.values import moment_text

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*)"
    r"|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
_OPERATORS = {"=", "!=", "<>", "<", "<=", ">", ">="}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; operator is one of = != < <= > >= in, not in, like."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Combination:
    """Conditions joined by `and` or `or`; `not` has exactly one."""

    word: str
    parts: tuple[Condition, ...]


Condition = Comparison | Combination


@dataclass(frozen=True, slots=True)
class Order:
    field: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed SELECT; `children` are the subqueries of the field list."""

    fields: tuple[str, ...]
    children: tuple[Query, ...]
    source: str
    where: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int
    counts: bool = False


def parse(text: str) -> Query:
    """Parse a query. Raises MALFORMED_QUERY."""
    parser = _Parser(_tokens(text))
    query = parser.query()
    parser.expect_end()
    return query


def malformed(near: str) -> SalesforceError:
    return SalesforceError("MALFORMED_QUERY", f"unexpected token: '{near}'")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    stripped = text.rstrip()
    while position < len(stripped):
        found = _TOKEN.match(stripped, position)
        if found is None:
            raise malformed(stripped[position : position + 20].strip())
        tokens.append(_Token(str(found.lastgroup), found[str(found.lastgroup)]))
        position = found.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self) -> Query:
        self._expect("select")
        fields, children, counts = self._field_list()
        self._expect("from")
        source = self._take("name").text
        where = self._condition() if self._accept("where") else None
        order = self._order_list() if self._accept("order") else ()
        limit = self._whole() if self._accept("limit") else None
        offset = self._whole() if self._accept("offset") else 0
        return Query(fields, children, source, where, order, limit, offset, counts)

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise malformed(self._tokens[self._at].text)

    def _field_list(self) -> tuple[tuple[str, ...], tuple[Query, ...], bool]:
        fields: list[str] = []
        children: list[Query] = []
        while True:
            if self._accept("("):
                children.append(self.query())
                self._expect(")")
            else:
                fields.append(self._take("name").text)
                if fields == ["COUNT"] or fields == ["count"]:
                    self._expect("(")
                    self._expect(")")
                    return (), (), True
            if not self._accept(","):
                return tuple(fields), tuple(children), False

    def _condition(self) -> Condition:
        parts = [self._conjunction()]
        while self._accept("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Combination("or", tuple(parts))

    def _conjunction(self) -> Condition:
        parts = [self._term()]
        while self._accept("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else Combination("and", tuple(parts))

    def _term(self) -> Condition:
        if self._accept("not"):
            return Combination("not", (self._term(),))
        if self._accept("("):
            condition = self._condition()
            self._expect(")")
            return condition
        return self._comparison()

    def _comparison(self) -> Comparison:
        name = self._take("name").text
        if self._accept("not"):
            self._expect("in")
            return Comparison(name, "not in", self._values())
        if self._accept("in"):
            return Comparison(name, "in", self._values())
        if self._accept("like"):
            return Comparison(name, "like", self._value())
        sign = self._take("sign").text
        if sign not in _OPERATORS:
            raise malformed(sign)
        return Comparison(name, "!=" if sign == "<>" else sign, self._value())

    def _values(self) -> tuple[Any, ...]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Any:
        token = self._next()
        if token.kind == "string":
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token.text[1:-1])
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "moment":
            return moment_text(datetime.fromisoformat(token.text))
        if token.kind == "date":
            return token.text
        words = {"true": True, "false": False, "null": None}
        if token.text.lower() in words:
            return words[token.text.lower()]
        raise malformed(token.text)

    def _order_list(self) -> tuple[Order, ...]:
        self._expect("by")
        orders = [self._order()]
        while self._accept(","):
            orders.append(self._order())
        return tuple(orders)

    def _order(self) -> Order:
        name = self._take("name").text
        descending = self._accept("desc")
        if not descending:
            self._accept("asc")
        nulls_last = descending  # the default: nulls first when ascending
        if self._accept("nulls"):
            nulls_last = self._accept("last")
            if not nulls_last:
                self._expect("first")
        return Order(name, descending, nulls_last)

    def _whole(self) -> int:
        return int(self._take("number").text)

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise malformed("<EOF>")
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, kind: str) -> _Token:
        token = self._next()
        if token.kind != kind:
            raise malformed(token.text)
        return token

    def _accept(self, word: str) -> bool:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind in ("name", "sign") and token.text.lower() == word:
                self._at += 1
                return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            rest = self._tokens[self._at].text if self._at < len(self._tokens) else "<EOF>"
            raise malformed(rest)
