"""A busy quarter of an hour with everything going wrong by seed; afterwards the ledger checker counts 0/0/0."""

from __future__ import annotations

from random import Random

import pytest
from twisted.python.failure import Failure

from dataset import rows
from dataset.errors import Refused
from dataset.ids import HUB, AgentId, CityId, ContactId, NodeId, SkillId
from dataset.intervals import fold
from site_node.core import events
from site_node.services.city import City
from site_node.switch.simulated.phones import Caller
from tests.harness.ledger_checker import CallerLine, Findings, LedgerCheck
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities

CITIES = (GUANGZHOU, SHENZHEN, FOSHAN)
FAULTS = ("city", "hub", "cut", "lossy", "heal", "calm", "calm")


class Scene:
    """Callers, agents and faults of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.province = ThreeCities(seed)
        self.agents: list[AgentId] = [self.province.agent(city, number) for city in CITIES for number in range(2)]
        self.calls: dict[str, Caller] = {}
        self.down: set[CityId] = set()
        self.hub_down = False

    def run(self, steps: int, faults: bool) -> None:
        for step in range(steps):
            if self.random.random() < 0.5 and len(self.down) < 3:
                self._call(f"139{step:08d}")
            self._phones()
            self._agents()
            if faults and step % 4 == 3:
                self._fault(self.random.choice(FAULTS))
            self.province.pass_s(self.random.uniform(0.5, 6.0))
        self._heal()

    def _call(self, number: str) -> None:
        city = self.random.choice([city for city in CITIES if city not in self.down])
        self.calls[number] = self.province.call(city, "112", number, wait_s=0.5)

    def _phones(self) -> None:
        for city in CITIES:
            for number in range(2):
                phone = self.province.phone(city, number)
                if phone.ringing and self.random.random() < 0.8:
                    phone.answer()
        for caller in self.calls.values():
            if not caller.over and self.random.random() < 0.06:
                caller.hang_up()

    def _agents(self) -> None:
        for agent in self.agents:
            city = CityId(agent.partition("@")[2])
            if city in self.down or self.random.random() > 0.3:
                continue
            running = self.province.sites[city].running
            view = running.seat_view(agent)
            try:
                if view is None:
                    number = int(agent[3]) - 1
                    seat = str(8001 + number)
                    running.act(events.LoggedIn(agent, agent, seat, (SkillId("fault"),), can_answer=True))
                elif view.presence == "not_ready":
                    running.act(events.ReadyAsked(agent))
                elif view.calls and view.presence == "wrap_up":
                    running.act(events.FinishAsked(agent, view.calls[0].contact))
                elif view.calls and view.presence == "talking":
                    self._in_talk(running, agent, view.calls[0].contact)
            except Refused:
                pass  # the agent tried what is not possible now, as people do

    def _in_talk(self, running: City, agent: AgentId, contact: ContactId) -> None:
        if self.random.random() < 0.3:
            transfer = events.TransferAsked(
                agent,
                contact,
                f"{agent}{self.random.random()}",
                to_skill=SkillId("fault"),
            )
            running.transfer(transfer).addErrback(_not_now)
        elif self.random.random() < 0.5:
            running.act(events.HangUpAsked(agent, contact))

    def _fault(self, fault: str) -> None:
        wires = self.province.wires
        match fault:
            case "city":
                city = self.random.choice(CITIES)
                if city in self.down:
                    self.down.discard(city)
                    self.province.start_city(city)
                else:
                    self.down.add(city)
                    self.province.crash_city(city)
            case "hub":
                if self.hub_down:
                    self.province.start_hub()
                else:
                    self.province.crash_hub()
                self.hub_down = not self.hub_down
            case "cut":
                wires.cut([NodeId(self.random.choice(CITIES))])
            case "lossy":
                for sender in (*CITIES, HUB):
                    for receiver in (*CITIES, HUB):
                        line = wires.line(NodeId(sender), NodeId(receiver))
                        line.loss, line.duplicate, line.jitter_s = 0.2, 0.1, 0.5
            case "heal":
                self._wires_heal()

    def _wires_heal(self) -> None:
        wires = self.province.wires
        for node in (*CITIES, HUB):
            wires.cut([NodeId(node)], restore=True)
            for other in (*CITIES, HUB):
                line = wires.line(NodeId(node), NodeId(other))
                line.loss = line.duplicate = line.jitter_s = 0.0

    def _heal(self) -> None:
        """Everything comes back, callers hang up, agents finish; then a while for the ledgers."""
        for city in list(self.down):
            self.province.start_city(city)
        self.down.clear()
        if self.hub_down:
            self.province.start_hub()
        self._wires_heal()
        self.province.pass_s(40.0)
        for caller in self.calls.values():
            if not caller.over:
                caller.hang_up()
        self.province.pass_s(120.0)

    def findings(self) -> Findings:
        lines = [CallerLine(number, reached=True) for number in self.calls]
        return LedgerCheck(lines, self.journals(), self.hub()).findings()

    def journals(self) -> dict[str, list[rows.Journalled]]:
        return {str(city): self.province.journal(NodeId(city)).rows_since(0.0) for city in CITIES}

    def hub(self) -> list[rows.Journalled]:
        return [row for row, _ in self.province.memory.disk(HUB).ledger.rows.values() if row.node != HUB]


def _not_now(failure: Failure) -> None:
    """The agent's transfer was refused; the caller is still there."""
    failure.trap(Refused)


@pytest.mark.parametrize("seed", range(3))
def test_undisturbed_quarter_of_an_hour(seed: int) -> None:
    """Without faults: as a floor, and to see that the scene itself asks for nothing impossible."""
    scene = Scene(seed)
    scene.run(60, faults=False)
    found = scene.findings()
    assert found.passed, found.text()
    assert found.contacts > 20


@pytest.mark.parametrize("seed", range(12))
def test_everything_goes_wrong(seed: int) -> None:
    """I1, I3, I6, I7: whatever dies, each call is one contact with one ending, at the hub as in the journals."""
    scene = Scene(seed)
    scene.run(60, faults=True)
    found = scene.findings()
    assert found.passed, found.text()
    offline = [row for own in scene.journals().values() for row in own]
    Random(seed).shuffle(offline)
    assert fold(offline).json() == fold(scene.hub()).json()
