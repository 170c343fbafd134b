"""What is seen of a run from outside: rows reaching disks, messages on their way, requests and reports of switches.

From these the watcher follows every attempt through its moments. It tells them to whoever aims a fault at one, and it
counts the interleavings of federation.md's last section that were really reached, whatever was intended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dataset import rows
from dataset.ids import AgentId, AttemptId, CityId, ConnectionId, ContactId, NodeId, Token, is_hub
from federation.core.envelope import Envelope, Granted, HubBeat, NotGranted, Propose, Release, Stream, Taken
from federation.links.inprocess import Fate, Wires
from federation.node.journal import Stamped
from federation.ports import Clock
from simulation.chaos.words import short
from site_node.core.names import outbound_connection, seat_connection
from site_node.core.telephony import (
    Cause,
    Clear,
    Cleared,
    Established,
    Join,
    Make,
    Offered,
    Report,
    Request,
    Role,
    Seat,
)
from site_node.switch.simulated.network import Network


class Moment(StrEnum):
    """Steps of an attempt, as somebody outside sees them."""

    BORN = "born"
    OPENED = "opened"
    """the attempt to another city is on the anchor's disk"""
    PROPOSED = "proposed"
    GRANTED = "granted"
    """the grant leaves the serving site"""
    GRANT_HEARD = "grant_heard"
    TAKEN = "taken"
    LEG_MADE = "leg_made"
    LEG_OFFERED = "leg_offered"
    RINGING = "ringing"
    """the serving site lets the seat ring"""
    HOME_RINGING = "home_ringing"
    SEAT_ANSWERED = "seat_answered"
    OK_AT_ANCHOR = "ok_at_anchor"
    ANSWERED = "answered"
    """the commit is on the anchor's disk"""
    HOME_ANSWERED = "home_answered"
    JOINED = "joined"
    """the anchor asks its switch to bridge"""
    TRANSFER_ASKED = "transfer_asked"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"
    WORK_ASKED = "work_asked"
    """a request to another city is on the disk of the city that asks"""
    WORK_HEARD = "work_heard"
    """it is on the owning city's"""
    WORK_ANSWERED = "work_answered"
    """its answer is"""
    CALL_ANSWERED = "call_answered"
    """that a customer who is called back has answered is on disk"""
    CALL_ENDED = "call_ended"
    """what became of a call-back is on disk; the step of its item follows from it"""
    FILE_HALF = "file_half"
    """a piece of a file is with the owning city, and more are to come"""
    FILE_KEPT = "file_kept"
    """all of it is on the owning city's disk; the row that names it is next"""


INTERLEAVINGS: dict[str, str] = {
    "answer_without_link": "SIP up and AMQP down when the agent answers",
    "answer_crosses_withdrawal": "the answer crosses the withdrawal",
    "caller_leaves_with_ok_on_its_way": "the caller hangs up while the 200 OK is on the way",
    "ok_lost": "the 200 OK is lost",
    "proposal_of_dead_hub": "the hub dies after the proposal, whose message arrives minutes later",
    "home_wins_against_grant": "the home agent wins while the grant travels",
    "release_overtakes_cancel": "the release overtakes the CANCEL",
    "ring_timer_while_ringing": "the anchor's timer fires while the seat still rings",
    "two_islands_one_slot": "two islands match one slot",
    "serving_restarts_while_ringing": "the serving node restarts while the seat rings",
    "serving_switch_restarts_while_ringing": "the serving switch restarts while the seat rings",
    "anchor_restarts_before_commit": "the anchor restarts between the 200 OK and the journal",
    "anchor_restarts_with_bridge_in_flight": "the anchor restarts with a bridge command in flight",
    "anchor_restarts_in_transfer": "the anchor restarts in the middle of a transfer",
    "leg_after_lease": "a leg comes after its lease expired",
    "leg_after_slot_leased_again": "a leg comes after its lease expired and the slot was leased again",
    "trunk_silent_in_talk": "a trunk falls silent in talk",
    "journal_tail_lost": "the journal is lost to the last sync",
    "journal_lost": "the journal is lost whole",
    "journal_restored": "the journal is restored from an old backup and written on before connecting",
    "late_rows_of_lost_lineage": "rows of a lineage come after its successor's",
    "paused_past_lease": "the serving node is paused past its lease, then continues",
    "serving_host_lost": "the serving host is gone for good while the seat rings",
    "hub_paused_past_term": "the hub is paused past its term, then continues",
    "hub_disk_lost": "the hub's disk is lost",
    "clock_jumps_in_attempt": "a clock jumps ten minutes during an attempt",
    "work_owner_dies_before_answer": "a request is committed, and the owning city dies before it answers",
    "work_asker_dies_before_answer": "the city that asks dies before its request is answered",
    "work_line_cut_before_answer": "the line is cut between request and answer",
    "work_answered_twice": "a request is answered twice, after a lost disk",
    "work_two_act_at_once": "two agents act on one item at once",
    "work_step_overtaken": "a tail that came back overtakes a step",
    "call_back_answered_twice": "two calls about one item are answered",
    "call_back_node_dies": "the node dies while a customer is called back, or talks",
    "file_owner_dies_before_row": "the owning city dies with a file on disk that no row names yet",
    "file_owner_dies_between_pieces": "the owning city dies between two pieces of a file",
    "file_asker_dies_between_pieces": "the city where a file was handed in dies between two of its pieces",
    "file_line_cut_between_pieces": "the line is cut between two pieces of a file",
    "file_lost_with_its_city": "a city's disk is lost with a file on it that no other city has taken yet",
}
"""name: which sentence of federation.md, or of work-items.md"""

