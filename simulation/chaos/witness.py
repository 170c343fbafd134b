"""What must never be seen, whatever goes wrong: looked at while it happens, from outside.

Each sentence names the rule. About a contact whose rows a fault destroyed nothing is held against anybody (the witness
remembers such rows, the journal cannot): ``check`` leaves those sentences out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from dataset import rows
from dataset.ids import AttemptId, CityId, ConnectionId, ContactId, NodeId, Token, is_hub
from federation.core.envelope import Envelope, Granted, Open, Propose
from federation.links.inprocess import Fate
from federation.node.clock import VirtualClock
from federation.node.journal import Stamped
from simulation.chaos.watch import Watch
from site_node.core.telephony import Clear, Cleared, Join, Report, Request, Role, SwitchDown, SwitchUp
from site_node.switch.simulated.network import Network
from site_node.switch.simulated.trunks import TrunkEnd

AUDIT_EVERY_S = 1.0
SILENT_S = 16.5
"""between two audits: longer than a media time-out of 15 s, and its clearing"""
STRANGE_S = 1.5
"""so long a leg that nobody knows may stand: it is being hung up"""
ADOPTION_S = 1.0
"""so long after its node's restart a live leg's hanging up is the restart's doing, when nobody asked for it"""
CROWD = 32
"""attempts of one contact within a minute that no pause explains (A7): the shortest, between two questions for the same
busy agent, is 2 s
"""
RING_CALM_S = 90.0


