"""The launcher's command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from q2c.stack.demo import reset, run_demo, run_flow, run_on_product
from q2c.stack.errors import Interrupted, StackError
from q2c.stack.execute import execute

DIRECTORY_VARIABLE = "Q2C_STACK_DIR"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of the launcher; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _dispatch(options)
    except StackError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except Interrupted as interrupted:
        return interrupted.exit_code


def _dispatch(options: argparse.Namespace) -> int:
    chosen = options.directory or os.environ.get(DIRECTORY_VARIABLE)
    if options.action == "demo":
        return run_demo(chosen or ".run")
    if options.action == "reset":
        return reset(chosen or ".run")
    if options.action == "flow":
        return run_flow(chosen or ".run-flow")
    if options.action == "product":
        command, directory = _command(options.command), chosen or ".run-flow"
        return run_on_product(command, directory, keep=options.keep)
    return execute(
        _command(options.command),
        directory=chosen or ".run-test",
        durable=options.durable,
        as_owner=options.owner,
    )


def _command(words: Sequence[str]) -> list[str]:
    command = [word for index, word in enumerate(words) if index or word != "--"]
    if not command:
        raise StackError("exec needs a command: python -m q2c.stack exec -- python -m pytest")
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m q2c.stack", description="Runs the product with its servers."
    )
    parser.add_argument(
        "--dir", dest="directory", help=f"where the data lives (or {DIRECTORY_VARIABLE})"
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("demo", help="everything up, the scenario played once, then live traffic")
    actions.add_parser("reset", help="delete the demo's data")
    actions.add_parser("flow", help="headless: fresh stack, scenario, resolutions, invariants")
    product = actions.add_parser("product", help="run a command beside a fresh product")
    product.add_argument("--keep", action="store_true", help="go on with the data of last time")
    product.add_argument("command", nargs=argparse.REMAINDER)
    run = actions.add_parser("exec", help="run a command with the servers up, then stop them")
    run.add_argument(
        "--durable", action="store_true", help="keep data through a crash of the machine (slower)"
    )
    run.add_argument("--owner", action="store_true", help="DATABASE_URL is the schema owner's")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    return parser
