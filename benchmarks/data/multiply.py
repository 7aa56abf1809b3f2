"""Multiplying what stands in a database: every row of business once more, as an older copy.

The statements are made from the catalogue and from the rows: ids of business rows get new ids that
keep their order in time, texts that tell rows apart get an ending, running numbers go on, and the
copies lie up to two years back. What belongs to the company (entities, products, connections,
mappings) stays one. Triggers and foreign keys rest meanwhile, so only a superuser may do it.

Left out are the platforms' snapshots and what is compared from them: the simulators know nothing
of the copies, and a reading to the end would say that all of them are gone.
"""

import sys
import time
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

TABLES = (
    "canonical_customer", "canonical_quote", "canonical_quoteline", "canonical_order",
    "canonical_orderline", "canonical_contract", "canonical_subscription", "canonical_amendment",
    "canonical_invoice", "canonical_invoiceline", "canonical_taxline",
    "canonical_revenueschedule", "canonical_revenuescheduleline", "canonical_recordversion",
    "ingestion_delivery", "ingestion_inboundevent", "ingestion_seenmessage",
    "mappings_translation", "mappings_externalreference", "workflows_workflowrun",
    "workflows_step", "workflows_runfacts", "workflows_signal", "postings_posting",
    "postings_attempt", "connectors_exchange", "events_event", "events_transition", "events_seal",
    "monitoring_journey", "monitoring_journeyitem", "monitoring_referenceindex",
)  # fmt: skip
RUNNING_NUMBERS = ("id", "position", "sequence", "event_id")  # where they are bigint
NAMES_ROWS = 0.2  # the share of distinct values from which a text is a name and not a kind
BACK_MS = 2 * 365 * 86_400_000  # how far the oldest copy lies back
AT_ONCE = 25  # copies a statement

_FUNCTIONS = """
CREATE FUNCTION bench_id(old uuid, k bigint, ms bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
  SELECT (lpad(to_hex(('x' || left(replace(old::text, '-', ''), 12))::bit(48)::bigint - ms), 12,
    '0') || '7' || substr(md5(old::text || k), 1, 3) || '8' || substr(md5(old::text || k), 4, 15)
    )::uuid $$;
CREATE FUNCTION bench_text(old text, k bigint, most int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN old = '' THEN ''
    WHEN length(old) + 1 + length(to_hex(k)) <= most THEN old || '-' || to_hex(k)
    ELSE left(md5(old || k) || md5(k || old), most) END $$;
"""
_CLEAN_UP = """
DROP FUNCTION bench_id(uuid, bigint, bigint);
DROP FUNCTION bench_text(text, bigint, int);
DROP TABLE bench_known;
"""
_COLUMNS = """
SELECT a.attname, t.typname, CASE WHEN a.atttypmod > 0 THEN a.atttypmod - 4 ELSE 4000 END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND t.typname <> 'xid8'
ORDER BY a.attnum
"""
_UNIQUE_TEXTS = """
SELECT a.attname FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = %s::regclass AND i.indisunique
"""
# Readers and the chain of seals stand behind the copies, as if all of them had been read.
_READ_TO_THE_END = """
UPDATE events_cursor SET xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint, last_id = 0
"""
_SEQUENCES = """
SELECT c.relname, a.attname, pg_get_serial_sequence(c.relname, a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_get_serial_sequence(c.relname, a.attname) <> ''
"""


