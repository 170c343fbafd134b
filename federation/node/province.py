"""The province file as typed values: cities, times, overflow and queue rules, and the agents of each city.

All nodes of a province read the same file. Its time budgets are checked against the inequalities of federation.md A9;
a set that breaks one is refused with the inequality and its figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated

from dataset.declared import Between, Pattern, Reading, Seconds, did_you_mean, setting
from dataset.ids import HUB, AgentId, CityId, NodeId, SkillId, agent_id
from dataset.packages import ServicePackage, Text, parse_package, parse_prompts
from dataset.services.words import Dialled
from dataset.toml_text import parse_toml
from federation.core.overflow import OverflowPolicy
from federation.node.configuration import beside, read_file
from federation.node.names import agent_name

_CITY_ID = Pattern(
    r"(?!(hub[2-9]?|everyone)$)[a-z][a-z0-9]{0,31}", "小写拼音，如 guangzhou", "lower-case letters, such as guangzhou"
)
_HUB_ID = Pattern(r"hub[2-9]?", "hub、hub2 … hub9", "hub, hub2 … hub9")
_AREA_CODE = Pattern(r"0[0-9]{2,3}", "长途区号，如 020", "an area code such as 020")
_EXTENSION = Pattern(r"[0-9]{3,6}", "3 至 6 位分机号", "an extension of 3 to 6 digits")
_STAFF = Pattern(r"[0-9]{1,8}", "1 至 8 位工号", "a staff number of 1 to 8 digits")
FIRST_SEAT = 8001


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Time budgets (A9). Durations in seconds, counted by the receiver on its own monotonic clock."""

    link_one_way_s: Seconds = setting(
        "D：链路单程最坏时延", "D: link one way, the worst we serve", key="link_one_way", default=1.25
    )
    trunk_set_up_s: Seconds = setting(
        "S：中继单程建立时间（含经第三城市）",
        "S: SIP set-up one way, by way of a third city included",
        key="trunk_set_up",
        default=4.0,
    )
    journal_sync_s: Seconds = setting("J：日志落盘", "J: journal sync", key="journal_sync", default=0.5)
    beat_s: Seconds = setting("心跳间隔", "interval of beats", key="beat", default=1.0)
    grant_s: Seconds = setting(
        "G：预占等待接收的时间，≥ 2D + J", "G: how long a grant waits to be taken, ≥ 2D + J", key="grant", default=6.0
    )
    leg_serving_s: Seconds = setting(
        "L_s：受理局等待话路，≥ S", "L_s: the serving site waits for the leg, ≥ S", key="leg_serving", default=6.0
    )
    leg_anchor_s: Seconds = setting(
        "L_a：接入局等待话路，≥ L_s + S", "L_a: the anchor waits for the leg, ≥ L_s + S", key="leg_anchor", default=10.0
    )
    ring_serving_s: Seconds = setting(
        "R_s：受理局振铃时限", "R_s: ring time at the serving site", key="ring_serving", default=20.0
    )
    ring_anchor_s: Seconds = setting(
        "R_a：接入局振铃时限，≥ R_s + S", "R_a: ring time at the anchor, ≥ R_s + S", key="ring_anchor", default=25.0
    )
    proposal_s: Seconds = setting("提议的时限", "budget of a proposal", key="proposal", default=2.0)

    @property
    def grant_wait_s(self) -> float:
        """How long the anchor waits for a grant at least: proposal + 2D + J (A9)."""
        return self.proposal_s + 2 * self.link_one_way_s + self.journal_sync_s


