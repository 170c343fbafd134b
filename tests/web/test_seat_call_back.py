"""A customer is called back from a work item, with the keyboard alone, and the screen says how the call goes."""

from __future__ import annotations

import re
from random import Random

from playwright.sync_api import Page, expect

from simulation.population.called import CalledHabits
from tests.web.test_seat_page import call, login, presence, take_call
from tests.web.test_seat_work import ANSWERED, leave, order_mail, receipt

PICKS_UP = 40_000
"""milliseconds within which a simulated customer does"""
SEED = 7
"""of the demo"""


def who_answers() -> str:
    """The line of a customer who picks up the first time."""
    lines = (f"020888801{n:02d}" for n in range(100))
    return next(line for line in lines if Random(f"{SEED} {line}").random() < CalledHabits().answers)


def test_a_customer_is_called_back_by_keyboard(page: Page, address: str) -> None:
    """F6, F2, F8: the own telephone, the customer's, the talk, and the step as the switch told it; all while 示忙."""
    line = who_answers()
    login(page, address, "guangzhou", 0)
    take_call(page)
    order_mail(page, line)
    page.keyboard.press("Control+s")
    receipt(page, "accepted")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("item-state")).to_have_text("已受理")
    expect(page.get_by_test_id("work_call_back")).to_be_disabled()
    page.get_by_test_id("not-ready").click()
    page.get_by_test_id("reason-break").click()
    page.keyboard.press("Shift+F8")
    call(page, "wrap_up")
    page.get_by_test_id("tab-call").click()
    page.get_by_test_id("disposition-solved").click()
    page.keyboard.press("Control+Enter")
    presence(page, "not_ready")

    page.keyboard.press("Alt+8")
    expect(page.get_by_test_id("work_call_back")).to_be_enabled()
    back, said = page.get_by_test_id("call-back"), page.get_by_test_id("call-back-said")
    page.keyboard.press("F6")
    call(page, "alerting")
    expect(back).to_have_attribute("data-state", "initiated")
    expect(said).to_contain_text("请摘机")
    page.keyboard.press("F2")
    expect(back).to_have_attribute("data-state", re.compile("originated|delivered"))
    expect(said).to_contain_text("****")
    expect(back).to_have_attribute("data-state", "established", timeout=PICKS_UP)
    expect(page.get_by_test_id("item")).not_to_contain_text(line)
    page.keyboard.press("F8")
    expect(back).to_have_attribute("data-state", "reached")
    expect(page.get_by_test_id("steps")).to_contain_text("已接通", timeout=ANSWERED)
    page.keyboard.press("Control+Enter")
    presence(page, "not_ready")
    leave(page)


def test_it_can_be_given_up_while_the_own_telephone_rings(page: Page, address: str) -> None:
    """Nobody was called, and no step says so."""
    login(page, address, "shenzhen", 0)
    take_call(page)
    order_mail(page, "0755-8888 0111")
    page.keyboard.press("Control+s")
    receipt(page, "accepted")
    page.keyboard.press("Enter")
    page.get_by_test_id("not-ready").click()
    page.get_by_test_id("reason-break").click()
    page.keyboard.press("Shift+F8")
    call(page, "wrap_up")
    page.get_by_test_id("tab-call").click()
    page.get_by_test_id("disposition-solved").click()
    page.keyboard.press("Control+Enter")
    presence(page, "not_ready")
    page.keyboard.press("Alt+8")
    page.get_by_test_id("work_call_back").press("Enter")
    call(page, "alerting")
    page.keyboard.press("F8")
    expect(page.get_by_test_id("call-back-said")).to_have_text("未等接听已放弃")
    presence(page, "not_ready")
    expect(page.get_by_test_id("steps")).not_to_contain_text("回访")
    leave(page)
