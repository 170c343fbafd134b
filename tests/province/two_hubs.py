"""Two hubs, three cities: one leads by a lock, processes can be stopped, killed and let go on."""

from __future__ import annotations

from dataset.ids import HUB, NodeId
from federation.node.clock import ProcessClock
from federation.ports import Clock, Link
from tests.province.three_cities import ThreeCities

HUB2 = NodeId("hub2")


class TwoHubs(ThreeCities):
    """A started province with words for tests; every hub's run is a process of its own."""

    def __init__(self, seed: int = 1, *, with_records: bool = False, moves_per_hour: int | None = None) -> None:
        self.processes: dict[NodeId, ProcessClock] = {}
        super().__init__(seed, hubs=(HUB, HUB2), with_records=with_records, moves_per_hour=moves_per_hour)

    def clock_of(self, node: NodeId) -> Clock:
        process = self.processes[node] = ProcessClock(self.time)
        return process

    def link_of(self, node: NodeId) -> Link:
        return self.wires.link(node, self.processes[node])

    def kill(self, hub: NodeId) -> None:
        """SIGKILL: what was not synced is lost, the lock is not given back."""
        self.processes[hub].kill()
        self.memory.crash(hub)
        del self.hubs[hub]

    def leads(self) -> list[NodeId]:
        """The hubs that believe that they lead."""
        return [node for node, hub in self.hubs.items() if hub.running.leads]

    def followed(self) -> set[tuple[object, object]]:
        """Whom the cities follow, and under which term."""
        return {(city.health()["leader"], city.health()["term"]) for city in self.sites.values()}
