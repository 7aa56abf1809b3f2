"""Starting and stopping child processes so that none outlives the launcher."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from q2c.stack import guard
from q2c.stack.account import PopenIdentity
from q2c.stack.layout import REPOSITORY

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: loading a library between fork and exec is not safe.
_libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


@dataclass(frozen=True)
class Conduct:
    """How a child starts and stops.

    In a session of its own Ctrl-C reaches only the launcher, which then stops things in the right
    order. `grace` is the seconds that the child may take to stop before its group is killed.
    A command `ends` by itself, which is no fault when its status is 0.
    """

    cwd: Path = REPOSITORY
    stdin: int | None = subprocess.DEVNULL
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 8.0
    identity: PopenIdentity = field(default_factory=PopenIdentity)
    own_session: bool = True
    ends: bool = False


@dataclass
class Child:
    """A started process; without a log it writes to our terminal."""

    name: str
    process: subprocess.Popen[bytes]
    conduct: Conduct
    log: Path | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether it has ended though it should not have, or badly."""
        return not self.running and not (self.conduct.ends and self.process.returncode == 0)


@dataclass
class Children:
    """Everything this launcher started, in order, mirrored to the guard. Use from the main thread
    only: PR_SET_PDEATHSIG fires when the thread that forked the child ends.
    """

    lock_descriptor: int
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    # A stack started inside another one (by a test) adds its mark, so that the outer guard finds
    # these processes too.
    outer_marks: str = field(default_factory=lambda: os.environ.get(guard.MARK_VARIABLE, ""))
    started: list[Child] = field(default_factory=list)
    _guard: subprocess.Popen[bytes] | None = None

    def spawn(
        self,
        name: str,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        log: Path | None = None,
        conduct: Conduct = Conduct(),
    ) -> Child:
        """Start a process with its output in `log`, or on our terminal without one."""
        self._ensure_guard()
        with contextlib.ExitStack() as files:
            output: IO[bytes] | None = files.enter_context(log.open("ab")) if log else None
            process = subprocess.Popen(
                command,
                env={**env, guard.MARK_VARIABLE: f"{self.outer_marks} {self.mark}"},
                cwd=conduct.cwd,
                stdin=conduct.stdin,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=conduct.own_session,
                preexec_fn=_end_with_parent(conduct.stop_signal),
                **conduct.identity,
            )
        child = Child(name, process, conduct, log)
        self.started.append(child)
        self._tell_guard(f"+ {process.pid} {int(conduct.stop_signal)}")
        return child

    def ended(self) -> Child | None:
        """The first child found to have ended that should not have, if any."""
        return next((child for child in self.started if child.failed), None)

    def stop(self, children: Sequence[Child]) -> None:
        """Ask these to stop, all at once; kill the process group of each that takes longer than
        its grace time.
        """
        begun = time.monotonic()
        for child in children:
            if child.running:
                child.process.send_signal(child.conduct.stop_signal)
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, begun + child.conduct.grace - time.monotonic()))
            self._end_group(child)

    def _end_group(self, child: Child) -> None:
        pid = child.process.pid
        child.process.kill()  # without effect when it has ended
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        child.process.wait()
        self.started.remove(child)
        self._tell_guard(f"- {pid}")

    def close(self) -> None:
        """Stop what is left, newest first, and wait for the guard to find nothing more."""
        for child in reversed(list(self.started)):
            self.stop([child])
        if self._guard and self._guard.stdin:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
            self._guard.wait()

    def _ensure_guard(self) -> None:
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, self.mark],
                stdin=subprocess.PIPE,
                cwd="/",
                start_new_session=True,
                pass_fds=(self.lock_descriptor,),
            )

    def _tell_guard(self, line: str) -> None:
        if self._guard and self._guard.stdin:
            with contextlib.suppress(OSError):
                self._guard.stdin.write(f"{line}\n".encode())
                self._guard.stdin.flush()


def _end_with_parent(signum: signal.Signals) -> Callable[[], None]:
    """For preexec_fn, which runs after Popen has changed the account: that change would clear the
    setting.
    """

    def set_parent_death_signal() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)

    return set_parent_death_signal
