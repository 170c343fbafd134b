"""Somebody who has never seen the desktop: from the first page of the demo to an order for another city, unaided."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OwnDemo
from tests.web.test_seat_page import call, leave, presence
from tests.web.test_seat_work import SEES, focused

WITHIN_S = 120.0
"""from the first page to the end of the wrap-up"""


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo without chance."""
    return own_demo


@pytest.fixture(autouse=True)
def clock(page: Page) -> Iterator[None]:
    """Within two minutes on the test's clock, from the empty page on."""
    page.add_init_script(SEES)
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"a newcomer took {took:.1f} s")
    assert took < WITHIN_S


def masked(number: str) -> re.Pattern[str]:
    """The number as a seat sees it."""
    return re.compile(rf"^{number[:2]}\d*\*+\d*{number[-2:]}$")


def accepted(page: Page) -> None:
    """Another city owes the answer at first, then it is there."""
    expect(page.get_by_test_id("receipt")).to_have_attribute("data-state", "accepted", timeout=30_000)
    assert page.evaluate("seen") == ["pending", "accepted"]


def test_with_the_mouse_in_english(page: Page, address: str, demo: OwnDemo) -> None:
    """Buttons, tabs and lists are clicked; the keyboard serves for what has to be typed."""
    page.goto(address + "/")
    page.get_by_role("button", name="English").click()
    page.locator("[data-testid^=seat-3]").first.click()
    page.get_by_test_id("ready").click()
    presence(page, "ready")
    number = demo.call("foshan", "189", "guangzhou")
    page.get_by_test_id("answer").click()
    call(page, "talking")
    page.get_by_test_id("tab-services").click()
    page.get_by_test_id("services").locator("[data-service=timed_call]").click()
    line = page.locator("input[name=line]")
    expect(line).to_have_value(masked(number))
    page.locator("input[name=at_hour]").fill("7")
    page.locator("input[name=at_minute]").fill("30")
    page.get_by_label("Working days").click()
    page.locator("input[name=first_day]").fill("tomorrow")
    page.get_by_test_id("submit").click()
    accepted(page)
    expect(page.get_by_test_id("receipt")).to_contain_text("Guangzhou")
    page.get_by_test_id("hang-up").click()
    call(page, "wrap_up")
    page.get_by_test_id("tab-call").click()
    page.get_by_test_id("disposition-solved").click()
    page.get_by_test_id("finish").click()
    presence(page, "ready")
    expect(page.get_by_test_id("served").locator("tr")).to_have_count(1)
    leave(page)


def test_with_the_keyboard_alone_in_chinese(page: Page, address: str, demo: OwnDemo) -> None:
    """Tab to the free seat, and from then on the keys that the page names."""
    page.goto(address + "/")
    expect(page.locator("[data-testid^=seat-3]")).to_be_visible()
    for _ in range(12):  # the links to seats are not far from the top
        page.keyboard.press("Tab")
        if "佛山" in focused(page):
            break
    page.keyboard.press("Enter")
    presence(page, "not_ready")
    page.keyboard.press("F9")
    presence(page, "ready")
    number = demo.call("foshan", "189", "shenzhen")
    call(page, "alerting")
    page.keyboard.press("F2")
    call(page, "talking")
    page.keyboard.press("F3")
    expect(page.locator("input[name=service-search]")).to_be_focused()
    page.keyboard.type("闹钟")
    expect(page.get_by_test_id("services").get_by_role("option", selected=True)).to_contain_text("定时呼叫")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=at_hour]")).to_be_focused()
    expect(page.locator("input[name=line]")).to_have_value(masked(number))
    for field, keys in (("at_hour", "7"), ("at_minute", "30"), ("repeat", "Space"), ("first_day", "+1")):
        assert focused(page) == field
        if keys == "Space":
            page.keyboard.press(keys)
        else:
            page.keyboard.type(keys)
        page.keyboard.press("Tab")
    page.keyboard.press("Control+s")
    accepted(page)
    expect(page.get_by_test_id("receipt")).to_contain_text("深圳")
    page.keyboard.press("F8")
    call(page, "wrap_up")
    page.keyboard.press("Control+Enter")
    expect(page.locator("input[name=disposition]").first).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("input[name=disposition]").first).to_be_checked()
    page.keyboard.press("Control+Enter")
    presence(page, "ready")
    expect(page.get_by_test_id("served").locator("tr")).to_have_count(1)
    leave(page)
