"""``python -m scenario prepare FILE | run | trickle [SECONDS] | flow | screenshots``."""

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path

USAGE = "usage: python -m scenario prepare FILE | run | trickle [SECONDS] | flow | screenshots\n"


def prepare(today: dt.date, file: str) -> int:
    from scenario.prepare import prepare as write_setup

    write_setup(Path(file), today)
    return 0


def run(today: dt.date) -> int:
    from scenario.play import play

    play(today)
    return 0


def trickle(today: dt.date, pause: str = "") -> int:
    from scenario.trickle import trickle as sell

    sell(today, float(pause)) if pause else sell(today)
    return 0


def flow(today: dt.date) -> int:
    from scenario.flow import run_flow

    return run_flow(today)


def screenshots(today: dt.date) -> int:
    from scenario.screenshots import take

    for path in take(os.environ.get("HUB_URL", "http://127.0.0.1:8000").rstrip("/")):
        sys.stdout.write(f"{path.name}\n")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "prepare": prepare,
    "run": run,
    "trickle": trickle,
    "flow": flow,
    "screenshots": screenshots,
}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    command, *rest = arguments or [""]
    most = 1 if command in ("prepare", "trickle") else 0
    least = 1 if command == "prepare" else 0
    if command not in COMMANDS or not least <= len(rest) <= most:
        sys.stderr.write(USAGE)
        return 2
    return COMMANDS[command](dt.datetime.now(dt.UTC).date(), *rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