NOT_BUILT = ("consult completed while the consulted site vanishes (no consultation yet)",)

_FINISHES = frozenset({"hang_up", "finish"})
_ENDS_TALK = _FINISHES | {"transfer"}
"""what an agent may press in a talk, by the names of the agent API"""
_CROWD_S = 3.0
"""two matches of one slot within this time are about the same slot"""


@dataclass(slots=True)
class Track:
    """One attempt of one contact."""

    id: AttemptId
    anchor: CityId
    site: CityId | None = None
    agent: AgentId | None = None
    token: Token | None = None
    home: bool = False
    grant: Envelope | None = None
    """as it was sent to the anchor"""
    at: dict[Moment, float] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    """interleavings counted for it"""

    @property
    def answered(self) -> bool:
        """Its answer is on the anchor's disk."""
        return Moment.ANSWERED in self.at or Moment.HOME_ANSWERED in self.at

    @property
    def rang(self) -> bool:
        """Its seat in another city was rung, and the anchor heard so."""
        return Moment.RINGING in self.at

    @property
    def leg(self) -> ConnectionId:
        """The anchor's leg to whoever answered."""
        return seat_connection(self.id) if self.home else outbound_connection(self.id)

    @property
    def settled(self) -> bool:
        """Answered or withdrawn on the anchor's disk."""
        return Moment.WITHDRAWN in self.at or Moment.ANSWERED in self.at or Moment.HOME_ANSWERED in self.at


Hear = Callable[[Moment, Track], None]


