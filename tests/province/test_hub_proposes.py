"""A hub on a virtual clock and cities that only speak envelopes: what travels, what is written, what is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, succeed

from dataset.ids import EVERYONE, HUB, AgentId, CityId, ContactId, LineageId, NodeId, SkillId, Token
from dataset.rows import ContactBorn, Decision
from federation.core.envelope import (
    AgentPicture,
    AnyMessage,
    CityPicture,
    Context,
    Envelope,
    FullPictureWanted,
    Granted,
    HubBeat,
    LedgerAck,
    LedgerHeads,
    NoProposal,
    Open,
    Propose,
    SkillPicture,
    Stream,
    Taken,
    decode,
    encode,
)
from federation.core.overflow import OverflowPolicy
from federation.core.picture import PictureSender, ProvincePicture
from federation.core.proposals import Proposals
from federation.links.discovery.alone import Alone
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.outbox import Outbox
from provincial_hub.shell.counts import HubCounts
from provincial_hub.shell.hub import RunningHub
from provincial_hub.shell.memory import Memory

SHENZHEN, FOSHAN = CityId("shenzhen"), CityId("foshan")
C = ContactId("0757-00000001-000001")
RUN = LineageId("00000001")


class Wire:
    """The hub's link as a scripted city sees it: bytes, 20 ms each way."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.dropped = Counter[str]()
        self.failures = Counter[str]()
        self.sent: list[Envelope] = []
        self.ledger_to: dict[str, Callable[[LedgerHeads | LedgerAck], None]] = {}
        self.received: Callable[[Envelope], None] = lambda envelope: None
        self.changed: Callable[[bool], None] = lambda up: None

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        self.received, self.changed = received, changed
        changed(True)

    def send(self, envelope: Envelope) -> None:
        self.clock.call_later(0.02, self._deliver, envelope)

    def stop(self) -> Deferred[None]:
        self.received = lambda envelope: None
        return succeed(None)

    def _deliver(self, envelope: Envelope) -> None:
        self.sent.append(decode(encode(envelope)))
        hear = self.ledger_to.get(envelope.to)
        if hear is not None and isinstance(envelope.body, LedgerHeads | LedgerAck):
            hear(envelope.body)

    def messages(self, to: NodeId) -> list[AnyMessage]:
        return [one.body for one in self.sent if one.to == to]


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock(wall0=1_000_000.0)
        self.wire = Wire(self.clock)
        self.ledger = MemoryLedger()
        self.disk = MemoryDisk()
        self.counts = HubCounts()
        self.sender = PictureSender()
        self.runs = 0
        self.hub = self.next_hub()

    def next_hub(self) -> RunningHub:
        """Start the hub's process (again) on the disks it has."""
        self.runs += 1
        settings = JournalSettings(node=HUB, boot="boot", new_lineage=lambda: LineageId(f"000000f{self.runs}"))
        self.counts = HubCounts()
        hub = RunningHub(
            node=HUB,
            cities=(SHENZHEN, FOSHAN),
            others=(),
            leadership=Alone(),
            clock=self.clock,
            link=self.wire,
            journal=MemoryJournal(self.disk, settings, self.clock),
            store=MemoryLedgerStore(self.ledger, self.clock),
            core=Proposals(ProvincePicture(beat_s=1.0), OverflowPolicy(), proposal_s=2.0),
            memory=Memory(),
            counts=self.counts,
        )
        hub.start()
        return hub

    def say(self, city: str, message: AnyMessage, stream: Stream = Stream.COMMAND) -> None:
        envelope = Envelope(sender=NodeId(city), to=NodeId(HUB), stream=stream, lineage=RUN, sequence=1, body=message)
        self.wire.received(decode(encode(envelope)))

    def beat(self, *states: str, lost: bool = False) -> None:
        picture = CityPicture(
            city=SHENZHEN,
            skills={"fault": SkillPicture(idle=states.count("ready"), staffed=len(states))},
            agents=tuple(
                AgentPicture(agent=AgentId(f"{at}@shenzhen"), name="", state=state, skills=(SkillId("fault"),))
                for at, state in enumerate(states)
            ),
        )
        now = self.clock.monotonic()
        beat = self.sender.beat(picture, now=now, wall=self.clock.wall())
        if not lost:
            self.say("shenzhen", beat, Stream.PICTURE)

    def open(self, n: int = 1) -> None:
        context = Context(
            calling="13900001234",
            door="10000",
            path=("1",),
            service="fault",
            skill=SkillId("fault"),
            channel="voice",
            priority=0,
            package="p@1",
            waited_s=0.0,
        )
        self.say("foshan", Open(contact=C, n=n, context=context, budget_s=6.0))

    def decisions(self) -> list[tuple[str, str]]:
        rows = [one.journalled.row for lineage in self.disk.lineages for one in lineage.rows.values()]
        return [(row.choice, row.why) for row in rows if isinstance(row, Decision)]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.counts.registry.get_sample_value(name, labels)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_hub_beats_to_everybody(scene: Scene) -> None:
    scene.clock.advance(3.5)
    beats = [one for one in scene.wire.messages(EVERYONE) if isinstance(one, HubBeat)]
    assert [beat.count for beat in beats] == [1, 2, 3, 4]
    assert [one.sequence for one in scene.wire.sent] == [1, 2, 3, 4]
    assert {one.term for one in scene.wire.sent} == {1}


