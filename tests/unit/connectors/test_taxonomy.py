"""The published taxonomy says what the code says."""

from pathlib import Path

from apps.connectors.errors import TAXONOMY, ErrorClass

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "error-taxonomy.md"


def test_every_code_is_published_under_its_class() -> None:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in PUBLISHED.read_text().splitlines():
        if line.startswith("## "):
            current = sections.setdefault(line.removeprefix("## ").partition(" ")[0], [])
        else:
            current.append(line)
    for error_class in ErrorClass:
        rows = [
            f"| `{code}` | {entry.meaning} | {entry.next_step} |"
            for code, entry in TAXONOMY.items()
            if entry.error_class is error_class
        ]
        published = [line for line in sections[error_class.value] if line.startswith("| `")]
        assert published == rows
