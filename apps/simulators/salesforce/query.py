"""Running a parsed SOQL query over the org's records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from apps.simulators.core.codec import Document
from apps.simulators.core.store import Reader
from apps.simulators.salesforce.errors import SalesforceError, no_such_column
from apps.simulators.salesforce.fields import SObject
from apps.simulators.salesforce.ids import long_id
from apps.simulators.salesforce.order_objects import OBJECTS, child_relationships
from apps.simulators.salesforce.soql import Combination, Comparison, Condition, Order, Query

API = "/services/data/v67.0"
Test = Callable[[Document], bool]
Getter = Callable[[Document], Any]


class Executor:
    """Queries against one reader (the present, or a lagging past)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def run(self, query: Query) -> list[Document]:
        """Matching records as the API shows them. Raises INVALID_FIELD, INVALID_TYPE."""
        sobject = object_named(query.source)
        self._check_fields(sobject, query)
        found = self._matching(sobject, query, self._candidates(sobject, query.where))
        return [self._shown(sobject, query, record) for record in found]

    def _check_fields(self, sobject: SObject, query: Query) -> None:
        """Refuse unknown fields even when no record matches."""
        for path in query.fields:
            self._getter(sobject, path)
        for child in query.children:
            relation = child_relationships(sobject.name).get(child.source)
            if relation is None:
                raise SalesforceError(
                    "INVALID_TYPE",
                    f"Didn't understand relationship '{child.source}' in FROM part of query call.",
                )
            self._check_fields(relation[0], child)

    def count(self, query: Query) -> int:
        sobject = object_named(query.source)
        return len(self._matching(sobject, query, self._candidates(sobject, query.where)))

    def _matching(
        self, sobject: SObject, query: Query, candidates: Iterable[Document]
    ) -> list[Document]:
        test = self._test(sobject, query.where) if query.where else None
        found = [r for r in candidates if not r["IsDeleted"] and (test is None or test(r))]
        for order in reversed(query.order):
            self._sort(sobject, found, order)
        end = None if query.limit is None else query.offset + query.limit
        return found[query.offset : end]

    def _candidates(self, sobject: SObject, where: Condition | None) -> Iterable[Document]:
        """Records an index can name, else all; the condition is checked on each anyway."""
        parts = where.parts if isinstance(where, Combination) and where.word == "and" else (where,)
        for part in parts:
            if not isinstance(part, Comparison) or part.operator not in ("=", "in"):
                continue
            field = sobject.find_field(part.field)
            values = part.value if part.operator == "in" else (part.value,)
            if field and field.kind == "id":
                keys = dict.fromkeys(long_id(str(value)) for value in values)
                found = [self._reader.get(sobject.name, key) for key in keys]
                return [record for record in found if record]
            if field and (field.kind == "reference" or field.external_id):
                keys = dict.fromkeys(
                    long_id(v) if field.kind == "reference" and v else v for v in values
                )
                return [r for k in keys for r in self._reader.find(sobject.name, field.name, k)]
        return self._reader.all(sobject.name)

    def _sort(self, sobject: SObject, found: list[Document], order: Order) -> None:
        get = self._getter(sobject, order.field)
        found.sort(key=lambda r: _sort_key(get(r)), reverse=order.descending)
        nulls = [record for record in found if get(record) is None]
        if nulls:
            rest = [record for record in found if get(record) is not None]
            found[:] = rest + nulls if order.nulls_last else nulls + rest

    # Fields

    def _getter(self, sobject: SObject, path: str) -> Getter:
        """A function that reads a (dotted) field of a record."""
        head, _, rest = path.partition(".")
        if not rest:
            field = sobject.find_field(head)
            if field is None:
                raise no_such_column(head, sobject.name)
            name = field.name
            return lambda record: record[name]
        parent = sobject.parents.get(head)
        if parent is None or parent.to not in OBJECTS:
            raise SalesforceError(
                "INVALID_FIELD",
                f"Didn't understand relationship '{head}' in field path. If you are attempting "
                f"to use a custom relationship, be sure to append the '__r' after the custom "
                f"relationship name.",
            )
        kind, name = str(parent.to), parent.name
        inner = self._getter(OBJECTS[kind], rest)

        def get(record: Document) -> Any:
            key = record[name]
            above = self._reader.get(kind, key) if key else None
            return inner(above) if above else None

        return get

    def _shown(self, sobject: SObject, query: Query, record: Document) -> Document:
        shown: Document = {"attributes": attributes(sobject, record)}
        for path in query.fields:
            self._show_path(sobject, record, path.split("."), shown)
        for child in query.children:
            shown[child.source] = self._children(sobject, child, record)
        return shown

    def _show_path(
        self, sobject: SObject, record: Document, parts: list[str], shown: Document
    ) -> None:
        value = self._getter(sobject, ".".join(parts))(record)
        if len(parts) == 1:
            field = sobject.find_field(parts[0])
            shown[field.name if field else parts[0]] = value
            return
        parent = sobject.parents[parts[0]]
        key = record[parent.name]
        above = self._reader.get(str(parent.to), key) if key else None
        if above is None:
            shown[parts[0]] = None
            return
        target = OBJECTS[str(parent.to)]
        inner = shown.setdefault(parts[0], {"attributes": attributes(target, above)})
        self._show_path(target, above, parts[1:], inner)

    def _children(self, sobject: SObject, query: Query, record: Document) -> Document | None:
        child, field = child_relationships(sobject.name)[query.source]
        candidates = self._reader.find(child.name, field, record["Id"])
        found = self._matching(child, query, candidates)
        if not found:
            return None
        records = [self._shown(child, query, each) for each in found]
        return {"totalSize": len(records), "done": True, "records": records}

    # Conditions

    def _test(self, sobject: SObject, condition: Condition) -> Test:
        if isinstance(condition, Comparison):
            return self._comparison(sobject, condition)
        tests = [self._test(sobject, part) for part in condition.parts]
        if condition.word == "and":
            return lambda record: all(test(record) for test in tests)
        if condition.word == "or":
            return lambda record: any(test(record) for test in tests)
        return lambda record: not tests[0](record)

    def _comparison(self, sobject: SObject, comparison: Comparison) -> Test:
        get = self._getter(sobject, comparison.field)
        value = _normal(sobject, comparison)
        if comparison.operator == "in":
            return lambda record: _folded(get(record)) in value
        if comparison.operator == "not in":
            return lambda record: _folded(get(record)) not in value
        if comparison.operator == "like":
            pattern = _like(str(comparison.value))
            return lambda record: pattern.fullmatch(str(get(record) or "")) is not None
        compare = _COMPARE[comparison.operator]
        return lambda record: compare(_folded(get(record)), value)


