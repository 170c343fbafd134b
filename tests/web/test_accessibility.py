"""What people who see, hear or point otherwise meet on each screen, as axe-core finds it, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import ROOT, OwnDemo, missing
from tests.web.test_province_page import enter
from tests.web.test_seat_enquiries import check, looked_up
from tests.web.test_seat_page import call, leave, presence
from tests.web.test_seat_tools import CITY, probed, talk, to_form
from tests.web.test_supervise import CITY as SUPERVISED
from tests.web.test_supervise import asked, desk

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
LANGUAGES = ("中文", "English")


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo without chance."""
    return own_demo


@pytest.fixture
def page(page: Page) -> Page:
    """A page that can be looked through. Nothing moves on it: what fades in has less contrast for a moment."""
    if not AXE.is_file():
        missing("axe-core is not there: run `npm ci` in web")
    page.emulate_media(reduced_motion="reduce")
    page.add_init_script(AXE.read_text(encoding="utf-8"))
    return page


def look(page: Page, screen: str) -> list[str]:
    """What is wrong with what is shown, in both languages; the page is left in Chinese."""
    found: list[str] = []
    for language in reversed(LANGUAGES):
        page.get_by_role("button", name=language, exact=True).click()
        expect(page.locator("html")).to_have_attribute("lang", "en" if language == "English" else "zh-CN")
        report: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found += [
            f"{screen} in {language}: {each['id']} ({each['impact']}): {each['help']}: {node['target']} "
            f"{node['failureSummary']}"
            for each in report["violations"]
            if each["impact"] in GRAVE
            for node in each["nodes"]
        ]
    return found


def test_the_province(page: Page, address: str) -> None:
    """The first page, and the province behind its one button."""
    page.goto(address + "/")
    expect(page.get_by_test_id("demo")).to_be_visible()
    found = look(page, "first page")
    enter(page, address)
    found += look(page, "province")
    assert not found, "\n".join(found)


def test_a_seat(page: Page, address: str, demo: OwnDemo) -> None:
    """From the login by way of a call, the services and a form to the work item that comes of it."""
    page.goto(f"{address}/seat/foshan")
    first = page.locator("[data-testid=demo] button").nth(1)
    expect(first).to_be_visible()
    found = look(page, "login")
    first.click()
    page.get_by_test_id("ready").click()
    presence(page, "ready")
    found += look(page, "idle seat")
    demo.call("foshan", "189", "guangzhou")
    call(page, "alerting")
    found += look(page, "ringing")
    page.get_by_test_id("answer").click()
    call(page, "talking")
    found += look(page, "call")
    page.get_by_test_id("tab-services").click()
    expect(page.locator("[data-service=timed_call]")).to_be_visible()
    found += look(page, "services")
    page.locator("[data-service=timed_call]").click()
    page.locator("input[name=at_hour]").fill("77")  # wrong, so that the form says so
    page.locator("input[name=at_minute]").fill("30")
    page.get_by_label("每天").click()
    page.locator("input[name=first_day]").fill("+1")
    page.get_by_test_id("submit").click()
    expect(page.locator(".field.wrong")).to_have_count(1)
    found += look(page, "form")
    page.locator("input[name=at_hour]").fill("7")
    page.get_by_test_id("submit").click()
    expect(page.get_by_test_id("receipt")).to_have_attribute("data-state", "accepted", timeout=30_000)
    page.get_by_role("button", name="打开工单").click()
    expect(page.get_by_test_id("item-state")).to_be_visible()
    found += look(page, "work item")
    page.get_by_test_id("tab-items").click()
    found += look(page, "work items")
    for at, tab in ((4, "customer"), (5, "knowledge"), (6, "directory enquiry")):
        page.keyboard.press(f"Alt+{at}")
        expect(page.get_by_role("tab", selected=True)).to_contain_text(str(at))
        found += look(page, tab)
    page.get_by_test_id("hang-up").click()
    call(page, "wrap_up")
    page.get_by_test_id("tab-call").click()
    found += look(page, "wrap-up")
    leave(page)
    assert not found, "\n".join(found)


def test_a_line_that_does_not_work(page: Page, address: str, demo: OwnDemo) -> None:
    """Its customer in full for a reason, its test at the form, the mass fault over it, and the list of them."""
    number = talk(page, address, demo)
    page.keyboard.press("Alt+4")
    page.get_by_test_id("customer-sheet").get_by_test_id("unmask-ask").press("Enter")
    found = look(page, "reason to see in full")
    clerk = demo.clerk(CITY)
    place = clerk("card", line=number)["card"]["district"]
    fault = clerk("mass_fault_declare", area="district", name=place, repair_s=7200.0)["mass_fault"]
    page.reload()
    expect(page.get_by_test_id("mass-fault-banner")).to_be_visible()
    to_form(page, "zasg", "障碍申告")
    probed(page)
    found += look(page, "tested line")
    page.keyboard.press("Alt+3")
    page.get_by_test_id("items-massFaults").press("Space")
    expect(page.get_by_test_id("mass-faults")).to_be_visible()
    found += look(page, "mass faults")
    clerk("mass_fault_clear", mass_fault=fault["mass_fault"])
    page.keyboard.press("Alt+1")
    leave(page)
    assert not found, "\n".join(found)


def test_enquiries(page: Page, address: str, demo: OwnDemo) -> None:
    """A bill that is asked for, refused at first, and prices."""
    talk(page, address, demo, "170")
    to_form(page, "hfhjf", "话费和缴费查询")
    page.locator("select[name=what]").select_option("payments")
    looked_up(page)
    found = look(page, "bill before the check of identity")
    check(page)
    looked_up(page)
    expect(page.get_by_test_id("answer-account")).to_be_visible()
    found += look(page, "bill")
    to_form(page, "zfcx", "资费查询")
    page.locator("[name=subject]").first.select_option("domestic")
    page.locator("select[name=answer-service]").select_option("domestic_direct")
    expect(page.get_by_test_id("answer-prices")).to_be_visible()
    found += look(page, "prices")
    page.keyboard.press("Alt+1")
    leave(page)
    assert not found, "\n".join(found)


def test_the_supervisors_desk(page: Page, address: str, demo: OwnDemo) -> None:
    """Its login, what waits, an item of it, mass faults with one that is declared, and what came back."""
    page.goto(f"{address}/seat/{SUPERVISED}/supervise")
    expect(page.get_by_test_id("demo")).to_be_visible()
    found = look(page, "login of the supervisor")
    item = asked(demo)
    desk(page, address)
    expect(page.locator(f"[data-item='{item}']")).to_be_visible()
    found += look(page, "waiting work")
    page.locator(f"[data-item='{item}']").click()
    expect(page.get_by_test_id("item-state")).to_be_visible()
    found += look(page, "item of the supervisor")
    page.get_by_test_id("part-massFaults").press("Space")
    page.get_by_test_id("declare").press("Enter")
    found += look(page, "declaring a mass fault")
    page.get_by_test_id("part-repeats").press("Space")
    found += look(page, "looking for repeats")
    assert not found, "\n".join(found)
