"""Named places in the hub where a test may make it fail (docs/faults.md).

Off unless a test arms them: a call of :func:`failpoint` then costs one look at a module-level
name. A campaign arms running processes by a file, and only where ``Q2C_FAILPOINTS=1`` is set as
well, with which production refuses to start.
"""

import fcntl
import json
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection

logger = logging.getLogger(__name__)

SWITCH = "Q2C_FAILPOINTS"
FILE = "Q2C_FAILPOINT_FILE"

# name → where it stands (module, function). A test compares this with the code.
CATALOGUE: dict[str, tuple[str, str]] = {
    "inbox.before_commit": ("apps.ingestion.services.door", "receive_delivery"),
    "inbox.after_commit_before_response": ("apps.api.webhooks", "_accept"),
    "split.before_commit": ("apps.ingestion.services.split", "_store"),
    "process.after_claim": ("apps.ingestion.services.process", "process_due"),
    "process.before_commit": ("apps.ingestion.services.process", "process_due.work"),
    "process.after_commit": ("apps.ingestion.services.process", "process_due"),
    "dispatch.after_handle_before_commit": ("apps.events.services", "_hand_over"),
    "step.after_claim": ("apps.workflows.services.advance", "advance_due"),
    "step.before_commit": ("apps.workflows.services.rounds", "play_round"),
    "step.after_commit": ("apps.workflows.services.advance", "_rounds"),
    "saga.between": ("apps.workflows.services.advance", "_rounds"),
    "posting.after_intent": ("apps.postings.services.claim", "claim_sends"),
    "posting.after_sending_before_send": ("apps.postings.services.lane", "_send"),
    "posting.after_send": ("apps.postings.services.lane", "_send"),
    "posting.after_result_before_commit": ("apps.postings.services.settle", "Settlement.commit"),
    "posting.after_commit": ("apps.postings.services.settle", "Settlement.commit"),
    "lookup.after_answer": ("apps.postings.services.lane", "_look_up"),
    "batch.between_items": ("apps.resolutions.services.batch_items", "run_batch"),
    "seal.before_commit": ("apps.events.services", "seal_events"),
    "relay.after_ring": ("apps.api.scheduler.ringer", "Ringer._ring"),
}


class FailpointError(RuntimeError):
    """What an armed failpoint with the action ``raise`` raises."""


Handler = Callable[[str, str], None]
_handler: Handler | None = None


def failpoint(name: str, about: str = "") -> None:
    """A place of the catalogue; ``about`` says what passes it, such as a posting's operation.

    Does nothing unless failpoints are armed in this process.
    """
    if _handler is not None:
        _handler(name, about)


@contextmanager
def armed(handler: Handler) -> Iterator[None]:
    """Call ``handler`` with every failpoint that this process passes meanwhile, and what for."""
    global _handler
    before, _handler = _handler, handler
    try:
        yield
    finally:
        _handler = before


@dataclass(slots=True)
class Rule:
    """One entry of the file: what happens at a failpoint, how often, how likely.

    ``count`` limits the firings over all processes together, ``skip`` the first passes in each
    process. ``about``: only these pass it, such as one operation; empty: all. ``seconds`` is how
    long ``sleep`` sleeps; a ``stop`` with seconds wakes by itself.
    """

    point: str
    action: str
    id: str = ""
    about: tuple[str, ...] = ()
    count: int = 1
    probability: float = 1.0
    skip: int = 0
    seconds: float = 0.0
    passed: int = 0
    spent: bool = False
    chance: random.Random = field(default_factory=random.Random)


class ArmingFile:
    """The failpoints that a file arms, read again when the file changes.

    Every firing is appended to ``<file>.fired`` as one JSON line before it happens, under a lock
    that makes ``count`` hold across processes.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.log = path, Path(f"{path}.fired")
        self.stamp: tuple[int, int, int] | None = None
        self.rules: dict[str, list[Rule]] = {}

    def __call__(self, name: str, about: str = "") -> None:
        """Fire the first rule armed for this place that is due; it may not return."""
        self._refresh()
        for rule in self.rules.get(name, ()):
            if self._is_due(rule, about) and self._book(rule):
                ACTIONS[rule.action](rule)
                return

    def _refresh(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.stamp, self.rules = None, {}
            return
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp == self.stamp:
            return
        self.stamp = stamp
        try:
            self.rules = read_rules(self.path.read_text())
        except (ValueError, TypeError) as error:
            self.rules = {}
            logger.error("no failpoint is armed: %s: %s", self.path, error)  # noqa: TRY400
            self._append({"error": str(error)})

    def _is_due(self, rule: Rule, about: str) -> bool:
        if rule.spent or (rule.about and about not in rule.about):
            return False
        rule.passed += 1
        return rule.passed > rule.skip and rule.chance.random() < rule.probability

    def _book(self, rule: Rule) -> bool:
        """Whether this firing is still within the count; if so it is written down first."""
        with self.log.open("a+") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            log.seek(0)
            fired = sum(json.loads(line).get("id") == rule.id for line in log)
            if fired >= rule.count:
                rule.spent = True
                return False
            log.write(_line(_firing(rule)))
        return True

    def _append(self, facts: dict[str, Any]) -> None:
        with self.log.open("a") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            log.write(_line(facts))


def _firing(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "point": rule.point, "action": rule.action, "pid": os.getpid()}


def _line(facts: dict[str, Any]) -> str:
    return json.dumps({"at": time.time(), **facts}) + "\n"


def read_rules(text: str) -> dict[str, list[Rule]]:
    """Rules by failpoint, in the file's order. Raises ``ValueError`` or ``TypeError`` naming what
    is wrong: broken JSON, an unknown key, place or action, an id used twice."""
    document = json.loads(text)
    rules: dict[str, list[Rule]] = {}
    seen: set[str] = set()
    for given in document["rules"]:
        rule = Rule(**given)
        rule.id = rule.id or f"{rule.point}:{rule.action}"
        if rule.point not in CATALOGUE or rule.action not in ACTIONS or rule.id in seen:
            raise ValueError(f"rule {rule.id}: unknown point or action, or an id used twice")
        seen.add(rule.id)
        rule.chance = random.Random(f"{document.get('seed', 0)}:{rule.id}")  # noqa: S311
        rules.setdefault(rule.point, []).append(rule)
    return rules


def _kill(_: Rule) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(rule: Rule) -> None:
    """Freeze. With ``seconds`` a child that outlives the freeze wakes this process again."""
    me = os.getpid()
    if rule.seconds:
        waker = f"sleep {float(rule.seconds)}; kill -CONT {me}"
        os.posix_spawn("/bin/sh", ["sh", "-c", waker], os.environ)
    os.kill(me, signal.SIGSTOP)


def _raise(rule: Rule) -> None:
    raise FailpointError(f"failpoint {rule.point}")


def _sleep(rule: Rule) -> None:
    time.sleep(rule.seconds)  # noqa: TID251 - a stalled process is what is asked for


def _drop(_: Rule) -> None:
    """Cut the socket to the database under the driver: the next statement or COMMIT fails."""
    if connection.connection is not None:
        with socket.socket(fileno=os.dup(connection.connection.fileno())) as cut:
            cut.shutdown(socket.SHUT_RDWR)


ACTIONS: dict[str, Callable[[Rule], None]] = {
    "kill": _kill, "stop": _stop, "raise": _raise, "sleep": _sleep, "drop": _drop,
}  # fmt: skip

if os.environ.get(SWITCH) == "1" and os.environ.get(FILE):
    _handler = ArmingFile(Path(os.environ[FILE]))
    logger.warning("failpoints are on and armed by %s", os.environ[FILE])
