"""Today and Reconciliation in a browser: rows open on a click, nothing is cut on a telephone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SignIn
from tests.factories.world import World

INVOICES = "/reconciliation/?subject=invoice"
NARROW = ("/", INVOICES, "/reconciliation/")

# Amounts and marks that reach over the edge of the window, or are cut by what holds them.
CUT = """elements => elements.filter(element => {
  const box = element.getBoundingClientRect();
  if (!box.width || element.closest(".visually-hidden, [hidden], dialog, [popover]")) return false;
  if (box.right > innerWidth + 0.5 || box.left < -0.5) return true;
  for (let holder = element; holder && holder !== document.body; holder = holder.parentElement) {
    const style = getComputedStyle(holder);
    if (style.overflowX === "visible") continue;
    const edge = holder.getBoundingClientRect();
    if (box.right > edge.right + 0.5 || box.left < edge.left - 0.5) return true;
  }
  return false;
}).map(element => element.textContent.trim())"""


def _cut(page: Page) -> list[str]:
    shown: list[str] = page.locator(".money, .absent, .sla, .c-gate").evaluate_all(CUT)
    return shown


@pytest.mark.parametrize("width", [390, 320])
@pytest.mark.parametrize("path", NARROW)
def test_no_amount_is_cut_on_a_telephone(sign_in: SignIn, path: str, width: int) -> None:
    page = sign_in("ada", width=width)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _cut(page) == []


@pytest.mark.parametrize("width", [1440, 1200, 800])
@pytest.mark.parametrize("path", NARROW)
def test_no_amount_is_cut_on_wider_screens(sign_in: SignIn, path: str, width: int) -> None:
    page = sign_in("ada", width=width)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _cut(page) == []


def test_a_break_is_a_card_that_names_its_figures(sign_in: SignIn) -> None:
    page = sign_in("fiona", width=390)
    page.goto(f"{INVOICES}&bucket=missing_in_erp")
    card = page.locator("tr[data-kind=break]").first
    expect(card.locator(".absent")).to_be_visible()
    expect(card.locator(".variance .money")).to_be_visible()
    side = card.locator(".c-side").first
    name = side.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert name == '"Billing"'
    card.locator(".c-explanation").click()
    expect(page.locator("#panel")).to_contain_text("No document on this side.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_click_anywhere_in_a_row_opens_it(sign_in: SignIn) -> None:
    page = sign_in("fiona")
    page.goto(f"{INVOICES}&bucket=missing_in_erp")
    row = page.locator("tr[data-kind=break]").first
    row.locator(".c-variance").click()
    expect(page.locator("#panel .difference")).to_contain_text("148,210.00")
    expect(row).to_have_attribute("aria-current", "true")
    expect(page).to_have_url(re.compile(r"sel=BRK-\d+"))
    page.locator("#panel [data-close-panel]").click()
    expect(page.locator("#panel .detail")).to_have_count(0)


def test_a_click_beside_the_link_opens_an_exception_but_a_box_only_selects(
    sign_in: SignIn,
) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/")
    row = page.locator("tbody tr[data-id]").first
    row.locator(".c-select input").check()
    expect(page.locator("#panel .detail")).to_have_count(0)
    row.locator(".c-amount").click()
    number = row.get_attribute("data-id")
    expect(page.locator("#panel .detail")).to_have_attribute("data-id", number or "")


def test_today_is_asked_for_one_entity_and_another_currency(sign_in: SignIn, world: World) -> None:
    page = sign_in("ada")
    page.get_by_role("button", name="Legal entity").click()
    page.locator("#entity-menu").get_by_text("DE01").click()
    expect(page).to_have_url(re.compile("entity=DE01"))
    expect(page.get_by_role("button", name="Legal entity")).to_contain_text("DE01")
    page.get_by_role("button", name="Currency of totals").click()
    page.locator("#currency-menu").get_by_text("EUR", exact=True).click()
    expect(page).to_have_url(re.compile("currency=EUR"))
    expect(page.locator(".sum")).to_contain_text("€")
    mine = [c for c in world.cases if c.legal_entity and c.legal_entity.code == "DE01"]
    expect(page.locator(".sum li").last).to_contain_text(str(len(mine)))


@pytest.mark.parametrize("path", ["/", INVOICES])
def test_first_load_is_light(sign_in: SignIn, path: str) -> None:
    page = sign_in("ada")
    page.wait_for_load_state("networkidle")
    loaded: set[str] = set()
    page.on("requestfinished", lambda request: loaded.add(request.url))
    page.goto(path, wait_until="networkidle")
    assert len(loaded) <= 12, sorted(loaded)
    assert page.locator("*").count() <= 2500
