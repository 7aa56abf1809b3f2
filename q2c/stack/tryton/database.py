"""Tryton's database: created and filled once, dumped, restored from the dump later."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from q2c.stack.children import Children
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.postgres import SUPERUSER, PostgresServer
from q2c.stack.terminal import log_tail, stage
from q2c.stack.tryton.packages import LOCK, MODULE, SOURCES

DATABASE = "erp"
MODULES = (
    "party",
    "company",
    "currency",
    "product",
    "account",
    "account_product",
    "account_invoice",
    "analytic_account",
    "analytic_invoice",
    MODULE,
)


@dataclass(frozen=True)
class Builder:
    """What is needed to make the database: the run directory, the running PostgreSQL, Tryton's
    programs.
    """

    run: RunDirectory
    children: Children
    postgres: PostgresServer
    programs: Path
    environment: Mapping[str, str]

    def prepare(self) -> str:
        """Bring a fresh database up, from the dump when its inputs have not changed; return the
        users' password.
        """
        cache = self.run.path / "cache" / self._key()
        if not (cache / "login.json").exists():
            shutil.rmtree(cache.parent, ignore_errors=True)
            return self._build(cache)
        with stage("Tryton's database from its dump"):
            self._recreate_database()
            self._postgres_program(
                "pg_restore", "-j", "2", "--no-owner", "-d", self._url(), cache / "dump"
            )
        login: dict[str, str] = json.loads((cache / "login.json").read_text())
        return login["password"]

    def _key(self) -> str:
        digest = hashlib.sha256(
            f"{dt.datetime.now().astimezone().year} {self.postgres.version.split('.')[0]}".encode()
        )
        for file in _inputs():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:16]

    def _build(self, cache: Path) -> str:
        password = secrets.token_urlsafe(18)
        secret = self.run.write_private("password", password)
        self._recreate_database()
        with stage("Tryton's tables, the first time"):
            command = ["-d", DATABASE, "-u", *MODULES, "--activate-dependencies"]
            admin = ["--administrator", "--email", "admin@example.com"]
            self._tryton("trytond-admin", [*command, *admin], TRYTONPASSFILE=str(secret))
        with stage("Company, chart, periods, taxes, users"):
            self._tryton("python", [str(SOURCES / "setup_company.py"), DATABASE, password])
        secret.unlink()
        with stage("Dump for the next start"):
            cache.mkdir(parents=True, mode=0o700)
            self._postgres_program("pg_dump", "-Fc", "-f", cache / "dump", self._url())
            (cache / "login.json").write_text(json.dumps({"password": password}))
        return password

    def _recreate_database(self) -> None:
        name = sql.Identifier(DATABASE)
        with psycopg.connect(
            self.postgres.url(SUPERUSER, "postgres"), autocommit=True
        ) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))

    def _url(self) -> str:
        return self.postgres.url(SUPERUSER, DATABASE)

    def _postgres_program(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.postgres.programs / program, *arguments], capture_output=True, text=True
        )
        if done.returncode:
            raise StackError(f"{program} failed: {done.stderr.strip()}")

    def _tryton(self, program: str, arguments: Sequence[str], **extra: str) -> None:
        """Run one of Tryton's programs to its end; raise StackError with the end of its log when
        it fails.
        """
        log = self.run.logs / f"{program}.log"
        log.unlink(missing_ok=True)
        command: list[str | Path] = [self.programs / program, *arguments]
        child = self.children.spawn(program, command, {**self.environment, **extra}, log)
        status = child.process.wait()
        self.children.stop([child])
        if status:
            raise StackError(f"{program} failed. Its log {log} ends:\n{log_tail(log, 25)}")


def _inputs() -> Iterator[Path]:
    """Every file that decides what the database holds."""
    yield LOCK
    yield SOURCES / "setup_company.py"
    yield Path(__file__)
    yield from sorted(
        path for path in (SOURCES / MODULE).rglob("*") if path.suffix in {".py", ".cfg", ".xml"}
    )
