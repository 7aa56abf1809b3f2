"""Many rows in one statement: values travel as PostgreSQL arrays, one a column.

Django binds on the client, and psycopg quotes a Python list element by element; these literals
are built per column instead, which costs a tenth.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection, models

from apps.core.codec import dumps

Values = Mapping[str, Any]


def array_literal(values: Iterable[str | None]) -> str:
    """PostgreSQL's text form of an array; ``None`` is NULL."""
    return (
        "{"
        + ",".join(
            "NULL"
            if value is None
            else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            for value in values
        )
        + "}"
    )


def uuid_array(ids: Iterable[uuid.UUID]) -> str:
    """The array literal of ids."""
    return "{" + ",".join([str(found) for found in ids]) + "}"


def column_of(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    """A concrete field by its name or its column's name (``run`` or ``run_id``)."""
    field = model._meta.get_field(name)
    if not isinstance(field, models.Field):
        raise LookupError(f"{model.__name__}.{name} is not a column")
    return field


def column_type(field: models.Field[Any, Any]) -> str:
    """The database type of a field's values."""
    base = field.target_field if isinstance(field, models.ForeignKey) else field
    return str(base.db_type(connection))


def column_array(field: models.Field[Any, Any], values: Iterable[Any]) -> str:
    """One column's values as an array literal."""
    to_text = dumps if isinstance(field, models.JSONField) else _text
    return array_literal([None if value is None else to_text(value) for value in values])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def insert_rows(
    model: type[models.Model],
    rows: Sequence[Values],
    *,
    common: Values | None = None,
    unique: bool = False,
) -> list[uuid.UUID]:
    """Insert many rows in one statement and return their ids, in no order.

    ``rows`` name the same columns each; ``common`` holds what is alike in all. Columns that
    neither names take the model's default; moments of making and change are the database's.
    ``unique`` leaves out rows that a unique constraint refuses.
    """
    if not rows:
        return []
    shared, given = _complete(model, dict(common or {}), list(rows[0]))
    varying = [column_of(model, name) for name in given]
    arrays = [
        column_array(field, [row[name] for row in rows])
        for name, field in zip(given, varying, strict=True)
    ]
    statement = _insert_sql(model, shared, varying, unique=unique)
    arguments = [_shared_value(field, value) for field, value in shared if value is not NOW]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*arguments, *arrays])
        return [row[0] for row in cursor.fetchall()]


NOW = object()  # stands for the database's clock
Shared = list[tuple[Any, Any]]  # fields with their value


def _complete(model: type[models.Model], common: dict[str, Any], given: list[str]) -> Any:
    """Values alike in all rows, with the defaults of columns that nobody named."""
    shared: Shared = [(column_of(model, name), value) for name, value in common.items()]
    named = {column_of(model, name).column for name in [*common, *given]}
    for field in model._meta.concrete_fields:
        if field.column in named or field.primary_key or field.has_db_default():
            continue
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            shared.append((field, NOW))
        elif (value := field.get_default()) is not None:
            shared.append((field, value))
    return shared, given


def _shared_value(field: models.Field[Any, Any], value: Any) -> Any:
    if isinstance(field, models.JSONField) and value is not None:
        return dumps(value)
    return value


def _loose_type(field: models.Field[Any, Any]) -> str:
    # A cast to varchar(60) would cut a longer text in silence; the column itself refuses it.
    return column_type(field).partition("(")[0]


def _insert_sql(
    model: type[models.Model],
    shared: Shared,
    varying: list[models.Field[Any, Any]],
    *,
    unique: bool,
) -> str:
    quote: Callable[[str], str] = connection.ops.quote_name
    columns = ", ".join(quote(f.column) for f in [*[f for f, _ in shared], *varying])
    constants = [
        "statement_timestamp()" if value is NOW else f"%s::{_loose_type(field)}"
        for field, value in shared
    ]
    names = [quote(field.column) for field in varying]
    selected = ", ".join([*constants, *[f"given.{name}" for name in names]])
    unnested = ", ".join(f"%s::{_loose_type(field)}[]" for field in varying)
    key = model._meta.pk
    assert key is not None  # noqa: S101 - every model has a key
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({columns}) "  # noqa: S608 - names from metadata
        f"SELECT {selected} FROM unnest({unnested}) AS given({', '.join(names)})"
        f"{' ON CONFLICT DO NOTHING' if unique else ''} RETURNING {quote(key.column)}"
    )
