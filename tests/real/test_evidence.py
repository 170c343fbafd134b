"""A site node on a real Asterisk whose word is lost now and then: two looks at what it holds put things right (I8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataset import rows
from dataset.ids import AgentId, ConnectionId, LineageId, NodeId, SkillId, agent_id
from dataset.rows import Ending, Evidence
from federation.node.clock import ReactorClock
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.login import CHEAP, Logins, MemoryUsers
from federation.node.province import load_province
from site_node.assembly import City, build_city
from site_node.core import events
from site_node.core.agent import Presence
from site_node.switch.asterisk import AriLogin, AsteriskSwitch
from tests.contract.switch.asterisk_world import AsteriskCity, AsteriskWorld
from tests.contract.switch.world import HERE, SEAT
from tests.harness.real_machines import require

EVERY_S = 1.0
FILE = Path(__file__).parents[2] / "conf" / "province.toml"


@pytest.fixture(scope="module")
def switches() -> Iterator[AsteriskWorld]:
    require("asterisk")
    world = AsteriskWorld()
    yield world
    world.close()


class HardOfHearing(AsteriskSwitch):
    """The adapter behind a WebSocket that loses the events it is told to lose."""

    loses: Callable[[dict[str, Any]], bool] | None = None

    def _message(self, message: dict[str, Any]) -> None:
        if self.loses is None or not self.loses(message):
            super()._message(message)


class Floor:
    """A city of one agent on a real switch, looking at it every second."""

    def __init__(self, world: AsteriskWorld) -> None:
        self.world = world
        assert isinstance(world.here, AsteriskCity)
        self.phones = world.here
        world.here.stop()
        spec = world.here.asterisk.spec
        login = AriLogin(spec.ari_url, spec.ari_user, spec.ari_password, spec.application)
        self.switch = HardOfHearing(world.driver.reactor, login)
        province, package = load_province(FILE)
        province = replace(province, evidence=replace(province.evidence, every_s=EVERY_S))
        clock = ReactorClock(world.driver.reactor)
        settings = JournalSettings(node=NodeId(HERE), boot="b", new_lineage=lambda: LineageId(world.run_id()))
        self.journal = MemoryJournal(MemoryDisk(), settings, clock)
        self.node: City = build_city(
            city=HERE,
            province=province,
            package=package,
            clock=clock,
            journal=self.journal,
            switch=self.switch,
            logins=Logins(NodeId(HERE), MemoryUsers(), clock, lambda size: b"r" * size, hasher=CHEAP),
        )
        self.node.start()
        world.until(lambda: bool(self.node.health()["switch_up"]), what="the switch is up")
        self.agent: AgentId = agent_id("1001", HERE)
        act = self.node.running.act
        act(events.LoggedIn(self.agent, "李敏", SEAT, (SkillId("fault"),), can_answer=False))
        act(events.ReadyAsked(self.agent))

    def close(self) -> None:
        """Leave the switch to the world's own adapter."""
        self.world.driver.result_of(self.node.stop(), 5.0)
        self.phones.make_switch()
        self.phones.reports = []
        self.phones.start()

    def written(self, kind: type) -> list[Any]:
        return [entry.row for entry in self.journal.rows_since(0.0) if isinstance(entry.row, kind)]

    def presence(self) -> str:
        view = self.node.running.seat_view(self.agent)
        assert view is not None
        return view.presence

    def repaired(self, what: str) -> rows.Repaired:
        """Wait until ``what`` is put right."""

        def found() -> list[rows.Repaired]:
            return [row for row in self.written(rows.Repaired) if row.what == what]

        self.world.until(lambda: bool(found()), 15.0, f"{what} is repaired")
        return found()[0]

    def loses_all_about(self, *which: ConnectionId | str) -> None:
        """From here on no event of these channels is heard."""
        self.switch.loses = lambda message: message.get("channel", {}).get("id") in which


@pytest.fixture
def floor(switches: AsteriskWorld) -> Iterator[Floor]:
    switches.begin()
    floor = Floor(switches)
    yield floor
    floor.switch.loses = None
    floor.close()
    switches.end()


def talking(floor: Floor) -> tuple[Any, Any]:
    """A caller in talk at the seat."""
    seat = floor.phones.seat(SEAT)
    caller = floor.phones.call("112")
    floor.world.until(lambda: seat.ringing, what="the seat rings")
    seat.answer()
    floor.world.until(lambda: floor.presence() == Presence.TALKING, what="in talk")
    floor.world.until(lambda: caller.hears(seat) and seat.hears(caller), what="both hear each other")
    return caller, seat


def test_a_call_that_is_well_is_left_alone(floor: Floor) -> None:
    """Ten looks at a real call from its arrival to its end, and nothing is repaired."""
    caller, seat = talking(floor)
    floor.world.turn_until(lambda: False, 5 * EVERY_S)
    assert caller.hears(seat)
    caller.hang_up()
    floor.world.until(lambda: floor.presence() == Presence.WRAP_UP, what="wrap-up")
    floor.world.turn_until(lambda: False, 3 * EVERY_S)
    assert floor.written(rows.Repaired) == []


def test_a_caller_whose_hang_up_was_not_heard_ends_as_failed_inferred(floor: Floor) -> None:
    """E2: and the agent is free again by the switch's evidence (A4)."""
    caller, _ = talking(floor)
    floor.loses_all_about(floor.written(rows.ContactBorn)[0].connection)
    caller.hang_up()
    floor.repaired("caller_gone")
    [ended] = floor.written(rows.ContactEnded)
    assert (ended.ending, ended.evidence) == (Ending.FAILED, Evidence.INFERRED)
    floor.world.until(lambda: floor.presence() == Presence.WRAP_UP, what="wrap-up")


def test_a_seat_whose_hang_up_was_not_heard_is_freed_and_the_caller_comes_back(floor: Floor) -> None:
    """A4, O4."""
    caller, seat = talking(floor)
    [lease] = floor.node.running.site.serving.all()
    floor.loses_all_about(lease.seat or "")
    seat.hang_up()
    row = floor.repaired("seat_gone")
    assert row.agent == floor.agent
    assert [one.how for one in floor.written(rows.QueueEntered)] == ["offered", "returned"]
    caller.hang_up()


def test_a_call_that_was_not_heard_of_is_taken(floor: Floor) -> None:
    """No event of its arrival came: the adapter learns of the channel from what the switch shows."""
    floor.switch.loses = lambda message: message["type"] == "StasisStart"
    caller = floor.phones.call("112")
    floor.repaired("call_unheard")
    floor.switch.loses = None
    floor.world.until(lambda: caller.in_call, what="the caller is answered")
    seat = floor.phones.seat(SEAT)
    floor.world.until(lambda: seat.ringing, what="the seat rings")
    seat.answer()
    floor.world.until(lambda: caller.hears(seat), what="the caller hears the agent")
    caller.hang_up()
    floor.world.until(lambda: bool(floor.written(rows.ContactEnded)), what="it ends")


def test_legs_that_left_their_bridge_are_joined_again(floor: Floor) -> None:
    """Somebody at the switch takes the bridge away; no command of ours did."""
    caller, seat = talking(floor)
    bridge = next(iter(floor.switch._rooms._members))
    floor.switch._ask(
        "POST", "bridges", bridge, "removeChannel", query={"channel": ",".join(sorted(floor.switch._legs))}
    )
    floor.world.until(lambda: not caller.hears(seat), what="they are apart")
    floor.repaired("not_joined")
    floor.world.until(lambda: caller.hears(seat) and seat.hears(caller), what="both hear each other again")
    caller.hang_up()
