"""What a step's code can get to: the functions it calls, and what they name.

Read from the code, not run: it says whether a step can write, and what its fingerprint covers.
"""

import inspect
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import CodeType, FunctionType
from typing import Any

PACKAGE = "apps.workflows.definitions"
PLAIN = (bool, int, str, float, Decimal, tuple, frozenset, type(None))


def functions_of(*roots: Callable[..., Any]) -> dict[str, FunctionType]:
    """The functions that some steps can call, themselves included, by qualified name: those of
    the roots' own modules and of the package of definitions."""
    found: dict[str, FunctionType] = {}
    open_ones = [root for root in roots if isinstance(root, FunctionType)]
    homes = {root.__module__ for root in open_ones}
    while open_ones:
        function = open_ones.pop()
        if _name(function) in found:
            continue
        found[_name(function)] = function
        open_ones += [
            named
            for named in names_of(function).values()
            if isinstance(named, FunctionType)
            and (named.__module__ in homes or named.__module__.startswith(PACKAGE))
        ]
    return found


def names_of(function: FunctionType) -> dict[str, Any]:
    """The global and enclosing values that a function names."""
    held = inspect.getclosurevars(function)
    known = {**held.globals, **held.nonlocals}
    for code in _codes(function.__code__):  # comprehensions and lambdas inside
        for name in code.co_names:
            if name in function.__globals__:
                known.setdefault(name, function.__globals__[name])
    return known


def constants_of(function: FunctionType) -> dict[str, str]:
    """The plain values that a function names, as text: a deadline, an account."""
    return {
        name: repr(sorted(value, key=repr) if isinstance(value, frozenset) else value)
        for name, value in names_of(function).items()
        if isinstance(value, PLAIN)
    }


def can_name(kind: type, *roots: Callable[..., Any]) -> bool:
    """Whether some steps can make a value of this class."""
    return any(
        value is kind
        for function in functions_of(*roots).values()
        for value in names_of(function).values()
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _name(function: FunctionType) -> str:
    return f"{function.__module__}.{function.__qualname__}"
