"""Automated accessibility rules (WCAG 2.0 to 2.2, A and AA) on the main pages, both themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import SignIn
from tests.factories.world import World

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = (
    "/", "/exceptions/?sel={case}", "/orders/ORD-13310/", "/reconciliation/?sel=BRK-{brk}",
    "/mappings/products.netsuite/",
)  # fmt: skip
NARROW = (*PAGES, "/exceptions/{case}/", "/batches/", "/connectors/netsuite/", "/audit/")


def _address(path: str, world: World) -> str:
    from apps.reconciliation.models import Break

    found = Break.objects.filter(state="explained").earliest("number")
    return path.format(case=world.cases[0].reference, brk=found.number)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_page_breaks_no_rule(sign_in: SignIn, world: World, path: str, theme: str) -> None:
    page = sign_in("ada", theme=theme)
    page.goto(_address(path, world), wait_until="networkidle")
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", NARROW)
def test_narrow_page_does_not_scroll_sideways(sign_in: SignIn, world: World, path: str) -> None:
    page = sign_in("ada", width=390)
    page.goto(_address(path, world))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
