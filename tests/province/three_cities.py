"""Hub and three cities on one virtual clock; callers through the switches, agents through the services."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TypeVar

from dataset.ids import HUB, AgentId, CityId, ContactId, NodeId, SkillId, agent_id
from federation.node.clock import VirtualClock
from federation.node.offering import Offering
from federation.node.province import HubEntry, load_province
from federation.ports import Clock
from simulation.province import SimulatedProvince
from simulation.storage import MemoryStorage
from site_node.core import events
from site_node.core.views import SeatView
from site_node.switch.simulated.phones import Caller, SeatPhone

R = TypeVar("R")
PROVINCE = Path(__file__).parents[2] / "conf" / "province.toml"
GUANGZHOU, SHENZHEN, FOSHAN = CityId("guangzhou"), CityId("shenzhen"), CityId("foshan")
STAFF = {GUANGZHOU: "1001", SHENZHEN: "2001", FOSHAN: "3001"}


class ThreeCities(SimulatedProvince):
    """A started province with words for tests."""

    def __init__(
        self,
        seed: int = 1,
        people_clock: Clock | None = None,
        *,
        hubs: tuple[NodeId, ...] = (),
        offering: Offering | None = None,
        wall0: float = 1_700_000_000.0,
        with_records: bool = False,
        moves_per_hour: int | None = None,
    ) -> None:
        province, package = load_province(PROVINCE)
        province = replace(province, hubs=tuple(HubEntry(id=hub) for hub in hubs))
        if moves_per_hour is not None:
            province = replace(
                province, overflow=replace(province.overflow, moves_per_hour_and_pair=moves_per_hour, reserve=0.0)
            )
        self.time = VirtualClock(wall0=wall0)
        self.memory = self.make_storage()
        super().__init__(
            province,
            package,
            self.time,
            Random(seed),
            storage=self.memory,
            people_clock=people_clock,
            offering=offering,
            with_records=with_records,
        )
        self.start()
        self.pass_s(3.0)

    def make_storage(self) -> MemoryStorage:
        return MemoryStorage(self.time)

    def pass_s(self, seconds: float) -> None:
        self.time.advance(seconds)

    def crash_city(self, city: CityId) -> None:
        """Kill a city's site node: what was not synced is lost."""
        self.memory.crash(NodeId(city))
        self.stop_city(city)

    def crash_hub(self) -> None:
        """Kill the hub."""
        self.memory.crash(HUB)
        self.stop_hub()

    def agent(self, city: CityId, number: int = 0, skills: tuple[str, ...] = ("fault",)) -> AgentId:
        """Log an agent in at the seat of the same number, and make it ready."""
        agent = agent_id(str(int(STAFF[city]) + number), city)
        seat = str(8001 + number)
        self.network.add_seat(city, seat)
        held = tuple(SkillId(skill) for skill in skills)
        self.sites[city].running.act(events.LoggedIn(agent, f"agent {agent}", seat, held, can_answer=True))
        self.sites[city].running.act(events.ReadyAsked(agent))
        self.pass_s(1.5)
        return agent

    def phone(self, city: CityId, number: int = 0) -> SeatPhone:
        return self.network.seat(city, str(8001 + number))

    def call(self, city: CityId, door: str = "112", calling: str = "13800000001", wait_s: float = 2.0) -> Caller:
        caller = self.network.call(city, door, calling)
        self.pass_s(wait_s)
        return caller

    def seat(self, agent: AgentId) -> SeatView:
        view = self.sites[CityId(agent.partition("@")[2])].running.seat_view(agent)
        assert view is not None
        return view

    def contact(self, agent: AgentId) -> ContactId:
        return self.seat(agent).calls[0].contact

    def rows(self, node: str, kind: type[R]) -> list[R]:
        journal = self.journal(NodeId(node))
        return [entry.row for entry in journal.rows_since(0.0) if isinstance(entry.row, kind)]

    def ledger_rows(self, kind: type[R]) -> list[R]:
        """What the hub has on record."""
        return [row.row for row, _ in self.memory.disk(HUB).ledger.rows.values() if isinstance(row.row, kind)]
