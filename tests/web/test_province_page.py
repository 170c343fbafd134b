"""The first page: the province live, and why each contact went its way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Complaints
from tests.web.wire import Wire

CITIES = {"guangzhou": ("广州", "Guangzhou"), "shenzhen": ("深圳", "Shenzhen"), "foshan": ("佛山", "Foshan")}
HAN = re.compile(r"[\u4e00-\u9fff]")


def enter(page: Page, address: str, language: str = "zh") -> None:
    """As a newcomer does: open the page and click the one button."""
    page.goto(address + "/")
    if language == "en":
        page.get_by_role("button", name="English").click()
    page.locator("[data-testid=demo] button").first.click()
    expect(page.get_by_test_id("map")).to_be_visible()


def answered(page: Page) -> str:
    """The id of a contact that has an agent, once there is one."""
    row = page.locator("[data-testid=contacts] tbody tr[data-agent]")
    expect(row.first).to_be_visible(timeout=60_000)
    return row.first.get_attribute("data-contact") or ""


def test_a_newcomer_sees_the_province_at_once(page: Page, address: str) -> None:
    """First page within one click: cities, six numbers, queues, agents, latest contacts; alive."""
    enter(page, address)
    for city, (name, _) in CITIES.items():
        expect(page.get_by_test_id(f"city-{city}")).to_contain_text(name)
        expect(page.get_by_test_id(f"panel-{city}").locator("tbody tr")).to_have_count(6)
    expect(page.get_by_test_id("wall").locator("dt")).to_have_count(6)
    expect(page.get_by_test_id("link")).to_contain_text("实时")
    expect(page.locator("[data-testid=contacts] tbody tr").first).to_be_visible(timeout=30_000)
    clock = page.locator(".clock").inner_text()
    expect(page.locator(".clock")).not_to_have_text(clock)


def test_wrong_password_is_told_in_the_chosen_language(page: Page, address: str, complaints: Complaints) -> None:
    """What the hub refuses is shown in its own words, in Chinese or in English."""
    page.goto(address + "/")
    page.locator("input[name=user]").fill("province")
    page.locator("input[name=password]").fill("not this")
    complaints.excused = True  # the browser itself reports the 401
    page.locator("form button[type=submit]").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(HAN)
    page.get_by_role("button", name="English").click()
    expect(alert).not_to_contain_text(HAN)


def test_the_language_is_remembered(page: Page, address: str) -> None:
    """Chinese by default; English after one click, and still after a reload, without a Chinese label left over."""
    enter(page, address)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="English").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_test_id("city-guangzhou")).to_contain_text("Guangzhou")
    for label in page.locator("dt, dd, th, h2, .legend, .foot").all_inner_texts():
        assert not HAN.search(label), label


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_overlaps_in_a_narrow_window(page: Page, address: str, language: str) -> None:
    """At 1180 pixels each city's agents stand beside its queues, and the top line ends within the window."""
    page.set_viewport_size({"width": 1180, "height": 768})
    enter(page, address, language)
    for city in CITIES:
        panel = page.get_by_test_id(f"panel-{city}")
        queues, agents = panel.locator("table").bounding_box(), panel.locator(".counts").bounding_box()
        assert queues is not None
        assert agents is not None
        assert queues["x"] + queues["width"] <= agents["x"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1180


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_contact_tells_why_it_went_its_way(page: Page, address: str, language: str) -> None:
    """Click a contact: summary, decisions with what was known and its age, and the timeline in plain words."""
    enter(page, address, language)
    contact = answered(page)
    page.locator(f"[data-contact='{contact}']").click()
    way = page.get_by_test_id("way")
    expect(way.get_by_test_id("summary")).to_contain_text("等待" if language == "zh" else "answered")
    expect(way.get_by_test_id("decision").first).to_be_visible()
    expect(way.locator("table.known tr").first).to_be_visible()
    expect(way.get_by_test_id("timeline")).to_contain_text("拨打" if language == "zh" else "dialled")
    told = way.inner_text()
    assert contact in told
    unknown = "其它记录" if language == "zh" else "Other record"
    assert unknown not in told
    assert not re.search(r"\b[a-z]+_[a-z_]+\b", told), "a code was shown where words were meant"
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("way")).to_be_hidden()


def test_a_city_shows_its_queues_and_people(page: Page, address: str) -> None:
    """Click a city on the map, with mouse or keyboard."""
    enter(page, address)
    page.get_by_test_id("city-shenzhen").focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_test_id("city-drawer")
    expect(drawer.locator("table").first.locator("tbody tr")).to_have_count(6)
    expect(drawer.locator("table").nth(1).locator("tbody tr").first).to_be_visible()


def test_a_broken_connection_is_said_and_mended(page: Page, address: str, wire: Wire, complaints: Complaints) -> None:
    """The screen never shows old figures as new ones, and comes back by itself."""
    enter(page, address)
    complaints.excused = True
    wire.cut()
    expect(page.get_by_test_id("disconnected")).to_be_visible()
    expect(page.get_by_test_id("link")).to_have_class(re.compile("bad"))
    expect(page.get_by_test_id("map")).to_have_class(re.compile("stale"))
    wire.mend()
    expect(page.get_by_test_id("link")).to_contain_text("实时", timeout=20_000)
    expect(page.get_by_test_id("disconnected")).to_be_hidden()


def test_a_dead_line_is_found_out(page: Page, address: str, wire: Wire, complaints: Complaints) -> None:
    """Nothing comes and nothing breaks: the age grows, and after ten seconds the page says it is disconnected."""
    enter(page, address)
    complaints.excused = True
    wire.hold()
    expect(page.get_by_test_id("link")).to_have_class(re.compile("wait"), timeout=8_000)
    expect(page.get_by_test_id("disconnected")).to_be_visible(timeout=15_000)
    wire.mend()
    expect(page.get_by_test_id("link")).to_contain_text("实时", timeout=20_000)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_fits_a_small_screen(page: Page, address: str, language: str) -> None:
    """1366×768: nothing runs out of the page to the right, no label of the wall is cut."""
    enter(page, address, language)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    cut = page.evaluate(
        "[...document.querySelectorAll('.wall dt, .wall dd, .panel-head h2, .top > *, .city th')]"
        ".filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0).map(each => each.textContent)"
    )
    assert cut == []


def test_an_unknown_page_says_so(page: Page, address: str) -> None:
    """History-mode addresses are answered by the screens."""
    page.goto(address + "/no/such/page")
    expect(page.get_by_role("link", name="返回全省")).to_be_visible()
    page.goto(address + "/seat/atlantis")
    expect(page.get_by_text("atlantis")).to_be_visible()


def test_everything_runs_under_the_security_policy(page: Page, address: str) -> None:
    """No inline script: the page's own policy forbids it, and nothing on the page was refused by it."""
    refused: list[str] = []
    page.expose_function("refusedByPolicy", lambda directive: refused.append(directive))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => refusedByPolicy(e.violatedDirective))"
    )
    answer = page.goto(address + "/")
    assert answer is not None
    assert "script-src 'self'" in (answer.header_value("content-security-policy") or "")
    page.locator("[data-testid=demo] button").first.click()
    expect(page.get_by_test_id("map")).to_be_visible()
    assert refused == []
