"""The agent's page: a call from ring to finish by keyboard, transfers, refusals, and what a refresh must not lose."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Complaints
from tests.web.wire import Wire

SOON = 60_000


def login(page: Page, address: str, city: str, which: int, language: str = "zh") -> None:
    """Take the ``which``-th free seat of ``city`` by its one-click button."""
    page.goto(f"{address}/seat/{city}")
    if language == "en":
        page.get_by_role("button", name="English").click()
    page.locator("[data-testid=demo] button").nth(which).click()
    expect(page.get_by_test_id("presence")).to_be_visible()


def presence(page: Page, state: str, timeout: float = 20_000) -> None:
    expect(page.get_by_test_id("presence")).to_have_attribute("data-presence", state, timeout=timeout)


def call(page: Page, state: str, timeout: float = 20_000) -> None:
    expect(page.get_by_test_id("call")).to_have_attribute("data-state", state, timeout=timeout)


def take_call(page: Page) -> str:
    """F9, wait for the ring, F2; the id of the contact."""
    presence(page, "not_ready")
    page.keyboard.press("F9")
    call(page, "alerting", SOON)
    page.keyboard.press("F2")
    call(page, "talking")
    to_call(page)
    found = re.search(r"\d{4}-[0-9a-f]{8}-[0-9a-f]{6}", page.locator(".about").inner_text())
    assert found
    return found[0]


def to_call(page: Page) -> None:
    """From the form of what the caller chose, where one has opened, to the call itself."""
    tab = page.get_by_test_id("tab-call")
    if tab.count() > 0:
        tab.click()


def leave(page: Page) -> None:
    """Give the call back in order and log out, so that no seat rings at nobody."""
    page.get_by_test_id("not-ready").click()
    page.get_by_test_id("reason-break").click()
    for _ in range(6):  # one step per state on the way out: alerting, talking, wrap-up, not ready
        state = page.get_by_test_id("presence").get_attribute("data-presence")
        if state == "not_ready":
            break
        if state == "alerting":
            page.get_by_test_id("answer").click()
        elif state != "ready":
            to_call(page)
            page.get_by_test_id("disposition-no_need").click()
            page.get_by_test_id("finish").click()
        expect(page.get_by_test_id("presence")).not_to_have_attribute("data-presence", state or "")
    presence(page, "not_ready")
    page.get_by_test_id("logout").click()
    expect(page.get_by_test_id("ended")).to_be_visible()


def test_a_call_from_ring_to_finish_by_keyboard(page: Page, address: str) -> None:
    """F9, F2, F4 twice, F8, Ctrl+Enter. Keys are off while typing, the result is required, the call is on the list."""
    login(page, address, "guangzhou", 0)
    expect(page.get_by_test_id("identity")).to_contain_text("广州")
    take_call(page)
    expect(page.get_by_test_id("calling")).to_have_text(re.compile(r"^\d+\*+\d+$"))
    expect(page.get_by_test_id("fact-door")).to_have_text(re.compile(r"^\d+$"))
    page.keyboard.press("F4")
    call(page, "held")
    page.keyboard.press("F4")
    call(page, "talking")
    note = page.locator("textarea[name=note]")
    note.fill("客户说线路有杂音")
    note.press("F8")
    call(page, "talking")
    note.press("Control+Enter")
    expect(page.get_by_test_id("notes")).to_contain_text("客户说线路有杂音")
    expect(page.get_by_test_id("problem")).to_contain_text("处理结果")
    call(page, "talking")
    note.press("Shift+F8")
    call(page, "wrap_up")
    expect(page.get_by_test_id("wrap-up")).to_be_visible()
    page.get_by_test_id("disposition-solved").click()
    expect(page.get_by_test_id("disposition-solved")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("served").locator("tr")).to_have_count(1)
    leave(page)


def test_refusals_are_shown_in_the_chosen_language(page: Page, address: str, complaints: Complaints) -> None:
    """A wrong password and a seat that does not exist, in both languages."""
    page.goto(f"{address}/seat/shenzhen")
    complaints.excused = True  # the browser itself reports the refused login
    page.locator("form button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("工号")
    page.locator("input[name=user]").fill("2006")
    page.locator("input[name=password]").fill("demo-2006")
    page.locator("input[name=seat]").fill("9999")
    page.locator("form button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("9999")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("[座席席位]"))
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("alert")).to_contain_text("seat")


def test_not_ready_with_a_reason(page: Page, address: str) -> None:
    """示忙 names its reason, also in English; in a contact it takes effect at its end."""
    login(page, address, "guangzhou", 1)
    page.get_by_test_id("not-ready").click()
    page.get_by_test_id("reason-meal").click()
    expect(page.get_by_test_id("presence")).to_contain_text("就餐")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_test_id("presence")).to_contain_text("Meal")
    take_call(page)
    page.get_by_test_id("not-ready").click()
    page.get_by_test_id("reason-training").click()
    call(page, "talking")
    page.get_by_test_id("disposition-solved").click()
    page.get_by_test_id("finish").click()
    presence(page, "not_ready")
    expect(page.get_by_test_id("presence")).to_contain_text("Training")
    leave(page)


def test_typed_text_outlives_a_refresh_and_a_broken_line(
    page: Page, address: str, wire: Wire, complaints: Complaints
) -> None:
    """A refresh and a lost connection drop neither the call nor what was typed."""
    login(page, address, "shenzhen", 0)
    contact = take_call(page)
    page.locator("textarea[name=note]").fill("还没写完")
    page.reload()
    call(page, "talking")
    expect(page.locator(".about")).to_contain_text(contact)
    expect(page.locator("textarea[name=note]")).to_have_value("还没写完")
    complaints.excused = True
    wire.cut()
    expect(page.get_by_test_id("disconnected")).to_be_visible()
    page.locator("textarea[name=note]").fill("还没写完，断线时也能写")
    wire.mend()
    expect(page.get_by_test_id("link")).to_contain_text("实时", timeout=20_000)
    call(page, "talking")
    expect(page.locator("textarea[name=note]")).to_have_value("还没写完，断线时也能写")
    leave(page)


def test_transfer_to_a_named_agent_takes_the_notes_along(somebody: Callable[[], Page], address: str) -> None:
    """The second agent sees number, menu path and the first one's notes, and who had the caller before."""
    first, second = somebody(), somebody()
    login(first, address, "guangzhou", 0)
    login(second, address, "guangzhou", 2)
    number = second.get_by_test_id("identity").inner_text()
    staff = re.search(r"\b1\d{3}\b", number)
    assert staff
    contact = take_call(first)
    calling = first.get_by_test_id("calling").inner_text()
    first.keyboard.press("F7")
    dialog = first.get_by_test_id("transfer")
    expect(dialog.get_by_role("option").first).to_be_visible()
    expect(first.locator("input[name=search]")).to_be_focused()
    first.keyboard.type(staff[0])
    expect(dialog.get_by_role("option")).to_have_count(1)
    expect(dialog.get_by_role("option", selected=True)).to_contain_text(staff[0])
    dialog.locator("textarea[name=note]").fill("要查三月帐单")
    first.get_by_test_id("transfer-go").click()
    expect(dialog).to_be_hidden()
    second.keyboard.press("F9")
    call(second, "alerting")
    expect(second.get_by_test_id("calling")).to_have_text(calling)
    expect(second.get_by_test_id("notes")).to_contain_text("要查三月帐单")
    expect(second.locator(".about")).to_contain_text(contact)
    second.keyboard.press("F2")
    call(second, "talking")
    expect(second.locator(".about")).to_contain_text("此前处理")
    leave(second)
    leave(first)


