"""Who calls is asked once: the check of identity goes along with the caller to the agent of another city."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OwnDemo
from tests.web.test_seat_enquiries import YUAN, check, looked_up
from tests.web.test_seat_page import call, login, presence
from tests.web.test_seat_tools import to_form
from tests.web.test_seat_work import leave


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def test_the_agent_of_another_city_does_not_ask_again(
    somebody: Callable[[], Page], address: str, demo: OwnDemo
) -> None:
    """Checked in 广州, sent on to 佛山: the seat says who checked, where and when, and tells the bill."""
    first, second = somebody(), somebody()
    login(first, address, "guangzhou", 0)
    first.keyboard.press("F9")
    presence(first, "ready")
    demo.call("guangzhou", "170", "guangzhou")
    call(first, "alerting")
    first.keyboard.press("F2")
    call(first, "talking")
    to_form(first, "hfhjf", "话费和缴费查询")
    check(first)
    expect(first.get_by_test_id("identity-made")).to_contain_text("广州")
    login(second, address, "foshan", 0)
    staff = re.search(r"\b3\d{3}\b", second.get_by_test_id("identity").inner_text())
    assert staff
    second.keyboard.press("F9")
    presence(second, "ready")
    first.keyboard.press("F7")
    dialog = first.get_by_test_id("transfer")
    expect(first.locator("input[name=search]")).to_be_focused()
    first.keyboard.type(staff[0])
    expect(dialog.get_by_role("option")).to_have_count(1)
    expect(dialog.get_by_role("option", selected=True)).to_contain_text(staff[0])
    first.get_by_test_id("transfer-go").click()
    call(second, "alerting")
    second.keyboard.press("F2")
    call(second, "talking")
    made = second.get_by_test_id("identity-made")
    expect(made).to_have_text(re.compile(r"身份已核对：.+（广州）\d\d:\d\d:\d\d，证件号码，020\*\*\*\*\d{4}"))
    to_form(second, "hfhjf", "话费和缴费查询")
    expect(second.get_by_test_id("identity-check")).to_contain_text("✓")
    second.locator("select[name=what]").select_option("balance")
    looked_up(second)
    expect(second.get_by_test_id("answer-account")).to_contain_text(YUAN)
    leave(second)
    leave(first)
