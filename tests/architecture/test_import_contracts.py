"""A contract that nobody can break proves nothing: each is broken here, in a copy of the tree."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACTS = REPOSITORY / ".importlinter"
# No table of their own, or not part of the stack.
WITHOUT_DRAWERS = {"api", "console", "core", "simulators"}

TRYTON = "apps.connectors.vendors.tryton.connector"
BREACHES = [
    ("apps", "apps/core/clock.py", "import apps.events.models"),
    ("apps", "apps/oddity/__init__.py", ""),
    ("drawers", "apps/events/models.py", "import apps.events.services"),
    (
        "vendors",
        "apps/connectors/vendors/stripe/client.py",
        "import apps.connectors.vendors.tryton",
    ),
    ("acyclic", "apps/core/codec.py", "import apps.core.fsm"),
    ("web", "apps/events/models.py", "import rest_framework"),
    ("project", "apps/core/clock.py", "import q2c.settings"),
    ("launcher", "q2c/stack/ports.py", "import django"),
    ("tasks", "apps/users/services.py", "import apps.events.tasks"),
    ("connectors", "apps/connectors/http.py", "import apps.connectors.base"),
    ("simulators", "apps/simulators/__init__.py", "import apps.core.money"),
    ("no-simulators", "apps/api/urls.py", "import apps.simulators.core"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("apps", "q2c"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(CONTRACTS, tmp_path)
    return tmp_path


def lint(directory: Path, contract: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--contract", contract, "--no-cache"],
        cwd=directory,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("contract", "file", "breach"), BREACHES)
def test_a_breach_is_found(copy: Path, contract: str, file: str, breach: str) -> None:
    before = lint(copy, contract)
    assert before.returncode == 0, before.stdout
    target = copy / file
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as source:
        source.write(f"\n{breach}\n")
    after = lint(copy, contract)
    assert after.returncode == 1
    assert "BROKEN" in after.stdout or "Undeclared" in after.stdout, after.stdout


def test_every_contract_is_broken_once() -> None:
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS)
    declared = {name.split(":")[-1] for name in parser.sections() if ":" in name}
    assert declared == {contract for contract, _, _ in BREACHES}


def test_every_app_is_held_to_the_drawers_and_kept_from_the_web() -> None:
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS)
    apps = {path.parent.name for path in (REPOSITORY / "apps").glob("*/__init__.py")}
    in_drawers = parser["importlinter:contract:drawers"]["containers"].split()
    kept_from_web = parser["importlinter:contract:web"]["source_modules"].split()
    forbidden_to_simulators = parser["importlinter:contract:simulators"][
        "forbidden_modules"
    ].split()
    assert {f"apps.{name}" for name in apps - WITHOUT_DRAWERS} == set(in_drawers)
    assert {*in_drawers, "apps.core"} == set(kept_from_web)
    assert {f"apps.{name}" for name in apps - {"simulators"}} | {"q2c", "django"} == set(
        forbidden_to_simulators
    )