def test_transfer_dialog_searches_the_whole_province(page: Page, address: str) -> None:
    """Skills with expected wait, people of every city with their state; by skill name, number and pinyin initials."""
    login(page, address, "foshan", 0, "en")
    take_call(page)
    page.keyboard.press("F7")
    dialog = page.get_by_test_id("transfer")
    expect(dialog.get_by_test_id("to-skill-bill")).to_contain_text(re.compile("expected wait|nobody"))
    expect(dialog).to_contain_text("Shenzhen")
    expect(dialog).to_contain_text("Guangzhou")
    expect(page.locator("input[name=search]")).to_be_focused()
    page.keyboard.type("2001")
    expect(dialog.get_by_role("option")).to_have_count(1)
    page.locator("input[name=search]").fill("no such person")
    expect(dialog).to_contain_text("No agent or skill")
    page.locator("input[name=search]").fill("Fault")
    expect(dialog.get_by_role("option", selected=True)).to_contain_text("Fault report")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_test_id("call")).not_to_have_attribute("data-state", "talking")
    leave(page)


def test_a_second_login_takes_the_seat_over(somebody: Callable[[], Page], address: str) -> None:
    """The first page says so and stays quiet; the way back is one login."""
    first, second = somebody(), somebody()
    login(first, address, "shenzhen", 1)
    login(second, address, "shenzhen", 1)
    expect(first.get_by_test_id("ended")).to_have_attribute("data-how", "taken_over")
    expect(first.get_by_test_id("ended")).to_contain_text("别处登录")
    presence(second, "not_ready")
    first.get_by_test_id("again").click()
    first.locator("[data-testid=demo] button").nth(1).click()
    expect(second.get_by_test_id("ended")).to_have_attribute("data-how", "taken_over")
    leave(first)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_fits_a_small_screen(page: Page, address: str, language: str) -> None:
    """1366×768 with a call on: nothing is cut, nothing needs scrolling sideways."""
    login(page, address, "foshan", 1, language)
    take_call(page)
    page.keyboard.press("F4")
    call(page, "held")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    cut = page.evaluate(
        "[...document.querySelectorAll('.top > *, .bar > *, .bar button, .panel-head h2')]"
        ".filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0).map(each => each.textContent)"
    )
    assert cut == []
    leave(page)


