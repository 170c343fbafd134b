"""One city as a whole: the one place where an event finds the half of the core that it concerns.

``advance(event) -> commands``. Contacts, sessions and leases are values, replaced and never changed in place; queues
and maps are deterministic indexes beside them. The same core runs in production, in the demo and on a virtual clock.
"""

from __future__ import annotations

from dataset.ids import AttemptId, ConnectionId
from dataset.packages import ServicePackage
from dataset.rows import Journalled, Withdrawn
from federation.core.envelope import (
    Granted,
    NoProposal,
    NotGranted,
    Propose,
    Release,
    Taken,
    TransferAnswer,
    TransferWanted,
)
from federation.core.matching import MatchIndex
from site_node.core import events
from site_node.core.adoption import Adoption
from site_node.core.anchor import Anchor
from site_node.core.call_back import CallBacks
from site_node.core.commands import Command, TimerKey
from site_node.core.comparison import Comparison
from site_node.core.contacts import Contacts
from site_node.core.events import AgentEvent
from site_node.core.evidence import TIMER as EVIDENCE_TIMER
from site_node.core.evidence import LookingAtTheSwitch, stuck
from site_node.core.in_hand import InHand
from site_node.core.peers import TIMER as PEERS_TIMER
from site_node.core.peers import PeerMatching
from site_node.core.returned import Returned
from site_node.core.routing import Routing
from site_node.core.rules import Rules
from site_node.core.seat_actions import SeatActions
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.sight import Sight
from site_node.core.step import Step
from site_node.core.telephony import (
    Cause,
    Clear,
    Cleared,
    Delivered,
    Digit,
    Established,
    Offered,
    Played,
    Report,
    Shown,
    SwitchDown,
    SwitchUp,
)

Event = (
    Report
    | AgentEvent
    | events.TimerExpired
    | events.RecordsAnswered
    | events.Heard
    | events.OutcomeApplied
    | events.RowsReturned
    | events.ProvinceSeen
    | events.PictureHeard
)


