"""What the caller chose by keys is before the agent at once: the form of that service, and nothing that was being typed
is taken away for it.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OwnDemo
from tests.web.test_seat_page import call, presence
from tests.web.test_seat_tools import CITY, talk, to_form
from tests.web.test_seat_work import focused, leave

FORMS = "[data-testid^='tab-form']"


def contact_of(page: Page) -> str:
    """Of the call at the seat."""
    found = re.search(r"\d{4}-[0-9a-f]{8}-[0-9a-f]{6}", page.locator(".about").first.inner_text())
    assert found
    return found[0]


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def test_the_form_of_what_the_caller_chose_opens_by_itself(page: Page, address: str, demo: OwnDemo) -> None:
    """In front, with the line filled in and the choice named; keys of the call work, and Tab leads into the form."""
    number = talk(page, address, demo, "112")
    shown = f"{number[:3]}****{number[-4:]}" if len(number) >= 8 else number
    expect(page.get_by_test_id("fact-chosen")).to_have_text("障碍申告")
    form = page.get_by_test_id("form-tab")
    expect(form).to_contain_text("障碍申告")
    expect(page.locator(FORMS)).to_have_attribute("aria-selected", "true")
    expect(form.locator("input[name=line]")).to_have_value(shown)
    expect(page.locator("#seat-panel")).to_be_focused()
    page.keyboard.press("F4")
    call(page, "held")
    page.keyboard.press("F4")
    call(page, "talking")
    page.keyboard.press("Tab")
    expect(page.locator("#seat-panel :focus")).to_have_count(1)
    assert page.evaluate("document.activeElement.closest('[data-field]') !== null"), focused(page)
    leave(page)


def test_a_form_that_came_to_nothing_closes_with_the_talk(page: Page, address: str, demo: OwnDemo) -> None:
    """Untouched it goes, and what the call asks for at its end is shown; with a word in it, it stays."""
    talk(page, address, demo, "112")
    expect(page.locator(FORMS)).to_have_count(1)
    page.keyboard.press("F8")
    presence(page, "wrap_up")
    expect(page.locator(FORMS)).to_have_count(0)
    page.get_by_test_id("disposition-no_need").click()
    page.get_by_test_id("finish").click()
    presence(page, "ready")
    demo.call(CITY, "112", CITY)
    call(page, "alerting")
    page.keyboard.press("F2")
    call(page, "talking")
    page.locator("input[name=contact_phone]").fill("13800000001")
    page.locator("#seat-panel").focus()
    page.keyboard.press("F8")
    presence(page, "wrap_up")
    expect(page.locator("input[name=contact_phone]")).to_have_value("13800000001")
    leave(page)
    expect(page.get_by_test_id("ended")).to_be_visible()


def test_what_is_being_typed_stays_where_it_is(page: Page, address: str, demo: OwnDemo) -> None:
    """A form without a call is half filled in when the telephone rings: the new one waits behind it."""
    page.goto(f"{address}/seat/{CITY}")
    page.locator("[data-testid=demo] button").first.click()
    presence(page, "not_ready")
    to_form(page, "yyx", "云邮箱")
    page.locator("input[name=domain]").fill("exam")
    page.keyboard.press("Shift+F9")
    presence(page, "ready")
    demo.call(CITY, "112", CITY)
    call(page, "alerting")
    page.keyboard.press("Shift+F2")
    call(page, "talking")
    expect(page.locator(FORMS)).to_have_count(2)
    expect(page.locator(FORMS).first).to_contain_text("障碍申告")
    expect(page.locator("input[name=domain]")).to_be_focused()
    page.keyboard.type("ple.cn")
    expect(page.locator("input[name=domain]")).to_have_value("example.cn")
    page.locator(FORMS).first.click()
    expect(page.get_by_test_id("form-tab")).to_contain_text("障碍申告")
    leave(page)


def test_a_branch_that_several_services_share_is_listed(page: Page, address: str, demo: OwnDemo) -> None:
    """By the door of the branch, 189: no form, but its services; a digit opens one, letters look among them, the keys
    of the call go on working, and Escape leads to all services.
    """
    talk(page, address, demo, "189")
    services = page.get_by_test_id("services").get_by_role("option")
    expect(page.get_by_test_id("tab-services")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("chosen")).to_contain_text("业务受理")
    expect(page.locator(FORMS)).to_have_count(0)
    expect(page.locator("#seat-panel")).to_be_focused()
    expect(services.first).to_be_visible()
    offered = demo.clerk(CITY)("services")["services"]
    branch = [each["id"] for each in offered if each["chosen"] == "order" and (each["makes_work"] or each["answers"])]
    assert sorted(each.get_attribute("data-service") or "" for each in services.all()) == sorted(branch)
    within = len(branch)
    page.keyboard.press("F4")
    call(page, "held")
    page.keyboard.press("F4")
    call(page, "talking")
    third = services.nth(2).get_attribute("data-service")
    page.keyboard.press("3")
    expect(page.locator(FORMS)).to_have_attribute("data-testid", f"tab-form {third} {contact_of(page)}")
    page.keyboard.press("Alt+W")
    page.keyboard.press("Alt+2")
    expect(services).to_have_count(within)
    page.keyboard.type("yyx")
    expect(services.first).to_contain_text("云邮箱")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("form-tab")).to_contain_text("云邮箱")
    page.keyboard.press("Alt+2")
    page.keyboard.press("Escape")
    expect(services).not_to_have_count(within)
    leave(page)


def test_letters_without_a_cursor_look_within_the_branch(page: Page, address: str, demo: OwnDemo) -> None:
    """The first letter goes into the field, too; with the talk the list gives way to what the call asks for."""
    talk(page, address, demo, "189")
    expect(page.locator("#seat-panel")).to_be_focused()
    page.keyboard.type("yyx")
    expect(page.locator("input[name=service-search]")).to_have_value("yyx")
    expect(page.get_by_test_id("services").get_by_role("option").first).to_contain_text("云邮箱")
    page.keyboard.press("Shift+F8")
    presence(page, "wrap_up")
    expect(page.get_by_test_id("disposition-no_need")).to_be_visible()
    leave(page)


def test_a_branch_with_a_service_of_its_name_opens_that(page: Page, address: str, demo: OwnDemo) -> None:
    """By 170 the bill, by 180 the complaint, although other services share their branches."""
    talk(page, address, demo, "180")
    expect(page.get_by_test_id("form-tab")).to_be_visible()
    expect(page.locator(FORMS)).to_have_count(1)
    expect(page.locator(FORMS)).to_have_attribute("data-testid", f"tab-form complaint {contact_of(page)}")
    leave(page)