def test_the_province_offers_a_seat(page: Page, address: str) -> None:
    """The first page's link to a seat logs in by itself."""
    page.goto(address + "/")
    page.locator("[data-testid^=seat-]").first.click()
    presence(page, "not_ready")
    assert "as=" not in page.url
    leave(page)


def test_a_lone_city_opens_its_seat_page(page: Page, address: str, complaints: Complaints) -> None:
    """Where there is no hub, the first page is the seat page of the only city; and without a demo, a plain login."""
    complaints.excused = True  # the browser itself reports the 404 of the missing demo
    only = {"city": "foshan", "name": "佛山", "name_en": "Foshan", "base": "/city/foshan"}
    page.route("**/api/v1/nodes", lambda route: route.fulfill(json={"hub": None, "cities": [only]}))
    page.route("**/api/v1/demo", lambda route: route.fulfill(status=404, json={}))
    page.goto(address + "/")
    expect(page.locator("input[name=seat]")).to_be_visible()
    expect(page.get_by_role("heading", name="佛山坐席")).to_be_visible()
    assert page.url.endswith("/seat/foshan")


def test_a_small_screen_has_all_of_the_seat(page: Page, address: str) -> None:
    """At 1024 by 768 nothing stands beyond the right edge, in a call and in either language."""
    page.set_viewport_size({"width": 1024, "height": 768})
    login(page, address, "shenzhen", 1, "en")
    take_call(page)
    for language in ("English", "中文"):
        page.get_by_role("button", name=language).click()
        expect(page.get_by_test_id("logout")).to_be_visible()
        for tab in ("tab-call", "tab-services"):
            page.get_by_test_id(tab).click()
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= 1024, (language, tab, wide)
            for part in ("logout", "hang-up", "not-ready"):
                box = page.get_by_test_id(part).bounding_box()
                assert box is not None, part
                assert box["x"] + box["width"] <= 1024, (language, part)
    leave(page)
