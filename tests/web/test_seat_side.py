"""The column beside the call at 1366×768 with everything in it: all of it can be reached, nothing covers another."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.web.conftest import OwnDemo
from tests.web.test_seat_page import call
from tests.web.test_seat_tools import CITY, talk, to_form
from tests.web.test_seat_work import leave

SEEN = """e => {
  const { left, right, top, bottom } = e.getBoundingClientRect()
  const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2)
  return top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth && e.contains(hit)
}"""
"""whether an element is in view, with nothing over it"""
OVERLAPPING = """() => {
  const parts = [...document.querySelectorAll('.top, .bar, .centre > .about, .mass, .tabs, .centre-panel')]
  const across = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1
    && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1
  const pairs = list => list.flatMap((one, i) => list.slice(i + 1)
    .filter(other => across(one.getBoundingClientRect(), other.getBoundingClientRect()))
    .map(other => `${one.className} | ${other.className}`))
  const side = document.querySelector('.side')
  return [...pairs([...parts, side]), ...pairs([...side.children])]
}"""
"""parts of the page of which one covers another"""
CUT = """[...document.querySelectorAll('.side .keys li, .side .keys p, .side h2, .bar dd, .bar button, .side button')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
  .filter(e => getComputedStyle(e).textOverflow !== 'ellipsis')
  .map(e => e.textContent)"""
"""texts that are wider than their place"""
STOPS = """new Set([...document.querySelectorAll('.side :is(button:not(:disabled), input, [tabindex="0"])')]
  .map(e => e.type === 'radio' ? e.name : e)).size"""
"""how often Tab stops in the column: once at a group of radio buttons"""


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def crowded(page: Page, address: str, demo: OwnDemo) -> Any:
    """In talk with somebody whose fault came back, under a mass fault; the clerk who knows of both."""
    number = talk(page, address, demo)
    clerk = demo.clerk(CITY)
    values = form_for(catalogue().services["fault"], now=time.time()) | {"line": number}
    for _ in range(3):
        item = clerk("work_open", service="fault", values=values)["item"]
        assert clerk("work_act", item=item, action="withdraw", note="好了")["state"] == "accepted"
    clerk("work_open", service="fault", values=values)
    place = clerk("card", line=number)["card"]["district"]
    repair = "光缆挖断，正在抢修"
    fault = clerk("mass_fault_declare", area="district", name=place, repair_s=7200.0, note=repair)["mass_fault"]
    page.reload()
    call(page, "talking")
    expect(page.get_by_test_id("mass-fault-banner")).to_be_visible()
    expect(page.get_by_test_id("caller")).to_be_visible()
    expect(page.get_by_test_id("repeats")).to_be_visible()
    return lambda: clerk("mass_fault_clear", mass_fault=fault["mass_fault"], note="光缆已通")


def walk(page: Page) -> None:
    """Tab through the column: whatever takes the cursor is in view, and nothing is left out. Then F1: all keys."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    assert page.evaluate(OVERLAPPING) == []
    assert page.evaluate(CUT) == []
    page.get_by_test_id("side").focus()
    wanted = page.evaluate(STOPS)
    assert wanted > 4
    for _ in range(wanted):
        page.keyboard.press("Tab")
        cursor = page.locator(".side :focus")
        expect(cursor).to_have_count(1)
        assert cursor.evaluate(SEEN), cursor.evaluate("e => e.outerHTML")
    page.keyboard.press("Tab")
    expect(page.locator(".side :focus")).to_have_count(0)
    page.get_by_test_id("side").evaluate("e => e.scrollTo(0, 0)")
    page.keyboard.press("F1")
    hints = page.get_by_test_id("keys").locator("li, p")
    assert hints.count() > 12
    for hint in hints.all():
        assert hint.evaluate(SEEN), hint.inner_text()


@pytest.mark.parametrize("language", ["中文", "English"])
def test_everything_beside_a_call_can_be_reached(page: Page, address: str, demo: OwnDemo, language: str) -> None:
    """With banner, brief and repeats, the reason for a look in full asked for, in the call and at a form."""
    clear = crowded(page, address, demo)
    page.get_by_role("button", name=language, exact=True).click()
    walk(page)
    page.get_by_test_id("caller").get_by_test_id("unmask-ask").press("Enter")
    expect(page.get_by_test_id("caller").get_by_test_id("unmask-verify")).to_be_focused()
    walk(page)
    page.get_by_test_id("caller").get_by_test_id("unmask-verify").press("Escape")
    to_form(page, "zasg", "障碍申告" if language == "中文" else "Fault report")
    expect(page.get_by_test_id("knowledge-beside").get_by_role("button").first).to_be_visible()
    walk(page)
    page.get_by_role("button", name="中文", exact=True).click()
    leave(page)
    clear()


def test_a_key_that_is_off_while_typing_says_how_it_is_meant(page: Page, address: str, demo: OwnDemo) -> None:
    """F8 in the note does not hang up, and says so; F1 shows the keys and leaves the cursor where it is."""
    talk(page, address, demo)
    expect(page.get_by_test_id("form-tab")).to_be_visible()
    page.keyboard.press("Alt+1")
    note = page.locator("textarea[name=note]")
    note.fill("客户说")
    note.press("F8")
    expect(page.locator(".el-message")).to_contain_text(re.compile("F8 没有起作用.*Shift\\+F8"))
    call(page, "talking")
    note.press("F1")
    assert page.get_by_test_id("keys").locator("li").last.evaluate(SEEN)
    expect(note).to_be_focused()
    expect(note).to_have_value("客户说")
    leave(page)
