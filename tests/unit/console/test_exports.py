"""An export is whole or absent: made in memory, its length sent before it (REL-56)."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from apps.console.listing import csv_response

IN_A_PROCESS_THAT_MAY_WRITE_NO_FILE = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
import django
django.setup()
from apps.console.listing import csv_response
response = csv_response("exceptions", ["number", "note"], ((n, "x" * 200) for n in range(5000)))
print(len(response.content), response.content.count(b"\\n"))
"""


def test_a_fault_in_the_middle_gives_no_file_at_all():
    def rows() -> Iterator[tuple[str]]:
        yield ("first",)
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError, match="went away"):
        csv_response("exceptions", ["number"], rows())


def test_the_length_is_known_so_a_cut_download_is_noticed():
    response = csv_response("exceptions", ["number"], [("EXC-1",), ("EXC-2",)])
    assert response.streaming is False
    assert response.content.decode("utf-8-sig").splitlines() == ["number", "EXC-1", "EXC-2"]


def test_a_full_disk_changes_nothing():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_THAT_MAY_WRITE_NO_FILE],
        capture_output=True,
        text=True,
        env={"DJANGO_SETTINGS_MODULE": "q2c.settings", "Q2C_ENV": "test",
             "DATABASE_URL": "postgresql:///q2c", "REDIS_URL": "redis://127.0.0.1:1/0",
             "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    size, lines = map(int, done.stdout.split())
    assert lines == 5001
    assert size > 1_000_000
