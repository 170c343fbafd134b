"""What a seat does with a line and its customer: personal data in full for a reason, by the keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OwnDemo
from tests.web.test_seat_page import call, presence
from tests.web.test_seat_work import leave

CITY = "foshan"


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def talk(page: Page, address: str, demo: OwnDemo, door: str = "112") -> str:
    """At a seat, in talk with a customer of the own city; the number that calls."""
    page.goto(f"{address}/seat/{CITY}")
    page.locator("[data-testid=demo] button").first.click()
    presence(page, "not_ready")
    page.keyboard.press("F9")
    presence(page, "ready")
    number = demo.call(CITY, door, CITY)
    call(page, "alerting")
    page.keyboard.press("F2")
    call(page, "talking")
    return number


def ask_why(page: Page, where: str, reason: str, text: str) -> None:
    """Press for the data in full, choose a reason and add words to it, without the mouse."""
    part = page.locator(where)
    part.get_by_test_id("unmask-ask").press("Enter")
    first = part.get_by_test_id("unmask-verify")
    expect(first).to_be_focused()
    part.get_by_test_id(f"unmask-{reason}").press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_personal_data_is_shown_in_full_for_a_reason(page: Page, address: str, demo: OwnDemo) -> None:
    """Refused before the identity was checked, in words; then shown, and masked again. A reason is required."""
    number = talk(page, address, demo)
    expect(page.get_by_test_id("caller")).to_be_visible()
    page.keyboard.press("Alt+4")
    sheet = page.get_by_test_id("customer-sheet")
    expect(sheet).to_contain_text("****")
    sheet.get_by_test_id("unmask-ask").press("Enter")
    expect(sheet.get_by_test_id("unmask-go")).to_be_disabled()
    sheet.get_by_test_id("unmask-other").press("Space")
    expect(sheet.get_by_test_id("unmask-go")).to_be_disabled()
    page.keyboard.press("Escape")
    ask_why(page, "[data-testid=customer-sheet]", "visit", "明天上午")
    expect(sheet.get_by_test_id("unmask-problem")).to_contain_text("只能查看当前接触中已核对身份的客户")
    page.get_by_test_id("customer-check").press("Enter")
    expect(page.get_by_test_id("due")).to_have_text(re.compile(r"^[\d.]+ 元$"))
    sheet.get_by_test_id("unmask-go").press("Enter")
    expect(sheet.get_by_test_id("unmask")).to_have_attribute("data-shown", "true")
    expect(sheet).to_contain_text(number)
    expect(sheet.get_by_test_id("unmask")).to_contain_text("秒后隐去")
    sheet.get_by_test_id("unmask-hide").press("Enter")
    expect(sheet).not_to_contain_text(number)
    ask_why(page, "[data-testid=caller]", "call_back", "")
    expect(page.get_by_test_id("caller-full")).to_contain_text(re.compile(r"\d{7}"))
    leave(page)
