"""A whole door of a city over a fake city, for tests of transports and services."""

from __future__ import annotations

import random
from pathlib import Path

from dataset.ids import AgentId, CityId, NodeId
from federation.node.door import Door
from federation.node.login import CHEAP, Logins, LoginSettings, MemoryUsers, UserRecord
from federation.node.province import load_province
from federation.ports import Clock
from site_node.desktop.city_door import CityDoor, city_door
from site_node.services.seats import SeatRules
from tests.harness.fake_city import FakeCity

PROVINCE, PACKAGE = load_province(Path(__file__).parents[2] / "conf/province.toml")
GUANGZHOU = CityId("guangzhou")
LI = AgentId("1001@guangzhou")
WANG = AgentId("1002@guangzhou")
PASSWORD = "correct horse"
_HASH = CHEAP.hash(PASSWORD)


class Desk:
    """Two agents (1001, 1002), a supervisor who is an agent too (1003), a supervisor (boss), an auditor (audit)."""

    def __init__(self, clock: Clock, *, seed: int = 1, settings: LoginSettings | None = None) -> None:
        self.clock = clock
        self.city = FakeCity()
        self.users = MemoryUsers()
        self.observed: list[tuple[str, str]] = []
        roster = {one.agent: one for one in PROVINCE.agents_of(GUANGZHOU, PACKAGE)}
        for staff, roles in (("1001", {"agent"}), ("1002", {"agent"}), ("1003", {"agent", "supervisor"})):
            agent = AgentId(f"{staff}@guangzhou")
            self.users.add(UserRecord(staff, roster[agent].name, frozenset(roles), _HASH, agent))
        for user, role in (("boss", "supervisor"), ("audit", "auditor")):
            self.users.add(UserRecord(user, user.title(), frozenset({role}), _HASH))
        source = random.Random(seed)
        self.logins = Logins(NodeId("guangzhou"), self.users, clock, source.randbytes, hasher=CHEAP, settings=settings)
        rules = SeatRules(
            package=PACKAGE,
            roster=roster,
            can_answer=lambda seat: seat == "8001",
            seats=frozenset({"8001", "8002", "8003"}),
        )
        self.whole: CityDoor = city_door(self.city, self.logins, clock, rules, 15.0, self._observe)
        self.door: Door = self.whole.door

    def _observe(self, operation: str, slug: str, seconds: float) -> None:
        assert seconds >= 0
        self.observed.append((operation, slug))

    def stop(self) -> None:
        self.whole.stop()
