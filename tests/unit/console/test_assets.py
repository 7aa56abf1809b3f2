"""Weight of what every page loads: it is paid on each first visit."""

import gzip
import re
from pathlib import Path

STATIC = Path(__file__).resolve().parents[3] / "static"
EVERY_PAGE = ("tokens.css", "base.css", "components/controls.css", "components/records.css")


def _gzipped(paths: list[Path]) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def test_scripts_stay_below_ten_kilobytes() -> None:
    assert _gzipped(sorted((STATIC / "js").glob("*.js"))) < 10_240


def test_style_sheets_of_every_page_stay_below_fourteen_kilobytes() -> None:
    assert _gzipped([STATIC / "css" / name for name in EVERY_PAGE]) < 14_336


def test_colours_come_from_tokens_only() -> None:
    literal = re.compile(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", re.IGNORECASE)
    found = {
        path.name: literal.findall(path.read_text())
        for path in (STATIC / "css").rglob("*.css")
        if path.name != "tokens.css"
    }

    assert {name: values for name, values in found.items() if values} == {}
