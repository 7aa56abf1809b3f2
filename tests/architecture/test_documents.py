"""Pages that are drawn from the code are up to date."""

from pathlib import Path

from apps.api.management.commands.draw_states import drawing


def test_the_state_machines_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert page.read_text() == drawing()
