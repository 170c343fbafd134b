"""Without a mouse: not ready and ready again, a whole call with a transfer begun and left, and the end of the day."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OwnDemo
from tests.web.test_seat_page import call, presence
from tests.web.test_seat_tools import CITY
from tests.web.test_seat_work import focused


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def tab_to(page: Page, testid: str) -> None:
    """By the Tab key alone to a button."""
    wanted = page.get_by_test_id(testid)
    for _ in range(60):
        if wanted.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not come to {testid}, but to {focused(page)}")


def test_a_day_at_the_seat_without_a_mouse(page: Page, address: str, demo: OwnDemo) -> None:
    """F9, F10 with a digit, with arrows, left by Escape; the result of a call; transfer; logging out."""
    page.goto(f"{address}/seat/{CITY}")
    page.locator("[data-testid=demo] button").first.press("Enter")
    presence(page, "not_ready")
    expect(page.get_by_test_id("keys")).to_contain_text("F10 示忙")
    page.keyboard.press("F9")
    presence(page, "ready")
    menu = page.get_by_role("menu")
    page.keyboard.press("F10")
    expect(menu.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    presence(page, "ready")
    page.keyboard.press("F10")
    second = re.sub(r"^\d", "", menu.get_by_role("menuitem").nth(1).inner_text()).strip()
    page.keyboard.press("2")
    presence(page, "not_ready")
    expect(page.get_by_test_id("presence")).to_contain_text(second)
    page.keyboard.press("F9")
    presence(page, "ready")
    demo.call(CITY, "112", CITY)
    call(page, "alerting")
    page.keyboard.press("F2")
    call(page, "talking")
    expect(page.get_by_test_id("submit")).to_be_visible()  # the form of what was dialled has come
    page.keyboard.press("Tab")
    page.evaluate("typing = document.activeElement")
    page.keyboard.press("Shift+F10")
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("menuitem").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(menu).to_have_count(0)
    assert page.evaluate("document.activeElement === typing"), "the cursor is back where somebody was typing"
    page.keyboard.press("Shift+F7")
    expect(page.locator("input[name=search]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("transfer")).to_be_hidden()
    page.keyboard.press("Shift+F8")
    presence(page, "wrap_up")
    page.keyboard.press("Control+Enter")
    expect(page.locator("input[name=disposition]").first).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("input[name=disposition]").first).to_be_checked()
    page.keyboard.press("Control+Enter")
    presence(page, "not_ready")
    tab_to(page, "logout")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("ended")).to_be_visible()


def test_what_is_said_follows_the_language(page: Page, address: str, demo: OwnDemo) -> None:
    """A refusal and a notice that stand on the screen are in the language that is chosen now."""
    page.goto(f"{address}/seat/{CITY}")
    page.locator("[data-testid=demo] button").first.press("Enter")
    presence(page, "not_ready")
    page.keyboard.press("F9")
    presence(page, "ready")
    demo.call(CITY, "112", CITY)
    call(page, "alerting")
    page.keyboard.press("F2")
    call(page, "talking")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("problem")).to_contain_text("处理结果")
    page.locator("textarea[name=note]").press("F4")
    notice = page.locator(".el-message")
    expect(notice).to_contain_text("正在输入，F4")
    page.get_by_role("button", name="English").press("Enter")
    expect(page.get_by_test_id("problem")).to_contain_text(re.compile("[Rr]esult|disposition"))
    expect(notice).to_contain_text("You are typing, so F4")
    page.keyboard.press("F8")
    presence(page, "wrap_up")
    page.get_by_test_id("disposition-no_need").press("Space")
    page.keyboard.press("Control+Enter")
    presence(page, "ready")
    page.keyboard.press("F10")
    page.keyboard.press("1")
    presence(page, "not_ready")
    page.get_by_test_id("logout").press("Enter")
    expect(page.get_by_test_id("ended")).to_be_visible()
