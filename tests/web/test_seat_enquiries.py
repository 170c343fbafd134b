"""Enquiries that are answered at once at the seat, by the keyboard alone: bills, what is under way, prices, 114."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.web.conftest import OwnDemo
from tests.web.test_seat_tools import CITY, talk, to_form
from tests.web.test_seat_work import leave

YUAN = re.compile(r"\d+\.\d\d")


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def looked_up(page: Page) -> None:
    """Ask, once the form is there, and wait until it is answered or refused."""
    expect(page.get_by_test_id("answer")).to_have_attribute("data-going", "false")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("answer")).to_have_attribute("data-going", "false")


def check(page: Page) -> None:
    page.get_by_test_id("identity-check").press("Enter")
    expect(page.get_by_test_id("identity-check")).to_contain_text("✓")


def month(bills: Locator) -> str:
    """Of the first bill."""
    return bills.first.locator("th").first.inner_text().split()[0]


def test_a_bill_is_told_once_the_identity_was_checked(page: Page, address: str, demo: OwnDemo) -> None:
    """Nothing before the check; then months, item by item to the fen, and payments; one month where it is asked for."""
    talk(page, address, demo, "170")
    to_form(page, "hfhjf", "话费和缴费查询")
    page.locator("select[name=what]").select_option("payments")
    looked_up(page)
    expect(page.get_by_test_id("answer-problem")).to_contain_text("须核对身份")
    expect(page.get_by_test_id("answer-account")).to_have_count(0)
    check(page)
    looked_up(page)
    expect(page.get_by_test_id("answer-account")).to_contain_text(YUAN)
    bills = page.get_by_test_id("answer-bills").locator("tbody")
    expect(bills.first).to_contain_text(YUAN)
    assert bills.filter(has_not_text=month(bills)).count() > 0
    expect(page.get_by_test_id("answer-payments")).to_contain_text(YUAN)
    latest = month(bills)
    page.locator("select[name=what]").select_option("bill")
    page.locator("input[name=month]").fill(f"{latest}-01")
    looked_up(page)
    expect(bills.filter(has_text=latest)).not_to_have_count(0)
    expect(bills.filter(has_not_text=latest)).to_have_count(0)
    leave(page)


def test_all_that_is_under_way_is_told_with_its_state(page: Page, address: str, demo: OwnDemo) -> None:
    """Of every city; what has ended only where that is wanted; an item opens from there."""
    clerk = demo.clerk(CITY)
    number = talk(page, address, demo, "189")
    values = form_for(catalogue().services["fault"], now=time.time()) | {"line": number}
    first = clerk("work_open", service="fault", values=values)["item"]
    clerk("work_act", item=first, action="withdraw", note="好了")
    second = clerk("work_open", service="fault", values=values)["item"]
    to_form(page, "ywblqk", "业务办理情况查询")
    looked_up(page)
    expect(page.get_by_test_id("answer-problem")).to_contain_text("请先核对身份")
    check(page)
    looked_up(page)
    rows = page.get_by_test_id("answer-items").locator("tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("障碍申告")
    expect(rows).to_contain_text("剩")
    expect(page.get_by_test_id("answer")).to_contain_text("3 个城市")
    page.locator("input[name=answer-ended]").press("Space")
    expect(rows).to_have_count(2)
    page.locator(f"[data-item='{second}']").get_by_role("button").press("Enter")
    expect(page.get_by_test_id("item")).to_contain_text(second)
    leave(page)


def test_prices_and_numbers_are_told_without_a_check(page: Page, address: str, demo: OwnDemo) -> None:
    """What a service costs today, what minutes come to, and who has which number."""
    talk(page, address, demo, "170")
    to_form(page, "zfcx", "资费查询")
    page.locator("[name=subject]").first.select_option("domestic")
    page.locator("input[name=minutes]").fill("3")
    looked_up(page)
    choice = page.locator("select[name=answer-service]")
    expect(choice).to_be_focused()
    prices = page.get_by_test_id("answer-prices")
    choice.select_option("install_line")
    expect(prices).to_contain_text("25.00 元/月")
    choice.select_option("domestic_direct")
    expect(prices.locator("tr")).to_have_count(2)
    expect(prices).to_contain_text("3 分钟 2.10 元")
    to_form(page, "hmcx", "号码查询")
    page.locator("input[name=name]").fill("顺德")
    looked_up(page)
    expect(page.get_by_test_id("answer-entries").locator("tr").first).to_contain_text("佛山")
    leave(page)
