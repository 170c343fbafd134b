"""Where a seed plays: a small province, drawn by the seed."""

from __future__ import annotations

from random import Random

from dataset.ids import CityId, NodeId
from dataset.packages import ServicePackage, parse_package
from federation.node.province import City, HubEntry, Province, ProvinceHead, Times

HUBS = ("hub", "hub2")
BEATS_S = (1.0, 2.0, 3.0, 3.0)
"""of the seeds' provinces: a province beats every second; most seeds beat less often, which costs less to play"""
WALL0 = 1_704_067_200.0 - 300.0
"""UTC seconds: five minutes before a year begins, so that runs cross hour, day, month and year"""

PACKAGE = """
name = "chaos"
version = "1"
languages = ["zh", "en"]
[[skill]]
id = "fault"
zh = "障碍申告"
en = "Fault report"
[[skill]]
id = "bill"
zh = "资费帐单"
en = "Tariffs and bills"
[[door]]
number = "10000"
menu = "main"
[[door]]
number = "112"
menu = "fault"
[[door]]
number = "170"
menu = "bill"
[menu.main]
say = ["main-menu"]
tries = 2
wait = "6s"
otherwise = "bill"
[menu.main.key]
1 = "fault"
2 = "bill"
[menu.fault]
say = ["menu-112"]
skill = "fault"
service = "fault"
[menu.bill]
say = ["menu-170"]
skill = "bill"
service = "bill"
priority = 1
[prompts]
invalid = "invalid-choice"
nothing_pressed = "no-input"
wait = "please-wait"
position = "queue-position"
expected_minutes = "queue-wait-minutes"
returned = "connection-lost-please-hold"
transferring = "transferring"
closed = "closed"
sorry = "all-busy-sorry"
[[not_ready_reason]]
code = "break"
zh = "小休"
en = "Break"
[[not_ready_reason]]
code = "no_answer"
zh = "振铃未接"
en = "Did not answer"
system = true
[[not_ready_reason]]
code = "connection_lost"
zh = "坐席连接中断"
en = "Connection lost"
system = true
[[not_ready_reason]]
code = "login"
zh = "刚登录"
en = "Just logged in"
system = true
[[not_ready_reason]]
code = "rejected"
zh = "拒接"
en = "Declined the call"
system = true
[[not_ready_reason]]
code = "seat_busy"
zh = "话机占线"
en = "Phone was busy"
system = true
[[not_ready_reason]]
code = "seat_unreachable"
zh = "话机不可达"
en = "Phone was unreachable"
system = true
[[disposition]]
code = "solved"
zh = "已解决"
en = "Solved"
"""

_CITIES = (
    ("guangzhou", "广州", "Guangzhou", "020"),
    ("shenzhen", "深圳", "Shenzhen", "0755"),
    ("foshan", "佛山", "Foshan", "0757"),
    ("zhuhai", "珠海", "Zhuhai", "0756"),
    ("dongguan", "东莞", "Dongguan", "0769"),
)


def package() -> ServicePackage:
    """The service package of every seed: two skills, three doors."""
    return parse_package(PACKAGE.encode(), "the package of chaos")


def draw_province(rng: Random) -> Province:
    """Three cities, sometimes four or five, with two or three agents each; two hubs."""
    count = rng.choice((*(3,) * 17, 4, 4, 5))
    cities = []
    for at, (name, zh, en, area) in enumerate(_CITIES[:count]):
        cities.append(
            City(
                id=CityId(name),
                name=zh,
                name_en=en,
                area_code=area,
                x=at / 5,
                y=at / 5,
                agents=rng.choice((2, 2, 3)),
                staff_from=1001 + 1000 * at,
            )
        )
    return Province(
        province=ProvinceHead(name="混沌", name_en="Chaos", number="10000", package="-"),
        times=Times(beat_s=rng.choice(BEATS_S)),
        hubs=tuple(HubEntry(id=NodeId(hub)) for hub in HUBS),
        cities=tuple(cities),
    )
