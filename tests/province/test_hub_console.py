"""The bureau looks at the province: now, every contact's way and why it went there, quarters of an hour."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dataset.ids import HUB, AgentId, ContactId, SkillId, Token
from dataset.rows import (
    AttemptAnswered,
    AttemptOpened,
    ContactBorn,
    ContactEnded,
    Decision,
    Ending,
    Entered,
    Evidence,
    Left,
    MenuChosen,
    QueueEntered,
    QueueLeft,
)
from federation.core.envelope import Context, Open
from provincial_hub.services.summary import day_summary
from tests.harness.services import catalogue
from tests.province.hub_scene import FOSHAN, GUANGZHOU, NOON, SHENZHEN, HubScene

C = ContactId("0757-00000002-000001")
FAULT = SkillId("fault")


@pytest.fixture
def scene() -> HubScene:
    return HubScene()


def born(contact: ContactId = C) -> ContactBorn:
    return ContactBorn(
        contact=contact,
        city=FOSHAN,
        channel="voice",
        door="10000",
        calling="13900001234",
        connection="c",
        package="yihaotong@1",
    )


def live_through_overflow(scene: HubScene) -> None:
    """A caller of Foshan waits, is opened to the province, and is answered in Guangzhou."""
    for city in scene.cities.values():
        city.start(*(["ready", "talking"] if city.city == GUANGZHOU else ["talking"]))
    scene.clock.advance(1.4)
    foshan = scene.cities[FOSHAN]
    foshan.write(
        born(),
        MenuChosen(contact=C, path=("1",), service="fault", skill=FAULT, priority=0),
        QueueEntered(contact=C, skill=FAULT, service="fault", channel="voice", how=Entered.OFFERED, waited_s=0.0),
        Decision(contact=C, n=1, by="foshan", choice="open", why="home_late", known={"expected_wait_s": 12.0}),
        AttemptOpened(contact=C, n=1, skill=FAULT, scope="province"),
    )
    context = Context(
        calling="13900001234",
        door="10000",
        path=("1",),
        service="fault",
        skill=FAULT,
        channel="voice",
        priority=0,
        package="yihaotong@1",
        waited_s=0.0,
    )
    foshan.say(Open(contact=C, n=1, context=context, budget_s=6.0))
    scene.clock.advance(1.0)
    foshan.write(
        AttemptAnswered(
            contact=C,
            n=1,
            site=GUANGZHOU,
            agent=AgentId("1001@guangzhou"),
            token=Token("t"),
            skill=FAULT,
            service="fault",
            channel="voice",
            waited_s=2.5,
        ),
        QueueLeft(
            contact=C,
            skill=FAULT,
            service="fault",
            channel="voice",
            how=Left.SENT_OUT,
            waited_s=2.5,
            within_target=True,
        ),
    )
    scene.clock.advance(1.0)


def city_of(province: dict[str, Any], city: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in province["cities"] if one["city"] == city)
    return found


def test_the_province_now(scene: HubScene) -> None:
    """Cities with the age of what is known, flows between them, the latest contacts with their route."""
    live_through_overflow(scene)
    province = scene.ask("province")
    assert (province["term"], province["speed"], province["name"], province["link"]) == (1, 20.0, "广东", True)
    assert [one["city"] for one in province["cities"]] == [GUANGZHOU, SHENZHEN, FOSHAN]
    guangzhou = city_of(province, GUANGZHOU)
    assert guangzhou["seen"]
    assert 0.0 < guangzhou["age_s"] <= 1.1
    assert guangzhou["missing_since"] is None
    assert guangzhou["base"] == "/city/guangzhou"
    fault = next(one for one in guangzhou["skills"] if one["skill"] == "fault")
    assert fault == {
        "skill": "fault",
        "zh": "障碍申告",
        "en": "Fault report",
        "waiting": 0,
        "oldest_wait_s": 0.0,
        "idle": 1,
        "staffed": 2,
        "expected_wait_s": 1.0,
    }
    assert guangzhou["agents"][0]["agent"] == "1001@guangzhou"
    assert guangzhou["today"]["received"] == 1
    assert city_of(province, FOSHAN)["today"]["sent_out"] == 1
    assert city_of(province, FOSHAN)["service_level"] == 1.0
    assert city_of(province, SHENZHEN)["service_level"] is None
    assert province["flows"] == [{"from": "foshan", "to": "guangzhou", "up": 1, "last_15_min": 1}]
    [latest] = province["latest"]
    assert latest["calling"] == "139****1234"
    assert (latest["state"], latest["serving"], latest["route"]) == ("talking", "guangzhou", ["foshan", "guangzhou"])
    assert (latest["waited_s"], latest["talked_s"], latest["ending"]) == (2.5, None, None)


def test_a_contacts_whole_way_and_why(scene: HubScene) -> None:
    """I9: every decision, the anchor's and the hub's, with what was known and how old it was; no number in clear."""
    live_through_overflow(scene)
    answer = scene.ask("contact", contact=C)
    assert answer["contact"]["route"] == ["foshan", "guangzhou"]
    assert [row["kind"] for row in answer["rows"]] == [
        "contact_born",
        "menu_chosen",
        "queue_entered",
        "attempt_opened",
        "attempt_answered",
        "queue_left",
    ]
    assert {row["node"] for row in answer["rows"]} == {"foshan"}
    anchors, hubs = answer["decisions"]
    assert (anchors["by"], anchors["choice"], anchors["why"]) == ("foshan", "open", "home_late")
    assert (hubs["by"], hubs["choice"], hubs["site"], hubs["why"]) == (
        "hub",
        "propose",
        "guangzhou",
        "largest_idle_share",
    )
    assert hubs["known"]["guangzhou.idle"] == 1
    assert hubs["known"]["guangzhou.age_s"] > 0
    assert b"13900001234" not in msgspec.json.encode(answer)


def test_a_lost_city_is_grey_and_says_since_when(scene: HubScene) -> None:
    scene.cities[FOSHAN].start("ready")
    scene.clock.advance(5.0)
    scene.cities[FOSHAN].silent()
    scene.clock.advance(5.0)
    foshan = city_of(scene.ask("province"), FOSHAN)
    assert (foshan["seen"], foshan["age_s"] > 3.0) == (False, True)
    assert NOON + 4.0 < foshan["missing_since"] < NOON + 6.1
    never = city_of(scene.ask("province"), SHENZHEN)
    assert (never["seen"], never["age_s"], never["missing_since"]) == (False, None, NOON)


def test_a_screen_is_told_once_what_services_are_called(scene: HubScene) -> None:
    """A contact carries the code of what its caller chose by keys; the page says it in words, in either language."""
    login = scene.result(scene.door.login("bureau", "a good password"))
    state = scene.result(scene.door.open().send("attach", token=login["token"]))
    named = {each["service"]: (each["zh"], each["en"]) for each in state["services"]}
    assert named["fibre_broadband"] == ("光纤宽带", "Fibre broadband")
    assert named.keys() == catalogue().services.keys()


def test_pushes_at_most_once_a_second_while_something_changes(scene: HubScene) -> None:
    """Three cities beat each second at their own moments; a screen hears of it once a second, and not in silence."""
    login = scene.result(scene.door.login("bureau", "a good password"))
    connection = scene.door.open()
    pushed: list[dict[str, Any]] = []
    connection.on_push(pushed.append)
    state = scene.result(connection.send("attach", token=login["token"]))
    assert state["province"]["cities"]
    for city in scene.cities.values():
        city.start("ready")
        scene.clock.advance(0.3)
    scene.clock.advance(9.1)
    assert {one["push"] for one in pushed} == {"province"}
    assert 9 <= len(pushed) <= 11
    for city in scene.cities.values():
        city.silent()
    scene.clock.advance(5.0)
    pushed.clear()
    scene.clock.advance(30.0)
    assert pushed == []


def test_latest_contacts_of_a_city(scene: HubScene) -> None:
    live_through_overflow(scene)
    second = ContactId("0757-00000002-000002")
    scene.cities[FOSHAN].write(
        born(second),
        ContactEnded(
            contact=second, city=FOSHAN, ending=Ending.MENU, evidence=Evidence.SEEN, cause="customer", lasted_s=3.0
        ),
    )
    scene.clock.advance(1.0)
    assert [one["contact"] for one in scene.ask("contacts")["contacts"]] == [second, C]
    assert [one["contact"] for one in scene.ask("contacts", limit=1)["contacts"]] == [second]
    assert [one["contact"] for one in scene.ask("contacts", city=GUANGZHOU)["contacts"]] == [C]
    assert scene.ask("contacts", city=SHENZHEN)["contacts"] == []


def test_contacts_that_are_not_at_hand_any_more_come_from_the_ledger(scene: HubScene) -> None:
    live_through_overflow(scene)
    scene.hub.running.memory.contacts.__init__()  # type: ignore[misc]
    assert [one["contact"] for one in scene.ask("contacts")["contacts"]] == [C]
    assert scene.ask("contact", contact=C)["contact"]["state"] == "talking"


def quarters(scene: HubScene, begin: float, **fields: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"from": begin, "to": NOON + 900, **fields}
    return scene.ask("intervals", **asked)


def test_quarters_of_an_hour_with_their_sums(scene: HubScene) -> None:
    """I7 written out, per city and skill; cities that may be missing are named."""
    live_through_overflow(scene)
    answer = quarters(scene, NOON - 900)
    sent, received = sorted(answer["intervals"], key=lambda one: str(one["city"]))
    assert (sent["city"], sent["skill"], sent["start"], sent["seconds"]) == ("foshan", "fault", NOON, 900)
    assert (sent["offered"], sent["sent_out"], sent["within_target"], sent["balance"]) == (1, 1, 1, 0)
    assert sent["waiting"]["total_s"] == 2.5
    assert sent["sum_en"].startswith("waiting at start 0 + offered 1 + returned 0 = answered here 0 + sent out 1")
    assert (received["city"], received["received"], received["offered"]) == ("guangzhou", 1, 0)
    assert (answer["complete"], answer["missing"]) == (True, [])
    scene.cities[SHENZHEN].silent()
    scene.clock.advance(4.0)
    later = quarters(scene, NOON)
    assert not later["complete"]
    [missing] = later["missing"]
    assert (missing["city"], missing["seen"], missing["unknown_rows"]) == ("shenzhen", False, 0)
    assert quarters(scene, NOON, city=FOSHAN)["complete"]


def test_live_and_recounted_intervals_agree(scene: HubScene) -> None:
    """What screens show is what a recount of the ledger gives (I6)."""
    live_through_overflow(scene)
    live = quarters(scene, NOON)
    assert scene.hub.running.memory.since <= NOON - 86_400
    scene.hub.running.memory.since = NOON
    assert quarters(scene, NOON) == live


def test_the_day_in_words(scene: HubScene) -> None:
    """What Ctrl+C prints: the sum of each city and of the province, and whether every queue balances."""
    live_through_overflow(scene)
    scene.cities[FOSHAN].write(
        QueueEntered(
            contact=ContactId("x"), skill=FAULT, service="fault", channel="voice", how=Entered.OFFERED, waited_s=0.0
        )
    )
    scene.clock.advance(1.0)
    intervals = scene.hub.running.memory.intervals.intervals()
    text = day_summary(scene.province, intervals, "zh")
    nobody = (
        "期初等待 0 + 进入 0 + 退回 0 = 本局接听 0 + 异地接听 0 + 放弃 0 + 短时放弃 0 + 转走 0 + 我方结束 0 + 故障 0"
    )
    foshan = (
        "期初等待 0 + 进入 2 + 退回 0 = 本局接听 0 + 异地接听 1 + 放弃 0 + 短时放弃 0 + 转走 0 + 我方结束 0 + 故障 0"
    )
    figures = "    目标内接听 1/1 = 100.0% · 异地接听占 1/1 = 100.0% · 平均等待 2.5 秒"
    assert text.splitlines() == [
        "── 本日小结 · 广东 ──",
        f"广州  {nobody} + 期末等待 0",
        "    —",
        "深圳  没有话务",
        f"佛山  {foshan} + 期末等待 1",
        figures,
        f"全省  {foshan} + 期末等待 1",
        figures,
        "I7  全省各队列均平",
    ]
    english = day_summary(scene.province, intervals, "en")
    assert "Foshan  waiting at start 0 + offered 2" in english
    assert day_summary(scene.province, [], "en").splitlines()[1] == "Guangzhou  no traffic"


@pytest.mark.parametrize(
    ("operation", "user", "fields", "refused"),
    [
        ("contact", "bureau", {"contact": "0020-no"}, (404, "unknown-contact", "contact")),
        ("contacts", "bureau", {"city": "zhuhai"}, (404, "unknown-city", "city")),
        ("contacts", "bureau", {"limit": 201}, (400, "bad-request", "limit")),
        ("intervals", "bureau", {"from": 5.0}, (400, "bad-request", "to")),
        ("intervals", "bureau", {"from": 5.0, "to": 1.0}, (400, "bad-request", "to")),
        ("teleport", "bureau", {}, (404, "unknown-operation", "teleport")),
        ("province", "1001", {}, (403, "not-your-role", "user")),
    ],
)
def test_bad_requests_name_the_place(
    scene: HubScene, operation: str, user: str, fields: dict[str, Any], refused: tuple[int, str, str]
) -> None:
    assert scene.refusal(operation, user, **fields) == refused


@pytest.mark.parametrize("user", ["bureau", "boss", "inspector"])
def test_who_may_look(scene: HubScene, user: str) -> None:
    assert scene.ask("province", user)["cities"]


def test_without_login_nothing(scene: HubScene) -> None:
    assert scene.result(scene.door.post("province", b"{}")).status == 401


def test_health_and_a_clean_stop(scene: HubScene) -> None:
    scene.cities[FOSHAN].start("ready")
    scene.clock.advance(1.0)
    health = scene.hub.health()
    assert (health["node"], health["link"], health["record_read"]) == (HUB, True, True)
    assert health["cities"] == {GUANGZHOU: False, SHENZHEN: False, FOSHAN: True}
    scene.cities[FOSHAN].silent()
    login = scene.result(scene.door.login("bureau", "a good password"))
    connection = scene.door.open()
    ended: list[dict[str, Any]] = []
    connection.on_push(ended.append)
    scene.result(connection.send("attach", token=login["token"]))
    scene.result(scene.hub.stop())
    scene.clock.advance(1.0)
    assert ended[-1]["push"] == "logged_out"