class Witness:
    """Watches one run."""

    def __init__(
        self,
        clock: VirtualClock,
        network: Network,
        watch: Watch,
        gone_s: Callable[[NodeId], float],
        calm_s: Callable[[CityId, CityId], float],
        knows: Callable[[CityId, ConnectionId], bool],
    ) -> None:
        self.seen: list[tuple[ContactId | None, str]] = []
        """the contact that it is about, and the sentence"""
        self._clock = clock
        self._network = network
        self._watch = watch
        self._gone_s = gone_s
        self._calm_s = calm_s
        self._knows = knows
        self._strange: dict[ConnectionId, float] = {}
        """legs that their node does not know, and since when"""
        self._tokens: dict[Token, AttemptId] = {}
        self._remote_open: dict[ContactId, dict[int, float]] = defaultdict(dict)
        self._opened_at: dict[ContactId, list[float]] = defaultdict(list)
        self._switch_away: dict[NodeId, float] = {}
        """since when a node knows that its switch is away, or has not shown what it holds"""
        self._silent: dict[tuple[ConnectionId, bool], float] = {}
        """legs without voice, each with whether the far end sends, and since when"""
        self._waited: dict[ContactId, float] = {}
        self._live_legs: dict[CityId, dict[ConnectionId, float]] = defaultdict(dict)
        """legs of highest answers that a switch has just shown, and when"""
        self._live_callers: dict[CityId, dict[ConnectionId, ConnectionId]] = defaultdict(dict)
        """their callers' connections"""
        clock.call_later(AUDIT_EVERY_S, self._audit)

    def _say(self, contact: ContactId | None, sentence: str) -> None:
        self.seen.append((contact, sentence))

    # ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        """A group reached the disk of ``node``."""
        for one in stamped:
            row, mono = one.journalled.row, one.journalled.mono
            if isinstance(row, rows.AttemptOpened):
                self._opened(node, row, mono)
            elif isinstance(row, rows.AttemptAnswered):
                self._remote_open[row.contact].pop(row.n, None)
                self._waited[row.contact] = row.waited_s
            elif isinstance(row, rows.AttemptWithdrawn):
                self._withdrawn(row)
            elif isinstance(row, rows.SegmentOpened):
                self._token(row.token, AttemptId(row.contact, row.n))
            elif isinstance(row, rows.QueueEntered) and row.how is rows.Entered.RETURNED:
                if row.waited_s < self._waited.get(row.contact, 0.0) - 1.0:
                    self._say(row.contact, f"O4: {row.contact} came back and lost the waiting time it had")
            elif isinstance(row, rows.ContactEnded):
                if row.cause == "agent" and row.contact not in self._watch.finished:
                    self._say(row.contact, f"O4: {row.contact} was ended as by its agent, who had said nothing")
            elif isinstance(row, rows.Decision) and row.choice == "grant":
                self._assigned(node, row.contact, row.n, mono)
            elif isinstance(row, rows.LineageOpened) and not is_hub(node):
                self._switch_away[node] = mono

    def _opened(self, node: NodeId, row: rows.AttemptOpened, mono: float) -> None:
        if row.scope == "home":
            self._assigned(node, row.contact, row.n, mono)
            return
        others = self._remote_open[row.contact]
        if others:
            self._say(row.contact, f"A1: {row.contact} has attempts {', '.join(map(str, others))} and {row.n} open")
        others[row.n] = mono
        recent = [at for at in self._opened_at[row.contact] if at > mono - 60.0]
        self._opened_at[row.contact] = [*recent, mono]
        if len(recent) == CROWD:
            self._say(row.contact, f"A7: {row.contact} was tried {CROWD} times within a minute")

    def _withdrawn(self, row: rows.AttemptWithdrawn) -> None:
        self._remote_open[row.contact].pop(row.n, None)
        track = self._watch.tracks.get(AttemptId(row.contact, row.n))
        if (
            row.reason is rows.Withdrawn.TIMED_OUT
            and track is not None
            and track.site is not None
            and track.rang
            and self._calm_s(track.anchor, track.site) > RING_CALM_S
        ):
            self._say(
                row.contact, f"A9: {row.contact}#{row.n} timed out on a whole line; its site should say why first"
            )

    def _assigned(self, node: NodeId, contact: ContactId, n: int, mono: float) -> None:
        since = self._switch_away.get(node)
        if since is not None and mono > since:
            self._say(contact, f"A5: {node} assigned a slot to {contact}#{n} while its switch had not shown it")

    def _token(self, token: Token, which: AttemptId) -> None:
        known = self._tokens.setdefault(token, which)
        if known != which:
            self._say(
                which.contact, f"A3: token {token} is {known.contact}#{known.n}'s and {which.contact}#{which.n}'s"
            )

    # ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_command(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        """A command was sent, arrived or was lost."""
        if fate is not Fate.SENT:
            return
        message = envelope.body
        if isinstance(message, Open | Propose) and AttemptId(message.contact, message.n) not in self._watch.tracks:
            self._say(message.contact, f"O2: {message.contact}#{message.n} was heard of before it was on disk")
        if isinstance(message, Granted):
            self._token(message.token, AttemptId(message.contact, message.n))
        elif isinstance(message, Propose) and is_hub(envelope.sender) and self._gone_s(receiver) > 15.0:
            self._say(None, f"B6: {envelope.sender} proposed to {receiver}, which had been gone for 15 s")

    # ── switches ────────────────────────────────────────────────────────────────────────────────────────────────────
    def on_request(self, city: CityId, request: Request) -> None:
        """A site node asks its switch."""
        if isinstance(request, Join):
            for connection in (request.one, request.other):
                track = self._watch.of_leg(connection)
                if track is not None and track.anchor == city and not track.answered:
                    self._say(track.id.contact, f"O2: {track.id.contact}#{track.id.n} was bridged before the journal")
        elif isinstance(request, Clear):
            self._hung_up(city, request.connection)

    def _hung_up(self, city: CityId, leg: ConnectionId) -> None:
        """O6: the leg of the highest answer, with its caller on it, goes on after a restart."""
        now = self._clock.monotonic()
        shown = self._live_legs[city].pop(leg, None)
        track = self._watch.of_leg(leg)
        if shown is None or now - shown > ADOPTION_S or track is None or track.id.contact in self._watch.transfers:
            return
        if now - self._watch.pressed.get(track.id.contact, -ADOPTION_S) >= ADOPTION_S:
            self._say(track.id.contact, f"O6: {city} hung up the live leg {leg} at its restart")

    def on_report(self, city: CityId, report: Report) -> None:
        """A site node is about to hear from its switch."""
        if isinstance(report, SwitchDown):
            self._switch_away.setdefault(NodeId(city), self._clock.monotonic())
        elif isinstance(report, SwitchUp):
            self._switch_away.pop(NodeId(city), None)
            self._live_legs[city].clear()
            shown = {held.connection: held for held in report.connections}
            callers = {
                held.leg.contact: held
                for held in report.connections
                if held.leg is not None and held.leg.role is Role.CUSTOMER
            }
            for contact, caller in callers.items():
                track = self._watch.highest_answer(contact)
                if track is not None and track.leg in shown and caller.joined_to == track.leg:
                    self._live_legs[city][track.leg] = self._clock.monotonic()
                    self._live_callers[city][caller.connection] = track.leg
        elif isinstance(report, Cleared):
            self._live_legs[city].pop(report.connection, None)
            leg = self._live_callers[city].pop(report.connection, None)
            if leg is not None:
                self._live_legs[city].pop(leg, None)

    # ── now and then ────────────────────────────────────────────────────────────────────────────────────────────────
    def _audit(self) -> None:
        self._clock.call_later(AUDIT_EVERY_S, self._audit)
        now = self._clock.monotonic()
        silent: dict[tuple[ConnectionId, bool], float] = {}
        strange: dict[ConnectionId, float] = {}
        for city in self._network.cities:
            for connection in self._network.city(city).connections.values():
                leg, end = connection.leg, connection.far
                if leg is None:
                    continue
                if isinstance(end, TrunkEnd):
                    if leg.role is Role.OUTBOUND:
                        self._partner(leg.contact, end)
                    if end.sends and not end.receives:
                        # a far end that begins to send, and a trunk that falls silent at once, are two silences: the
                        # voice between them may be shorter than the time between two audits
                        which = connection.id, end.peer.sends
                        silent[which] = since = self._silent.get(which, now)
                        if now - since > SILENT_S:
                            self._say(leg.contact, f"O5: {connection.id} in {city} lives on without voice")
                if not connection.incoming and not self._knows(city, connection.id):
                    strange[connection.id] = since = self._strange.get(connection.id, now)
                    if now - since > STRANGE_S:
                        self._say(leg.contact, f"O6: {city} holds {connection.id}, which its node does not know")
        self._silent, self._strange = silent, strange

    def _partner(self, contact: ContactId, end: TrunkEnd) -> None:
        far = end.peer.connection
        if far is not None and far.leg is not None and far.leg.contact != contact:
            self._say(contact, f"A3: {contact} is joined to the agent of {far.leg.contact}")
