import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.stack import ports
from q2c.stack.errors import StackError
from q2c.stack.layout import RunDirectory
from q2c.stack.processes import ProcessSpec
from q2c.stack.supervisor import choose_ports

TABLE = (
    ProcessSpec("sim", "", 1, url_variable="SIM_URL"),
    ProcessSpec("web", "", 2, url_variable="HUB_URL", preferred_port=23456),
    ProcessSpec("worker", "", 2),
)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports.random_free_port()))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(listener: int) -> None:
    assert not ports.is_free(listener)


def test_the_next_port_is_taken_when_the_preferred_one_is_not_free(listener: int) -> None:
    assert ports.next_free_port(listener) > listener


def test_random_ports_lie_below_the_ephemeral_range() -> None:
    assert ports.LOWEST <= ports.random_free_port() <= ports.HIGHEST < 32768


def test_no_port_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: False)
    with pytest.raises(StackError, match="No free port"):
        ports.random_free_port()
    with pytest.raises(StackError, match="WEB_PORT"):
        ports.next_free_port(8000)


def test_only_listening_processes_get_ports_and_keep_them_at_the_next_start(
    tmp_path: Path,
) -> None:
    first = choose_ports(RunDirectory(tmp_path), TABLE)
    assert set(first) == {"sim", "web"}
    assert choose_ports(RunDirectory(tmp_path), TABLE)["sim"] == first["sim"]


def test_a_kept_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, listener: int) -> None:
    (tmp_path / "ports.json").write_text(f'{{"sim": {listener}}}')
    assert choose_ports(RunDirectory(tmp_path), TABLE)["sim"] != listener


def test_the_web_port_follows_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ports.random_free_port()
    monkeypatch.setenv("WEB_PORT", str(wanted))
    assert choose_ports(RunDirectory(tmp_path), TABLE)["web"] == wanted
