"""Both servers together, and the environment that makes the product use them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from q2c.stack.children import Children
from q2c.stack.layout import RunDirectory
from q2c.stack.postgres import start_postgres
from q2c.stack.roles import APP_ROLE, DATABASE, OWNER_ROLE, create_roles_and_database
from q2c.stack.terminal import stage
from q2c.stack.valkey import start_valkey


@dataclass(frozen=True)
class Services:
    """The addresses of database and broker. The owner's URL migrates and creates test databases,
    the other one runs the product.
    """

    database_url: str
    owner_url: str
    redis_url: str
    embedded: tuple[str, ...] = field(default=())

    def environment(self, *, as_owner: bool = False) -> dict[str, str]:
        """The variables that q2c.settings reads."""
        return {
            "DATABASE_URL": self.owner_url if as_owner else self.database_url,
            "DATABASE_OWNER_URL": self.owner_url,
            "REDIS_URL": self.redis_url,
        }


def start_services(run: RunDirectory, children: Children, *, durable: bool) -> Services:
    """Use the servers that DATABASE_URL and REDIS_URL name; start an embedded one for each that is
    not set.
    """
    embedded = []
    database_url = os.environ.get("DATABASE_URL", "")
    owner_url = os.environ.get("DATABASE_OWNER_URL") or database_url
    if not database_url:
        with stage("PostgreSQL, database and roles"):
            server = start_postgres(run, children, durable=durable)
            create_roles_and_database(server)
        database_url = server.url(APP_ROLE, DATABASE)
        owner_url = server.url(OWNER_ROLE, DATABASE)
        embedded.append("PostgreSQL")
    redis_url = os.environ.get("REDIS_URL", "")
    if not redis_url:
        with stage("Valkey"):
            redis_url = start_valkey(run, children, durable=durable)
        embedded.append("Valkey")
    return Services(database_url, owner_url, redis_url, tuple(embedded))
