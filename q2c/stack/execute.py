"""Run one command with the servers up: tests, a shell, a management command."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from q2c.stack.children import Child, Children, Conduct
from q2c.stack.errors import Interrupted, StackError
from q2c.stack.services import start_services
from q2c.stack.session import session
from q2c.stack.terminal import say

# After Ctrl-C a test run still reports what it has; then we insist.
LAST_WORDS_SECONDS = 10.0


def execute(command: Sequence[str], *, directory: str, durable: bool, as_owner: bool) -> int:
    """Start the servers, run the command in the foreground, stop the servers; return the command's
    exit code.
    """
    with session(directory, " ".join(command)[:80]) as current:
        services = start_services(current.run, current.children, durable=durable)
        environment = {**os.environ, **services.environment(as_owner=as_owner)}
        return run_in_foreground(current.children, command, environment)


def run_in_foreground(
    children: Children, command: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Run a command on our terminal and wait for it; a signal to us is passed on, and the command
    may say its last words.
    """
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    try:
        # On a terminal the command shares our process group, so that it can read keys and Ctrl-C
        # reaches it directly.
        conduct = Conduct(stdin=None, own_session=not on_terminal)
        child = children.spawn(command[0], command, environment, conduct=conduct)
    except OSError as error:
        raise StackError(f"Cannot run {command[0]}: {error.strerror}.") from error
    try:
        return _exit_code(child.process.wait())
    except Interrupted as interrupted:
        _await_last_words(child, interrupted, passed_on=on_terminal)
        raise


def _await_last_words(child: Child, interrupted: Interrupted, *, passed_on: bool) -> None:
    if not (passed_on and interrupted.exit_code == 130):
        child.process.send_signal(interrupted.exit_code - 128)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.process.wait(LAST_WORDS_SECONDS)
        return
    say(f"{child.name} does not stop; ending it.")


def _exit_code(status: int) -> int:
    """A shell's exit code: 128 + signal when a signal ended the command."""
    return status if status >= 0 else 128 - status
