"""The catalogue of failpoints is what stands in the code and on the page."""

import ast
import re
from pathlib import Path

from apps.core.failpoints import ACTIONS, CATALOGUE

ROOT = Path(__file__).parents[2]


class _Finder(ast.NodeVisitor):
    """Every call of ``failpoint`` in a module, with the function it stands in."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.found: list[tuple[object, str]] = []

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.inside.append(node.name)
        self.generic_visit(node)
        self.inside.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _enter

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "failpoint":
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            self.found.append((name, ".".join(self.inside)))
        self.generic_visit(node)


def _placed() -> list[tuple[object, str, str]]:
    placed = []
    for path in sorted((ROOT / "apps").rglob("*.py")):
        finder = _Finder()
        finder.visit(ast.parse(path.read_text()))
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        placed += [(name, module, function) for name, function in finder.found]
    return placed


def test_each_failpoint_stands_once_and_where_the_catalogue_says():
    expected = sorted((name, *place) for name, place in CATALOGUE.items())
    assert sorted(_placed(), key=str) == expected


def test_the_page_describes_every_failpoint_and_action():
    page = (ROOT / "docs" / "faults.md").read_text().partition("\n## Layer A")[0]
    assert set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", page, re.MULTILINE)) == set(CATALOGUE)
    assert set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == set(ACTIONS)
