"""The operating-system account that runs PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from q2c.stack.errors import StackError

ACCOUNT_VARIABLE = "Q2C_POSTGRES_ACCOUNT"


class PopenIdentity(TypedDict, total=False):
    """Keyword arguments of Popen that change the account of a child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class ServerAccount:
    """The account a server runs as; `switch` is true when that is not the launcher's own."""

    name: str
    uid: int
    gid: int
    switch: bool

    @classmethod
    def for_this_process(cls) -> ServerAccount:
        """Our own account, or as root an unprivileged one from passwd (initdb looks it up)."""
        if os.geteuid() != 0:
            return cls("", os.geteuid(), os.getegid(), switch=False)
        name = os.environ.get(ACCOUNT_VARIABLE, "nobody")
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise StackError(
                f"PostgreSQL cannot run as root and there is no account {name!r}: "
                f"set {ACCOUNT_VARIABLE} to an unprivileged account."
            ) from None
        return cls(name, entry.pw_uid, entry.pw_gid, switch=True)

    @property
    def identity(self) -> PopenIdentity:
        """What Popen needs to start a child as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path, mode: int) -> bool:
        """Whether the account has `mode` (os.R_OK and so on) on path; asked in a child that really
        is that account.
        """
        if not self.switch:
            return os.access(path, mode)
        child = os.fork()
        if child == 0:
            os._exit(self._probe(path, mode))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def _probe(self, path: Path, mode: int) -> int:
        try:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
            return 0 if os.access(path, mode) else 1
        except OSError:
            return 1

    def give(self, path: Path) -> None:
        """Make the account the owner of path."""
        if self.switch:
            os.chown(path, self.uid, self.gid)
