"""The seat page in the agent's guide: ``pytest tests/web/pictures.py`` makes its pictures anew. No test of ``tox``."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.web.conftest import ROOT, OwnDemo
from tests.web.test_seat_enquiries import check, looked_up
from tests.web.test_seat_page import call, presence
from tests.web.test_seat_tools import CITY, probed, talk, to_form
from tests.web.test_seat_work import leave
from tests.web.test_supervise import CITY as SUPERVISED
from tests.web.test_supervise import desk

FOLDER = ROOT / "docs" / "images"


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo without chance."""
    return own_demo


def picture(page: Page, name: str) -> None:
    """What is shown, once messages are gone, without what moves."""
    expect(page.locator(".el-message")).to_have_count(0, timeout=15_000)
    page.screenshot(path=FOLDER / f"seat-{name}.png", animations="disabled")


def test_pictures_of_the_seat_page(page: Page, address: str, demo: OwnDemo) -> None:
    """A call of another city's customer, an order, and the work item that comes of it."""
    page.goto(f"{address}/seat/foshan")
    page.locator("[data-testid=demo] button").nth(1).click()
    page.get_by_test_id("ready").click()
    presence(page, "ready")
    expect(page.locator(".side")).not_to_contain_text("无人在席", timeout=20_000)  # looked at every five seconds
    demo.call("foshan", "189", "guangzhou")
    call(page, "alerting")
    picture(page, "ringing")
    page.get_by_test_id("answer").click()
    call(page, "talking")
    picture(page, "talking")
    page.get_by_test_id("tab-services").click()
    expect(page.locator("[data-service=timed_call]")).to_be_visible()
    page.locator("input[name=service-search]").fill("hj")
    picture(page, "services")
    page.locator("input[name=service-search]").fill("")
    page.locator("[data-service=timed_call]").click()
    page.locator("input[name=at_hour]").fill("7")
    page.locator("input[name=at_minute]").fill("30")
    page.get_by_label("工作日").click()
    page.locator("input[name=first_day]").fill("+1")
    page.locator("input[name=first_day]").blur()
    picture(page, "form")
    page.get_by_test_id("submit").click()
    expect(page.get_by_test_id("receipt")).to_have_attribute("data-state", "accepted", timeout=30_000)
    page.get_by_role("button", name="打开工单").click()
    expect(page.get_by_test_id("item-state")).to_be_visible()
    picture(page, "item")
    page.get_by_test_id("tab-call").click()
    page.get_by_test_id("transfer-open").click()
    expect(page.get_by_test_id("transfer").get_by_role("option").first).to_be_visible()
    picture(page, "transfer")
    page.keyboard.press("Escape")
    page.get_by_test_id("hang-up").click()
    call(page, "wrap_up")
    picture(page, "wrap-up")
    leave(page)


def test_pictures_of_what_a_seat_does_with_a_line(page: Page, address: str, demo: OwnDemo) -> None:
    """A customer of the own city: in full for a reason, the line tested, a mass fault over it, what came back."""
    number = talk(page, address, demo)
    page.keyboard.press("Alt+4")
    page.get_by_test_id("customer-check").click()
    sheet = page.get_by_test_id("customer-sheet")
    sheet.get_by_test_id("unmask-ask").click()
    sheet.get_by_test_id("unmask-visit").click()
    picture(page, "unmask")
    page.keyboard.press("Escape")
    clerk = demo.clerk(CITY)
    place = clerk("card", line=number)["card"]["district"]
    values = form_for(catalogue().services["fault"], now=time.time()) | {"line": number}
    first = clerk("work_open", service="fault", values=values)["item"]
    clerk("work_act", item=first, action="withdraw", note="好了")
    clerk("work_open", service="fault", values=values)
    clerk("mass_fault_declare", area="district", name=place, repair_s=7200.0, note="光缆挖断，正在抢修")
    page.reload()
    expect(page.get_by_test_id("mass-fault-banner")).to_be_visible()
    to_form(page, "zasg", "障碍申告")
    probed(page)
    expect(page.get_by_test_id("repeats")).to_be_visible()
    picture(page, "line-test")
    page.keyboard.press("Alt+3")
    page.get_by_test_id("items-massFaults").press("Space")
    expect(page.get_by_test_id("mass-faults")).to_be_visible()
    picture(page, "mass-faults")
    leave(page)


def test_pictures_of_an_enquiry(page: Page, address: str, demo: OwnDemo) -> None:
    """A bill that is asked for, after the check of identity."""
    talk(page, address, demo, "170")
    to_form(page, "hfhjf", "话费和缴费查询")
    page.locator("select[name=what]").select_option("payments")
    check(page)
    looked_up(page)
    expect(page.get_by_test_id("answer-account")).to_be_visible()
    page.get_by_test_id("answer-account").scroll_into_view_if_needed()
    picture(page, "bill")
    leave(page)


def test_pictures_of_the_supervisors_desk(page: Page, address: str, demo: OwnDemo) -> None:
    """Who is where, what waits, and a mass fault that is decided on."""
    clerk = demo.clerk(SUPERVISED)
    for text in ("小灵通的旧号码还能取回吗", "宽带提速要不要换光猫", "父母的号码能不能由子女代办"):
        clerk("knowledge_missing", text=text)
    item = clerk("work_items", waiting=True)["items"][0]["item"]
    clerk("work_press", item=item, note="客户再次来电")
    number = demo.call(SUPERVISED, "114", SUPERVISED)
    place = clerk("card", line=number)["card"]["district"]
    clerk("mass_fault_declare", area="district", name=place, repair_s=7200.0, note="光缆挖断，正在抢修")
    desk(page, address)
    expect(page.get_by_test_id("items").get_by_role("option").first).to_be_visible()
    picture(page, "supervise")
    page.get_by_test_id("part-massFaults").click()
    page.get_by_test_id("confirm").first.click()
    picture(page, "supervise-faults")
