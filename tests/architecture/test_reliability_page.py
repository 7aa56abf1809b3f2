"""The page on reliability names what exists: every path, every test, each requirement once."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
GROUPS = ((1, 7), (10, 24), (30, 44), (50, 59))
REQUIREMENTS = [f"REL-{n:02d}" for first, last in GROUPS for n in range(first, last + 1)]
# `path` | `path::test` | `::test` of the path before it; then how it runs, when not with the rest
NAMED = re.compile(r"`((?:[\w.-]+/)*[\w.-]*)::(\w+)`(?: \(([pe])[;)])?|`((?:[\w.-]+/)+[\w.-]+)`")
VERDICTS = ("**Not proved**", "**Not done**")


def lines() -> list[str]:
    return PAGE.read_text().splitlines()


def rows() -> list[str]:
    return [line for line in lines() if re.match(r"\| [A-Z]+-\d", line)]


def named() -> Iterator[tuple[str, str, str]]:
    """(path, test or nothing, mark or nothing) of everything that the page names."""
    for line in lines():
        path = ""
        for found in NAMED.finditer(line):
            path = found[1] or found[4] or path
            yield path, found[2] or "", found[3] or ""


@cache
def platform_only(path: str) -> dict[str, bool]:
    """Test → whether it runs with `make test-platform` alone."""
    tree = ast.parse((ROOT / path).read_text())
    marked = any("pytestmark" in (text := ast.unparse(node)) and "mark.platform" in text
                 for node in tree.body if isinstance(node, ast.Assign))  # fmt: skip
    return {
        node.name: marked or any("mark.platform" in ast.unparse(d) for d in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def test_each_requirement_has_one_row():
    ids = [row.split("|")[1].strip() for row in rows()]
    assert [i for i in ids if i.startswith("REL-")] == REQUIREMENTS
    assert len(ids) == len(set(ids))


def test_every_row_has_a_proof_or_says_that_there_is_none():
    unproved = [
        row.split("|")[1].strip()
        for row in rows()
        if not any(words in row.split("|")[4] for words in ("::", "`make ", *VERDICTS))
    ]
    assert unproved == []


def test_every_path_exists():
    paths = {path for path, _, _ in named()}
    assert len(paths) > 50
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)", PAGE.read_text())
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("path", "test", "mark"), sorted({one for one in named() if one[1]}), ids=lambda text: text
)
def test_every_test_exists_and_runs_as_the_page_says(path, test, mark):
    known = platform_only(path)
    assert test in known
    assert mark == ("e" if path.startswith("tests/e2e/") else "p" if known[test] else "")
