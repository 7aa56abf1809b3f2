import os
from pathlib import Path

import pytest

from q2c.stack import layout
from q2c.stack.account import ServerAccount
from q2c.stack.errors import StackError
from q2c.stack.layout import LONGEST_SOCKET_PATH, SOCKET_NAME, RunDirectory

OURSELVES = ServerAccount("", os.geteuid(), os.getegid(), switch=False)


def test_wiping_leaves_only_the_lock(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.file("lock").touch()
    run.file("ports.json").write_text("{}")
    (run.logs / "web.log").write_text("x")
    run.wipe()
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


def test_wiping_does_not_follow_links(tmp_path: Path) -> None:
    outside, base = tmp_path / "outside", tmp_path / "base"
    outside.mkdir()
    base.mkdir()
    (outside / "precious").touch()
    (base / "link").symlink_to(outside)
    RunDirectory(base).wipe()
    assert (outside / "precious").exists()
    assert list(base.iterdir()) == []


def test_private_files_are_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = RunDirectory(tmp_path).write_private("keys.json", "{}")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == "{}"


def test_a_long_path_gets_a_short_directory_for_its_socket(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    home.mkdir()
    folder = RunDirectory(tmp_path).socket_directory(home, OURSELVES)
    try:
        assert len(str(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()


def test_a_link_in_a_shared_folder_is_not_trusted(tmp_path: Path) -> None:
    trap = tmp_path / "q2c-0123"
    trap.symlink_to(tmp_path)
    with pytest.raises(StackError, match="remove it and start again"):
        layout._claim_directory(trap, OURSELVES)
