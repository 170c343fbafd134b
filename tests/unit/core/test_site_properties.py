"""Thousands of causally possible events by seed through one city's core; what must always hold is checked each time."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dataset import rows
from dataset.errors import Refused
from dataset.ids import AgentId, CityId, ContactId, LineageId, NodeId, SkillId, Token, agent_id, contact_id, token
from dataset.packages import parse_package
from dataset.rows import AnyRow, Journalled, Withdrawn
from dataset.work import Actor, CallBackOutcome, WorkItemId
from federation.core.envelope import (
    AgentPicture,
    AnyMessage,
    CityPicture,
    Context,
    Granted,
    NoProposal,
    NotGranted,
    Open,
    Propose,
    Release,
    SkillPicture,
    Taken,
    TransferAnswer,
    TransferWanted,
)
from federation.core.lease import LeaseState
from federation.core.picture import PictureSender
from site_node.core import events
from site_node.core.agent import Presence
from site_node.core.call_back import CallBackState
from site_node.core.commands import AnswerSeat, Ask, Command, Send, StartTimer, StopTimer, TimerKey, Write
from site_node.core.contact import Contact, ContactState
from site_node.core.rules import Rules
from site_node.core.site import Event, Site
from site_node.core.telephony import Answer, Cause, Clear, Outside, Role, SwitchUp
from tests.unit.core.fake_switch import FakeSwitch, role

FILE = Path(__file__).parents[3] / "conf" / "packages" / "yihaotong.toml"
PACKAGE = parse_package(FILE.read_bytes(), FILE.name)
HOME = CityId("guangzhou")
PEERS = (CityId("shenzhen"), CityId("foshan"))
HUB = NodeId("hub")
DOORS = ("112", "112", "112", "170", "180", "10000", "999")
SKILLS = tuple(SkillId(skill) for skill in ("fault", "bill", "complaint"))
RULES = Rules(
    city=HOME,
    area_code="020",
    lineage=LineageId("0000000a"),
    hubs=(HUB,),
    peers=frozenset(PEERS),
    numbers=6,
    evidence_s=1.0,
)
AGENTS = {agent_id(str(1001 + n), HOME): str(8001 + n) for n in range(4)}
ABROAD = agent_id("2001", PEERS[0])
CALLED_BACK = "02081230001", WorkItemId("w-0020-0000000a-000001"), HOME, "fault", SkillId("fault")
MAY_BE_REPAIRED = {"ring_overdue", "menu_silent"}
"""nothing ends a ringing or a prompt here by itself"""
_CONTACT_TIMERS = ("menu", "announce", "look", "retry", "transfer", "grant", "leg", "ring")


class World:
    """One city's core, its switch, its agents, and two other cities that say whatever could be said."""

    def __init__(self, seed: int, *, lossy: bool = False, calls_back: bool = False) -> None:
        self.random = Random(seed)
        self.calls_back = calls_back
        """whether agents call customers back, too"""
        self.lossy = self.may_lose = lossy
        self.runs = 1
        self.site = Site(RULES, PACKAGE)
        self.switch = FakeSwitch(self.random)
        self.now = 0.0
        self.rows: list[AnyRow] = []
        self.journal: list[Journalled] = []
        self.effects: deque[Command] = deque()
        self.timers: dict[TimerKey, float] = {}
        self.post: deque[Event] = deque()
        """what other nodes have said and this city has not heard yet"""
        self.legs: dict[Token, Granted] = {}
        """grants of ours whose anchor may still send a leg"""
        self.granted: set[tuple[ContactId, int]] = set()
        self.inbound: dict[Any, tuple[Granted, CityId]] = {}
        self.owed: dict[tuple[ContactId, int], tuple[Granted, bool]] = {}
        """outcomes that anchors abroad have on record for us; True = answered"""
        self.far = 0
        self.reigns = 0
        self.beats = {city: PictureSender(full_every=1) for city in PEERS}

    # ── in and out ──────────────────────────────────────────────────────────────────────────────────────────────
    def advance(self, event: Event) -> None:
        self._carry_out(self.site.advance(event, self.now))

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Write(row):
                    self.rows.append(row)
                    self._journal(row)
                case StartTimer(key, after_s):
                    self.timers[key] = self.now + after_s
                case StopTimer(key):
                    self.timers.pop(key, None)
                case _:
                    self.effects.append(command)

    def _journal(self, row: AnyRow) -> None:
        lineage, place = self.site.rules.lineage, len(self.rows)
        self.journal.append(
            Journalled(node=HOME, lineage=lineage, sequence=place, wall=self.now, mono=self.now, boot="b", row=row)
        )

    def restart(self) -> None:
        """The site node dies and starts again: what was under way is lost, rows and calls are not."""
        self.runs += 1
        self.effects.clear()
        self.timers.clear()
        self.site = Site(replace(RULES, lineage=LineageId(f"{self.runs:07x}a")), PACKAGE)
        live = _live_contacts(self.rows)
        rows_left = [one for one in self.journal if getattr(one.row, "contact", None) in live]
        self._carry_out(self.site.recover(rows_left, self.now, self.now, "boot"))
        self.switch.lose(die=False)
        self.switch.come_back()
        while len(self.switch.reports) > 1:
            self.switch.reports.popleft()  # that it was away is heard by nobody
        self.advance(events.ProvinceSeen(leader=HUB, cities=frozenset(PEERS)))

    def let_out(self) -> None:
        """One effect leaves."""
        if not self.effects:
            return
        match self.effects.popleft():
            case Ask(request):
                self._anchor_hears_answer(request)
                self.switch.request(request)
            case AnswerSeat(extension):
                self.switch.answer_seat(extension)
            case Send(to, message):
                self._abroad(to, message)
            case _:
                pass

    def let_in(self) -> None:
        """One report arrives."""
        if self.switch.reports:
            self.advance(self.switch.reports.popleft())

    def hear(self) -> None:
        """One message arrives, maybe out of turn, maybe twice."""
        if not self.post:
            return
        self.post.rotate(-self.random.randrange(len(self.post)))
        event = self.post[0] if self.random.random() < 0.15 else self.post.popleft()
        self.advance(event)

    def pass_time(self) -> None:
        self.now += self.random.choice((0.1, 1.0, 5.0))
        self.ring_timers()

    def ring_timers(self) -> None:
        for key in sorted(key for key, due in self.timers.items() if due <= self.now):
            if key in self.timers and self.timers[key] <= self.now:
                del self.timers[key]
                self.advance(events.TimerExpired(key))

    # ── other cities ────────────────────────────────────────────────────────────────────────────────────────────
    def _abroad(self, to: NodeId, message: AnyMessage) -> None:
        if self.random.random() < 0.15:
            return  # lost
        match message:
            case Open() | Propose():
                self._asked(to, message)
            case Granted() if to != HUB and (message.contact, message.n) not in self.granted:
                self.granted.add((message.contact, message.n))  # of several, an anchor takes one
                self.legs[message.token] = message
            case TransferWanted():
                self._transfer_wanted(to, message)
            case _:
                pass

    def _asked(self, to: NodeId, message: Open | Propose) -> None:
        site = self.random.choice(PEERS) if isinstance(message, Open) else CityId(to)
        chance = self.random.random()
        if chance < 0.6:
            self.far += 1
            agent = (message.agent if isinstance(message, Propose) else None) or agent_id("2002", site)
            fresh = token(LineageId("0000000b"), self.far)
            granted = Granted(
                contact=message.contact, n=message.n, site=site, agent=agent, token=fresh, number="7100", ttl_s=6.0
            )
            self.say(NodeId(site), granted)
        elif chance < 0.8:
            refusal = NotGranted(contact=message.contact, n=message.n, site=site, reason="agent_busy")
            self.say(NodeId(site), refusal)
        elif isinstance(message, Open):
            self.say(HUB, NoProposal(contact=message.contact, n=message.n, reason="nobody_idle"))

    def _transfer_wanted(self, to: NodeId, message: TransferWanted) -> None:
        problem = self.random.choice(("", "", "unknown-skill"))
        self.say(to, TransferAnswer(contact=message.contact, request=message.request, problem=problem))
        for connection, (granted, _) in self.inbound.items():
            if granted.token == message.token and not problem and connection in self.switch.connections:
                self.switch.clear(self.switch.connections[connection], Cause.TRANSFERRED)

    def say(self, sender: NodeId, message: Any) -> None:
        self.post.append(events.Heard(sender, message))

    def _anchor_hears_answer(self, request: object) -> None:
        """A 200 OK goes out on a leg from another city: its anchor commits, or has withdrawn already (O2)."""
        if not isinstance(request, Answer | Clear) or request.connection not in self.inbound:
            return
        granted, _ = self.inbound[request.connection]
        alive = self.switch.reachable and request.connection in self.switch.connections
        key = (granted.contact, granted.n)
        if key not in self.owed:
            answered = isinstance(request, Answer) and alive and self.random.random() < 0.85
            self.outcome(granted, answered)

    def outcome(self, granted: Granted, answered: bool) -> None:
        self.owed[granted.contact, granted.n] = (granted, answered)
        common: dict[str, Any] = {"contact": granted.contact, "n": granted.n, "site": HOME, "agent": granted.agent}
        row: AnyRow
        if answered:
            row = rows.AttemptAnswered(
                **common, token=granted.token, skill=SKILLS[0], service="fault", channel="voice", waited_s=1.0
            )
        else:
            row = rows.AttemptWithdrawn(**common, token=granted.token, reason=Withdrawn.TIMED_OUT)
        self.post.append(events.OutcomeApplied(row))

    def propose(self) -> None:
        """The hub, or an anchor that looks for a named agent, wants one of our agents."""
        self.far += 1
        anchor = self.random.choice(PEERS)
        context = Context(
            calling="13900000000",
            door="112",
            path=(),
            service="fault",
            skill=self.random.choice(SKILLS),
            channel="voice",
            priority=0,
            package="p@1",
            waited_s=3.0,
        )
        named = self.random.choice((None, None, *AGENTS, AgentId("9999@guangzhou")))
        wish = Propose(
            contact=contact_id("755", LineageId("0000000c"), self.far),
            n=1,
            anchor=anchor,
            context=context,
            budget_s=2.0,
            agent=named,
        )
        self.say(NodeId(anchor), wish)

    def anchor_acts(self) -> None:
        """An anchor abroad that holds a grant of ours takes it, gives it back, sends the leg, or forgets."""
        if not self.legs:
            return
        which = self.random.choice(list(self.legs))
        granted = self.legs[which]
        anchor = self._anchor_of(granted)
        chance = self.random.random()
        if chance < 0.2:
            self.say(NodeId(anchor), Taken(contact=granted.contact, n=granted.n, token=which))
        elif chance < 0.35:
            reason = Withdrawn.TIMED_OUT
            self.say(NodeId(anchor), Release(contact=granted.contact, n=granted.n, token=which, reason=reason))
            if chance < 0.3:
                del self.legs[which]
        else:
            del self.legs[which]
            header = which if chance < 0.7 else None
            sender = anchor if chance < 0.95 else PEERS[0]
            leg = self.switch.offer(granted.number, "13900000000", sender, header)
            self.inbound[leg] = (granted, anchor)

    def _anchor_of(self, granted: Granted) -> CityId:
        lease = self.site.serving.lease(granted.token)
        return lease.anchor if lease is not None else PEERS[1]

    def anchor_withdraws(self) -> None:
        """An anchor abroad gives up while our seat rings: the row may be faster than the CANCEL."""
        ringing = [
            (leg, granted)
            for leg, (granted, _) in self.inbound.items()
            if leg in self.switch.connections
            and not self.switch.connections[leg].established
            and (granted.contact, granted.n) not in self.owed
        ]
        if ringing:
            leg, granted = self.random.choice(ringing)
            self.outcome(granted, answered=False)
            if self.random.random() < 0.7:
                self.switch.clear(self.switch.connections[leg], Cause.NORMAL)

    def far_agent_transfers(self) -> None:
        """An agent abroad sends one of our callers on."""
        abroad = [one for one in self.site.contacts.all() if one.current is not None and not one.current.home]
        if not abroad:
            return
        contact = self.random.choice(abroad)
        current = contact.current
        if current is None or current.site is None or current.token is None or current.agent is None:
            return
        self.far += 1
        skill, agent = self._target()
        wish = TransferWanted(
            contact=contact.id,
            n=current.n,
            token=current.token,
            by=current.agent,
            request=f"far-{self.far}",
            to_skill=skill,
            to_agent=agent,
        )
        self.say(NodeId(current.site), wish)

    def _target(self) -> tuple[SkillId | None, AgentId | None]:
        skill = self.random.choice((*SKILLS, SkillId("none"), None, None))
        return skill, None if skill is not None else self.random.choice((*AGENTS, ABROAD))

    def province_changes(self) -> None:
        """The hub goes, comes, or starts anew; cities are heard or not, and show somebody idle or nobody (B2, B3)."""
        self.reigns += 1
        leader, cities = self.random.choice(((HUB, PEERS), (HUB, PEERS), (HUB, ()), (None, PEERS), (None, ())))
        reign = (1, LineageId(f"{self.reigns:07x}f")) if leader is not None else None
        self.advance(events.ProvinceSeen(leader=leader, cities=frozenset(cities), reign=reign))

    def peers_beat(self) -> None:
        """A city shows its people; a beat of our own passes."""
        city = self.random.choice(PEERS)
        idle = self.random.choice((0, 1, 2))
        people = tuple(
            AgentPicture(agent=agent_id(f"200{at}", city), name="", state="ready", skills=SKILLS, seat="")
            for at in range(idle)
        )
        figures: dict[str, SkillPicture] = {skill: SkillPicture(idle=idle, staffed=3) for skill in SKILLS}
        picture = CityPicture(city=city, skills=figures, agents=people)
        beat = self.beats[city].beat(picture, now=self.now, wall=self.now)
        sight = self.site.sight
        sight.pictures.heard(city, LineageId("0000000b"), beat, now=self.now)
        self.advance(events.PictureHeard(city))
        self.advance(events.ProvinceSeen(leader=sight.leader, cities=sight.peers, reign=sight.reign))

    # ── agents ──────────────────────────────────────────────────────────────────────────────────────────────────
    def agent_acts(self) -> None:
        """An agent does something, possible now or not; what is refused has changed nothing."""
        event = self._wish(self.random.choice(list(AGENTS)))
        before = self.state()
        try:
            self.advance(event)
        except Refused:
            assert self.state() == before, event

    def _wish(self, agent: AgentId) -> events.AgentEvent:
        session = self.site.sessions.get(agent)
        if session is None or self.random.random() < 0.03:
            held = tuple(self.random.sample(SKILLS, self.random.choice((1, 1, 2))))
            seat = AGENTS[agent] if self.random.random() < 0.9 else "8001"
            return events.LoggedIn(agent, agent, seat, held, can_answer=self.random.random() < 0.7)
        if self.calls_back and self.random.random() < 0.3:
            return events.CallBackAsked(Actor(agent=agent, role="agent", city=HOME), *CALLED_BACK)
        if session.presence is Presence.NOT_READY and self.random.random() < 0.7:
            return events.ReadyAsked(agent)
        leases = [lease.contact for lease in self.site.serving.all() if lease.agent == agent]
        contact = leases[0] if leases else ContactId("0020-0000000a-000001")
        skill, named = self._target()
        self.far += 1
        wishes: tuple[events.AgentEvent, ...] = (
            events.ReadyAsked(agent),
            events.NotReadyAsked(agent, "break"),
            events.AnswerAsked(agent, contact),
            events.HoldAsked(agent, contact),
            events.RetrieveAsked(agent, contact),
            events.TransferAsked(agent, contact, f"r{self.far}", skill, named, "note"),
            events.NoteAdded(agent, contact, "note"),
            events.DispositionSet(agent, contact, "solved"),
            events.HangUpAsked(agent, contact),
            events.FinishAsked(agent, contact),
            events.LoggedOut(agent, "end", forced=self.random.random() < 0.3),
        )
        weights = (4, 2, 4, 3, 3, 3, 1, 1, 2, 4, 1)
        return self.random.choices(wishes, weights)[0]

    def state(self) -> object:
        site = self.site
        people = site.sessions.all(), site.serving.all(), site.call_backs.all()
        return (site.contacts.all(), *people, len(self.rows), len(self.effects))

    # ── what must always hold ───────────────────────────────────────────────────────────────────────────────────
    def check(self) -> None:
        self._check_endings()
        self._check_slots()
        self._check_queues()
        self._check_timers()
        if self.lossy:
            self.switch.faults.clear()  # what was lost is asked for again, and may meet what was not
        assert not self.switch.faults, self.switch.faults

    def _check_endings(self) -> None:
        born = Counter(row.contact for row in self.rows if isinstance(row, rows.ContactBorn))
        ended = Counter(row.contact for row in self.rows if isinstance(row, rows.ContactEnded))
        assert all(count == 1 for count in born.values())
        assert all(count == 1 for count in ended.values()), "I1"
        live = {one.id for one in self.site.contacts.all()} | {one.id for one in self.site.call_backs.all()}
        assert live == set(born) - set(ended)
        told = Counter(row.contact for row in self.rows if isinstance(row, rows.CallBackEnded))
        assert told == {which: 1 for which in ended if which in self._called_back()}, "told once, with its ending"
        self._check_reached()

    def _called_back(self) -> set[ContactId]:
        return {row.contact for row in self.rows if isinstance(row, rows.ContactBorn) and row.call_back is not None}

    def _check_reached(self) -> None:
        """Reached is whoever answered, by the switch's word, and nobody else."""
        answered = {row.contact for row in self.rows if isinstance(row, rows.CallBackAnswered)}
        for row in self.rows:
            if isinstance(row, rows.CallBackEnded):
                assert (row.outcome is CallBackOutcome.REACHED) is (row.contact in answered), row
                assert row.called or row.contact not in answered

    def _check_slots(self) -> None:
        """I2: no slot has two leases; every lease is one that its agent's session knows."""
        pointed = Counter[Token]()
        for session in self.site.sessions.all():
            for which in (session.lease, session.wrapping):
                if which is not None:
                    pointed[which] += 1
                    lease = self.site.serving.lease(which)
                    assert lease is not None
                    assert lease.agent == session.agent
            slot = self.site.serving.lease(session.lease)
            assert slot is None or slot.state is not LeaseState.GONE
            free = session.presence is Presence.READY and session.lease is None and session.verified
            assert self.site.index.is_idle(session.agent) is free, session
        assert all(count == 1 for count in pointed.values())
        assert set(pointed) == {lease.token for lease in self.site.serving.all()}
        holding = [lease.agent for lease in self.site.serving.all() if lease.state is not LeaseState.GONE]
        assert len(holding) == len(set(holding)), "I2"

    def _check_queues(self) -> None:
        """I7: what entered and has not left is what waits; and nobody who waits is forgotten."""
        balance = Counter[SkillId]()
        for row in self.rows:
            if isinstance(row, rows.QueueEntered):
                balance[row.skill] += 1
            elif isinstance(row, rows.QueueLeft):
                balance[row.skill] -= 1
        waiting = Counter(one.skill for one in self.site.contacts.all() if one.state is ContactState.WAITING)
        assert +balance == +waiting, "I7"
        assert min(balance.values(), default=0) >= 0
        repaired = {row.what: row for row in self.rows if isinstance(row, rows.Repaired)}
        assert self.may_lose or repaired.keys() <= MAY_BE_REPAIRED, repaired
        for contact in self.site.contacts.all() if self.site.sessions.switch_up else []:
            if contact.state is ContactState.WAITING:
                ways = self._ways(contact)
                assert ways, f"{contact.id} waits for nothing"
                assert ways <= {"queue", "open"} or len(ways) == 1, (contact, ways)
            else:
                assert not self.site.index.waits(contact.id)

    def _ways(self, contact: Contact) -> set[str]:
        """What a waiting caller waits for."""
        ways = set()
        if self.site.index.waits(contact.id):
            ways.add("queue")
        if contact.home is not None:
            ways.add("seat")
        if contact.remote is not None:
            ways.add("open" if contact.remote.connection is None else "leg")
        if any(contact.id in line for line in self.site.routing._wanted.values()):
            ways.add("agent")
        if ("retry", contact.id) in self.timers:
            ways.add("retry")
        return ways

    def _check_timers(self) -> None:
        live = {one.id for one in self.site.contacts.all()}
        for key in self.timers:
            if key[0] in _CONTACT_TIMERS:
                assert key[1] in live, f"timer {key} of an ended contact"
            elif key[0] == "peers":
                assert key[2] in live, f"timer {key} of an ended contact"
            elif key[0] in ("lease", "wrap_up"):
                assert self.site.serving.lease(Token(key[1])) is not None, f"timer {key} of a lease that is gone"

    # ── rest ────────────────────────────────────────────────────────────────────────────────────────────────────
    def settle(self) -> None:
        """Everything under way arrives; then every leg at the switch is in use by somebody."""
        while self.effects or self.switch.reports:
            self.let_out()
            self.let_in()
        self.check()
        if not self.switch.reachable or self.lossy:
            return
        contacts, leases = self.site.contacts.all(), self.site.serving.all()
        calls = self.site.call_backs.all()
        customers = {one.connection for one in contacts} | {one.customer for one in calls}
        outbound = {leg.connection for one in contacts for leg in (one.remote, one.current) if leg and not leg.home}
        seats = {one.seat for one in leases if one.state is not LeaseState.CLEARING}
        partners = {one.partner for one in leases if one.anchor != HOME}
        used: dict[Role, set[Any]] = {
            Role.CUSTOMER: customers,
            Role.OUTBOUND: outbound,
            Role.SEAT: seats,
            Role.INBOUND: partners,
        }
        for leg in self.switch.connections.values():
            what = role(leg)
            assert what is not None, f"{leg.id} is nobody's"
            assert leg.id in used[what], f"{leg} is left over"
        for lease in leases:
            assert lease.state is not LeaseState.CLEARING, f"{lease} waits for nothing"
            assert lease.seat is None or lease.seat in self.switch.connections, f"{lease} has no seat"
        for contact in contacts:
            assert contact.connection in self.switch.connections, f"{contact} has no caller"
        for call in calls:
            [lease] = [one for one in leases if one.token == call.token]
            talks = call.state is CallBackState.ESTABLISHED and lease.state is LeaseState.TALKING
            if call.state is not CallBackState.INITIATED:
                assert self.switch.connections[call.customer].joined_to == (lease.seat if talks else None), call
        for contact in contacts:
            if contact.current is not None:
                joined = self.switch.connections[contact.connection].joined_to
                held = any(one.state is LeaseState.HELD for one in leases if contact.current.token == one.token)
                assert joined == (None if held else contact.current.connection), (contact, joined)

    def look_well(self) -> None:
        """No loss any more; minutes of looking find everything that was lost."""
        self.switch.loss = 0.0
        self.switch.come_back()
        for _ in range(60):
            self.settle()
            self.now += 5.0
            self.ring_timers()
        self.settle()
        self.lossy = False

    def drain(self) -> None:
        """Callers hang up, agents finish, outcomes arrive: nothing may be left."""
        self.switch.come_back()
        self.settle()
        self.post = deque(event for event in self.post if isinstance(event, events.OutcomeApplied))
        for _ in range(3):
            for leg in (*self.switch.live(None), *self.switch.live(Outside)):
                self.switch.clear(leg, Cause.NORMAL)
            self.settle()
            for granted, _ in self.inbound.values():
                if (granted.contact, granted.n) not in self.owed:
                    self.outcome(granted, answered=False)
            while self.post:
                self.advance(self.post.popleft())
            self.now += 120.0
            self.ring_timers()
            self.settle()
        assert not self.switch.connections
        assert self.timers.keys() <= {("evidence",)}, self.timers
        self._check_records()
        self._check_memory()

    def _check_records(self) -> None:
        of = partial(_count, self.rows)
        assert of(rows.ContactBorn) == of(rows.ContactEnded)
        opened = of(rows.AttemptOpened)
        outcomes = of(rows.AttemptAnswered) + of(rows.AttemptWithdrawn)
        assert opened == outcomes, (opened - outcomes, outcomes - opened)
        opened, closed = of(rows.SegmentOpened), of(rows.SegmentClosed)
        assert not closed - opened
        assert not opened - closed - of(rows.SegmentVoided), "only what never was may stay without its end"
        settled = of(rows.SegmentConfirmed) + of(rows.SegmentVoided)
        assert of(rows.SegmentOpened) == settled, of(rows.SegmentOpened) - settled

    def _check_memory(self) -> None:
        """Nothing grows: what a city remembers is what it has in hand."""
        site = self.site
        assert not site.contacts._live
        assert not site.contacts._legs
        assert not site.index._places
        assert not site.routing._wanted
        assert not site.call_backs._live
        assert not site.call_backs._legs
        assert not site.serving._leases
        assert not site.serving._by_connection
        assert not site.serving._unconfirmed
        assert not site._seat_actions._wishes
        assert not site.peers._table._attempts
        numbers = site.serving._numbers
        assert not numbers._tokens
        assert len(numbers._free) + len(numbers._resting) == RULES.numbers


