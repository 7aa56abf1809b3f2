import base64
import json
import subprocess
from pathlib import Path

import pytest

from q2c.stack import demo
from q2c.stack.layout import RunDirectory
from q2c.stack.processes import PROCESSES
from q2c.stack.services import Services

SERVICES = Services("postgresql://app@/q2c", "postgresql://owner@/q2c", "redis://:x@127.0.0.1:1/0")
PORTS = {spec.name: 20000 + n for n, spec in enumerate(PROCESSES) if spec.url_variable}


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first = demo._keys(run)
    assert demo._keys(run) == first
    assert len(base64.urlsafe_b64decode(first["Q2C_FIELD_KEY"])) == 32
    assert run.file("keys.json").stat().st_mode & 0o777 == 0o600


def test_every_process_learns_all_addresses(tmp_path: Path) -> None:
    environment = demo._environment(RunDirectory(tmp_path), SERVICES, PORTS)
    assert environment["HUB_URL"] == f"http://127.0.0.1:{PORTS['web']}"
    assert environment["SIM_NETSUITE_URL"] == f"http://127.0.0.1:{PORTS['sim-netsuite']}"
    assert environment["DATABASE_URL"] == "postgresql://app@/q2c"
    assert environment["DATABASE_OWNER_URL"] == "postgresql://owner@/q2c"


def test_migrations_run_as_the_owner() -> None:
    assert SERVICES.environment(as_owner=True)["DATABASE_URL"] == "postgresql://owner@/q2c"


def test_a_shell_reads_the_environment_file_back(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    demo._write_environment(run, {"ODD": "it's $HOME; `x`"})
    shown = subprocess.run(
        ["sh", "-c", '. "$0"; printf %s "$ODD"', run.file("environment")],
        capture_output=True,
        text=True,
    )
    assert shown.stdout == "it's $HOME; `x`"


def test_an_interrupted_scenario_starts_over_and_a_finished_one_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(tmp_path)
    (tmp_path / "scenario.begun").touch()
    (tmp_path / "scenario.played").touch()
    demo._forget_unfinished(run)
    assert (tmp_path / "scenario.begun").exists()
    (tmp_path / "scenario.played").unlink()
    demo._forget_unfinished(run)
    assert list(tmp_path.iterdir()) == []
    assert "starts over" in capsys.readouterr().out


def test_the_demo_names_who_can_sign_in(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    users = [
        {"username": "mara", "password": "demo-mara", "roles": [{"role": "operations"}]},
        {"username": "tom", "password": "demo-tom",
         "roles": [{"role": "operations", "entity": "US01"}]},
    ]  # fmt: skip
    run.file(demo.SETUP_FILE).write_text(json.dumps({"users": users}))
    assert list(demo._demo_users(run)) == [
        "Sign in: mara   demo-mara  operations",
        "Sign in: tom    demo-tom   operations US01",
    ]
