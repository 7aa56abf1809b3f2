"""What people do in the console, in a browser."""

import re
import threading

from django.db import connections
from playwright.sync_api import Page, Route, expect

from apps.connectors.services import pause_connection
from apps.core.clock import utc_now
from apps.events.services import dispatch_events
from apps.exceptions.models import ExceptionCase
from apps.exceptions.services import assign_cases, dismiss_cases
from tests.e2e.conftest import SignIn
from tests.factories.flow import PostingFactory
from tests.factories.world import TESTS, World


def dispatch() -> None:
    """Do what a worker does: in a thread, because Playwright keeps an event loop in this one."""

    def work() -> None:
        dispatch_events(now=utc_now())
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=30)


def settled(page: Page) -> None:
    """Wait until htmx has taken over what it swapped in: no person is faster than that."""
    # Not wait_for_function: it evaluates text in the page, which the content policy forbids.
    expect(page.locator(".htmx-request, .htmx-settling, .htmx-swapping")).to_have_count(0)
    page.wait_for_timeout(60)


def rows(page: Page) -> list[str]:
    return page.locator("tbody tr[data-id]").evaluate_all("rows => rows.map(r => r.dataset.id)")


def test_wrong_password_says_what_to_check(sign_in: SignIn, address: str) -> None:
    page = sign_in("mara")
    page.locator(".user-button").click()
    page.get_by_role("button", name="Sign out").click()
    page.fill("#id_username", "mara")
    page.fill("#id_password", "wrong")
    page.click("button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("Check both, capitals count")


def test_sign_in_leads_back_to_the_asked_page(sign_in: SignIn, address: str) -> None:
    page = sign_in("mara")
    page.context.clear_cookies()
    page.goto("/orders/ORD-13310/")
    assert "/sign-in/?next=/orders/ORD-13310/" in page.url
    page.fill("#id_username", "mara")
    page.fill("#id_password", "open sesame")
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_have_text("ORD-13310")


def test_triage_by_keyboard(sign_in: SignIn) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/")
    first, second = rows(page)[:2]
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#panel .detail")).to_have_attribute("data-id", first)
    page.keyboard.press("j")
    expect(page.locator("#panel .detail")).to_have_attribute("data-id", second)
    assert f"sel={second}" in page.url
    page.keyboard.press("Escape")
    expect(page.locator("#panel .detail")).to_have_count(0)
    page.keyboard.press("x")
    expect(page.locator("[data-selected]")).to_have_text("1")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()


def test_resolving_takes_the_row_away_and_moves_the_focus(sign_in: SignIn) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/?view=unassigned")
    number = rows(page)[2]
    page.locator(f"#case-{number} .row-link").click()
    expect(page.locator("#panel .detail")).to_have_attribute("data-id", number)
    settled(page)
    page.keyboard.press("e")
    dialog = page.locator("#case-dialog")
    expect(dialog).to_be_visible()
    settled(page)
    expect(dialog.get_by_label("What was it?")).to_be_focused()
    dialog.get_by_label("Reason").fill("The customer withdrew the order")
    dialog.get_by_role("button", name="Resolve").click()
    expect(page.locator("#toasts")).to_contain_text(f"{number} is resolved.")
    expect(page.locator(f"#case-{number}")).to_have_count(0)
    expect(dialog).to_be_hidden()


def test_filters_and_views_are_addresses(sign_in: SignIn) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/")
    page.fill("#q", "Kestrel")
    expect(page).to_have_url(re.compile("q=Kestrel"))
    expect(page.locator("tbody tr[data-id]").first).to_contain_text("Kestrel")
    page.locator("h1").click()
    page.keyboard.press("]")
    expect(page.locator(".tabs a[aria-current]")).to_contain_text("Snoozed")


def test_bulk_retry_is_a_batch_with_its_own_page(sign_in: SignIn) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/?lane=erp")
    for box in page.locator("tbody .c-select input").all()[:3]:
        box.check()
    page.locator("[data-bulk]").get_by_role("button", name="Retry").click()
    dialog = page.locator("#batch-dialog")
    expect(dialog).to_contain_text("Retry 3 exceptions")
    settled(page)
    dialog.get_by_role("button", name="Retry 3").click()
    page.wait_for_url(re.compile(r"/batches/B-\d+/"))
    expect(page.locator(".verdict")).to_contain_text("0 of 3 done.")


def test_row_changes_by_itself_when_somebody_else_takes_it(sign_in: SignIn, world: World) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/")
    expect(page.locator("#live")).to_have_attribute("data-live-state", "on")
    case = next(c for c in world.cases if c.state == "open" and c.lane == "cpq")
    dispatch()
    owner = world.users["anton"]
    assign_cases([case.id], owner_id=owner.pk, owner_label="Anton", actor=TESTS, now=utc_now())
    dispatch()
    row = page.locator(f"#case-{case.reference}")
    expect(row.get_by_role("img", name="Anton")).to_be_visible(timeout=10_000)


def test_page_is_right_within_half_a_minute_though_nobody_tells_it(
    sign_in: SignIn, world: World
) -> None:
    """The socket is open and brings nothing: every message of the layer was dropped."""
    page = sign_in("mara")
    page.clock.install()
    page.goto("/exceptions/")
    expect(page.locator("#live")).to_have_attribute("data-live-state", "on")
    changed, gone = [c for c in world.cases if c.state == "open" and c.lane == "cpq"][:2]
    owner = world.users["anton"]
    assign_cases([changed.id], owner_id=owner.pk, owner_label="Anton", actor=TESTS, now=utc_now())
    dismiss_cases([gone.id], resolution="discard", note="Known.", actor=TESTS, now=utc_now())
    page.clock.run_for(26_000)
    row = page.locator(f"#case-{changed.reference}")
    expect(row.get_by_role("img", name="Anton")).to_be_visible()
    rev = ExceptionCase.objects.get(id=gone.id).rev
    expect(page.locator(f"#case-{gone.reference}")).to_have_attribute("data-rev", str(rev))


def test_open_case_is_shown_again_when_it_changes_but_not_under_somebody_who_types(
    sign_in: SignIn, world: World
) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/")
    expect(page.locator("#live")).to_have_attribute("data-live-state", "on")
    number = rows(page)[0]
    case = next(c for c in world.cases if c.reference == number)
    page.locator(f"#case-{number} .row-link").click()
    panel = page.locator("#panel .detail")
    expect(panel).to_have_attribute("data-id", number)
    settled(page)
    dispatch()
    held = panel.get_by_role("button", name="Copy link")
    held.focus()
    owner = world.users["anton"]
    assign_cases([case.id], owner_id=owner.pk, owner_label="Anton", actor=TESTS, now=utc_now())
    dispatch()
    expect(panel.locator(".facts")).to_contain_text("Anton", timeout=10_000)
    expect(held).to_be_focused()
    comment = panel.get_by_label("Comment")
    comment.fill("I was looking at")
    dismiss_cases([case.id], resolution="discard", note="Known.", actor=TESTS, now=utc_now())
    dispatch()
    expect(panel.get_by_text("Look before you act.")).to_be_visible(timeout=10_000)
    expect(comment).to_have_value("I was looking at")
    expect(comment).to_be_focused()
    comment.fill("")
    comment.blur()
    expect(panel.locator(".detail-head")).to_contain_text("Dismissed", timeout=10_000)
    expect(page.locator(f"#case-{number}")).to_contain_text("Dismissed")


def test_panel_stays_when_typing_begins_while_it_is_fetched(sign_in: SignIn, world: World) -> None:
    page = sign_in("mara")
    page.goto("/exceptions/")
    expect(page.locator("#live")).to_have_attribute("data-live-state", "on")
    number = rows(page)[0]
    case = next(c for c in world.cases if c.reference == number)
    page.locator(f"#case-{number} .row-link").click()
    panel = page.locator("#panel .detail")
    expect(panel).to_have_attribute("data-id", number)
    settled(page)
    dispatch()
    held: list[Route] = []
    page.route(f"**/exceptions/{number}/panel/", lambda route: held.append(route))
    owner = world.users["anton"]
    with page.expect_request(f"**/exceptions/{number}/panel/"):
        assign_cases([case.id], owner_id=owner.pk, owner_label="Anton", actor=TESTS, now=utc_now())
        dispatch()
    comment = panel.get_by_label("Comment")
    comment.fill("I was looking at")
    held[0].continue_()
    page.unroute_all()
    expect(panel.get_by_text("Look before you act.")).to_be_visible()
    expect(comment).to_have_value("I was looking at")
    comment.fill("")
    comment.blur()
    expect(panel.locator(".facts")).to_contain_text("Anton")


def test_discarded_case_is_not_offered_again_and_the_figures_follow(
    sign_in: SignIn, world: World
) -> None:
    page = sign_in("mara")
    case = world.cases[0]
    page.goto(f"/exceptions/?family={case.family_id}&q={case.reference}")
    expect(page.locator("#live")).to_have_attribute("data-live-state", "on")
    in_view = page.locator(".strip dd").first
    expect(in_view).to_have_text("1")
    dispatch()
    page.locator(f"#case-{case.reference} .row-link").click()
    settled(page)
    page.keyboard.press("e")
    dialog = page.locator("#case-dialog")
    dialog.get_by_label("Reason").fill("The customer withdrew the order")
    dialog.get_by_role("button", name="Resolve").click()
    dispatch()
    expect(page.locator("#list .empty")).to_be_visible(timeout=10_000)
    expect(in_view).to_have_text("0")
    expect(page.locator(".foot [data-live-figure=range]")).to_have_text("None")
    page.wait_for_timeout(2_000)
    expect(page.locator("[data-live-new]")).to_be_hidden()


def test_mapping_goes_live_through_a_second_person(sign_in: SignIn) -> None:
    maker = sign_in("mara")
    maker.goto("/mappings/products.netsuite/")
    target = maker.get_by_label("Target of PLAT-ENT-36")
    target.fill("7100")
    target.press("Enter")
    expect(maker.locator("tr.new")).to_contain_text("was empty")
    settled(maker)
    expect(maker.get_by_text("Test it first")).to_be_visible()
    expect(maker.get_by_role("button", name="Submit for approval")).to_be_disabled()
    maker.get_by_role("button", name="Test on recorded documents").click()
    expect(maker.locator(".report-head")).to_contain_text("What would v2 have done?")
    settled(maker)
    maker.get_by_label("Nothing read from NetSuite carries 7100.").check()
    for width in (1280, 1440):
        maker.set_viewport_size({"width": width, "height": 900})
        submit = maker.get_by_role("button", name="Submit for approval").bounding_box()
        assert submit is not None
        assert submit["x"] + submit["width"] <= width
    maker.get_by_role("button", name="Submit for approval").click()
    request = maker.locator("a", has_text="APR-")
    request.click()
    expect(maker.get_by_text("You asked for this yourself.")).to_be_visible()
    checker = sign_in("anton")
    checker.goto(maker.url)
    checker.get_by_role("button", name="Approve").click()
    expect(checker.locator(".verdict")).to_contain_text("Approved by Anton.")
    dispatch()
    maker.goto("/mappings/products.netsuite/")
    expect(maker.locator(".badge-ok")).to_have_text("v2 live")


def test_any_id_jumps_to_its_journey(sign_in: SignIn) -> None:
    page = sign_in("mara")
    page.keyboard.press("Control+k")
    page.locator("#jump-dialog input").fill("sub_1qxhal")
    expect(page.locator("#jump-results a").first).to_contain_text("ORD-13310")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("ORD-13310")
    expect(page.locator(".journey-box", has_text="INV-2026-006991")).to_be_visible()


def test_documents_of_a_break_open_below(sign_in: SignIn) -> None:
    page = sign_in("fiona")
    page.goto("/reconciliation/?subject=invoice&bucket=missing_in_erp")
    page.locator(".row-link").first.click()
    expect(page.locator("#panel")).to_contain_text("No document on this side.")
    expect(page.locator("#panel .difference")).to_contain_text("148,210.00")


def test_connection_and_list_agree_while_a_reason_is_typed(sign_in: SignIn, world: World) -> None:
    page = sign_in("ada")
    page.clock.install()
    page.goto("/connectors/")
    name = page.locator("section.side h2").first.inner_text()
    found = next(c for c in world.connections.values() if c.name == name)
    reason = page.get_by_label("Reason").first
    reason.fill("The vendor works on it")
    PostingFactory.create_batch(40, connection_id=found.id)
    pause_connection(found.id, reason="A test of the page.", actor=TESTS, now=utc_now())
    page.clock.run_for(26_000)
    row = page.locator(f"#connection-{found.code}")
    expect(row).to_contain_text("Paused")
    expect(page.locator("[data-live-figure=condition]")).to_contain_text("Paused")
    waiting = row.locator("[data-label=Waiting]").inner_text()
    assert int(waiting) >= 40
    expect(page.locator("[data-live-figure=figures]")).to_contain_text(waiting)
    expect(reason).to_have_value("The vendor works on it")
    expect(reason).to_be_focused()


def test_first_load_is_light(sign_in: SignIn) -> None:
    page = sign_in("mara")
    page.wait_for_load_state("networkidle")
    loaded: set[str] = set()
    page.on("requestfinished", lambda request: loaded.add(request.url))
    page.goto("/exceptions/", wait_until="networkidle")
    assert len(loaded) <= 12, sorted(loaded)
    assert page.locator("*").count() <= 2500
