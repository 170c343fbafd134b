"""One city on a virtual clock: callers come through its switch, agents through its services."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TypeVar

from dataset.ids import AgentId, CityId, LineageId, NodeId, SkillId, agent_id
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.login import CHEAP, Logins, MemoryUsers
from federation.node.province import load_province
from site_node.assembly import build_city
from site_node.core import events
from site_node.core.views import SeatView
from site_node.shell.running import RunningCity
from site_node.switch.simulated.network import Network
from site_node.switch.simulated.phones import Caller, SeatPhone

R = TypeVar("R")
PROVINCE = Path(__file__).parents[2] / "conf" / "province.toml"
GUANGZHOU = CityId("guangzhou")
FAULT = SkillId("fault")


class LoneCity:
    """Guangzhou alone. ``crash`` and ``restart`` are those of its site node; the switch goes on."""

    def __init__(self) -> None:
        self.clock = VirtualClock(wall0=1_700_000_000.0)
        self.province, self.package = load_province(PROVINCE)
        self.network = Network(self.clock, Random(1), [GUANGZHOU])
        self.disk = MemoryDisk()
        self.runs = 0
        self.boot = "boot"
        self.journal: MemoryJournal
        self.city: RunningCity
        self.start()

    def start(self) -> None:
        self.runs += 1
        lineage = LineageId(f"{self.runs:08x}")
        settings = JournalSettings(node=NodeId(GUANGZHOU), boot=self.boot, new_lineage=lambda: lineage)
        self.journal = MemoryJournal(self.disk, settings, self.clock)
        logins = Logins(NodeId(GUANGZHOU), MemoryUsers(), self.clock, Random(1).randbytes, hasher=CHEAP)
        self.site = build_city(
            city=GUANGZHOU,
            province=self.province,
            package=self.package,
            clock=self.clock,
            journal=self.journal,
            switch=self.network.adapter(GUANGZHOU),
            logins=logins,
        )
        self.city = self.site.running
        self.city.start()
        self.pass_s(0.1)

    def crash_and_restart(self, *, away_s: float = 1.0) -> None:
        self.journal.crash()
        self.city.stop()
        self.pass_s(away_s)
        self.start()

    def pass_s(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def log_in(self, staff: str = "1001", seat: str = "8001", skills: tuple[str, ...] = ("fault",)) -> AgentId:
        agent = agent_id(staff, GUANGZHOU)
        self.network.add_seat(GUANGZHOU, seat)
        self.city.act(
            events.LoggedIn(agent, f"agent {staff}", seat, tuple(SkillId(skill) for skill in skills), can_answer=True)
        )
        return agent

    def ready(self, staff: str = "1001", seat: str = "8001", skills: tuple[str, ...] = ("fault",)) -> AgentId:
        agent = self.log_in(staff, seat, skills)
        self.city.act(events.ReadyAsked(agent))
        self.pass_s(0.1)
        return agent

    def phone(self, seat: str = "8001") -> SeatPhone:
        return self.network.seat(GUANGZHOU, seat)

    def call(self, door: str = "112", calling: str = "13800000001") -> Caller:
        caller = self.network.call(GUANGZHOU, door, calling)
        self.pass_s(1.0)
        return caller

    def seat(self, agent: AgentId) -> SeatView:
        view = self.city.seat_view(agent)
        assert view is not None
        return view

    def rows(self, kind: type[R]) -> list[R]:
        return [entry.row for entry in self.journal.rows_since(0.0) if isinstance(entry.row, kind)]
