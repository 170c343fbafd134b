"""A whole province in one process on one clock: hub and cities with their real cores, shells, journals and ledgers.

Telephones, trunks and the lines between the nodes are simulated; everything else is what production runs. The parts a
node would keep on disk outlive its crash here too, so that a crash and a restart are two calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from twisted.internet.defer import Deferred, gatherResults

from dataset.ids import HUB, CityId, LineageId, NodeId
from dataset.packages import ServicePackage
from federation.core.overflow import OverflowPolicy
from federation.core.picture import ProvincePicture
from federation.links.inprocess import Wires
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.ledger_store import MemoryLedger, MemoryLedgerStore
from federation.node.province import Province
from federation.ports import Clock
from provincial_hub.core.province import Province as HubCore
from provincial_hub.shell.counts import HubCounts
from provincial_hub.shell.hub import RunningHub
from provincial_hub.shell.memory import Memory
from site_node.assembly import build_city
from site_node.shell.running import RunningCity
from site_node.switch.simulated.network import Network


@dataclass(slots=True)
class _Disk:
    """What a node keeps on disk."""

    journal: MemoryDisk
    ledger: MemoryLedger


class SimulatedProvince:
    """Hub and cities of ``province``; nothing runs until it is started."""

    def __init__(
        self,
        province: Province,
        package: ServicePackage,
        clock: Clock,
        rng: Random,
        *,
        link_delay_s: float = 0.02,
        trunk_delay_s: float = 0.02,
        sync_s: float = 0.005,
    ) -> None:
        self.province = province
        self.package = package
        self.clock = clock
        self.network = Network(
            clock, Random(rng.random()), [city.id for city in province.cities], trunk_delay_s=trunk_delay_s
        )
        self.wires = Wires(clock, Random(rng.random()), delay_s=link_delay_s)
        self.cities: dict[CityId, RunningCity] = {}
        self.hub: RunningHub | None = None
        self._rng = rng
        self._sync_s = sync_s
        self._disks: dict[NodeId, _Disk] = {}
        self._journals: dict[NodeId, MemoryJournal] = {}

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Start the hub and every city."""
        self.start_hub()
        for city in self.province.cities:
            self.start_city(city.id)

    def stop(self) -> Deferred[None]:
        """Stop everything in order; fires when all is closed."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await gatherResults([city.stop() for city in self.cities.values()], consumeErrors=True)
        if self.hub is not None:
            await self.hub.stop()

    def journal(self, node: NodeId) -> MemoryJournal:
        """The journal of the present run of ``node``."""
        return self._journals[node]

    def ledger(self) -> MemoryLedger:
        """What the hub has on disk."""
        return self._disk(HUB).ledger

    # ── cities ──────────────────────────────────────────────────────────────────────────────────────────────────
    def start_city(self, city: CityId) -> RunningCity:
        """Start a city's site node; its switch runs on its own."""
        journal = self._open_journal(NodeId(city), self.province.city(city).area_code)
        running = build_city(
            city=city,
            province=self.province,
            package=self.package,
            clock=self.clock,
            journal=journal,
            switch=self.network.adapter(city),
            link=self.wires.link(NodeId(city)),
            store=MemoryLedgerStore(self._disk(NodeId(city)).ledger, self.clock, commit_s=self._sync_s),
        )
        self.cities[city] = running
        running.start()
        return running

    def crash_city(self, city: CityId) -> None:
        """Kill a city's site node: what was not synced is lost, calls at its switch go on."""
        running = self.cities.pop(city)
        self._journals[NodeId(city)].crash()
        running.stop()

    # ── hub ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def start_hub(self) -> RunningHub:
        """Start the hub."""
        overflow, times = self.province.overflow, self.province.times
        core = HubCore(
            ProvincePicture(beat_s=times.beat_s),
            OverflowPolicy(
                open_after_expected_wait_s=overflow.open_after_expected_wait_s,
                open_after_wait_s=overflow.open_after_wait_s,
                reserve=overflow.reserve,
            ),
            proposal_s=times.proposal_s,
        )
        self.hub = RunningHub(
            cities=[city.id for city in self.province.cities],
            clock=self.clock,
            link=self.wires.link(HUB),
            journal=self._open_journal(HUB, ""),
            store=MemoryLedgerStore(self._disk(HUB).ledger, self.clock, commit_s=self._sync_s),
            core=core,
            memory=Memory(),
            counts=HubCounts(),
        )
        self.hub.start()
        return self.hub

    def crash_hub(self) -> None:
        """Kill the hub."""
        if self.hub is not None:
            self._journals[HUB].crash()
            self.hub.stop()
            self.hub = None

    # ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _disk(self, node: NodeId) -> _Disk:
        return self._disks.setdefault(node, _Disk(MemoryDisk(), MemoryLedger()))

    def _open_journal(self, node: NodeId, area_code: str) -> MemoryJournal:
        settings = JournalSettings(
            node=node,
            boot="simulated",
            new_lineage=lambda: LineageId(f"{self._rng.getrandbits(32):08x}"),
            receivers=() if node == HUB else (HUB,),
            area_code=area_code,
        )
        journal = MemoryJournal(self._disk(node).journal, settings, self.clock, sync_s=self._sync_s)
        self._journals[node] = journal
        return journal