class Watch:
    """The watcher of one run."""

    def __init__(self, clock: Clock, network: Network, wires: Wires, hub_lineages: Callable[[], Mapping[NodeId, str]]):
        self.reached: Counter[str] = Counter()
        self.born: dict[ContactId, rows.ContactBorn] = {}
        self.tracks: dict[AttemptId, Track] = {}
        self.open: dict[AttemptId, Track] = {}
        """attempts that are not settled, and those in talk"""
        self.transfers: dict[ContactId, CityId] = {}
        """contacts with a transfer on record and no answer since, and their anchors"""
        self.pressed: dict[ContactId, float] = {}
        """when an agent last said something about a contact that ends a talk: finished, or to somebody else"""
        self.finished: set[ContactId] = set()
        """contacts that an agent has said to be finished"""
        self.hear: Hear = lambda moment, track: None
        self.wrong: list[str] = []
        """what must never be seen"""
        self.said: Callable[[str, str], None] | None = None
        """for a timeline: node, and what happened there"""
        self._clock = clock
        self._network = network
        self._wires = wires
        self._hub_lineages = hub_lineages
        self._proposals: dict[tuple[NodeId, str, int], float] = {}
        self._last_grant: dict[CityId, tuple[float, AttemptId, NodeId]] = {}
        self._proposer: dict[tuple[CityId, AttemptId], NodeId] = {}
        self._leaders: dict[int, NodeId] = {}
        self._slot: dict[AgentId, Token] = {}
        self._rows: dict[type, Callable[[NodeId, rows.AnyRow], None]] = {
            rows.ContactBorn: self._born,
            rows.AttemptOpened: self._opened,
            rows.AttemptAnswered: self._answered,
            rows.AttemptWithdrawn: self._withdrawn,
            rows.TransferAsked: self._transfer,
            rows.ContactEnded: self._ended,
            rows.LegRefused: self._leg_refused,
        }

    def count(self, interleaving: str, track: Track | None = None) -> None:
        """``interleaving`` was reached; once per attempt."""
        if track is not None:
            if interleaving in track.reached:
                return
            track.reached.add(interleaving)
        self.reached[interleaving] += 1

    # ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        """A group reached the disk of ``node``."""
        for one in stamped:
            row = one.journalled.row
            if self.said is not None:
                self.said(node, f"row {one.journalled.lineage}/{one.journalled.sequence}: {short(row)}")
            take = self._rows.get(type(row))
            if take is not None:
                take(node, row)

    def _born(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.ContactBorn)
        self.born[row.contact] = row

    def _opened(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.AttemptOpened)
        which = AttemptId(row.contact, row.n)
        track = self.tracks[which] = self.open[which] = Track(which, CityId(node), home=row.scope == "home")
        if not track.home:
            self._moment(Moment.OPENED, track)

    def _answered(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.AttemptAnswered)
        self.transfers.pop(row.contact, None)
        track = self.tracks.get(AttemptId(row.contact, row.n))
        if track is not None:
            self._moment(Moment.HOME_ANSWERED if track.home else Moment.ANSWERED, track)

    def _withdrawn(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.AttemptWithdrawn)
        track = self.tracks.get(AttemptId(row.contact, row.n))
        if track is None:
            return
        self.open.pop(track.id, None)
        if not track.home:
            self._crossed(track, row.reason)
        self._moment(Moment.WITHDRAWN, track)

    def _crossed(self, track: Track, reason: rows.Withdrawn) -> None:
        """A withdrawal of a remote attempt: what it may have met on its way."""
        seat_answered, ok = Moment.SEAT_ANSWERED in track.at, Moment.OK_AT_ANCHOR in track.at
        if seat_answered:
            self.count("answer_crosses_withdrawal", track)
            if reason is rows.Withdrawn.CUSTOMER_LEFT and not ok:
                self.count("caller_leaves_with_ok_on_its_way", track)
            elif reason is not rows.Withdrawn.RESTART and not ok:
                self.count("ok_lost", track)
        if reason is rows.Withdrawn.TIMED_OUT and self._rings(track):
            self.count("ring_timer_while_ringing", track)
        if reason is rows.Withdrawn.HOME_WON and Moment.GRANTED in track.at and Moment.GRANT_HEARD not in track.at:
            self.count("home_wins_against_grant", track)

    def _transfer(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.TransferAsked)
        if row.outcome == "asked":
            self.transfers[row.contact] = CityId(node)
            current = [one for one in self.open.values() if one.id.contact == row.contact]
            self.hear(Moment.TRANSFER_ASKED, current[-1] if current else Track(AttemptId(row.contact, 0), CityId(node)))

    def _ended(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.ContactEnded)
        self.transfers.pop(row.contact, None)
        for which in [one for one in self.open if one.contact == row.contact]:
            self._moment(Moment.ENDED, self.open.pop(which))

    def _leg_refused(self, node: NodeId, row: rows.AnyRow) -> None:
        assert isinstance(row, rows.LegRefused)
        if row.reason == "expired":
            self.count("leg_after_lease")
            agents = [one.agent for one in self.tracks.values() if one.token == row.token and one.agent is not None]
            if agents and self._slot.get(agents[0], row.token) != row.token:
                self.count("leg_after_slot_leased_again")

    # ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        """An envelope was sent to ``receiver``, arrived there, or was lost."""
        if envelope.stream is Stream.COMMAND:
            self.on_command(fate, receiver, envelope)
        elif fate is Fate.SENT and isinstance(envelope.body, HubBeat):
            self.on_hub_beat(envelope, envelope.body)

    def on_command(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        """A command was sent to ``receiver``, arrived there, or was lost."""
        message = envelope.body
        if self.said is not None:
            self.said(envelope.sender, f"{fate} → {receiver}: {short(message)}")
        if isinstance(message, Propose):
            self._propose(fate, receiver, envelope, message)
        elif isinstance(message, Granted) and receiver == self._anchor_of(message.contact, message.n):
            self._granted(fate, envelope, message)
        elif isinstance(message, NotGranted) and fate is Fate.SENT and not is_hub(receiver):
            self._not_granted(message)
        elif isinstance(message, Taken) and fate is Fate.SENT and not is_hub(receiver):
            track = self.tracks.get(AttemptId(message.contact, message.n))
            if track is not None:
                self._moment(Moment.TAKEN, track)
        elif isinstance(message, Release) and fate is Fate.ARRIVED:
            track = self.tracks.get(AttemptId(message.contact, message.n))
            if track is not None and self._rings(track):
                self.count("release_overtakes_cancel", track)

    def on_hub_beat(self, envelope: Envelope, beat: HubBeat) -> None:
        """B2: of two hubs never both lead under one term."""
        if not beat.leads:
            return
        known = self._leaders.setdefault(envelope.term, envelope.sender)
        if known != envelope.sender and envelope.version > 1:
            self.wrong.append(f"B2: {known} and {envelope.sender} lead under term {envelope.term}")

    def _anchor_of(self, contact: ContactId, n: int) -> str:
        track = self.tracks.get(AttemptId(contact, n))
        return track.anchor if track is not None else ""

    def _propose(self, fate: Fate, receiver: NodeId, envelope: Envelope, message: Propose) -> None:
        key = (envelope.sender, envelope.lineage, envelope.sequence)
        which = AttemptId(message.contact, message.n)
        if fate is Fate.SENT:
            self._proposals[key] = self._clock.monotonic()
            track = self.tracks.get(which)
            if track is not None:
                track.site = CityId(receiver)
                self._moment(Moment.PROPOSED, track)
        elif fate is Fate.ARRIVED:
            self._proposer[CityId(receiver), which] = envelope.sender
            dead = is_hub(envelope.sender) and self._hub_lineages().get(envelope.sender) != envelope.lineage
            if dead and self._clock.monotonic() - self._proposals.get(key, 0.0) > 60.0:
                self.count("proposal_of_dead_hub")

    def _granted(self, fate: Fate, envelope: Envelope, message: Granted) -> None:
        which = AttemptId(message.contact, message.n)
        track = self.tracks.get(which)
        if track is None:
            return
        if fate is Fate.SENT:
            site = message.site
            track.site, track.agent, track.token, track.grant = site, message.agent, message.token, envelope
            self._slot[message.agent] = message.token
            self._last_grant[site] = (self._clock.monotonic(), which, self._proposer.get((site, which), NodeId("")))
            self._moment(Moment.GRANTED, track)
        elif fate is Fate.ARRIVED:
            self._moment(Moment.GRANT_HEARD, track)

    def _not_granted(self, message: NotGranted) -> None:
        """Two proposers that did not know of each other wanted one slot: the first got it (A2)."""
        granted_at, which, proposer = self._last_grant.get(message.site, (-1e9, None, None))
        own = AttemptId(message.contact, message.n)
        mine = self._proposer.get((message.site, own))
        if which != own and proposer != mine and self._clock.monotonic() - granted_at < _CROWD_S:
            self.count("two_islands_one_slot")

    # ── desks ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_pressed(self, contact: ContactId, op: str) -> None:
        """An agent asks for something about a contact."""
        if op in _ENDS_TALK:
            self.pressed[contact] = self._clock.monotonic()
        if op in _FINISHES:
            self.finished.add(contact)

    # ── switches ────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_request(self, city: CityId, request: Request) -> None:
        """A site node asks its switch."""
        if self.said is not None:
            self.said(city, f"asks its switch: {short(request)}")
        if isinstance(request, Make):
            self._make(city, request)
        elif isinstance(request, Join):
            for connection in (request.one, request.other):
                track = self.of_leg(connection)
                if track is not None and track.anchor == city and track.settled:
                    self._moment(Moment.JOINED, track)
        elif isinstance(request, Clear):
            track = self.of_leg(request.connection)
            if (
                track is not None
                and Moment.WITHDRAWN in track.at
                and request.connection[-1] == "s"
                and self._rings(track)
                and self._has_inbound(city, track.id)
            ):
                self.count("release_overtakes_cancel", track)

    def _make(self, city: CityId, request: Make) -> None:
        track = self.tracks.get(AttemptId(request.leg.contact, request.leg.attempt))
        if track is None:
            return
        if not isinstance(request.device, Seat):
            self._moment(Moment.LEG_MADE, track)
        elif track.anchor == city:
            track.site = city
            self._moment(Moment.HOME_RINGING, track)
        else:
            self._moment(Moment.RINGING, track)

    def on_report(self, city: CityId, report: Report) -> None:
        """A site node hears from its switch."""
        if self.said is not None:
            self.said(city, f"its switch says: {short(report)}")
        if isinstance(report, Established):
            track = self.of_leg(report.connection)
            if track is not None and report.connection[-1] == "o":
                self._moment(Moment.OK_AT_ANCHOR, track)
            elif track is not None and not track.home:
                self._seat_answered(city, track)
        elif isinstance(report, Offered) and report.token is not None:
            for track in self.open.values():
                if track.token == report.token:
                    self._moment(Moment.LEG_OFFERED, track)
                    break
        elif isinstance(report, Cleared) and report.cause is Cause.BUSY and report.connection[-1] == "s":
            self.wrong.append(f"I2: {city} let a seat ring that was busy: {report.connection}")
        elif isinstance(report, Cleared) and report.cause is Cause.MEDIA_LOST:
            track = self.of_leg(report.connection)
            if track is None or not track.home:
                self.count("trunk_silent_in_talk", track)

    def _seat_answered(self, city: CityId, track: Track) -> None:
        serving, anchor = NodeId(city), NodeId(track.anchor)
        wires = self._wires
        if (
            wires.line(serving, anchor).cut
            or wires.line(anchor, serving).cut
            or not (wires.is_up(serving) and wires.is_up(anchor))
        ):
            self.count("answer_without_link", track)
        if Moment.WITHDRAWN in track.at:
            self.count("answer_crosses_withdrawal", track)
        self._moment(Moment.SEAT_ANSWERED, track)

    def of_leg(self, connection: ConnectionId) -> Track | None:
        """The attempt that a leg's name names."""
        if connection[-1] not in "os":
            return None
        return self.tracks.get(AttemptId(ContactId(connection[:-5]), int(connection[-4:-1], 16)))

    def highest_answer(self, contact: ContactId) -> Track | None:
        """The last attempt of ``contact`` that was answered and not withdrawn."""
        found = [one for one in self.open.values() if one.id.contact == contact and one.answered]
        return max(found, key=lambda one: one.id.n, default=None)

    def _rings(self, track: Track) -> bool:
        """Whether the seat of a remote attempt rings now, by its switch."""
        if track.site is None or track.home:
            return False
        seat = self._network.city(track.site).connections.get(seat_connection(track.id))
        return seat is not None and not seat.established

    def _has_inbound(self, city: CityId, which: AttemptId) -> bool:
        return any(
            one.leg is not None
            and one.leg.role is Role.INBOUND
            and (one.leg.contact, one.leg.attempt) == (which.contact, which.n)
            for one in self._network.city(city).connections.values()
        )

    # ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def node_dies(self, node: NodeId) -> None:
        """A city's process is about to be killed."""
        city = CityId(node)
        now = self._clock.monotonic()
        for track in self.open.values():
            if track.home:
                continue
            if track.site == city and self._rings(track):
                self.count("serving_restarts_while_ringing", track)
            if track.anchor == city and Moment.OK_AT_ANCHOR in track.at and not track.settled:
                self.count("anchor_restarts_before_commit", track)
            joined_at = track.at.get(Moment.JOINED)
            way_s = self._network.city(city).command_delay_s
            if track.anchor == city and joined_at is not None and now - joined_at <= way_s:
                self.count("anchor_restarts_with_bridge_in_flight", track)
        if city in self.transfers.values():
            self.count("anchor_restarts_in_transfer")

    def switch_dies(self, city: CityId) -> None:
        """A city's switch is about to die."""
        for track in self.open.values():
            if track.site == city and self._rings(track):
                self.count("serving_switch_restarts_while_ringing", track)

    def host_lost(self, city: CityId) -> None:
        """Everything a city has is about to be lost."""
        for track in self.open.values():
            if track.site == city and self._rings(track):
                self.count("serving_host_lost", track)

    def hub_goes_on(self, *, term_over: bool) -> None:
        """A hub goes on after a pause; ``term_over``: it led before, and another has the lock now."""
        if term_over:
            self.count("hub_paused_past_term")

    def node_goes_on(self, node: NodeId, paused_s: float, lease_s: float) -> None:
        """A city's process goes on after a pause."""
        now, city = self._clock.monotonic(), CityId(node)
        for track in self.tracks.values():
            granted_at = track.at.get(Moment.GRANTED)
            if (
                track.site == city
                and granted_at is not None
                and Moment.LEG_OFFERED not in track.at
                and now - lease_s > granted_at > now - paused_s - 1.0
            ):
                self.count("paused_past_lease", track)

    def clock_jumps(self, node: NodeId) -> None:
        """A wall clock is about to be set."""
        city = CityId(node)
        if any(not track.settled and city in (track.anchor, track.site) for track in self.open.values()):
            self.count("clock_jumps_in_attempt")

    def _moment(self, moment: Moment, track: Track) -> None:
        track.at.setdefault(moment, self._clock.monotonic())
        self.hear(moment, track)
