"""What came of the services today, at one click on the province page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OwnDemo
from tests.web.test_province_page import HAN, enter

SERVICE = "suggestion"


@pytest.fixture
def demo(own_demo: OwnDemo) -> OwnDemo:
    """The demo without chance."""
    return own_demo


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_services_of_today_are_told_by_city(page: Page, address: str, demo: OwnDemo, language: str) -> None:
    """Each service with what was taken in, ended, in time and overdue, in the province and in each of its cities."""
    values = {"kind": "suggestion", "about": "network", "words": "多设公用电话", "wants_reply": False}
    for city in ("guangzhou", "foshan"):
        ask = demo.clerk(city)
        item = ask("work_open", service=SERVICE, values=values)["item"]
        if city == "foshan":
            assert ask("work_act", item=item, action="withdraw", note="客户撤回")["state"] == "accepted"
    enter(page, address, language)
    page.get_by_test_id("show-services").click()
    table = page.get_by_test_id("services-today").locator("table")
    heads = ["业务／地市", "受理", "结束", "及时", "满意", "未结", "超时"]
    if language == "en":
        heads = ["Service / city", "Opened", "Ended", "In time", "Satisfied", "Open", "Overdue"]
    expect(table.locator("thead th")).to_have_text(heads)

    def told(city: str | None) -> list[str]:
        where = f"[data-city={city}]" if city is not None else ":not([data-city])"
        return table.locator(f"tr[data-service={SERVICE}]{where} td").all_inner_texts()

    whole, guangzhou, foshan = (told(city) for city in (None, "guangzhou", "foshan"))
    assert int(foshan[0]) > 0
    assert (foshan[1:3], foshan[4]) == ([foshan[0], "100%"], "0")
    assert (guangzhou[1], guangzhou[4]) == ("0", guangzhou[0])
    for column in (0, 1, 4, 5):
        assert int(whole[column]) == int(guangzhou[column]) + int(foshan[column])
    assert bool(HAN.search(table.inner_text())) == (language == "zh")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("services-today")).to_be_hidden()
