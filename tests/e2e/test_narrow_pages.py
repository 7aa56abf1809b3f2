"""Every page on a telephone: nothing reaches over the edge, nothing of importance is cut."""

import pytest

from tests.e2e.conftest import SignIn
from tests.e2e.test_today_and_reconciliation import CUT
from tests.factories.world import World

PAGES = (
    "/", "/exceptions/", "/exceptions/{case}/", "/dead-letters/", "/dead-letters/{letter}/",
    "/reconciliation/", "/approvals/", "/orders/", "/orders/ORD-13310/", "/workflows/",
    "/workflows/{run}/", "/messages/", "/messages/?view=refused", "/messages/?view=calls",
    "/batches/", "/batches/{batch}/", "/mappings/", "/mappings/products.netsuite/",
    "/master-data/", "/master-data/?view=products", "/master-data/?view=periods",
    "/master-data/?view=rates", "/master-data/customers/CUS-20418/", "/connectors/",
    "/connectors/netsuite/", "/audit/", "/profile/",
)  # fmt: skip
TOLD = ".money, .state, .row-link, .c-date, .queue td[data-label], .tiled .c-main, h1, h2, .btn"
SIDEWAYS = """() => [...document.querySelectorAll("main *")].filter(element =>
  element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
  && ["auto", "scroll"].includes(getComputedStyle(element).overflowX)
  && element.querySelector("table")
).map(element => element.className)"""


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_telephone(sign_in: SignIn, world: World, path: str) -> None:
    assert world.run is not None
    assert world.batch is not None
    case = world.cases[0]
    page = sign_in("ada", width=390)
    page.goto(path.format(
        case=case.reference, letter=case.dead_letters.get().code, run=world.run.id,
        batch=world.batch.code,
    ))  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SIDEWAYS) == []
    assert page.locator(TOLD).evaluate_all(CUT) == []


def test_what_happened_ends_before_the_date(sign_in: SignIn) -> None:
    page = sign_in("ada")
    page.goto("/messages/?view=refused")
    row = page.locator("tbody tr[data-id]").first
    told, at = row.locator(".c-told > .cut").bounding_box(), row.locator(".c-date").bounding_box()
    assert told is not None
    assert at is not None
    assert told["x"] + told["width"] <= at["x"]
