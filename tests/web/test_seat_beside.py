"""What an agent looks up beside the call, with the keyboard alone, on the demo's own records."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.web.test_seat_page import login, take_call
from tests.web.test_seat_work import leave


def look_up(page: Page, text: str) -> None:
    """Ask the directory, under the tab that is the sixth."""
    page.keyboard.press("Alt+6")
    expect(page.locator("input[name=directory-text]")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_a_number_is_looked_up_here_and_in_another_city(page: Page, address: str) -> None:
    """Enter looks up, Enter again copies; another city is asked for its own."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    login(page, address, "guangzhou", 0)
    expect(page.get_by_test_id("tab-directory")).to_be_visible()
    look_up(page, "工厂")
    entries = page.get_by_test_id("directory-entries").get_by_role("option")
    expect(entries.first).to_contain_text("广州")
    number = entries.nth(1).locator("b").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("directory")).to_contain_text(f"已复制 {number}")
    assert page.evaluate("navigator.clipboard.readText()") == number
    page.locator("select[name=directory-city]").select_option("shenzhen")
    expect(entries.first.locator("b")).to_have_text(re.compile("^(0755|400|800)"))
    leave(page)


def test_an_article_is_found_and_judged_and_a_question_without_one_handed_in(page: Page, address: str) -> None:
    """Ctrl+K from anywhere; what nothing answers becomes a work item."""
    login(page, address, "guangzhou", 0)
    expect(page.get_by_test_id("tab-knowledge")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("input[name=knowledge-text]")).to_be_focused()
    page.keyboard.type("移机")
    expect(page.get_by_test_id("articles").get_by_role("option").first).to_contain_text("移机")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("article")).to_contain_text("移机")
    page.get_by_test_id("useful").press("Enter")
    expect(page.get_by_test_id("useful")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+k")
    page.keyboard.press("Control+a")
    page.keyboard.type("小灵通的旧号码还能取回吗")
    page.get_by_test_id("knowledge-missing").press("Enter")
    expect(page.get_by_test_id("knowledge-handed")).to_contain_text("广州局已受理")
    page.keyboard.press("F3")
    expect(page.get_by_test_id("receipts").locator("li").first).to_contain_text("小灵通")
    leave(page)


def test_amounts_of_a_customer_wait_for_the_check_of_identity(page: Page, address: str) -> None:
    """A firm by its number: masked, no amounts until the identity was checked, its line taken for the matter."""
    login(page, address, "guangzhou", 0)
    take_call(page)
    look_up(page, "工厂")
    number = page.get_by_test_id("directory-entries").get_by_role("option").first.locator("b").inner_text()
    page.keyboard.press("Alt+4")
    expect(page.locator("input[name=customer-text]")).to_be_focused()
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    sheet = page.get_by_test_id("customer-sheet")
    expect(sheet).to_contain_text("****")
    expect(sheet).not_to_contain_text(number)
    expect(page.get_by_test_id("due")).to_have_text("＊＊")
    expect(page.get_by_test_id("customer-check")).to_be_enabled()
    page.get_by_test_id("customer-check").press("Enter")
    expect(page.get_by_test_id("due")).to_have_text(re.compile(r"^[\d.]+ 元$"))
    page.get_by_test_id("customer-line").get_by_role("button").first.press("Enter")
    page.keyboard.press("Alt+3")
    expect(page.locator("input[name=items-line]")).to_have_value(number)
    leave(page)


def test_another_citys_customer_is_shown_with_its_city_and_moment(page: Page, address: str) -> None:
    """A seat in 广州 looks up a number of 深圳: masked there, each part says from where and when; both languages."""
    login(page, address, "guangzhou", 0)
    expect(page.get_by_test_id("tab-directory")).to_be_visible()
    look_up(page, "工厂")
    page.locator("select[name=directory-city]").select_option("shenzhen")
    entries = page.get_by_test_id("directory-entries").get_by_role("option")
    number = entries.filter(has_text=re.compile("^0755")).first.locator("b").inner_text()
    expect(page.get_by_test_id("directory").get_by_test_id("as-of")).to_contain_text("深圳")
    page.keyboard.press("Alt+4")
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("customer-sheet")).to_contain_text("****")
    fresh = page.get_by_test_id("customer-sheet").get_by_test_id("as-of")
    expect(fresh).to_have_text(re.compile(r"客户、号码、帐单、来往、在办工单：深圳，截至 \d\d:\d\d:\d\d"))
    page.get_by_role("button", name="English").press("Enter")
    expect(fresh).to_have_text(re.compile(r"customer, lines, bills, contacts, open work: Shenzhen, as of \d\d:"))
    leave(page)