def _count(written: list[AnyRow], kind: type) -> Counter[tuple[ContactId, int]]:
    found: list[Any] = [row for row in written if isinstance(row, kind)]
    return Counter((row.contact, getattr(row, "n", 0)) for row in found)


def _live_contacts(written: list[AnyRow]) -> set[ContactId]:
    """As ``Journal.rows_of_live_contacts`` has it: not ended, or with a segment open or waiting for its outcome."""
    of = partial(_count, written)
    born, ended = of(rows.ContactBorn), of(rows.ContactEnded)
    received = Counter((row.contact, row.n) for row in written if isinstance(row, rows.SegmentOpened) and row.received)
    open_segments = of(rows.SegmentOpened) - of(rows.SegmentClosed) - of(rows.SegmentVoided)
    awaiting = received - of(rows.SegmentConfirmed) - of(rows.SegmentVoided)
    return {which for which, _ in (born - ended) | open_segments | awaiting}


def run(
    seed: int, steps: int, *, faults: bool, restarts: bool = False, lossy: bool = False, calls_back: bool = False
) -> World:
    world = World(seed, lossy=lossy, calls_back=calls_back)
    assert world.switch.reports[0] == SwitchUp(())
    world.let_in()
    world.advance(events.ProvinceSeen(leader=HUB, cities=frozenset(PEERS)))
    random = world.random
    acts: list[tuple[Any, int]] = [
        (world.let_out, 30),
        (world.let_in, 30),
        (world.switch.something_happens, 14),
        (world.agent_acts, 16),
        (world.hear, 8),
        (world.pass_time, 6),
        (lambda: world.switch.offer(random.choice(DOORS), f"138{random.randrange(10**8):08d}"), 2),
        (world.propose, 2),
        (world.province_changes, 1),
        (world.peers_beat, 4),
        (world.anchor_acts, 4),
        (world.anchor_withdraws, 1),
        (world.far_agent_transfers, 1),
        (world.settle, 1),
    ]
    if faults:
        acts += [(lambda: world.switch.lose(die=random.random() < 0.4), 1), (world.switch.come_back, 3)]
    if restarts:
        acts += [(world.restart, 1)]
    if lossy:
        world.switch.loss, world.switch.broke = 0.03, True
        acts += [(world.switch.lose_silently, 1)]
    choices, weights = zip(*acts, strict=True)
    for step in range(steps):
        act = random.choices(choices, weights)[0]
        try:
            act()
            world.check()
        except Exception as fault:
            fault.add_note(
                f"seed {seed}, step {step}, {getattr(act, '__name__', act)}, faults {faults}, restarts {restarts}"
            )
            raise
    try:
        if lossy:
            world.look_well()
            world.switch.faults.clear()
        world.drain()
    except Exception as fault:
        fault.add_note(f"seed {seed}, at the end, faults {faults}, restarts {restarts}")
        raise
    return world


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_in_any_order(seed: int) -> None:
    """I1, I2, I7, A4 and O2 after each of thousands of events; a drained city has nothing left in hand."""
    world = run(seed, 1500, faults=False)
    assert sum(isinstance(row, rows.ContactBorn) for row in world.rows) > 10


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_while_the_switch_comes_and_goes(seed: int) -> None:
    """The same with the way to the switch broken, and the switch dying: its snapshot is the evidence (A5, O6, I8)."""
    run(seed, 1500, faults=True)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_while_the_node_dies_and_comes_back(seed: int) -> None:
    """The same with the node killed again and again: journal and switch are all that it has (O6, J1)."""
    assert run(seed, 1500, faults=seed % 2 == 1, restarts=True).runs > 2


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_lost_between_switch_and_node(seed: int) -> None:
    """Requests, reports and connections that come to nothing: always one ending and one lease (I1, I2, I7), and after
    minutes of looking as if nothing had been (I8).
    """
    world = run(seed, 1500, faults=seed % 2 == 1, lossy=True)
    assert any(isinstance(row, rows.Repaired) for row in world.rows)


@pytest.mark.parametrize("seed", range(16))
def test_whatever_happens_while_agents_call_customers_back(seed: int) -> None:
    """The same with calls out, by seed also with a switch that comes and goes, a node that dies, or losses between the
    two: one ending each, no second use of a slot, and reached is who answered.
    """
    chosen = [{}, {"faults": True}, {"restarts": True}, {"lossy": True, "faults": True}][seed % 4]
    world = run(seed, 1500, **{"faults": False, **chosen}, calls_back=True)
    ended = [row.outcome for row in world.rows if isinstance(row, rows.CallBackEnded)]
    assert len(set(ended)) > 1
    assert seed % 4 or CallBackOutcome.REACHED in ended
