"""A customer who was called back is asked how satisfied they are as the item is closed, with the keyboard alone."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.web.conftest import OwnDemo
from tests.web.test_province_page import enter
from tests.web.test_seat_page import leave, login, presence

CITY = "guangzhou"


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def repaired(demo: OwnDemo, line: str) -> None:
    """A fault of ``line`` that was repaired; the customer has to be called back."""
    clerk = demo.clerk(CITY)
    told = {"area": "urban"}
    values = form_for(catalogue().services["fault"], ("contact_phone",), time.time(), "dispatch_urban", told)
    item = clerk("work_open", service="fault", values={**values, "line": line, "contact_phone": "13900000077"})["item"]
    for action, filled in (
        ("test", {"test_result": "break"}),
        ("dispatch_urban", {}),
        ("repaired", {"cause": "terminal"}),
    ):
        assert clerk("work_act", item=item, action=action, values=filled, note="已办")["state"] == "accepted"


def open_item(page: Page, line: str) -> None:
    """The item of ``line``, looked for by its number."""
    expect(page.get_by_test_id("tab-items")).to_be_visible()
    page.keyboard.press("Alt+3")
    page.get_by_test_id("items-ofLine").focus()
    page.keyboard.press("Space")
    page.locator("input[name=items-line]").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(line)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("items").get_by_role("option")).to_have_count(1)
    page.get_by_test_id("items").press("Enter")
    expect(page.get_by_test_id("act-close")).to_be_visible()


def reach(page: Page) -> None:
    """The customer was reached by other means."""
    page.get_by_test_id("work_called_back").press("Enter")
    page.locator("[data-testid=step] input[type=radio]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("营业厅当面")
    page.keyboard.press("Control+s")


@pytest.mark.parametrize(
    ("language", "line", "mark", "word", "told"),
    [
        ("zh", "02088880177", "4", "4 满意", "满意度：满意（4）"),
        ("en", "02088880178", "0", "0 would not say / not asked", "satisfaction: would not say / not asked"),
    ],
)
def test_a_customer_is_asked_by_keyboard(
    page: Page, address: str, demo: OwnDemo, language: str, line: str, mark: str, word: str, told: str
) -> None:
    """A digit chooses, but not while a note is typed; without a choice nothing is handed in; the history shows it."""
    repaired(demo, line)
    login(page, address, CITY, 0, language)
    presence(page, "not_ready")
    open_item(page, line)
    page.get_by_test_id("act-close").press("Enter")
    asked = page.get_by_test_id("satisfaction")
    expect(asked.get_by_role("radio")).to_have_count(6)
    expect(asked).to_contain_text("尚未回访到客户" if language == "zh" else "has not been reached yet")
    page.keyboard.press("Escape")
    expect(asked).to_be_hidden()
    reach(page)
    expect(page.get_by_test_id("steps")).to_contain_text("营业厅当面")
    page.get_by_test_id("act-close").press("Enter")
    expect(asked).to_contain_text("按数字键选择" if language == "zh" else "Press the digit")
    expect(asked.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("step-go")).to_be_disabled()
    page.keyboard.press("1")
    expect(asked.locator("label.chosen input")).to_have_value("1")
    page.keyboard.press(mark)
    chosen = asked.locator("label.chosen")
    expect(chosen).to_have_text(word)
    expect(chosen.get_by_role("radio")).to_be_focused()
    page.locator("textarea[name=step-note]").focus()
    page.keyboard.type("5 分钟内修好")
    expect(chosen).to_have_text(word)
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("steps")).to_contain_text(told)
    expect(page.get_by_test_id("steps")).to_contain_text("5 分钟内修好")
    leave(page)


def test_the_province_page_tells_how_many_are_satisfied(page: Page, address: str, demo: OwnDemo) -> None:
    """After two marks, 5 and 2, of a service that nobody else has closed there."""
    clerk = demo.clerk(CITY)
    values = form_for(catalogue().services["consult_special_needs"], (), time.time())
    for satisfaction in (5, 2):
        item = clerk("work_open", service="consult_special_needs", values=values)["item"]
        shown = clerk("work_item", item=item)["item"]
        while "confirm" not in shown["possible"]:
            clerk("work_act", item=item, action=shown["possible"][0], note="已答复")
            shown = clerk("work_item", item=item)["item"]
        clerk("work_called_back", item=item, reached=True, note="当面")
        clerk("work_act", item=item, action="confirm", note="已明白", satisfaction=satisfaction)
    enter(page, address, "zh")
    page.get_by_test_id("show-services").click()
    line = page.get_by_test_id("services-today").locator("tr[data-service=consult_special_needs][data-city=guangzhou]")
    satisfied = line.locator("td").nth(3)
    expect(satisfied).to_have_text("50%")
    expect(satisfied).to_have_attribute("title", "2 位评价，共问 2 位；均分 3.50")
