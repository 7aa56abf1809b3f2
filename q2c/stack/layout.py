"""Where a stack keeps its data: the run directory, and a second place when the server account
cannot reach it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from q2c.stack.account import ServerAccount
from q2c.stack.errors import StackError

REPOSITORY = Path(__file__).resolve().parents[2]
SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes on Linux and 104 on macOS, the terminating zero included.
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class RunDirectory:
    """One stack's data. All below `path` belongs to the launcher and may be deleted by it."""

    path: Path

    @classmethod
    def at(cls, name: str) -> RunDirectory:
        """The directory of that name, relative to the repository unless absolute; created when
        missing.
        """
        path = (REPOSITORY / name).resolve()
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self._folder("logs")

    @property
    def state(self) -> Path:
        """What the simulators keep: their ledgers."""
        return self._folder("state")

    @property
    def valkey(self) -> Path:
        """Valkey's append-only file."""
        return self._folder("valkey")

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def file(self, name: str) -> Path:
        """A file directly in the run directory."""
        return self.path / name

    def write_private(self, name: str, text: str) -> Path:
        """Write a file that only this account can read, in one step."""
        target, draft = self.path / name, self.path / f"{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        draft.replace(target)
        return target

    def postgres_home(self, account: ServerAccount) -> Path:
        """A directory that the server account owns: in the run directory if it can get there."""
        home = self.path / "postgres"
        if account.switch and not self._reachable_by(account):
            home = self._outside_home()
            _claim_directory(home, account)
        home.mkdir(mode=0o700, exist_ok=True)
        account.give(home)
        return home

    def _reachable_by(self, account: ServerAccount) -> bool:
        # Passing through is enough, and nothing private is readable in the directory itself.
        self.path.chmod(self.path.stat().st_mode | 0o011)
        return account.can_reach(self.path, os.X_OK)

    def _outside_home(self) -> Path:
        return Path("/var/tmp") / f"q2c-{_digest(self.path)}"  # noqa: S108 - owner checked

    def socket_directory(self, home: Path, account: ServerAccount) -> Path:
        """A private directory for the server's socket whose path is short enough."""
        if len(str(home / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return home
        folder = _socket_fallback(home)
        _claim_directory(folder, account)
        account.give(folder)
        return folder

    def wipe(self) -> None:
        """Delete all data but the lock, which the caller holds."""
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        for outside in (self._outside_home(), _socket_fallback(self.path / "postgres")):
            if outside.is_dir() and not outside.is_symlink():
                shutil.rmtree(outside)


def _socket_fallback(home: Path) -> Path:
    return Path(tempfile.gettempdir()) / f"q2c-{_digest(home)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _claim_directory(path: Path, account: ServerAccount) -> None:
    """Create a directory in a folder that everybody can write to, or make sure that the existing
    one is no trap.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir():
            raise StackError(
                f"{path} should be a directory of this stack; remove it and start again."
            ) from None
        if path.stat().st_uid not in (os.geteuid(), account.uid):
            raise StackError(
                f"{path} belongs to another account; remove it and start again."
            ) from None
