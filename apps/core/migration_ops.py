"""Migration operations for what Django cannot declare: sequences, state machines, partitions."""

from collections.abc import Iterable

from django.db.migrations.operations import RunSQL


def sequence(name: str, start: int = 1) -> RunSQL:
    """A sequence for human numbers."""
    return RunSQL(
        f"CREATE SEQUENCE IF NOT EXISTS {name} START {start}",
        f"DROP SEQUENCE IF EXISTS {name}",
    )


def state_machine(table: str, pairs: Iterable[tuple[str, str]]) -> RunSQL:
    """Refuse illegal (from, to) pairs and illegal initial states, and log every legal change.

    The pairs are written out in the migration; a test compares them with the ``@transition``
    metadata. The trigger function is made by the first migration of ``events``.
    """
    legal = ",".join(sorted(f"{source}>{target}" for source, target in pairs))
    create = "".join(_trigger(table, event, transition, legal) for event, transition in _EVENTS)
    drop = "".join(
        f"DROP TRIGGER IF EXISTS {table}_state_{event.lower()} ON {table};" for event, _ in _EVENTS
    )
    return RunSQL(drop + create, drop)


_EVENTS = (
    ("INSERT", "REFERENCING NEW TABLE AS new_rows"),
    ("UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
)


def _trigger(table: str, event: str, referencing: str, legal: str) -> str:
    return (
        f"CREATE TRIGGER {table}_state_{event.lower()} AFTER {event} ON {table} {referencing} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION q2c_state_changed('{legal}');"
    )


def append_only(table: str) -> RunSQL:
    """Refuse UPDATE and DELETE on a table for every role; TRUNCATE is the owner's alone."""
    return RunSQL(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION q2c_refuse_change();",
        f"DROP TRIGGER IF EXISTS {table}_append_only ON {table};",
    )


def app_role_may_not(table: str, *rights: str) -> RunSQL:
    """Take rights on a table from the app role, where that role exists."""
    listed = ", ".join(rights)
    return RunSQL(
        f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'q2c_app') THEN "  # noqa: S608 - names come from migrations
        f"REVOKE {listed} ON {table} FROM q2c_app; END IF; END $$;",
        RunSQL.noop,
    )


def partitioned(table: str, rows: int = 5_000_000) -> RunSQL:
    """Turn a fresh table into one partitioned by range of ``id``, with its first partition.

    The table's indexes are made by Django at the end of the migration, on the partitioned table.
    The sequence stands alone because PostgreSQL 15 and 16 have no identity columns there.
    """
    return RunSQL(
        f"CREATE SEQUENCE {table}_number; "
        f"CREATE TABLE {table}_new (LIKE {table} INCLUDING DEFAULTS) PARTITION BY RANGE (id); "
        f"DROP TABLE {table}; ALTER TABLE {table}_new RENAME TO {table}; "
        f"ALTER TABLE {table} ALTER id SET DEFAULT nextval('{table}_number'); "
        f"ALTER SEQUENCE {table}_number OWNED BY {table}.id; "
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (id); "
        f"SELECT q2c_ensure_partitions('{table}', {rows});",
        RunSQL.noop,
    )