@dataclass(frozen=True, slots=True, kw_only=True)
class OverflowRules:
    """When a contact that waits at home is opened to the province."""

    open_after_expected_wait_s: Seconds = setting(
        "本地预计等待超过此值即向全省开放",
        "open at once when home would take longer than this",
        key="open_after_expected_wait",
        default=5.0,
    )
    open_after_wait_s: Seconds = setting(
        "本地等待超过此值必向全省开放", "open after so long at home in any case", key="open_after_wait", default=10.0
    )
    reserve: Annotated[float, Between(0, 1)] = setting(
        "省中心最初几秒不占用的坐席比例", "share of staffed seats left alone in the first seconds", default=0.1
    )
    moves_per_hour_and_pair: Annotated[int, Between(0, 1_000_000)] = setting(
        "一地市每小时最多接受另一地市的溢出次数；0 不限",
        "how many contacts of one city another takes within an hour at most; 0: no limit",
        default=1000,
    )
    hops_per_contact: Annotated[int, Between(0, 1000)] = setting(
        "一次接触在外地被应答的次数上限，到达后留在本地；0 不限",
        "answers in other cities after which a contact stays at home; 0: no limit",
        default=8,
    )

    @property
    def policy(self) -> OverflowPolicy:
        """What anchors and hub decide by."""
        return OverflowPolicy(
            open_after_expected_wait_s=self.open_after_expected_wait_s,
            open_after_wait_s=self.open_after_wait_s,
            reserve=self.reserve,
            moves_per_hour_and_pair=self.moves_per_hour_and_pair,
            hops_per_contact=self.hops_per_contact,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """How callers wait and agents finish; seconds."""

    service_level_within_s: Seconds = setting(
        "服务水平门限", "threshold of the service level", key="service_level_within", default=20.0
    )
    short_within_s: Seconds = setting(
        "短呼门限：在此之内挂机不计放弃",
        "leaving within this is short, not abandoned",
        key="short_within",
        default=5.0,
    )
    announce_every_s: Seconds = setting(
        "排队播报间隔", "how often waiting callers hear their place", key="announce_every", default=30.0
    )
    wrap_up_s: Seconds = setting("话后处理时间", "time for wrap-up", key="wrap_up", default=15.0)
    transfer_wait_s: Seconds = setting(
        "盲转无人接时退回的时限",
        "nobody took a blind transfer in time: back",
        key="transfer_wait",
        default=30.0,
    )
    most_waiting_per_agent: Annotated[float, Between(0.1, 1000)] = setting(
        "每名在岗坐席最多排在前面的来话；超过则播报后释放，优先级高的只数同级以上",
        "callers served before one who wants to wait, per agent staffed; beyond that, an announcement and release."
        " Higher priorities count only those of their own and above",
        default=5.0,
    )
    most_waiting_always: Annotated[int, Between(1, 100_000)] = setting(
        "不论在岗人数，每项技能至少可排这么多", "so many may wait for a skill however few are staffed", default=50
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRules:
    """How often a city compares what it has in hand with what its switch holds (I8)."""

    every_s: Seconds = setting(
        "与交换机核对的间隔；连续两次相同才修复",
        "from one comparison with the switch to the next; what two in a row show alike is repaired",
        key="every",
        default=15.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MassFaultSettings:
    """From when on the faults of many lines are one (大面积障碍)."""

    window_s: Seconds = setting(
        "多久之内的申告合并计算", "reports within this time count together", key="window", default=1_800.0
    )
    cable: Annotated[int, Between(2, 10_000)] = setting("同一电缆的申告数", "reports on one cable", default=5)
    cable_share: Annotated[float, Between(0.001, 1)] = setting(
        "或占该电缆用户线的比例", "or this share of its lines", default=0.03
    )
    cable_least: Annotated[int, Between(2, 10_000)] = setting(
        "按比例计时至少的申告数", "reports at least where it goes by the share", default=3
    )
    exchange: Annotated[int, Between(2, 100_000)] = setting("同一局所的申告数", "reports in one exchange", default=15)
    district: Annotated[int, Between(2, 100_000)] = setting("同一区的申告数", "reports in one district", default=30)
    repair_s: Seconds = setting(
        "未确认前预计的修复时间", "time for the repair until somebody knows better", key="repair", default=14_400.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentText:
    """An agent listed by name (``[[city.agent]]``) instead of derived from a count."""

    staff: Annotated[str, _STAFF] = setting("工号", "staff number")
    name: Text = setting("姓名", "name")
    seat: Annotated[str, _EXTENSION] | None = setting(
        "座席分机；缺省依次 8001…", "seat; 8001… in order when left out", default=None
    )
    skills: tuple[SkillId, ...] = setting("技能；缺省全部", "skills; all when left out", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """One city: its place, its numbers, and how much happens in it."""

    id: Annotated[CityId, _CITY_ID] = setting("城市代码", "id of the city")
    name: Text = setting("中文名", "Chinese name")
    name_en: Text = setting("英文名", "English name")
    area_code: Annotated[str, _AREA_CODE] = setting("长途区号", "area code")
    x: Annotated[float, Between(0, 1)] = setting("图上横坐标", "place on the map, left to right")
    y: Annotated[float, Between(0, 1)] = setting("图上纵坐标", "place on the map, top to bottom")
    agents: Annotated[int, Between(0, 10_000)] = setting(
        "坐席数（未逐个列出时）", "how many agents, when they are not listed", default=0
    )
    calls_per_hour: Annotated[float, Between(0, 1_000_000)] = setting(
        "模拟来话每小时次数", "simulated calls per hour", default=0.0
    )
    staff_from: Annotated[int, Between(1, 99_999_999)] = setting(
        "起始工号；座席从 8001 起", "first staff number; seats follow from 8001", default=1001
    )
    most_calls: Annotated[int, Between(1, 100_000)] = setting(
        "交换机同时承受的来话数；超过则示忙，其中一成留给高优先级的号码",
        "calls that the switch bears at a time; beyond that callers hear busy. A tenth is kept for doors of priority",
        default=500,
    )
    skills_each: Annotated[int, Between(1, 1000)] | None = setting(
        "每人技能数；缺省全部（一台清）", "skills per agent; all when left out", default=None
    )
    listed: tuple[AgentText, ...] = setting("逐个列出的坐席", "agents listed one by one", key="agent", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class HubEntry:
    """One hub (B2)."""

    id: Annotated[NodeId, _HUB_ID] = setting("省中心节点名", "id of the hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceHead:
    """The ``[province]`` table."""

    name: Text = setting("省名", "Chinese name")
    name_en: Text = setting("英文省名", "English name")
    number: Dialled = setting("一号通号码", "the one number")
    package: Text = setting("业务包文件", "file of the service package")
    prompts: Text | None = setting("语音文本文件", "file of the prompts", default=None)
    services: Text | None = setting("业务目录，每个业务一个文件", "folder of the services, a file each", default=None)
    calendar: Text | None = setting("工作时间与节假日文件", "file of hours of work and holidays", default=None)
    knowledge: Text | None = setting("知识目录，每篇一个文件", "folder of the articles of knowledge", default=None)
    unanswered: Text | None = setting(
        "知识库没有答案的问题由哪项业务受理", "the service that takes in questions without an answer", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """One agent of a city, as derived or listed."""

    agent: AgentId
    staff: str
    name: str
    seat: str
    skills: tuple[SkillId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Province:
    """A checked province file."""

    province: ProvinceHead = setting("省", "the province")
    times: Times = setting("时间预算", "time budgets", factory=Times)
    overflow: OverflowRules = setting("溢出", "overflow", factory=OverflowRules)
    queue: QueueRules = setting("排队", "queueing", factory=QueueRules)
    evidence: EvidenceRules = setting("核对", "evidence", factory=EvidenceRules)
    mass_fault: MassFaultSettings = setting("大面积障碍", "mass faults", factory=MassFaultSettings)
    cities: tuple[City, ...] = setting("城市", "cities", key="city")
    hubs: tuple[HubEntry, ...] = setting(
        "省中心；不写则只有 hub 一个",
        "the hubs, of which one leads; one called hub when left out",
        key="hub",
        default=(),
    )

    @property
    def hub_ids(self) -> tuple[NodeId, ...]:
        """The hubs' node ids, in the order of the file."""
        return tuple(hub.id for hub in self.hubs) or (HUB,)

    @property
    def nodes(self) -> frozenset[NodeId]:
        """All hubs and cities."""
        return frozenset((*self.hub_ids, *(NodeId(city.id) for city in self.cities)))

    def city(self, city: CityId) -> City:
        """The city with this id. Raises ``KeyError`` when the province has none."""
        for one in self.cities:
            if one.id == city:
                return one
        raise KeyError(city)

    def agents_of(self, city: CityId, package: ServicePackage) -> tuple[AgentRecord, ...]:
        """The agents of a city: those listed, or as many as its count says, named and seated always alike."""
        home = self.city(city)
        skills = tuple(skill.id for skill in package.skills)
        if home.listed:
            return tuple(
                AgentRecord(
                    agent=agent_id(one.staff, city),
                    staff=one.staff,
                    name=one.name,
                    seat=one.seat or str(FIRST_SEAT + at),
                    skills=one.skills or skills,
                )
                for at, one in enumerate(home.listed)
            )
        return tuple(
            AgentRecord(
                agent=agent_id(str(home.staff_from + at), city),
                staff=str(home.staff_from + at),
                name=agent_name(city, at),
                seat=str(FIRST_SEAT + at),
                skills=_some(skills, home.skills_each, at),
            )
            for at in range(home.agents)
        )


def _some(skills: tuple[SkillId, ...], each: int | None, at: int) -> tuple[SkillId, ...]:
    """``each`` skills for the ``at``-th agent, so that all skills are staffed as evenly as can be."""
    if each is None or each >= len(skills):
        return skills
    chosen = {(at * each + step) % len(skills) for step in range(each)}
    return tuple(skill for place, skill in enumerate(skills) if place in chosen)


def read_province(data: bytes, file: str, package: ServicePackage | None = None) -> Province:
    """The province in ``data``; ``file`` is for messages.

    With ``package`` the one number and the agents' skills are checked against it. Raises ``Refused`` with every fault.
    """
    reading = Reading(parse_toml(data, file))
    province = reading.table(Province)
    _check_times(reading, province.times)
    _check_queue(reading, province)
    _check_cities(reading, province)
    if package is not None:
        _check_package(reading, province, package)
    reading.done()
    return province


def load_province(path: FilePath) -> tuple[Province, ServicePackage]:
    """The province file at ``path`` and the service package that it names, with its services in the menus. Raises
    ``Refused`` with every fault.
    """
    data = read_file(path)
    head = read_province(data, str(path)).province
    prompts = None
    if head.prompts is not None:
        prompts_file = beside(str(path), head.prompts)
        prompts = parse_prompts(read_file(prompts_file), str(prompts_file))
    package_file = beside(str(path), head.package)
    services = {}
    if head.services is not None:
        services = {str(one): read_file(one) for one in sorted(beside(str(path), head.services).glob("*.toml"))}
    package = parse_package(read_file(package_file), str(package_file), prompts, services)
    return read_province(data, str(path), package), package


# ── checks ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _check_times(reading: Reading, times: Times) -> None:
    """A9: G ≥ 2D + J; L_s ≥ S; L_a ≥ L_s + S; R_a ≥ R_s + S; and the anchor waits for a grant ≥ proposal + 2D + J."""
    d, s, j = times.link_one_way_s, times.trunk_set_up_s, times.journal_sync_s
    rules = (
        ("grant", times.grant_s, "G ≥ 2D + J", 2 * d + j, ("link_one_way", "journal_sync")),
        ("grant", times.grant_s, "G ≥ P + 2D + J", times.grant_wait_s, ("proposal", "link_one_way", "journal_sync")),
        ("leg_serving", times.leg_serving_s, "L_s ≥ S", s, ("trunk_set_up",)),
        ("leg_anchor", times.leg_anchor_s, "L_a ≥ L_s + S", times.leg_serving_s + s, ("leg_serving", "trunk_set_up")),
        (
            "ring_anchor",
            times.ring_anchor_s,
            "R_a ≥ R_s + S",
            times.ring_serving_s + s,
            ("ring_serving", "trunk_set_up"),
        ),
    )
    broken: set[str] = set()
    for key, value, rule, least, others in rules:
        if key in broken or not all(reading.sound("times", one) for one in (key, *others)):
            continue
        if value < least:
            broken.add(key)
            reading.fault(
                ("times", key),
                "times-inequality",
                f"{value:g}s 违反 {rule}（A9），此处至少应为 {least:g}s",
                f"{value:g}s breaks {rule} (A9); at least {least:g}s is needed here",
                value=False,
            )
    for key, value in (
        ("beat", times.beat_s),
        ("proposal", times.proposal_s),
        ("ring_serving", times.ring_serving_s),
    ):
        if value <= 0 and reading.sound("times", key):
            reading.fault(("times", key), "setting-form", "须大于 0", "more than 0 expected", value=False)


def _check_queue(reading: Reading, province: Province) -> None:
    queue = province.queue
    positive = (("service_level_within", queue.service_level_within_s), ("announce_every", queue.announce_every_s))
    for key, value in (*positive, ("transfer_wait", queue.transfer_wait_s)):
        if value <= 0 and reading.sound("queue", key):
            reading.fault(("queue", key), "setting-form", "须大于 0", "more than 0 expected", value=False)
    for key, value in (("window", province.mass_fault.window_s), ("repair", province.mass_fault.repair_s)):
        if value <= 0 and reading.sound("mass_fault", key):
            reading.fault(("mass_fault", key), "setting-form", "须大于 0", "more than 0 expected", value=False)


def _check_cities(reading: Reading, province: Province) -> None:
    if not province.cities and reading.sound("city"):
        reading.fault(("city",), "province-empty", "至少要有一个城市", "at least one city is needed")
    reading.once(("hub",), "id", [hub.id for hub in province.hubs], "province-twice")
    for key in ("id", "area_code", "name"):
        reading.once(("city",), key, [getattr(city, key) for city in province.cities], "province-twice")
    for at, city in enumerate(province.cities):
        if city.listed:
            reading.once(("city", at, "agent"), "staff", [one.staff for one in city.listed], "province-twice")
            seats = [one.seat or str(FIRST_SEAT + place) for place, one in enumerate(city.listed)]
            reading.once(("city", at, "agent"), "seat", seats, "province-twice")
            if city.agents not in (0, len(city.listed)):
                reading.fault(
                    ("city", at, "agents"),
                    "city-agents-both",
                    f"已逐个列出 {len(city.listed)} 名坐席，请去掉 agents",
                    f"{len(city.listed)} agents are listed; leave agents out",
                    value=False,
                )


def _check_package(reading: Reading, province: Province, package: ServicePackage) -> None:
    number = province.province.number
    if reading.sound("province", "number") and package.door(number) is None:
        doors = "、".join(door.number for door in package.doors)
        reading.fault(
            ("province", "number"),
            "province-door-missing",
            f"业务包 {package.reference} 没有号码 {number} 的门，现有：{doors}",
            f"package {package.reference} has no door {number}; its doors: {doors.replace('、', ', ')}",
            value=False,
        )
    known = {skill.id for skill in package.skills}
    for at, city in enumerate(province.cities):
        for place, agent in enumerate(city.listed):
            for which, skill in enumerate(agent.skills):
                if skill not in known:
                    zh, en = did_you_mean(skill, known)
                    reading.fault(
                        ("city", at, "agent", place, "skills", which),
                        "package-skill-missing",
                        f"没有技能 {skill}。{zh}",
                        f"there is no skill {skill}. {en}",
                        value=False,
                    )
