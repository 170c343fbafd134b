"""The supervisor's desk, by the keyboard alone: who is where, what waits, what is decided of mass faults."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.web.conftest import OwnDemo
from tests.web.test_seat_page import presence

CITY = "shenzhen"
HIS_CITY = "深圳"


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo in which nobody calls but the test."""
    return own_demo


def desk(page: Page, address: str) -> None:
    """Log in as the one who leads the city."""
    page.goto(f"{address}/seat/{CITY}/supervise")
    page.get_by_test_id(f"demo-lead-{CITY}").press("Enter")
    expect(page.get_by_test_id("identity")).to_contain_text(HIS_CITY)


def asked(demo: OwnDemo) -> str:
    """A question that waits for a supervisor: nobody at a seat takes it."""
    clerk = demo.clerk(CITY)
    return str(clerk("knowledge_missing", text="小灵通的旧号码还能取回吗")["item"])


def open_item(page: Page, item: str) -> None:
    """From the list of what waits, by its arrow keys."""
    row = page.locator(f"[data-item='{item}']")
    expect(row).to_be_visible()
    page.get_by_test_id("items").focus()
    for _ in range(page.get_by_test_id("items").get_by_role("option").count()):
        if row.get_attribute("aria-selected") == "true":
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("item-state")).to_be_visible()


def leave(page: Page) -> None:
    page.get_by_test_id("logout").press("Enter")
    expect(page.get_by_test_id(f"demo-lead-{CITY}")).to_be_visible()


def test_who_is_where_and_what_waits(page: Page, address: str, demo: OwnDemo) -> None:
    """Agents by state with their time in it, the queues; an item is urged and handed over."""
    item = asked(demo)
    desk(page, address)
    expect(page.get_by_test_id("queues").locator("tbody tr")).to_have_count(6)
    agent = page.locator(f"[data-agent='2001@{CITY}']")
    expect(agent).to_have_attribute("data-state", "ready", timeout=20_000)
    expect(agent).to_contain_text(re.compile(r"\d:\d\d"))
    expect(page.get_by_test_id("work-figures")).to_contain_text(re.compile(r"待处理\s*[1-9]"))
    row = page.locator(f"[data-item='{item}']")
    open_item(page, item)
    page.get_by_test_id("work_press").press("Enter")
    expect(page.locator("textarea[name=step-note]")).to_be_focused()
    page.keyboard.type("客户再次来电")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("steps")).to_contain_text("客户再次来电")
    expect(page.get_by_test_id("item")).to_contain_text("督办")
    page.get_by_test_id("work_hand_over").press("Enter")
    expect(page.locator("input[name=hand-over]")).to_be_focused()
    page.keyboard.type("2001")
    expect(page.get_by_test_id("step").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("steps")).to_contain_text(re.compile(r"派给.*2001"))
    page.get_by_test_id("to-list").press("Enter")
    expect(row).to_have_count(0)
    leave(page)


def test_a_file_is_opened_for_a_reason(page: Page, address: str, demo: OwnDemo) -> None:
    """Of an item that somebody else has to deal with: whoever leads says why, and may take the question back."""
    item = asked(demo)
    demo.clerk(CITY)("work_attach", item=item, name="旧发票.txt", media_type="text/plain", content="MjAwMQ==")
    desk(page, address)
    open_item(page, item)
    files = page.get_by_test_id("attachments")
    file = files.get_by_role("button", name="旧发票.txt")
    file.press("Enter")
    expect(files.get_by_test_id("unmask-verify")).to_be_focused()
    page.keyboard.press("Escape")
    expect(file).to_be_focused()
    page.keyboard.press("Enter")
    files.get_by_test_id("unmask-verify").press("Space")
    with page.expect_download() as download:
        files.get_by_test_id("unmask-go").press("Enter")
    assert Path(download.value.path()).read_bytes() == b"2001"
    expect(file).to_be_focused()
    expect(files.get_by_test_id("unmask-go")).to_have_count(0)
    page.get_by_test_id("to-list").press("Enter")
    leave(page)


