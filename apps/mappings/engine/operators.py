"""The operators of the expression set: what each gives for its argument.

Every operator takes the context and its argument; it gives a value or ABSENT, and reports what
it could not read instead of raising, so that one pass finds everything that is missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from apps.mappings.engine import convert
from apps.mappings.engine.conditions import holds
from apps.mappings.engine.values import ABSENT, Context, Unreadable, find

Operator = Callable[[Context, Any], Any]


def evaluate(context: Context, rule: Any) -> Any:
    """The value of an expression: a bare text is a path, an object holds one operator."""
    if isinstance(rule, str):
        return _path(context, rule)
    name = next(key for key in rule if key != "optional")
    if not rule.get("optional"):
        return OPERATORS[name](context, rule[name])
    before = len(context.findings.missing)
    value = OPERATORS[name](context, rule[name])
    if name in READS_FIELDS and value is ABSENT:
        del context.findings.missing[before:]
    return value


def _path(context: Context, path: str) -> Any:
    value = find(context, path)
    if value is ABSENT:
        return context.report(context.place(path), "it is missing or empty")
    return value


def _const(_context: Context, value: Any) -> Any:
    return value


def _object(context: Context, fields: Mapping[str, Any]) -> Any:
    made = {name: evaluate(context, rule) for name, rule in fields.items()}
    return {name: value for name, value in made.items() if value is not ABSENT}


def _list(context: Context, rules: list[Any]) -> Any:
    made = (evaluate(context, rule) for rule in rules)
    return [value for value in made if value is not ABSENT]


def _each(context: Context, argument: Mapping[str, Any]) -> Any:
    path = argument["in"]
    items = find(context, path)
    place = context.place(path)
    if items is ABSENT:
        return context.report(place, "it is missing or empty")
    if not isinstance(items, list):
        return context.report(place, "it is not a list")
    made = []
    for position, item in enumerate(items):
        inner = context.inside(item, f"{place}.{position}")
        if "where" not in argument or holds(inner, argument["where"], evaluate):
            made.append(evaluate(inner, argument["do"]))
    return [value for value in made if value is not ABSENT]


def _if(context: Context, argument: Mapping[str, Any]) -> Any:
    if holds(context, argument["when"], evaluate):
        return evaluate(context, argument["then"])
    return evaluate(context, argument["else"]) if "else" in argument else ABSENT


def _first_of(context: Context, rules: list[Any]) -> Any:
    """The first expression that has a value; the last one may say what is missing."""
    for rule in rules[:-1]:
        before = len(context.findings.missing)
        value = evaluate(context, rule)
        if value is not ABSENT:
            return value
        del context.findings.missing[before:]
    return evaluate(context, rules[-1])


def _concat(context: Context, rules: list[Any]) -> Any:
    parts = [evaluate(context, rule) for rule in rules]
    if any(part is ABSENT for part in parts):
        return ABSENT
    return _guarded(context, rules, lambda: "".join(convert.as_text(part) for part in parts))


def _choose(context: Context, argument: Mapping[str, Any]) -> Any:
    """A small table inside the rule, for words that no person maintains."""
    value = evaluate(context, argument["of"])
    if value is ABSENT:
        return ABSENT
    cases = argument["cases"]
    word = convert.as_text(value) if isinstance(value, str | int | bool) else ""
    if word in cases:
        return cases[word]
    if "default" in argument:
        return argument["default"]
    return context.report(
        _named(context, argument["of"]), f"{word!r} is none of {', '.join(cases)}"
    )


def _lookup(context: Context, argument: Mapping[str, Any]) -> Any:
    value = evaluate(context, argument["key"])
    scope = evaluate(context, argument["scope"]) if "scope" in argument else context.scope
    if value is ABSENT:
        return ABSENT
    place, scope = _named(context, argument["key"]), "" if scope is ABSENT else str(scope)
    if not isinstance(value, str | int):
        return context.report(place, f"{value!r} is not a code")
    table = context.tables.get(argument["map"])
    found = None
    if table is not None:
        reading = table.source_of if argument.get("reverse") else table.target_of
        found = reading(str(value), scope)
    if found is None:
        return context.report_value(argument["map"], str(value), place, scope)
    return found


def _ref(context: Context, argument: Mapping[str, Any]) -> Any:
    """The external id of a record of ours on the connection at hand (the crosswalk)."""
    record = evaluate(context, argument["record"])
    if record is ABSENT:
        return ABSENT
    key = (argument["object_type"], str(record))
    context.findings.wanted.add(key)
    found = context.references.get(key)
    if found is None:
        return context.report(
            _named(context, argument["record"]),
            f"the platform has no {key[0].replace('_', ' ')} for it yet",
        )
    return found


def _sum(context: Context, rule: Any) -> Any:
    values = evaluate(context, rule)
    if values is ABSENT:
        return ABSENT

    def total() -> Decimal:
        return sum((convert.as_decimal(value) for value in values), Decimal(0))

    return _guarded(context, rule, total)


def _scale(context: Context, argument: Mapping[str, Any]) -> Any:
    value = evaluate(context, argument["of"])
    if value is ABSENT:
        return ABSENT
    factor = Decimal(argument["by"])
    return _guarded(context, argument["of"], lambda: convert.as_decimal(value) * factor)


def _truncate(context: Context, argument: Mapping[str, Any]) -> Any:
    value = evaluate(context, argument["of"])
    if value is ABSENT:
        return ABSENT
    return _guarded(context, argument["of"], lambda: convert.as_text(value)[: argument["at"]])


def _date(context: Context, argument: Any) -> Any:
    """An ISO date, ``add_days`` later where given (an inclusive end becomes an open one)."""
    rule, days = (argument, 0) if isinstance(argument, str) else _dated(argument)
    value = evaluate(context, rule)
    if value is ABSENT:
        return ABSENT

    def shifted() -> str:
        return (convert.as_date(value) + dt.timedelta(days=days)).isoformat()

    return _guarded(context, rule, shifted)


def _dated(argument: Mapping[str, Any]) -> tuple[Any, int]:
    return (argument["of"], argument.get("add_days", 0)) if "of" in argument else (argument, 0)


def _minor(context: Context, argument: Mapping[str, Any]) -> Any:
    """Major units to minor units: a whole number, or exact text with ``fraction``."""
    amount, currency = _amount_and_currency(context, argument)
    if amount is ABSENT or currency is ABSENT:
        return ABSENT

    def converted() -> Any:
        places = convert.places_of(currency, argument.get("places", {}))
        exact = convert.as_decimal(amount)
        if argument.get("fraction"):
            return convert.as_text(exact.scaleb(places).normalize())
        return convert.minor_units(exact, places)

    return _guarded(context, argument["amount"], converted)


def _major(context: Context, argument: Mapping[str, Any]) -> Any:
    amount, currency = _amount_and_currency(context, argument)
    if amount is ABSENT or currency is ABSENT:
        return ABSENT

    def converted() -> Decimal:
        places = convert.places_of(currency, argument.get("places", {}))
        return convert.as_decimal(amount).scaleb(-places)

    return _guarded(context, argument["amount"], converted)


def _amount_and_currency(context: Context, argument: Mapping[str, Any]) -> tuple[Any, Any]:
    return evaluate(context, argument["amount"]), evaluate(context, argument["currency"])


def _reading(function: Callable[[Any], Any]) -> Operator:
    """An operator that reads one value by a conversion."""

    def operator(context: Context, rule: Any) -> Any:
        value = evaluate(context, rule)
        if value is ABSENT:
            return ABSENT
        return _guarded(context, rule, lambda: function(value))

    return operator


def _guarded(context: Context, rule: Any, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except Unreadable as error:
        return context.report(_named(context, rule), str(error))


def _named(context: Context, rule: Any) -> str:
    """The path that an expression reads first, for messages."""
    found = next(_paths(rule), None)
    return context.at if found is None else context.place(found)


def _paths(rule: Any) -> Iterator[str]:
    if isinstance(rule, str):
        yield rule
    elif isinstance(rule, list):
        for part in rule:
            yield from _paths(part)
    elif isinstance(rule, Mapping):
        for name, argument in rule.items():
            if name not in ("const", "map", "object_type", "by", "cases"):
                yield from _paths(argument)


# Operators that ``optional`` makes silent when what they read is not there.
READS_FIELDS = frozenset({"path", "each", "ref"})

OPERATORS: Mapping[str, Operator] = {
    "path": _path,
    "const": _const,
    "object": _object,
    "list": _list,
    "each": _each,
    "if": _if,
    "first_of": _first_of,
    "concat": _concat,
    "choose": _choose,
    "lookup": _lookup,
    "ref": _ref,
    "sum": _sum,
    "scale": _scale,
    "truncate": _truncate,
    "date": _date,
    "minor": _minor,
    "major": _major,
    "text": _reading(convert.as_text),
    "lower": _reading(lambda value: convert.as_text(value).lower()),
    "upper": _reading(lambda value: convert.as_text(value).upper()),
    "decimal": _reading(convert.as_decimal),
    "integer": _reading(convert.as_integer),
    "boolean": _reading(convert.as_boolean),
    "moment": _reading(lambda value: convert.as_moment(value).isoformat()),
    "milliseconds": _reading(convert.milliseconds_of),
    "epoch": _reading(convert.epoch_of_date),
    "from_epoch": _reading(lambda value: convert.date_of_epoch(value).isoformat()),
}
