"""What a seat does with a line and its customer, by the keyboard alone: personal data in full for a reason, the line's
test, the mass fault over it, what came back.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.harness.services import catalogue
from tests.harness.work import form_for
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


def test_the_list_of_services_begins_with_what_the_caller_chose(page: Page, address: str, demo: OwnDemo) -> None:
    """Who dialled 112 wants a fault report: it is said, it is first, and Enter opens its form."""
    talk(page, address, demo)
    page.keyboard.press("F3")
    expect(page.get_by_test_id("chosen")).to_have_text("来电人所选：障碍申告")
    first = page.get_by_test_id("services").get_by_role("option").first
    expect(first).to_have_attribute("data-service", "fault")
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("form-tab")).to_contain_text("障碍申告")
    leave(page)


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


def to_form(page: Page, initials: str, name: str) -> None:
    """From anywhere to the form of a service."""
    expect(page.get_by_test_id("tab-services")).to_be_visible()
    page.keyboard.press("Alt+2")
    expect(page.locator("input[name=service-search]")).to_be_focused()
    page.keyboard.type(initials)
    expect(page.get_by_test_id("services").get_by_role("option", selected=True)).to_contain_text(name)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("form-tab")).to_contain_text(name)


def probed(page: Page) -> str:
    """Test the line that is shown, again when the test comes to nothing; the outcome."""
    panel = page.get_by_test_id("line-test")
    for _ in range(5):
        panel.get_by_test_id("line-test-run").press("Enter")
        expect(panel).to_have_attribute("data-running", "true")
        expect(panel).to_contain_text("正在")
        expect(panel).to_have_attribute("data-running", "false", timeout=30_000)
        if panel.get_by_test_id("line-test-problem").count() == 0:
            break
        expect(panel.get_by_test_id("line-test-problem")).to_contain_text("测试")
    outcome = panel.get_by_test_id("line-test-outcome")
    expect(outcome).to_be_visible()
    return str(outcome.get_attribute("data-outcome"))


def test_a_line_is_tested_at_the_form_and_on_the_item(page: Page, address: str, demo: OwnDemo) -> None:
    """The caller's line by the number that calls; the outcome goes into the form, and stands on the item as a note."""
    talk(page, address, demo)
    to_form(page, "zasg", "障碍申告")
    outcome = probed(page)
    page.get_by_test_id("line-test-take").press("Enter")
    expect(page.locator("[name=test_result]")).to_have_value(outcome)
    page.locator("[data-field=service_kind] input").first.press("Space")
    page.locator("select[name=symptom]").select_option("noise")
    page.locator("input[name=since]").fill("今天")
    page.locator("[data-field=area] input").first.press("Space")
    page.locator("input[name=address]").fill("清晖路 698 号")
    page.locator("input[name=contact_phone]").fill("13800000001")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("receipt")).to_have_attribute("data-state", "accepted", timeout=30_000)
    page.get_by_role("button", name="打开工单").press("Enter")
    expect(page.get_by_test_id("item-state")).to_be_visible()
    assert probed(page) == outcome, "a pair measures alike each time"
    expect(page.get_by_test_id("steps")).to_contain_text("线路测试：")
    leave(page)


def test_a_mass_fault_over_the_caller_is_seen_and_listed(page: Page, address: str, demo: OwnDemo) -> None:
    """What, since when, until when and how many; gone once it is repaired."""
    clerk = demo.clerk(CITY)
    number = talk(page, address, demo)
    place = clerk("card", line=number)["card"]["district"]
    expect(page.get_by_test_id("mass-fault-banner")).to_have_count(0)
    declared = clerk("mass_fault_declare", area="district", name=place, repair_s=7200.0, note="光缆挖断")["mass_fault"]
    page.reload()
    banner = page.get_by_test_id("mass-fault-banner")
    expect(banner).to_contain_text(f"大面积障碍：{place}（行政区）· 已确认")
    expect(banner).to_contain_text(re.compile(r"\d+ 件申告"))  # with those of tests before, of the same district
    expect(banner).to_contain_text("光缆挖断")
    expect(banner).to_contain_text("预计")
    page.keyboard.press("Alt+3")
    page.get_by_test_id("items-massFaults").press("Space")
    row = page.get_by_test_id("mass-faults").locator("tbody tr").filter(has_text=place)
    expect(row).to_have_attribute("data-state", "confirmed")
    expect(row).to_contain_text(place)
    clerk("mass_fault_clear", mass_fault=declared["mass_fault"], note="已接好")
    page.locator("input[name=mass-faults-ended]").press("Space")
    repaired = page.get_by_test_id("mass-faults").locator("tr[data-state=repaired]")
    expect(repaired.filter(has_text="已接好").filter(has_text=place)).to_have_count(1)
    page.reload()
    call(page, "talking")
    expect(page.get_by_test_id("tab-items")).to_be_visible()
    expect(banner).to_have_count(0)
    leave(page)