def test_a_mass_fault_is_declared_put_off_and_cleared(page: Page, address: str, demo: OwnDemo) -> None:
    """An area that is not on record is refused in words; what is declared stands until it is repaired."""
    clerk = demo.clerk(CITY)
    number = demo.call(CITY, "114", CITY)
    place = clerk("card", line=number)["card"]["district"]
    desk(page, address)
    page.get_by_test_id("part-massFaults").press("Space")
    expect(page.get_by_test_id("mass-faults-none")).to_be_visible()
    page.get_by_test_id("declare").press("Enter")
    expect(page.locator("select[name=mass-fault-area]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("没有的区")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("mass-fault-problem")).to_contain_text("请核对名称")
    page.keyboard.press("Control+a")
    page.keyboard.type(place)
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("1.5")
    page.keyboard.press("Tab")
    page.keyboard.type("光缆挖断")
    page.keyboard.press("Enter")
    row = page.get_by_test_id("mass-faults").locator("tbody tr")
    expect(row).to_contain_text(place)
    expect(row).to_contain_text("光缆挖断")
    row.get_by_test_id("confirm").press("Enter")
    expect(page.locator("input[name=mass-fault-hours]")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("mass-fault-said")).to_contain_text("已确认")
    row.get_by_test_id("reject").press("Enter")
    expect(page.get_by_test_id("mass-fault-go")).to_be_disabled()
    page.keyboard.press("Escape")
    row.get_by_test_id("clear").press("Enter")
    page.get_by_test_id("mass-fault-go").press("Enter")
    expect(page.get_by_test_id("mass-fault-said")).to_contain_text("已修复")
    expect(page.get_by_test_id("mass-faults-none")).to_be_visible()
    leave(page)


def test_what_came_back_is_found_by_a_number(page: Page, address: str, demo: OwnDemo) -> None:
    """Nothing at first; then two reports of one line, and one of them opened."""
    clerk = demo.clerk(CITY)
    number = demo.call(CITY, "114", CITY)
    desk(page, address)
    page.get_by_test_id("part-repeats").press("Space")
    page.locator("input[name=repeats-line]").fill("12345")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("repeats-not-number")).to_contain_text("连区号")
    page.locator("input[name=repeats-line]").fill(number)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("repeats-none")).to_be_visible()
    values = form_for(catalogue().services["fault"], now=time.time()) | {"line": number}
    first = clerk("work_open", service="fault", values=values)["item"]
    clerk("work_act", item=first, action="withdraw", note="好了")
    second = clerk("work_open", service="fault", values=values)["item"]
    page.get_by_test_id("part-items").press("Space")
    page.get_by_test_id("part-repeats").press("Space")
    repeats = page.get_by_test_id("repeats")
    expect(repeats).to_contain_text("障碍申告 30 天 2 次")
    repeats.get_by_role("button").first.press("Enter")
    expect(page.get_by_test_id("item")).to_contain_text(second)
    leave(page)


def test_an_agent_is_refused_in_words(page: Page, address: str, demo: OwnDemo) -> None:
    """The page shows nothing of the city to somebody whose role the node refuses."""
    page.goto(f"{address}/seat/{CITY}")
    page.locator("[data-testid=demo] button").first.click()
    presence(page, "not_ready")
    expect(page.get_by_test_id("to-supervise")).to_have_count(0)
    page.goto(f"{address}/seat/{CITY}/supervise")
    expect(page.get_by_test_id("problem")).to_contain_text(re.compile("角色|权限"))
    expect(page.get_by_test_id("agents")).to_have_count(0)
    expect(page.get_by_test_id("work-figures")).to_have_count(0)
    page.get_by_test_id("logout").press("Enter")
    expect(page.get_by_test_id(f"demo-lead-{CITY}")).to_be_visible()
