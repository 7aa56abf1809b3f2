"""Mapping a value from a case, as its maker and as the second person see it, on a small screen."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import SignIn
from tests.e2e.test_console import dispatch, settled
from tests.factories.world import World

WIDTH = 390
MAP = "Map PLAT-ENT-36 and retry"


def fits(page: Page) -> bool:
    return int(page.evaluate("() => document.documentElement.scrollWidth")) <= WIDTH


def test_a_value_nobody_has_seen_is_confirmed_and_shown_to_the_checker(
    sign_in: SignIn, world: World
) -> None:
    maker = sign_in("mara", width=WIDTH)
    maker.goto(f"/exceptions/{world.cases[0].reference}/")
    propose(maker)
    dispatch()
    checker = sign_in("anton", width=WIDTH)
    checker.goto("/approvals/")
    checker.get_by_role("link", name="PLAT-ENT-36 becomes PLAT-ENT-NEW").click()
    decide(checker)


def propose(page: Page) -> None:
    page.get_by_role("button", name=MAP).first.click()
    dialog = page.locator("#case-dialog")
    target = dialog.get_by_label("Becomes in NetSuite")
    expect(target).to_be_visible()
    settled(page)
    assert dialog.locator("datalist option").count() > 0
    expect(dialog.get_by_label("Legal entity")).to_have_value("")
    target.fill("PLAT-ENT-NEW")
    dialog.get_by_label("Why").fill("New item of the catalogue")
    dialog.get_by_role("button", name=MAP).click()
    refused = dialog.get_by_text("Nothing read from NetSuite carries PLAT-ENT-NEW")
    expect(refused).to_be_visible()
    expect(target).to_have_value("PLAT-ENT-NEW")
    settled(page)
    assert fits(page)
    dialog.get_by_label("I looked it up in NetSuite: it is there").check()
    dialog.get_by_role("button", name=MAP).click()
    expect(dialog).to_be_hidden()


def decide(page: Page) -> None:
    main = page.locator("main")
    for words in (
        "PLAT-ENT-36 becomes PLAT-ENT-NEW in NetSuite", "It is not mapped until now.",
        "New item of the catalogue", "at risk", "What would v2 have done?",
        "Look it up there before you approve.",
    ):  # fmt: skip
        expect(main).to_contain_text(words)
    assert fits(page)
    page.get_by_role("button", name="Approve").click()
    expect(main).to_contain_text("Approved by Anton.")