def test_an_opened_contact_is_proposed_and_the_decision_is_on_disk(scene: Scene) -> None:
    scene.beat("ready")
    scene.open()
    scene.clock.advance(0.1)
    [propose] = [one for one in scene.wire.sent if one.to == NodeId(SHENZHEN)]
    assert isinstance(propose.body, Propose)
    assert (propose.stream, propose.budget_s, propose.contact, propose.attempt) == (Stream.COMMAND, 2.0, C, 1)
    assert propose.body.context.calling == "13900001234"
    assert scene.decisions() == [("propose", "largest_idle_share")]
    assert [row.row for row in scene.hub.memory.decisions(C)]
    assert scene.metric("yht_hub_decisions_total", choice="propose", why="largest_idle_share") == 1.0
    assert scene.metric("yht_hub_open_attempts") == 1.0
    scene.say(
        "shenzhen",
        Granted(contact=C, n=1, site=SHENZHEN, agent=AgentId("0@shenzhen"), token=Token("t"), number="7701", ttl_s=6.0),
    )
    scene.say("foshan", Taken(contact=C, n=1, token=Token("t")))
    assert scene.metric("yht_hub_open_attempts") == 0.0
    assert scene.metric("yht_hub_proposals_answered_total", city="shenzhen", answer="granted") == 1.0


def test_a_freed_agent_pulls_a_waiting_contact(scene: Scene) -> None:
    scene.beat("talking")
    scene.open()
    scene.clock.advance(0.9)
    scene.beat("ready")
    scene.clock.advance(0.1)
    assert [type(one) for one in scene.wire.messages(NodeId(SHENZHEN))] == [Propose]
    assert scene.decisions() == [("wait", "nobody_idle"), ("propose", "largest_idle_share")]


def test_nobody_found_within_the_budget(scene: Scene) -> None:
    """The budget runs on the hub's own monotonic clock: a jump of the wall clock changes nothing (A9)."""
    scene.open()
    scene.clock.jump_wall(-600.0)
    scene.clock.advance(5.9)
    assert scene.wire.messages(NodeId(FOSHAN)) == []
    scene.clock.advance(0.2)
    assert scene.wire.messages(NodeId(FOSHAN)) == [NoProposal(contact=C, n=1, reason="nobody_seen")]


def test_a_lost_beat_is_asked_for_and_a_silent_city_is_dropped(scene: Scene) -> None:
    scene.beat("ready")
    scene.beat("talking", lost=True)
    scene.beat("talking", "ready")
    scene.clock.advance(0.1)
    assert scene.wire.messages(NodeId(SHENZHEN)) == [FullPictureWanted()]
    scene.sender.want_full()
    scene.beat("talking", "ready")
    scene.clock.advance(1.0)
    assert scene.metric("yht_hub_city_seen", city="shenzhen") == 1.0
    scene.clock.advance(3.0)
    assert scene.metric("yht_hub_city_seen", city="shenzhen") == 0.0
    assert scene.metric("yht_hub_city_seen", city="foshan") == 0.0
    scene.open()
    scene.clock.advance(0.1)
    assert scene.decisions() == [("wait", "nobody_seen")]


def test_strangers_are_not_listened_to(scene: Scene) -> None:
    scene.beat("ready")
    scene.say("zhuhai", Taken(contact=C, n=1, token=Token("t")))
    scene.say("foshan", HubBeat(count=1, wall=0.0))
    assert scene.metric("yht_hub_messages_refused_total", reason="unknown_sender") == 1.0
    assert scene.metric("yht_hub_messages_refused_total", reason="not_for_a_hub") == 1.0


def test_rows_of_a_city_are_applied_once_and_acknowledged_end_to_end(scene: Scene) -> None:
    """Whatever is said twice: the contact is known, the city's outbox is empty, the ledger holds each row once."""
    settings = JournalSettings(node=NodeId("foshan"), boot="b", new_lineage=lambda: RUN)
    journal = MemoryJournal(MemoryDisk(), settings, scene.clock)

    def twice(to: NodeId, message: AnyMessage) -> None:
        scene.say("foshan", message, Stream.LEDGER)
        scene.say("foshan", message, Stream.LEDGER)

    outbox = Outbox(journal, scene.clock, twice)
    scene.wire.ledger_to["foshan"] = lambda message: outbox.heard(NodeId(HUB), message)
    outbox.link_changed(True)
    born = ContactBorn(contact=C, city=FOSHAN, channel="voice", door="10000", calling="", connection="c", package="p@1")
    journal.append([(born, (HUB,))], lambda: None)
    scene.clock.advance(2.0)
    assert outbox.waiting() == {HUB: 0}
    contact = scene.hub.memory.contacts.get(C)
    assert contact is not None
    assert (contact.city, contact.state) == (FOSHAN, "menu")
    assert [row.row for row, _ in scene.ledger.rows.values() if row.node == "foshan"][1:] == [born]
    assert scene.metric("yht_hub_rows_total", node="foshan") == 2.0


def test_a_restarted_hub_knows_contacts_and_its_own_decisions(scene: Scene) -> None:
    """From its ledger; also a decision that its journal has and the ledger has not."""
    scene.beat("talking")
    scene.open()
    scene.clock.advance(1.0)
    scene.hub.stop()
    scene.clock.advance(1.0)
    scene.ledger.rows = {key: kept for key, kept in scene.ledger.rows.items() if not isinstance(kept[0].row, Decision)}
    again = scene.next_hub()
    scene.clock.advance(1.0)
    assert [row.row.why for row in again.memory.decisions(C) if isinstance(row.row, Decision)] == ["nobody_idle"]


def test_a_screen_hears_of_changes_until_it_goes(scene: Scene) -> None:
    heard: list[int] = []
    leave = scene.hub.watch(lambda: heard.append(1))
    scene.beat("ready")
    assert heard
    leave()
    heard.clear()
    scene.beat("talking")
    assert heard == []


def test_stopping_ends_every_timer(scene: Scene) -> None:
    scene.open()
    done: list[None] = []
    scene.hub.stop().addCallback(done.append)
    scene.clock.advance(1.0)
    assert done == [None]
    assert scene.clock.next_due() is None
