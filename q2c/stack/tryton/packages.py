"""Tryton's own virtual environment, made from its own hashed lock file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from q2c.stack.errors import StackError
from q2c.stack.layout import REPOSITORY, RunDirectory
from q2c.stack.terminal import stage

SOURCES = REPOSITORY / "erp-modules" / "tryton"
MODULE = "hub_external_id"
LOCK = SOURCES / "requirements.lock"


def install_packages(run: RunDirectory) -> Path:
    """Make the environment when the lock has changed, put our module in; return its folder of
    programs.
    """
    environment, marker = run.path / "venv", run.file("venv.lock-hash")
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not marker.exists() or marker.read_text() != wanted:
        with stage("Tryton's packages"):
            _make_environment(environment)
        marker.write_text(wanted)
    _install_module(environment)
    return environment / "bin"


def _make_environment(environment: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    python = environment / "bin" / "python"
    _run([sys.executable, "-m", "venv", environment])
    uv: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python]
    pip: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    locked: list[str | Path] = ["--require-hashes", "-r", LOCK]
    # As in the Makefile: uv first, pip where uv cannot reach the index.
    if subprocess.run([*uv, *locked], env=_index_environment()).returncode:
        _run([*pip, *locked])


def _index_environment() -> dict[str, str]:
    """uv does not read pip's certificate setting."""
    certificate = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT")
    return {**os.environ, **({"SSL_CERT_FILE": certificate} if certificate else {})}


def _install_module(environment: Path) -> None:
    """Copy the module to where trytond looks: installing it would fetch a build tool."""
    (modules,) = environment.glob("lib/python*/site-packages/trytond/modules")
    shutil.rmtree(modules / MODULE, ignore_errors=True)
    shutil.copytree(
        SOURCES / MODULE, modules / MODULE, ignore=shutil.ignore_patterns("__pycache__")
    )


def _run(command: Sequence[str | Path]) -> None:
    if subprocess.run(command).returncode:
        words = " ".join(str(word) for word in command)
        raise StackError(f"This failed, its own words are above: {words}")