class Site:
    """The pure core of one city."""

    def __init__(self, rules: Rules, package: ServicePackage) -> None:
        self.rules = rules
        self.package = package
        self._step = Step()
        self.index = MatchIndex()
        self.contacts = Contacts()
        self.sight = Sight(rules.city, rules.beat_s)
        self.sessions = Sessions(rules.city, self._step, self.index)
        self.serving = Serving(rules, self._step, self.index, self.sessions, self.sight, self)
        self.peers = PeerMatching(rules, self._step, self.sight)
        self.routing = Routing(
            rules, self._step, self.index, self.contacts, self.sessions, self.sight, self.serving, self.peers
        )
        self.anchor = Anchor(
            rules, package, self._step, self.index, self.contacts, self.routing, self.serving, self.sessions
        )
        self.call_backs = CallBacks(
            rules, package.reference, self._step, self.sessions, self.serving, self.anchor.new_contact
        )
        self._seat_actions = SeatActions(rules, self._step, self.sessions, self.serving, self.call_backs, self)
        in_hand = InHand(
            rules, self._step, self.contacts, self.anchor, self.routing, self.serving, self.sessions, self.call_backs
        )
        self._adoption = Adoption(in_hand)
        self._returned = Returned(rules, self._step, self.contacts, self.serving)
        self._looking = LookingAtTheSwitch(rules, self._step, Comparison(in_hand))
        self.sessions.slot_free = self.routing.agent_idle
        self.peers.nobody_found = self.routing.grant_missing

    def advance(self, event: Event, now: float) -> list[Command]:
        """Let ``event`` happen at ``now`` (the node's monotonic seconds), and say what has to be done about it.

        Raises ``Refused`` for an agent's event that is not possible now; nothing has changed then.
        """
        self._step.begin(now)
        match event:
            case events.PictureHeard(city):
                self.peers.picture(city)
            case events.ProvinceSeen():
                self._province_seen(event)
            case events.TimerExpired(key):
                self._timer(key)
            case events.RecordsAnswered(contact, asked, answer):
                self.anchor.self_serving.answered(contact, asked, answer)
            case events.Heard():
                self._hear(event)
            case events.OutcomeApplied(row):
                self.serving.outcome(row)
            case events.RowsReturned(rows):
                self._returned.settle(rows)
            case Offered() | Delivered() | Established() | Cleared() | Digit() | Played():
                self._report(event)
            case SwitchUp() | SwitchDown() | Shown():
                self._switch(event)
            case _:
                self._seat_actions.act(event)
        return self._step.taken()

    def recover(self, rows: list[Journalled], now: float, wall: float, boot: str) -> list[Command]:
        """Rebuild what an earlier run had in hand from its journal, before the switch shows what is left of it (O6)."""
        self._step.begin(now)
        self._adoption.rebuild(rows, wall, boot)
        return self._step.taken()

    # ── switch ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _switch(self, report: SwitchUp | SwitchDown | Shown) -> None:
        match report:
            case SwitchUp(connections):
                self._adoption.reconcile(connections)
                self._looking.switch_up()
            case SwitchDown():
                self.sessions.unverify()
                self._looking.switch_down()
            case Shown(number, connections):
                self._looking.shown(number, connections)

    def stuck(self, now: float) -> dict[str, int]:
        """How many things are longer in a state than they can be, by kind."""
        parts = (self.contacts, self.routing, self.serving, self.sessions)
        return stuck(self._looking, self.rules, *parts, now)

    def _report(self, report: Offered | Delivered | Established | Cleared | Digit | Played) -> None:
        match report:
            case Offered(from_city=sender):
                if sender is None:
                    self.anchor.offered(report)
                else:
                    self.serving.leg_offered(report, sender)
            case Delivered(connection):
                (self.call_backs if self.call_backs.knows(connection) else self.anchor).delivered(connection)
            case Established(connection):
                self._established(connection)
            case Cleared(connection, cause):
                if self.serving.knows(connection):
                    self.serving.cleared(connection, cause)
                elif self.call_backs.knows(connection):
                    self.call_backs.cleared(connection, cause)
                else:
                    self.anchor.cleared(connection, cause)
            case Digit(connection, digit):
                if not self.anchor.notices.digit(connection):
                    self.anchor.digit(connection, digit)
            case Played(connection, completed):
                if not self.anchor.notices.played(connection, completed):
                    self.anchor.played(connection, completed)

    def _established(self, connection: ConnectionId) -> None:
        if self.serving.knows(connection):
            self.serving.established(connection)
        elif self.call_backs.knows(connection):
            self.call_backs.established(connection)
        elif self.contacts.knows_leg(connection):
            self.anchor.established(connection)
        else:
            self._step.ask(Clear(connection, Cause.CANCELLED))

    # ── time, nodes ─────────────────────────────────────────────────────────────────────────────────────────────
    def _timer(self, key: TimerKey) -> None:
        match key:
            case ("menu", contact):
                self.anchor.menu_silent(contact)  # type: ignore[arg-type]  # keys are plain strings
            case ("records", contact):
                self.anchor.self_serving.unanswered(contact)  # type: ignore[arg-type]  # as above
            case ("notice", contact):
                self.anchor.notices.silent(contact)  # type: ignore[arg-type]  # as above
            case ("closing", contact):
                self.anchor.closing(contact)  # type: ignore[arg-type]  # as above
            case ("announce", contact):
                self.anchor.announce(contact)  # type: ignore[arg-type]  # as above
            case ("transfer", contact):
                self.anchor.transfer_late(contact)  # type: ignore[arg-type]  # as above
            case ("look", contact):
                self.routing.consider_opening(contact)  # type: ignore[arg-type]  # as above
            case ("retry", contact):
                self.routing.retry(contact)  # type: ignore[arg-type]  # as above
            case ("grant", contact, n):
                self.routing.grant_missing(contact, int(n))  # type: ignore[arg-type]  # as above
            case ("leg" | "ring", contact, n):
                self.routing.leg_late(contact, int(n))  # type: ignore[arg-type]  # as above
            case ("lease", token):
                self.serving.lease_expired(token)  # type: ignore[arg-type]  # as above
            case ("wrap_up", token):
                self.serving.wrap_up_over(token)  # type: ignore[arg-type]  # as above
            case ("wish", request):
                self._seat_actions.wish_expired(request)
            case (first,) if first == EVIDENCE_TIMER:
                self._looking.look()
            case (first, *rest) if first == PEERS_TIMER:
                self.peers.expired(tuple(rest))
                self.routing.hand_over()
            case _:
                raise ValueError(f"no timer is called {key}")

    def _hear(self, heard: events.Heard) -> None:
        match heard.message:
            case Propose():
                self.serving.proposed(heard.message)
            case Granted():
                self.routing.granted(heard.message)
            case NotGranted():
                self.routing.not_granted(heard.message)
                self.routing.hand_over()
            case NoProposal():
                self.routing.no_proposal(heard.message)
            case Taken():
                self.serving.taken(heard.message)
            case Release():
                self.serving.released(heard.message)
            case TransferWanted():
                self.anchor.transfer_wanted(heard.message, heard.sender)
            case TransferAnswer():
                self._seat_actions.transfer_answered(heard.message)
            case _:
                pass  # Open and Close concern the hub

    def _province_seen(self, seen: events.ProvinceSeen) -> None:
        before, shown = self.sight.proposer, (self.sight.leader is None, bool(self.sight.peers))
        new_reign = seen.reign != self.sight.reign
        self.sight.leader, self.sight.peers, self.sight.reign = seen.leader, seen.cities, seen.reign
        if shown != (seen.leader is None, bool(seen.cities)):
            for session in self.sessions.all():
                self._step.show(session.agent)
        if self.sight.proposer != before or new_reign:
            self.routing.follow(new_reign=new_reign)
        self.peers.beat()
        self.routing.hand_over()

    # ── what the serving half tells the rest ──────────────────────────────────────────────────────────────────
    def home_answered(self, attempt: AttemptId) -> None:
        """A seat of ours answered."""
        if self.call_backs.get(attempt.contact) is not None:
            self.call_backs.seat_answered(attempt)
        else:
            self.routing.home_answered(attempt)

    def home_failed(self, attempt: AttemptId, reason: Withdrawn) -> None:
        """A seat of ours did not answer."""
        if self.call_backs.get(attempt.contact) is not None:
            self.call_backs.seat_failed(attempt)
        else:
            self.routing.home_failed(attempt, reason)

    def home_lost(self, attempt: AttemptId, cause: Cause) -> None:
        """A seat's leg ended without an explicit "finished"."""
        if self.call_backs.get(attempt.contact) is not None:
            self.call_backs.seat_lost(attempt, cause)
        else:
            self.anchor.home_lost(attempt, cause)

    def home_finished(self, attempt: AttemptId) -> None:
        """An agent of ours explicitly finished."""
        if self.call_backs.get(attempt.contact) is not None:
            self.call_backs.finished(attempt)
        else:
            self.anchor.home_finished(attempt)

    def home_noted(self, attempt: AttemptId, note: str) -> None:
        """An agent of ours wrote a note."""
        self.anchor.home_noted(attempt, note)

    def home_transfer(self, attempt: AttemptId, request: events.TransferAsked) -> None:
        """An agent of ours sends the caller on. Raises ``Refused``."""
        self.anchor.home_transfer(attempt, request)

    def is_full(self) -> bool:
        """Callers of our own are turned away at the door (failure 27): the own city comes first."""
        return bool(self.rules.admission.at_the_door(len(self.contacts), 0))
