"""Many rows in one statement: values travel as PostgreSQL arrays, one a column.

Django binds on the client, and psycopg quotes a Python list element by element; these literals
are built per column instead, which costs a tenth. A column with one value in all rows travels
once.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, models

from apps.core.codec import dumps

NOW = object()  # as a column's value: the database's clock
Columns = Mapping[str, Sequence[Any]]


def array_literal(values: Iterable[str | None]) -> str:
    """PostgreSQL's text form of an array; ``None`` is NULL."""
    quoted = [
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for value in values
    ]
    return "{" + ",".join(quoted) + "}"


def uuid_array(ids: Iterable[uuid.UUID]) -> str:
    """The array literal of ids."""
    return "{" + ",".join([f"{found.int:032x}" for found in ids]) + "}"


@dataclass(frozen=True, slots=True)
class Given:
    """Columns on their way into a statement: those alike in all rows, and those that differ."""

    alike: list[tuple[Any, Any]]  # field, value
    differing: list[tuple[Any, Sequence[Any]]]  # field, values

    @classmethod
    def of(cls, model: type[models.Model], columns: Columns) -> Given:
        alike, differing = [], []
        for name, values in columns.items():
            field = column_of(model, name)
            if values[0] == values[-1] and values.count(values[0]) == len(values):
                alike.append((field, values[0]))
            else:
                differing.append((field, values))
        return cls(alike, differing)

    def scalars(self) -> list[Any]:
        """The parameters of the columns that are alike."""
        return [_scalar(field, value) for field, value in self.alike if value is not NOW]

    def arrays(self) -> list[str]:
        """The parameters of the columns that differ."""
        return [_array(field, values) for field, values in self.differing]


def column_of(model: type[models.Model], name: str) -> Any:
    """A concrete field by its name or its column's name (``run`` or ``run_id``)."""
    field = model._meta.get_field(name)
    if not isinstance(field, models.Field):
        raise LookupError(f"{model.__name__}.{name} is not a column")
    return field


def column_type(field: Any) -> str:
    """The database type of a field's values.

    Without a length: a cast to ``varchar(60)`` cuts a longer text in silence, which the column
    itself refuses.
    """
    base = field.target_field if isinstance(field, models.ForeignKey) else field
    return str(base.db_type(connection)).partition("(")[0]


def value_sql(field: Any, value: Any) -> str:
    """The place of a column that is alike in all rows."""
    return "statement_timestamp()" if value is NOW else f"%s::{column_type(field)}"


def unnest_sql(given: Given, *, first: str = "") -> str:
    """The columns that differ as a FROM item named ``given``; ``first`` is an array before them,
    named ``id``."""
    places = [f"%s::{column_type(field)}[]" for field, _ in given.differing]
    names = [f'"{field.column}"' for field, _ in given.differing]
    if first:
        places, names = [first, *places], ['"id"', *names]
    return f"unnest({', '.join(places)}) AS given({', '.join(names)})"


def _scalar(field: Any, value: Any) -> Any:
    return dumps(value) if isinstance(field, models.JSONField) and value is not None else value


def _array(field: Any, values: Sequence[Any]) -> str:
    if isinstance(field, models.JSONField):
        return array_literal([None if value is None else dumps(value) for value in values])
    if isinstance(field, models.CharField | models.TextField):
        return array_literal(values)
    return array_literal([None if value is None else _text(value) for value in values])


def _text(value: Any) -> str:
    if isinstance(value, uuid.UUID):
        return f"{value.int:032x}"
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


Statement = tuple[str, Sequence[Any]]


def run_together(statements: Sequence[Statement]) -> list[list[Any]]:
    """Run statements in order in one message to the database; returns the rows of each."""
    if not statements:
        return []
    text = ";\n".join(statement for statement, _ in statements)
    with connection.cursor() as cursor:
        cursor.execute(text, [value for _, values in statements for value in values])
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        return found


def insert_rows(
    model: type[models.Model],
    columns: Columns,
    *,
    common: Mapping[str, Any] | None = None,
    unique: bool = False,
) -> list[Any]:
    """Insert many rows and return their keys, in no order; see :func:`insert_statement`."""
    if not next(iter(columns.values())):
        return []
    [rows] = run_together([insert_statement(model, columns, common=common, unique=unique)])
    return [row[0] for row in rows]


def insert_statement(
    model: type[models.Model],
    columns: Columns,
    *,
    common: Mapping[str, Any] | None = None,
    unique: bool = False,
) -> Statement:
    """One statement that inserts many rows and returns their keys, in no order.

    ``columns`` holds the values of each column, as many in each; ``common`` what is alike in all.
    Columns that neither names take the model's default; moments of making and change are the
    database's. ``unique`` leaves out rows that a unique constraint refuses.
    """
    total = len(next(iter(columns.values())))
    given = Given.of(model, columns)
    given.alike.extend(_completion(model, dict(common or {}), columns))
    statement = _insert_sql(model, given, total, unique=unique)
    return statement, [*given.scalars(), *given.arrays()]


def _completion(
    model: type[models.Model], common: dict[str, Any], columns: Columns
) -> list[tuple[Any, Any]]:
    """What is alike in all rows, with the defaults of columns that nobody named."""
    found = [(column_of(model, name), value) for name, value in common.items()]
    named = {column_of(model, name).column for name in [*common, *columns]}
    for field in model._meta.concrete_fields:
        if field.column in named or field.primary_key or field.has_db_default():
            continue
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            found.append((field, NOW))
        elif (value := field.get_default()) is not None:
            found.append((field, value))
    return found


def _insert_sql(model: type[models.Model], given: Given, total: int, *, unique: bool) -> str:
    quote: Callable[[str], str] = connection.ops.quote_name
    columns = [quote(field.column) for field, _ in [*given.alike, *given.differing]]
    selected = [value_sql(field, value) for field, value in given.alike]
    selected += [f"given.{quote(field.column)}" for field, _ in given.differing]
    source = unnest_sql(given) if given.differing else f"generate_series(1, {total})"
    key = model._meta.pk
    assert key is not None  # noqa: S101 - every model has a key
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(columns)}) "  # noqa: S608 - names from metadata
        f"SELECT {', '.join(selected)} FROM {source}"
        f"{' ON CONFLICT DO NOTHING' if unique else ''} RETURNING {quote(str(key.column))}"
    )
