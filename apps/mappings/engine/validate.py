"""Checking a field map before it is kept: an error names the expression and what it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.mappings.engine.conditions import CONDITIONS
from apps.mappings.engine.operators import OPERATORS, READS_FIELDS

MAX_DEPTH = 20


class RuleError(ValueError):
    """An expression that is not one of the set; the message names its place."""


Check = Callable[[Any, str, int], None]


def validate_rules(rules: Any) -> None:
    """Raise ``RuleError`` when a field map is not a well-formed expression."""
    _expression(rules, "rules", 0)


def _expression(rule: Any, at: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RuleError(f"{at}: expressions are nested deeper than {MAX_DEPTH} levels")
    if isinstance(rule, str):
        _path(rule, at, depth)
        return
    if not isinstance(rule, Mapping):
        raise RuleError(f"{at}: write a path or an object with one operator, not {rule!r}")
    names = [name for name in rule if name != "optional"]
    if len(names) != 1 or names[0] not in OPERATORS:
        known = ", ".join(sorted(OPERATORS))
        raise RuleError(f"{at}: write exactly one operator of {known}; found {names or 'none'}")
    name = names[0]
    if "optional" in rule and (name not in READS_FIELDS or not isinstance(rule["optional"], bool)):
        raise RuleError(
            f"{at}: optional is true or false beside {', '.join(sorted(READS_FIELDS))}"
        )
    _CHECKS.get(name, _expression)(rule[name], f"{at}.{name}", depth + 1)


def _path(path: Any, at: str, _depth: int) -> None:
    if not isinstance(path, str) or not path or any(not part for part in path.split(".")):
        raise RuleError(f"{at}: {path!r} is not a path such as customer.name or lines.0.net")


def _anything(_value: Any, _at: str, _depth: int) -> None:
    return None


def _fields(fields: Any, at: str, depth: int) -> None:
    if not isinstance(fields, Mapping):
        raise RuleError(f"{at}: write an object of field names and expressions")
    for name, rule in fields.items():
        _expression(rule, f"{at}.{name}", depth)


def _expressions(rules: Any, at: str, depth: int) -> None:
    if not isinstance(rules, list) or not rules:
        raise RuleError(f"{at}: write a list of expressions")
    for position, rule in enumerate(rules):
        _expression(rule, f"{at}[{position}]", depth)


def _condition(rule: Any, at: str, depth: int) -> None:
    if not isinstance(rule, Mapping) or len(rule) != 1 or next(iter(rule)) not in CONDITIONS:
        raise RuleError(f"{at}: write one condition of {', '.join(CONDITIONS)}")
    ((name, argument),) = rule.items()
    at = f"{at}.{name}"
    if name == "not":
        _condition(argument, at, depth + 1)
    elif name in ("all", "any"):
        if not isinstance(argument, list):
            raise RuleError(f"{at}: write a list of conditions")
        for position, part in enumerate(argument):
            _condition(part, f"{at}[{position}]", depth + 1)
    elif name in ("present", "zero"):
        _expression(argument, at, depth + 1)
    else:
        _comparison(argument, at, depth, many=name == "one_of")


def _comparison(argument: Any, at: str, depth: int, *, many: bool) -> None:
    form = "[expression, [values]]" if many else "[expression, value]"
    if not isinstance(argument, list) or len(argument) != 2:
        raise RuleError(f"{at}: write {form}")
    if isinstance(argument[1], list) is not many:
        raise RuleError(f"{at}: write {form}")
    _expression(argument[0], f"{at}[0]", depth + 1)


def _keys(**checks: tuple[Check, bool]) -> Check:
    """An argument with named parts: (check, whether it must be there) by name."""

    def check(argument: Any, at: str, depth: int) -> None:
        if not isinstance(argument, Mapping):
            raise RuleError(f"{at}: write an object with {', '.join(checks)}")
        unknown = set(argument) - set(checks)
        if unknown:
            raise RuleError(f"{at}: {sorted(unknown)[0]!r} is not one of {', '.join(checks)}")
        for name, (inner, needed) in checks.items():
            if name in argument:
                inner(argument[name], f"{at}.{name}", depth)
            elif needed:
                raise RuleError(f"{at}: {name} is missing")

    return check


def _word(value: Any, at: str, _depth: int) -> None:
    if not isinstance(value, str) or not value:
        raise RuleError(f"{at}: write a text")


def _flag(value: Any, at: str, _depth: int) -> None:
    if not isinstance(value, bool):
        raise RuleError(f"{at}: write true or false")


def _whole(value: Any, at: str, _depth: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuleError(f"{at}: write a whole number")


def _factor(value: Any, at: str, _depth: int) -> None:
    try:
        usable = isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        usable = False
    if not usable:
        raise RuleError(f'{at}: write an exact number as text, such as "0.01"')


def _table(value: Any, at: str, _depth: int) -> None:
    if not isinstance(value, Mapping) or not value:
        raise RuleError(f"{at}: write an object of values")


def _date(argument: Any, at: str, depth: int) -> None:
    if isinstance(argument, Mapping) and "of" in argument:
        _keys(of=(_expression, True), add_days=(_whole, False))(argument, at, depth)
    else:
        _expression(argument, at, depth)


_MONEY = _keys(
    amount=(_expression, True),
    currency=(_expression, True),
    places=(_table, False),
    fraction=(_flag, False),
)
_EACH = {"in": (_path, True), "do": (_expression, True), "where": (_condition, False)}
_IF = {"when": (_condition, True), "then": (_expression, True), "else": (_expression, False)}
_CHECKS: Mapping[str, Check] = {
    "path": _path,
    "const": _anything,
    "object": _fields,
    "list": _expressions,
    "concat": _expressions,
    "first_of": _expressions,
    "each": _keys(**_EACH),
    "if": _keys(**_IF),
    "choose": _keys(of=(_expression, True), cases=(_table, True), default=(_anything, False)),
    "lookup": _keys(
        map=(_word, True),
        key=(_expression, True),
        scope=(_expression, False),
        reverse=(_flag, False),
    ),
    "ref": _keys(object_type=(_word, True), record=(_expression, True)),
    "scale": _keys(of=(_expression, True), by=(_factor, True)),
    "truncate": _keys(of=(_expression, True), at=(_whole, True)),
    "date": _date,
    "minor": _MONEY,
    "major": _MONEY,
}
