"""The database and its two roles: one owns the schema and migrates, the other is what the
application runs as.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from q2c.stack.postgres import SUPERUSER, PostgresServer

DATABASE = "q2c"
OWNER_ROLE = "q2c_owner"
APP_ROLE = "q2c_app"
IDLE_SECONDS = 30

# Given in template1: every database made from it has them, the tests' databases too.
_PRIVILEGES = f"""
GRANT CREATE, USAGE ON SCHEMA public TO {OWNER_ROLE};
GRANT USAGE ON SCHEMA public TO {APP_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE}
    GRANT USAGE, SELECT ON SEQUENCES TO {APP_ROLE};
"""


def create_roles_and_database(server: PostgresServer) -> None:
    """Create what is missing of the roles q2c_owner and q2c_app and of the database; changes
    nothing the second time.
    """
    with psycopg.connect(server.url(SUPERUSER, "postgres"), autocommit=True) as connection:
        _create_role(connection, OWNER_ROLE, "LOGIN CREATEDB")
        _create_role(connection, APP_ROLE, "LOGIN")
        # A process that stops within a transaction must not hold rows and readers of events back.
        connection.execute(
            f"ALTER ROLE {APP_ROLE} SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
        )
        # The owner may SET ROLE to the application's role: that way tests show what it must not
        # do.
        connection.execute(f"GRANT {APP_ROLE} TO {OWNER_ROLE}")
    with psycopg.connect(server.url(SUPERUSER, "template1")) as connection:
        connection.execute(_PRIVILEGES)
    with psycopg.connect(server.url(SUPERUSER, "postgres"), autocommit=True) as connection:
        create_database(connection, DATABASE, OWNER_ROLE)
    with psycopg.connect(server.url(SUPERUSER, DATABASE)) as connection:
        # The one extension that needs a superuser; the others are trusted and come by migration.
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _create_role(connection: psycopg.Connection, name: str, attributes: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
        statement = sql.SQL("CREATE ROLE {} ").format(sql.Identifier(name))
        connection.execute(statement + sql.SQL(attributes))


def create_database(connection: psycopg.Connection, name: str, owner: str) -> None:
    """Create a database unless it exists; the connection is a superuser's, in autocommit."""
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))
