"""A hub with its door, and cities that only speak envelopes and report rows; one process, one virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from argon2 import PasswordHasher
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import HUB, AgentId, CityId, LineageId, NodeId, SkillId
from dataset.rows import AnyRow
from federation.core.envelope import (
    AgentPicture,
    AnyMessage,
    CityPicture,
    Envelope,
    FullPictureWanted,
    HubBeat,
    LedgerAck,
    LedgerHeads,
    SkillPicture,
    Stream,
)
from federation.core.picture import PictureSender
from federation.links.inprocess import Wires
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.login import CHEAP, Logins, MemoryUsers, UserRecord
from federation.node.memory_transport import MemoryDoor
from federation.node.outbox import Outbox
from federation.node.post import Post
from federation.node.province import load_province
from provincial_hub.assembly import Hub, build_hub
from provincial_hub.shell.revisions import MemoryRevisions, Revisions, Told
from tests.harness.services import offering

SHENZHEN, FOSHAN, GUANGZHOU = CityId("shenzhen"), CityId("foshan"), CityId("guangzhou")
PASSWORD = "a good password"
NOON = 1_000_008_000.0
"""a full quarter of an hour of a day in Shanghai"""


class ScriptedCity:
    """Beats, reports rows, and keeps what it hears."""

    def __init__(self, city: CityId, lineage: str, wires: Wires, clock: VirtualClock) -> None:
        self.city = city
        self.clock = clock
        self.heard: list[AnyMessage] = []
        self.sender = PictureSender()
        self.picture = CityPicture(city=city, skills={})
        node = NodeId(city)
        settings = JournalSettings(node=node, boot="b", new_lineage=lambda: LineageId(lineage), receivers=(HUB,))
        self.journal = MemoryJournal(MemoryDisk(), settings, clock)
        self._link = wires.link(node)
        self._post = Post(node, self.journal.lineage, self._link, term=0)
        self._outbox = Outbox(self.journal, clock, lambda to, message: self._post.send(to, message, Stream.LEDGER))
        self._beating = False
        self._reporting = True

    def start(self, *states: str) -> None:
        """Come up with agents 1001… in these states, all of them able to take faults."""
        self._link.start(self._received, self._outbox.link_changed if self._reporting else _nothing)
        self._beating = True
        self.show(*states)
        self._beat()

    def show(self, *states: str) -> None:
        """From the next beat on."""
        self.picture = CityPicture(
            city=self.city,
            skills={"fault": SkillPicture(idle=states.count("ready"), staffed=len(states), expected_wait_s=1.0)},
            agents=tuple(
                AgentPicture(
                    agent=AgentId(f"{1001 + at}@{self.city}"),
                    name="李敏",
                    state=state,
                    skills=(SkillId("fault"),),
                    seat=str(8001 + at),
                )
                for at, state in enumerate(states)
            ),
        )

    def silent(self) -> None:
        """Beat no more."""
        self._beating = False

    def beat_again(self) -> None:
        """After silence, in the same run; the link is back."""
        self._beating = True
        self.sender.want_full()
        self._outbox.link_changed(True)
        self._beat()

    def report_nothing(self) -> None:
        """From the start on keep all rows back."""
        self._reporting = False

    def report_again(self) -> None:
        """Send what was kept back."""
        self._outbox.link_changed(True)

    def write(self, *rows: AnyRow) -> None:
        """Journal rows for the hub."""
        self.journal.append([(row, (HUB,)) for row in rows], lambda: None)

    def say(self, message: AnyMessage) -> None:
        """Send a command to the hub."""
        self._post.send(HUB, message, Stream.COMMAND, 6.0)

    def _beat(self) -> None:
        if self._beating:
            self.clock.call_later(1.0, self._beat)
            beat = self.sender.beat(self.picture, now=self.clock.monotonic(), wall=self.clock.wall())
            self._post.send(HUB, beat, Stream.PICTURE, 3.0)

    def _received(self, envelope: Envelope) -> None:
        self.heard.append(envelope.body)
        if isinstance(envelope.body, HubBeat):
            self._outbox.run_heard(envelope.sender, envelope.lineage)
        if isinstance(envelope.body, FullPictureWanted):
            self.sender.want_full()
        elif isinstance(envelope.body, LedgerHeads | LedgerAck):
            self._outbox.heard(envelope.sender, envelope.body)


def _nothing(up: bool) -> None:
    """Nobody hears that the link is up."""


class HubScene:
    """Three scripted cities of the example province and a hub with its console in memory."""

    def __init__(self) -> None:
        self.clock = VirtualClock(wall0=NOON)
        self.wires = Wires(self.clock, Random(1))
        self.province, self.package = load_province(Path("conf/province.toml"))
        hasher: PasswordHasher = CHEAP
        hashed = hasher.hash(PASSWORD)
        roles = {"bureau": "province", "boss": "supervisor", "inspector": "auditor", "1001": "agent"}
        users = MemoryUsers(*(UserRecord(user, user, frozenset({role}), hashed) for user, role in roles.items()))
        numbers = count(1)
        self.journal_disk, self.ledger = MemoryDisk(), MemoryLedger()
        self.revisions: Told = {}
        self.revisions_on: Callable[[Told], Revisions] = MemoryRevisions
        self._numbers = numbers
        self._users, self._hasher = users, hasher
        self.hub = self.start_hub()
        self.cities = {
            city.id: ScriptedCity(city.id, f"0000000{at}", self.wires, self.clock)
            for at, city in enumerate(self.province.cities)
        }

    def start_hub(self) -> Hub:
        """Start the hub's process on the disks it has."""
        settings = JournalSettings(node=HUB, boot="b", new_lineage=lambda: LineageId(f"f{next(self._numbers):07x}"))
        self.journal = MemoryJournal(self.journal_disk, settings, self.clock)
        self.store = MemoryLedgerStore(self.ledger, self.clock)
        self.logins = Logins(
            HUB, self._users, self.clock, lambda size: next(self._numbers).to_bytes(size, "big"), hasher=self._hasher
        )
        self.hub = build_hub(
            province=self.province,
            package=self.package,
            clock=self.clock,
            link=self.wires.link(HUB),
            journal=self.journal,
            store=self.store,
            logins=self.logins,
            bases={city.id: f"/city/{city.id}" for city in self.province.cities},
            speed=20.0,
            revisions=self.revisions_on(self.revisions),
            offering=offering(),
        )
        self.hub.start()
        self.door = MemoryDoor(self.hub.door, self.clock)
        return self.hub

    def kill_hub(self) -> None:
        """What was not synced is lost, nobody is told anything."""
        self.journal.crash()
        self.store.crash()
        self.hub.stop()

    def lose_disks(self) -> None:
        """The hub's machine burns: the next run begins with nothing."""
        self.journal_disk, self.ledger, self.revisions = MemoryDisk(), MemoryLedger(), {}

    def result(self, waiting: Deferred[Any], within_s: float = 2.0) -> Any:
        """What ``waiting`` fires with; what it fails with is raised."""
        got: list[Any] = []
        waiting.addCallbacks(got.append, lambda failure: got.append(failure.value))
        assert self.clock.run_until(lambda: bool(got), within_s), "no answer in time"
        if isinstance(got[0], Exception):
            raise got[0]
        return got[0]

    def ask(self, operation: str, user: str = "bureau", *, within_s: float = 2.0, **fields: Any) -> dict[str, Any]:
        """One operation on a new live connection of ``user``; raises ``Refused``."""
        login = self.result(self.door.login(user, PASSWORD))
        connection = self.door.open()
        self.result(connection.send("attach", token=login["token"]))
        try:
            answer: dict[str, Any] = self.result(connection.send(operation, **fields), within_s)
        finally:
            connection.close()
        return answer

    def refusal(self, operation: str, user: str = "bureau", **fields: Any) -> tuple[int, str, str]:
        """Status, slug and place of what ``ask`` is refused with."""
        with pytest.raises(Refused) as caught:
            self.ask(operation, user, **fields)
        problem = caught.value.problems[0]
        return caught.value.status, problem.slug, problem.place
