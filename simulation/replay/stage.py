"""A lone city with its real core, shell, journal, login and agent API, on virtual time, for a day of a trace.

Whatever would take time of its own (journal, agent API, prompts) takes none here, so that an answer asked for at a
second happens at that second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import CityId, LineageId, NodeId, SkillId
from dataset.packages import SYSTEM_REASONS, ServicePackage, parse_package
from dataset.rows import AnyRow
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.login import CHEAP, Logins, LoginSettings, MemoryUsers, UserRecord
from federation.node.memory_transport import ClientEnd, MemoryDoor
from federation.node.province import AgentText, City, Province, ProvinceHead
from site_node.assembly import build_city
from site_node.switch.simulated import Caller, Network

CITY = CityId("replay")
LEAD_IN_S = 60.0
"""the clock's second at which the trace's midnight is; before it agents log in"""
PASSWORD = "replay-replay"
KEY = "1"
"""leads from every door's menu into its queue"""
NOWHERE = "901"
"""door of calls that ask for nothing"""
PAUSE = "pause"
FOR_EVER = "7d"


@dataclass(frozen=True, slots=True)
class SeatPlan:
    """One seat of the day: who sits there, and the skills of that agent."""

    name: str
    skills: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the day, the number that leads to it, and its priority."""

    skill: str
    door: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the city of one day is made of."""

    day: date
    seats: tuple[SeatPlan, ...]
    queues: tuple[Queue, ...]


class SeatHand:
    """An agent's hand on the agent API: logs in before the day begins, then does as it is told."""

    def __init__(self, stage: Stage, user: str, seat: str) -> None:
        self._stage = stage
        self._door: ClientEnd | None = None
        self.seat = seat
        self.changed: Callable[[dict[str, Any]], None] = lambda state: None
        stage.watch(stage.door.login(user, PASSWORD, seat), self._logged_in)

    def ask(self, op: str, **fields: Any) -> None:
        """Ask for an operation; whatever is refused ends the replay."""
        if self._door is None:
            raise RuntimeError(f"the agent at seat {self.seat} has not logged in")
        self._stage.watch(self._door.send(op, **fields), lambda answer: None)

    def _logged_in(self, answer: dict[str, Any]) -> None:
        self._door = self._stage.door.open()
        self._door.on_push(self._pushed)
        self._stage.watch(self._door.send("attach", token=answer["token"]), lambda state: None)

    def _pushed(self, push: dict[str, Any]) -> None:
        if push["push"] == "state":
            self.changed(push["state"])


class Stage:
    """The city of one day; agents are logged in and 示忙, time stands at the trace's midnight."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        midnight = datetime.combine(plan.day, time(), tzinfo=UTC).timestamp()
        self.clock = VirtualClock(wall0=midnight - LEAD_IN_S)
        self.network = Network(self.clock, Random(1), [CITY], usual_prompt_s=0.0, number_s=0.0)
        self._failures: list[Failure] = []
        package = package_of(plan)
        settings = JournalSettings(node=NodeId(CITY), boot="replay", new_lineage=lambda: LineageId("00000001"))
        self._journal = MemoryJournal(MemoryDisk(), settings, self.clock, sync_s=0.0)
        staff = [str(1001 + at) for at in range(len(plan.seats))]
        hashed = CHEAP.hash(PASSWORD)
        province = province_of(plan, staff)
        users = [
            UserRecord(one.staff, one.name, frozenset({"agent"}), hashed, one.agent)
            for one in province.agents_of(CITY, package)
        ]
        long = LoginSettings(idle_s=float("1e9"), life_s=float("1e9"))
        source = Random(2)
        self.city = build_city(
            city=CITY,
            province=province,
            package=package,
            clock=self.clock,
            journal=self._journal,
            switch=self.network.adapter(CITY),
            logins=Logins(NodeId(CITY), MemoryUsers(*users), self.clock, source.randbytes, hasher=CHEAP, settings=long),
        )
        self.city.start()
        self.door = MemoryDoor(self.city.desk.door, self.clock)
        self.hands: list[SeatHand] = []
        for user, agent in zip(staff, province.agents_of(CITY, package), strict=True):
            self.network.add_seat(CITY, agent.seat)
            self.hands.append(SeatHand(self, user, agent.seat))
        self.clock.advance_to(LEAD_IN_S)
        self.check()

    def at(self, second: float, call: Callable[..., None], *args: Any) -> None:
        """Call at a second after the trace's midnight; a second in the past is now."""
        self.clock.call_later(LEAD_IN_S + second - self.clock.monotonic(), call, *args)

    def now(self) -> float:
        """Seconds after the trace's midnight."""
        return self.clock.monotonic() - LEAD_IN_S

    def call(self, door: str, calling: str) -> Caller:
        """Somebody calls."""
        return self.network.call(CITY, door, calling)

    def play(self, until_s: float, progress: Callable[[float], None], steps: int = 100) -> None:
        """Let the day pass; ``progress`` hears the share that is done."""
        begin = self.now()
        for step in range(1, steps + 1):
            self.clock.advance_to(LEAD_IN_S + begin + (until_s - begin) * step / steps)
            self.check()
            progress(step / steps)

    def rows(self) -> list[tuple[float, AnyRow]]:
        """The journal: seconds after the trace's midnight, and the row."""
        return [(one.mono - LEAD_IN_S, one.row) for one in self._journal.rows_since(0.0)]

    def close(self) -> None:
        """Stop the city."""
        stopped: list[Any] = []
        self.city.stop().addBoth(stopped.append)
        self.clock.run_until(lambda: bool(stopped), 10.0)
        for one in stopped:
            if isinstance(one, Failure):
                one.raiseException()

    def watch(self, answer: Deferred[dict[str, Any]], then: Callable[[dict[str, Any]], None]) -> None:
        """Wait for an answer of the agent API; a refusal is kept for ``check``."""
        answer.addCallback(then)
        answer.addErrback(self._failures.append)

    def check(self) -> None:
        """Raise the first refusal of the agent API, if there was one."""
        if self._failures:
            failure = self._failures[0]
            if failure.check(Refused):
                raise failure.value  # type: ignore[misc]  # checked to be an exception
            failure.raiseException()


