"""Template databases on the embedded server: made once, copied by each benchmark."""

import os
import re
import time

import psycopg
from psycopg import sql

from benchmarks.data.multiply import Multiplier, say
from q2c.stack.postgres import SUPERUSER
from q2c.stack.roles import DATABASE, OWNER_ROLE

SMALL = 10_000
LARGE = int(os.environ.get("TRANSACTIONS") or 1_000_000)


def template(transactions: int) -> str:
    return f"bench_{transactions}"


def make(transactions: int) -> None:
    """Make a template unless it stands; one that was not finished is begun anew."""
    name = template(transactions)
    with superuser("postgres") as server:
        if _is_template(server, name):
            return
        drop(server, name)
        say(f"{name}:")
        begun = time.monotonic()
        copy(server, DATABASE, name)
        with superuser(name) as database:
            Multiplier(database).grow(transactions)
            size = database.execute("SELECT pg_size_pretty(pg_database_size(%s))", [name])
            say(f"  {(size.fetchone() or ['?'])[0]} in {time.monotonic() - begun:.0f} s")
        server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))


def superuser(database: str) -> psycopg.Connection:
    """To a database of the server that DATABASE_OWNER_URL names, in autocommit."""
    return psycopg.connect(address(SUPERUSER, database), autocommit=True)


def address(role: str, database: str) -> str:
    """A URL for another role and database of that server."""
    return re.sub(r"//[^@]*@/[^?]*", f"//{role}@/{database}", os.environ["DATABASE_OWNER_URL"])


def copy(server: psycopg.Connection, source: str, name: str) -> None:
    """A database like another one, file by file."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY")
    words = [sql.Identifier(word) for word in (name, source, OWNER_ROLE)]
    server.execute(statement.format(*words))


def drop(server: psycopg.Connection, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _is_template(server: psycopg.Connection, name: str) -> bool:
    found = server.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", [name])
    row = found.fetchone()
    return bool(row and row[0])