@dataclass
class Multiplier:
    """A superuser's connection to the database that grows, in autocommit."""

    database: psycopg.Connection
    spans: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self) -> int:
        """Postings that stand: a stored transaction is one posting with all that led to it."""
        return self._number("SELECT count(*) FROM postings_posting")

    def grow(self, transactions: int) -> None:
        """Copy until at least so many postings stand."""
        copies = max(0, -(-transactions // self.count()) - 1)
        self.database.execute("SET session_replication_role = replica")
        self.database.execute(_FUNCTIONS)
        self._know_ids()
        for table in TABLES if copies else ():
            begun = time.monotonic()
            self._copy(table, copies)
            say(f"  {table:34} {time.monotonic() - begun:7.1f} s")
        self._go_on_from_here()
        self.database.execute(_CLEAN_UP)
        self.database.execute("VACUUM (FREEZE, ANALYZE)")

    def _know_ids(self) -> None:
        """The ids that get new ones, and how far each running number has come."""
        self.database.execute("CREATE TABLE bench_known (id uuid PRIMARY KEY)")
        for table in TABLES:
            for name, kind, _ in self._columns(table):
                if kind == "uuid" and name in ("id", "exchange_id", "event_id"):
                    self._run("INSERT INTO bench_known SELECT {} FROM {}", name, table)
                if kind == "int8" and name in RUNNING_NUMBERS:
                    home = ("id", "events_event") if name == "event_id" else (name, table)
                    self.spans[table, name] = self._number("SELECT max({}) FROM {}", *home)
        self.database.execute("ANALYZE bench_known")

    def _columns(self, table: str) -> list[tuple[str, str, int]]:
        """Name, type and room of each; transaction ids are filled by the database."""
        return self.database.execute(_COLUMNS, [table]).fetchall()

    def _copy(self, table: str, copies: int) -> None:
        columns = self._columns(table)
        unique = {name for (name,) in self.database.execute(_UNIQUE_TEXTS, [table])}
        values = [self._value(table, name, kind, most, unique) for name, kind, most in columns]
        self._run("CREATE TABLE bench_rows AS SELECT * FROM {}", table)
        for name, kind, _ in columns:
            if kind == "uuid" and name in unique and self._known(table, name):
                # What is told of the company's own records can be told once only.
                self._run("DELETE FROM bench_rows WHERE {} NOT IN (TABLE bench_known)", name)
        insert = sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM (SELECT k, k * {} / {} AS ms "
            "FROM generate_series({}::bigint, {}::bigint) k) AS c CROSS JOIN bench_rows r "
            "ORDER BY c.k"
        )
        names = [sql.Identifier(name) for name, _, _ in columns]
        for first in range(1, copies + 1, AT_ONCE):
            last = min(copies, first + AT_ONCE - 1)
            self.database.execute(
                insert.format(
                    sql.Identifier(table), sql.SQL(", ").join(names), sql.SQL(", ").join(values),
                    BACK_MS, copies, first, last,
                )
            )  # fmt: skip
        self.database.execute("DROP TABLE bench_rows")

    def _value(
        self, table: str, name: str, kind: str, most: int, unique: set[str]
    ) -> sql.Composable:
        column = sql.SQL("r.{}").format(sql.Identifier(name))
        if kind == "uuid":
            return self._id(table, name, column)
        if (table, name) in self.spans:
            return sql.SQL("{} + c.k * {}").format(column, self.spans[table, name])
        if kind in ("varchar", "text"):
            return self._text(table, name, column, most, unique)
        if kind in ("timestamptz", "date"):
            earlier = sql.SQL("({} - c.ms * interval '1 millisecond')::{}")
            return earlier.format(column, sql.SQL(kind))
        return column

    def _id(self, table: str, name: str, column: sql.Composable) -> sql.Composable:
        known = self._known(table, name)
        if not known:
            return column
        new = sql.SQL("bench_id({}, c.k, c.ms)").format(column)
        if known == self._number("SELECT count({}) FROM {}", name, table):
            return new
        either = sql.SQL("CASE WHEN {0} IN (TABLE bench_known) THEN {1} ELSE {0} END")
        return either.format(column, new)

    def _known(self, table: str, name: str) -> int:
        asked = "SELECT count(*) FROM {} WHERE {} IN (TABLE bench_known)"
        return self._number(asked, table, name)

    def _text(
        self, table: str, name: str, column: sql.Composable, most: int, unique: set[str]
    ) -> sql.Composable:
        if not self._tells_rows_apart(table, name):
            return column
        if name == "row_id":  # a uuid as text
            return sql.SQL("bench_id({}::uuid, c.k, c.ms)::text").format(column)
        length = self._number("SELECT coalesce(max(length({})), 0) FROM {}", name, table)
        if length + 5 > most and name not in unique:
            return column
        return sql.SQL("bench_text({}, c.k, {})").format(column, most)

    def _tells_rows_apart(self, table: str, name: str) -> bool:
        rows = self._number("SELECT count({}) FROM {}", name, table)
        distinct = self._number("SELECT count(DISTINCT {}) FROM {}", name, table)
        return distinct > max(1, rows * NAMES_ROWS)

    def _go_on_from_here(self) -> None:
        for table, name, sequence in self.database.execute(_SEQUENCES, [list(TABLES)]).fetchall():
            last = self._number("SELECT coalesce(max({}), 1) FROM {}", name, table)
            self.database.execute("SELECT setval(%s::regclass, %s)", [sequence, last])
        self.database.execute(_READ_TO_THE_END)

    def _run(self, statement: str, *names: str) -> psycopg.Cursor[tuple[object, ...]]:
        return self.database.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _number(self, statement: str, *names: str) -> int:
        row = self._run(statement, *names).fetchone()
        return int(str(row[0])) if row else 0


def say(words: str) -> None:
    """A line of progress."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
