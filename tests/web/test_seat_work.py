"""Forms and work items at a seat, with the keyboard alone: an order for another city's line, and one's own queue."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import FilePayload, Page, expect

from tests.web import test_seat_page
from tests.web.conftest import Complaints, Running
from tests.web.test_seat_page import call, login, take_call

ANSWERED = 30_000
"""milliseconds within which another city answers"""
SEES = """
window.seen = []
new MutationObserver(() => {
  const state = document.querySelector('[data-testid=receipt]')?.dataset.state
  if (state !== undefined && window.seen.at(-1) !== state) window.seen.push(state)
}).observe(document, { subtree: true, childList: true, attributes: true })
"""
"""what the receipt shows, however shortly"""
FILLED_IN = (
    ("domain", "example.cn"),
    ("domain_proved", "Space"),
    ("seats", "２０"),
    ("seat_size", "Space"),
    ("administrator", "postmaster@example.cn"),
    ("migrate", "Space"),
    ("old_server", "mail.example.cn"),
    ("switch_day", "+9"),
)
"""cloud mail, in the order in which Tab comes by; "yes" brings the old server. No rule of it looks at records."""


def leave(page: Page) -> None:
    """As the other tests leave a seat; what a call asks for at its end is under its own tab."""
    page.keyboard.press("Alt+1")
    test_seat_page.leave(page)


def focused(page: Page) -> str:
    """Name of the field, or text of the button, that has the cursor."""
    found = page.evaluate(
        "(e => e.closest('[data-field]')?.dataset.field ?? (e.getAttribute('name') || e.innerText))"
        "(document.activeElement)"
    )
    return str(found)


def to_receipt(page: Page) -> None:
    """From the search for a service on to the newest item that was handed in."""
    expect(page.locator("input[name=service-search]")).to_be_focused()
    page.keyboard.press("Tab")
    if focused(page) == "全部业务":  # the caller, who is anybody, chose a branch that several services share
        page.keyboard.press("Tab")
    assert focused(page).startswith("w-0755-")


def order_mail(page: Page, line: str) -> None:
    """From anywhere in a call to the form of a service, filled in, without the mouse."""
    page.keyboard.press("F3")
    expect(page.locator("input[name=service-search]")).to_be_focused()
    page.keyboard.type("yyx")
    expect(page.get_by_test_id("services").get_by_role("option", selected=True)).to_contain_text("云邮箱")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=domain]")).to_be_focused()
    for _ in range(5):  # back over the check of identity and by what, the owning city and the customer
        page.keyboard.press("Shift+Tab")
    assert focused(page) == "about-line"
    page.keyboard.press("Control+a")
    page.keyboard.type(line)
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("identity-check")).to_contain_text("✓")
    page.keyboard.press("Tab")
    expect(page.locator("[data-field=old_server]")).to_have_count(0)
    for field, keys in FILLED_IN:
        assert focused(page) == field
        if keys == "Space":
            page.keyboard.press(keys)
        else:
            page.keyboard.type(keys)
        page.keyboard.press("Tab")


def receipt(page: Page, state: str) -> None:
    expect(page.get_by_test_id("receipt")).to_have_attribute("data-state", state, timeout=ANSWERED)


def test_an_order_for_another_citys_line_by_keyboard(page: Page, address: str) -> None:
    """Pending at once, then refused with the reason at its field, put right, and accepted; a refresh loses nothing."""
    page.add_init_script(SEES)
    login(page, address, "shenzhen", 0)
    take_call(page)
    order_mail(page, "020-8888 0001")
    page.reload()
    call(page, "talking")
    expect(page.locator("input[name=administrator]")).to_have_value("postmaster@example.cn")
    expect(page.locator("input[name=about-line]")).to_have_value("020-8888 0001")
    day = page.locator("input[name=switch_day]").input_value()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", day)
    page.locator("input[name=switch_day]").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("今天")
    page.keyboard.press("Control+s")
    expect(page.locator(".field.wrong")).to_contain_text("切换最早两个工作日后", timeout=ANSWERED)
    assert page.evaluate("seen") == ["pending"], "another city owes the answer at first"
    assert focused(page) == "switch_day"
    page.keyboard.press("Control+a")
    page.keyboard.type(day)
    page.keyboard.press("Control+s")
    receipt(page, "accepted")
    page.keyboard.press("F3")
    expect(page.get_by_test_id("receipts").locator("li")).to_have_count(2)
    page.reload()
    call(page, "talking")
    page.keyboard.press("F3")
    receipts = page.get_by_test_id("receipts").locator("li")
    expect(receipts.nth(0)).to_have_attribute("data-state", "accepted")
    expect(receipts.nth(1)).to_have_attribute("data-state", "refused")
    to_receipt(page)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("item-state")).to_have_text(re.compile("."))  # the office there may be at it already
    expect(page.get_by_test_id("item")).to_contain_text("广州")
    leave(page)


FILE_STATES = """
window.files = []
new MutationObserver(() => {
  const state = document.querySelector('[data-testid=attachments] li')?.dataset.state
  if (state !== undefined && window.files.at(-1) !== state) window.files.push(state)
}).observe(document, { subtree: true, childList: true, attributes: true })
"""
"""what the list shows of the first file, however shortly"""


def attach_file(page: Page, file: FilePayload) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_test_id("attach").press("Enter")
    chooser.value.set_files(file)


def test_a_file_for_another_citys_item_by_keyboard(
    page: Page, address: str, demo: Running, complaints: Complaints
) -> None:
    """Pending at once, then taken by the city of the item; opened from there; told in both languages."""
    page.add_init_script(FILE_STATES)
    login(page, address, "shenzhen", 0)
    take_call(page)
    order_mail(page, "020-8888 0005")
    page.keyboard.press("Control+s")
    receipt(page, "accepted")
    page.keyboard.press("F3")
    to_receipt(page)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("item")).to_contain_text("广州")
    scan = b"%PDF-1.7 " + bytes(range(256)) * 400
    file = FilePayload(name="合同.pdf", mimeType="application/pdf", buffer=scan)
    attach_file(page, file)
    attached = page.get_by_test_id("attachments").locator("li")
    expect(attached).to_have_attribute("data-state", "accepted", timeout=ANSWERED)
    assert page.evaluate("files") == ["pending", "accepted"]
    expect(page.get_by_test_id("steps")).to_contain_text("附件：合同.pdf")
    with page.expect_download(timeout=ANSWERED) as download:
        attached.get_by_role("button", name="合同.pdf").press("Enter")
    assert Path(download.value.path()).read_bytes() == scan
    expect(page.get_by_test_id("file-coming")).to_have_text("")
    complaints.excused = True
    attach_file(page, FilePayload(name="假.pdf", mimeType="application/pdf", buffer=b"GIF89a"))
    expect(page.get_by_test_id("item").get_by_role("alert")).to_contain_text("内容须与类型相符")
    expect(attached).to_have_count(1)
    complaints.excused = False
    item = page.get_by_test_id("item").locator(".id").inner_text()
    office = demo.clerk("guangzhou")
    for number in range(19):
        office("work_attach", item=item, name=f"{number}.txt", media_type="text/plain", content="MQ==")
    attach_file(page, FilePayload(name="多一份.txt", mimeType="text/plain", buffer=b"1"))
    last = attached.last
    expect(last).to_contain_text("广州局未收下：一张工单最多 20 个附件", timeout=ANSWERED)
    page.get_by_role("button", name="English", exact=True).click()
    expect(last).to_contain_text("a work item has at most 20 attachments")
    expect(page.get_by_test_id("steps")).to_contain_text("Attachment: 合同.pdf")
    page.get_by_role("button", name="中文", exact=True).click()
    page.keyboard.press("F3")
    expect(page.get_by_test_id("receipts").locator("li").first).to_contain_text("附件 多一份.txt")
    leave(page)


def test_a_work_item_of_the_own_city_by_keyboard(page: Page, address: str) -> None:
    """Accepted at once; found by its number; taken, noted, given back; what personal fields hold is masked."""
    login(page, address, "guangzhou", 0)
    take_call(page)
    order_mail(page, "02088880002")
    page.keyboard.press("Control+s")
    receipt(page, "accepted")
    assert focused(page) == "打开工单"
    page.keyboard.press("Alt+3")
    expect(page.get_by_test_id("items").get_by_role("option")).to_have_count(1)
    page.get_by_test_id("items").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("item-state")).to_have_text("已受理")
    expect(page.get_by_test_id("item")).not_to_contain_text("postmaster@")
    page.get_by_test_id("work_take").press("Enter")
    expect(page.get_by_test_id("work_give_back")).to_be_visible()
    expect(page.get_by_test_id("item")).not_to_contain_text("02088880002")
    page.get_by_test_id("item").get_by_test_id("unmask-ask").press("Enter")
    page.get_by_test_id("item").get_by_test_id("unmask-visit").press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("上门前联系")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("item")).to_contain_text("02088880002")
    expect(page.get_by_test_id("item")).to_contain_text("postmaster@")
    page.get_by_test_id("work_note").press("Enter")
    expect(page.locator("textarea[name=step-note]")).to_be_focused()
    page.keyboard.type("用户要求上门前先打电话")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("steps")).to_contain_text("用户要求上门前先打电话")
    scan = b"%PDF-1.7 " + b"0" * 300_000
    page.get_by_test_id("attach-file").set_input_files(
        FilePayload(name="合同.pdf", mimeType="application/pdf", buffer=scan)
    )
    attached = page.get_by_test_id("attachments").get_by_role("button")
    expect(attached).to_have_text("合同.pdf")
    with page.expect_download() as download:
        attached.press("Enter")
    assert download.value.suggested_filename == "合同.pdf"
    assert Path(download.value.path()).read_bytes() == scan
    page.get_by_test_id("work_give_back").press("Enter")
    expect(page.get_by_test_id("steps")).to_contain_text("退回队列")
    leave(page)


def test_a_form_outlives_its_call(page: Page, address: str) -> None:
    """The wrap-up ends, the form stays, and goes in without the call."""
    login(page, address, "guangzhou", 0)
    take_call(page)
    order_mail(page, "02088880003")
    page.keyboard.press("Shift+F8")
    call(page, "wrap_up")
    page.get_by_test_id("tab-call").click()
    page.get_by_test_id("disposition-solved").click()
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-testid=call][data-state=wrap_up]")).to_have_count(0)
    page.keyboard.press("Alt+7")
    expect(page.get_by_test_id("form-tab")).to_contain_text("已结束")
    expect(page.locator("input[name=domain]")).to_have_value("example.cn")
    leave(page)


def test_another_agent_finds_nothing_of_the_last(somebody: Callable[[], Page], address: str) -> None:
    """What one agent has typed is not shown to the next who logs in in the same tab."""
    page = somebody()
    login(page, address, "guangzhou", 0)
    take_call(page)
    order_mail(page, "02088880004")
    leave(page)
    page.get_by_test_id("again").click()
    page.locator("[data-testid=demo] button").nth(1).click()
    expect(page.get_by_test_id("tab-services")).to_be_visible()
    expect(page.get_by_role("tab")).to_have_count(6)
    leave(page)
