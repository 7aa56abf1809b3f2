"""State changes in sets. Sources and targets come from the ``@transition`` metadata (ADR-0006)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, models
from django_fsm import FSMField

from apps.core.rows import Given, Statement, run_together, unnest_sql, uuid_array, value_sql


def transition_ends(model: type[models.Model], name: str) -> tuple[tuple[str, ...], str]:
    """Sources and target of a transition method. Raises ``LookupError`` for an unknown name."""
    method = getattr(model, name, None)
    meta = getattr(method, "_django_fsm", None)
    if meta is None:
        raise LookupError(f"{model.__name__} has no transition {name}")
    sources = tuple(str(source) for source in meta.transitions)
    targets = {str(found.target) for found in meta.transitions.values()}
    return sources, targets.pop()


def legal_pairs(model: type[models.Model]) -> frozenset[tuple[str, str]]:
    """Every (from, to) of a model's state field; ('', initial) for the state a row starts in."""
    field = state_field(model)
    pairs = {("", str(field.default))}
    pairs.update(("", state) for state in getattr(model, "INITIAL_STATES", ()))
    for found in field.get_all_transitions(model):
        pairs.add((str(found.source), str(found.target)))
    return frozenset(pairs)


def state_field(model: type[models.Model]) -> Any:
    """The model's one FSM field, by convention named ``state``."""
    field: Any = model._meta.get_field("state")
    if not isinstance(field, FSMField):
        raise LookupError(f"{model.__name__}.state is not an FSM field")
    return field


def transition_set(
    model: type[models.Model],
    name: str,
    ids: Iterable[uuid.UUID],
    *,
    where: str = "",
    params: Sequence[Any] = (),
    **values: Any,
) -> list[uuid.UUID]:
    """Move many rows through one transition in one statement; same values for all.

    Rows that are not in a source state are left alone. Returns the ids that moved.
    ``where`` is an extra SQL condition (a fence) with its ``params``.
    """
    rows = [(row_id, values) for row_id in ids]
    return transition_rows(model, name, rows, where=where, params=params)


def transition_rows(
    model: type[models.Model],
    name: str,
    rows: Sequence[tuple[uuid.UUID, Mapping[str, Any]]],
    *,
    where: str = "",
    params: Sequence[Any] = (),
) -> list[uuid.UUID]:
    """Move many rows through one transition, each with values of its own (same columns in all)."""
    if not rows:
        return []
    [moved] = run_together([transition_statement(model, name, rows, where=where, params=params)])
    return [row[0] for row in moved]


def transition_statement(
    model: type[models.Model],
    name: str,
    rows: Sequence[tuple[uuid.UUID, Mapping[str, Any]]],
    *,
    where: str = "",
    params: Sequence[Any] = (),
) -> Statement:
    """The one statement of :func:`transition_rows`, to be run together with others."""
    sources, target = transition_ends(model, name)
    given = Given.of(model, {name: [v[name] for _, v in rows] for name in rows[0][1]})
    statement = _update_sql(model, given, where)
    ids = uuid_array(row_id for row_id, _ in rows)
    arguments = [target, *given.scalars(), ids, *given.arrays(), list(sources), *params]
    return statement, arguments


# `state = ANY` would be guessed to be rare on a table that was not analysed yet, and the planner
# would then compare every row of it with every given one instead of looking ids up.
SOURCE = " AND array_position(%s::text[], target.state::text) IS NOT NULL"


def _update_sql(model: type[models.Model], given: Given, where: str) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    sets = "".join(
        f', "{field.column}" = {value_sql(field, value)}' for field, value in given.alike
    )
    sets += "".join(f', "{f.column}" = given."{f.column}"' for f, _ in given.differing)
    if any(field.name == "updated_at" for field in model._meta.fields):
        sets += ', "updated_at" = statement_timestamp()'
    fence = f" AND ({where})" if where else ""
    return (
        f"UPDATE {table} AS target SET state = %s{sets} "  # noqa: S608 - names from metadata
        f"FROM {unnest_sql(given, first='%s::uuid[]')} "
        f"WHERE target.id = given.id{SOURCE}{fence} RETURNING target.id"
    )