def package_of(plan: Plan) -> ServicePackage:
    """The service package of the day, written down and read like any other."""
    lines = [f'name = "replay"\nversion = "{plan.day}"\nlanguages = ["zh", "en"]']
    skills = dict.fromkeys(queue.skill for queue in plan.queues)
    lines.extend(f'[[skill]]\nid = "{skill}"\nzh = "{skill}"\nen = "{skill}"' for skill in skills)
    first = plan.queues[0].skill
    for number, name in ((NOWHERE, "nowhere"), *((queue.door, f"door-{queue.door}") for queue in plan.queues)):
        lines.append(f'[[door]]\nnumber = "{number}"\nmenu = "{name}"')
    lines.append(_menu("nowhere", "queue-nowhere", first, 0))
    lines.extend(_menu(f"door-{one.door}", f"queue-{one.door}", one.skill, one.priority) for one in plan.queues)
    lines.append("[prompts]")
    said = ("invalid", "nothing_pressed", "wait", "position", "expected_minutes")
    lines.extend(f'{name} = "silence"' for name in (*said, "returned", "transferring", "closed", "sorry"))
    lines.append(f'[[not_ready_reason]]\ncode = "{PAUSE}"\nzh = "{PAUSE}"\nen = "{PAUSE}"')
    lines.extend(
        f'[[not_ready_reason]]\ncode = "{code}"\nzh = "{code}"\nen = "{code}"\nsystem = true' for code in SYSTEM_REASONS
    )
    return parse_package("\n".join(lines).encode(), f"replay of {plan.day}")


def _menu(name: str, queue: str, skill: str, priority: int) -> str:
    return (
        f'[menu.{name}]\nsay = ["silence"]\nwait = "{FOR_EVER}"\notherwise = "{queue}"\n[menu.{name}.key]\n'
        f'{KEY} = "{queue}"\n[menu.{queue}]\nsay = ["silence"]\nskill = "{skill}"\npriority = {priority}'
    )


def province_of(plan: Plan, staff: Iterable[str]) -> Province:
    """The province of the day: one city that stands alone (B5)."""
    agents = tuple(
        AgentText(staff=number, name=seat.name, skills=tuple(SkillId(skill) for skill in seat.skills))
        for number, seat in zip(staff, plan.seats, strict=True)
    )
    city = City(id=CITY, name="重放", name_en="Replay", area_code="000", x=0.5, y=0.5, listed=agents)
    head = ProvinceHead(name="重放", name_en="Replay", number=NOWHERE, package="-")
    return Province(province=head, cities=(city,))


def not_in_trace(day: date, dates: Iterable[date], file: str) -> Refused:
    """What is raised for a date that the trace does not have."""
    known = list(dates)
    span = f"{known[0]} – {known[-1]}" if known else "-"
    return Refused(
        Problem(
            "trace-date",
            zh=f"话务记录中没有 {day}；它有 {span}",
            en=f"the trace has no {day}; it has {span}",
            place=file,
        )
    )