def object_named(name: str) -> SObject:
    for known, sobject in OBJECTS.items():
        if known.lower() == name.lower():
            return sobject
    raise SalesforceError(
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, "
        f"be sure to append the '__c' after the entity name.",
    )


def attributes(sobject: SObject, record: Document) -> Document:
    return {"type": sobject.name, "url": f"{API}/sobjects/{sobject.name}/{record['Id']}"}


def _normal(sobject: SObject, comparison: Comparison) -> Any:
    """The literal in the form in which records are compared."""
    field = sobject.find_field(comparison.field)
    is_id = comparison.field.endswith("Id") or (
        field is not None and field.kind in ("id", "reference")
    )
    raw = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    values = [long_id(v) if is_id and isinstance(v, str) else v for v in raw]
    folded = tuple(_folded(value) for value in values)
    return frozenset(folded) if comparison.operator in ("in", "not in") else folded[0]


def _folded(value: Any) -> Any:
    """Text compares without regard to case in SOQL; ids are text of one case here."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (value is not None, _folded(value) if value is not None else 0)


def _like(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace("%", ".*").replace("_", ".")
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(actual: Any, wanted: Any) -> bool:
        if actual is None or wanted is None:
            return False
        try:
            return compare(actual, wanted)
        except TypeError:
            raise SalesforceError(
                "INVALID_FIELD", f"filter criteria of the wrong type: {wanted}"
            ) from None

    return test


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda actual, wanted: actual == wanted,
    "!=": lambda actual, wanted: actual != wanted,
    "<": _ordered(lambda actual, wanted: actual < wanted),
    "<=": _ordered(lambda actual, wanted: actual <= wanted),
    ">": _ordered(lambda actual, wanted: actual > wanted),
    ">=": _ordered(lambda actual, wanted: actual >= wanted),
}