def test_what_came_back_stands_beside_the_form(page: Page, address: str, demo: OwnDemo) -> None:
    """Two reports of the caller's line within the month, the first of them over."""
    clerk = demo.clerk(CITY)
    number = talk(page, address, demo)
    values = form_for(catalogue().services["fault"], now=time.time()) | {"line": number}
    first = clerk("work_open", service="fault", values=values)["item"]
    assert clerk("work_act", item=first, action="withdraw", note="好了")["state"] == "accepted"
    second = clerk("work_open", service="fault", values=values)["item"]
    to_form(page, "zasg", "障碍申告")
    repeats = page.get_by_test_id("repeats")
    expect(repeats).to_contain_text("障碍申告 30 天 2 次，90 天 2 次")
    expect(repeats).to_contain_text("3 个城市")
    repeats.get_by_role("button").first.press("Enter")
    expect(page.get_by_test_id("item")).to_contain_text(second)
    leave(page)


def held_back(page: Page, op: str, field: str) -> Callable[[], None]:
    """From now on answers to ``op`` with ``field`` wait, until what this gives is called."""
    asked: set[int] = set()
    waiting: list[Callable[[], None]] = []
    let_go = [False]

    def opened(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def ask(message: str | bytes) -> None:
            question = json.loads(message)
            if question["op"] == op and field in question:
                asked.add(question["id"])
            server.send(message)

        def answer(message: str | bytes) -> None:
            if json.loads(message).get("re") in asked and not let_go[0]:
                waiting.append(lambda: socket.send(message))
            else:
                socket.send(message)

        socket.on_message(ask)
        server.on_message(answer)

    def go() -> None:
        let_go[0] = True
        assert waiting, f"nobody has asked {op} with {field}"
        for each in waiting:
            each()

    page.route_web_socket(re.compile("/api/v1/live$"), opened)
    return go


def test_who_is_looked_for_stays_however_late_the_caller_is_known(page: Page, address: str, demo: OwnDemo) -> None:
    """What is known of the caller comes after another customer was found and checked: their amounts stay there."""
    known = held_back(page, "customers", "contact")
    talk(page, address, demo)
    firms = demo.clerk(CITY)("directory", text="佛山")["entries"]
    number = next(each["number"] for each in firms if each["number"].startswith("0757"))
    page.keyboard.press("Alt+4")
    expect(page.locator("input[name=customer-text]")).to_be_focused()
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("due")).to_have_text("＊＊")
    page.get_by_test_id("customer-check").press("Enter")
    expect(page.get_by_test_id("due")).to_have_text(re.compile(r"^[\d.]+ 元$"))
    known()
    expect(page.get_by_test_id("caller")).to_be_visible()
    expect(page.locator("input[name=customer-text]")).to_have_value(number)
    expect(page.get_by_test_id("due")).to_have_text(re.compile(r"^[\d.]+ 元$"))
    leave(page)


def test_the_cursor_is_in_the_field_of_a_tab_that_comes_back(page: Page, address: str, demo: OwnDemo) -> None:
    """Customer, knowledge and 114 by their keys, the second time as the first."""
    talk(page, address, demo)
    expect(page.get_by_test_id("tab-directory")).to_be_visible()
    for key, name in (("4", "customer"), ("5", "knowledge"), ("6", "directory")) * 2:
        page.keyboard.press(f"Alt+{key}")
        expect(page.locator(f"input[name={name}-text]")).to_be_focused()
    page.keyboard.press("Alt+1")
    page.keyboard.press("Control+k")
    expect(page.locator("input[name=knowledge-text]")).to_be_focused()
    leave(page)


def test_a_note_for_a_transfer_and_a_question_outlive_a_refresh(page: Page, address: str, demo: OwnDemo) -> None:
    """Nothing typed is lost: not what the next agent shall read, nor what was looked for anywhere."""
    talk(page, address, demo)
    expect(page.get_by_test_id("tab-knowledge")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("input[name=knowledge-text]")).to_be_focused()
    page.keyboard.type("小灵通的旧号码还能取回吗")
    looked_for = (("4", "customer-text", "欧阳"), ("6", "directory-text", "天河体育"))
    for key, name, text in looked_for:
        page.keyboard.press(f"Alt+{key}")
        expect(page.locator(f"input[name={name}]")).to_be_focused()
        page.keyboard.type(text)
    page.keyboard.press("Control+k")
    expect(page.locator("input[name=knowledge-text]")).to_be_focused()
    page.keyboard.press("Shift+F7")
    dialog = page.get_by_test_id("transfer")
    dialog.locator("textarea[name=note]").fill("客户要查三月帐单")
    page.reload()
    call(page, "talking")
    expect(page.locator("input[name=knowledge-text]")).to_have_value("小灵通的旧号码还能取回吗")
    for key, name, text in looked_for:
        page.keyboard.press(f"Alt+{key}")
        expect(page.locator(f"input[name={name}]")).to_have_value(text)
    page.keyboard.press("Alt+1")
    page.keyboard.press("F7")
    expect(dialog.locator("textarea[name=note]")).to_have_value("客户要查三月帐单")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    leave(page)
