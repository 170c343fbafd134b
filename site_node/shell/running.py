"""The running city: switch, link, timers and agents in; journal, switch, link and desktops out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import EVERYONE, AgentId, CityId, NodeId
from dataset.rows import AnyRow, AttemptAnswered, Journalled, Repaired
from federation.core.envelope import (
    AnyMessage,
    Beat,
    CityPicture,
    CopyAsked,
    CopyTold,
    Envelope,
    FullPictureWanted,
    Granted,
    HubBeat,
    LedgerAck,
    LedgerHeads,
    LedgerHello,
    LedgerRows,
    Lookup,
    LookupAnswer,
    NoProposal,
    NotGranted,
    PieceAsked,
    PieceTold,
    Propose,
    Release,
    Stream,
    Taken,
    TransferAnswer,
    TransferWanted,
)
from federation.core.leader import HubsInSight
from federation.core.ledger import SendingPace
from federation.core.limits import HOUR_S
from federation.core.picture import SILENT_AFTER_BEATS, Hearing, PictureSender
from federation.node.file_pieces import SHARE_OF_PACE, FilePieces
from federation.node.journal import contact_of
from federation.node.ledger import Ledger
from federation.node.ledger_store import LedgerStore
from federation.node.lookups import Lookups
from federation.node.post import Post
from federation.node.public_copies import PublicCopies
from federation.node.silence import SilenceWatch
from federation.ports import Clock, Journal, Link, Timer
from site_node.core.commands import (
    AgentShown,
    AnswerSeat,
    Ask,
    AskRecords,
    Command,
    Send,
    StartTimer,
    StopTimer,
    TimerKey,
    TransferSettled,
    Write,
)
from site_node.core.events import (
    AgentEvent,
    Heard,
    OutcomeApplied,
    PictureHeard,
    ProvinceSeen,
    RecordsAnswered,
    RowsReturned,
    TimerExpired,
    TransferAsked,
)
from site_node.core.evidence import STUCK
from site_node.core.self_records import Answer, Question, Unread
from site_node.core.site import Event, Site
from site_node.core.telephony import Offered, Report, SwitchDown, SwitchUp
from site_node.core.views import SeatView, city_picture, seat_view
from site_node.core.work_desk import WorkDesk
from site_node.ports import Switch
from site_node.shell.aftermath import Aftermath
from site_node.shell.counts import CityCounts
from site_node.shell.output import Effect, Output
from site_node.shell.returned import ReturnedRows
from site_node.shell.work import FactsOf, PastOf, Work, no_records
from site_node.shell.work_files import WorkFiles

log = Logger()

FULL_SAID_EVERY_S = 60.0
AnswerOf = Callable[[Question], Deferred[Answer]]
"""Answers a question of a self-service; errbacks with ``Refused`` when the records cannot be read."""
_FOR_THE_CORE = (Propose, Granted, NotGranted, NoProposal, Taken, Release, TransferWanted, TransferAnswer)


class RunningCity:
    """Owns the core's timers and the beat; everything that happens to the city goes through here, on one thread."""

    def __init__(
        self,
        *,
        site: Site,
        clock: Clock,
        journal: Journal,
        switch: Switch,
        link: Link | None,
        store: LedgerStore | None,
        counts: CityCounts,
        beat_s: float,
        pace: SendingPace | None = None,
        desk: WorkDesk | None = None,
        facts: FactsOf = no_records,
        aftermath: Aftermath | None = None,
        past: PastOf | None = None,
        self_service: AnswerOf | None = None,
        files: WorkFiles | None = None,
    ) -> None:
        """``desk``: of a city that takes in work; ``facts``: what its records say of a line; ``aftermath``: writes
        what follows from its steps; ``past``: what is on record of items that ended long ago. ``self_service``: answers
        callers who serve themselves; without it they go on to agents. ``files``: of work items.
        """
        self.city = site.rules.city
        self.site = site
        self.counts = counts
        self.link_up = False
        self._clock = clock
        self._journal = journal
        self._switch = switch
        self._link = link
        self._post = Post(NodeId(self.city), site.rules.lineage, link) if link is not None else None
        self._ledger = Ledger(journal, store, clock, self._report, pace) if store is not None else None
        self._returned = (
            ReturnedRows(self.city, journal, self._ledger, clock, self._rows_returned) if self._ledger else None
        )
        self.work = (
            Work(
                city=self.city,
                hubs=site.rules.hubs,
                desk=desk,
                journal=journal,
                ledger=self._ledger,
                clock=clock,
                counts=counts,
                facts=facts,
                aftermath=aftermath,
                past=past,
                files=files,
            )
            if desk is not None
            else None
        )
        send = self._command if link is not None else None
        self.lookups = Lookups(self.city, clock, send, self._hears)
        """what is asked of other cities' records, and answered to them"""
        self.copies: PublicCopies | None = None
        """of what other cities publish; set by whoever assembles a city with records"""
        self.pieces: FilePieces | None = None
        """contents of files that come from other cities, and go to them"""
        if files is not None and link is not None:
            rate = SHARE_OF_PACE * (pace if pace is not None else SendingPace()).bytes_per_s
            self.pieces = files.pieces = FilePieces(
                site.rules.lineage,
                clock,
                self.behind,
                files.part_of,
                self._hears,
                rate,
            )
        self._self_service = self_service
        self._output = Output(journal)
        self._timers: dict[TimerKey, Timer] = {}
        self._beat_s = beat_s
        self._beat_timer: Timer | None = None
        self._sender = PictureSender()
        self._pictures = site.sight.pictures
        site.sight.alone = link is None
        self._hubs = HubsInSight(beat_s * SILENT_AFTER_BEATS)
        self._silence = SilenceWatch(clock, beat_s * SILENT_AFTER_BEATS, self._look_around)
        self._watchers: dict[AgentId, list[Callable[[], None]]] = {}
        self._transfers: dict[str, Deferred[None]] = {}
        self._stopped = False
        self._full_said = float("-inf")
        counts.read_stuck(STUCK, lambda: site.stuck(clock.monotonic()))
        counts.contacts_live.set_function(lambda: len(site.contacts))
        counts.unsynced.set_function(lambda: len(self._output))
        counts.unacknowledged.set_function(lambda: sum(self._ledger.waiting().values()) if self._ledger else 0)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Take up what an earlier run left, then listen to switch and link, and beat."""
        self._journal.on_rows(self._own_rows)
        if self._ledger is not None:
            self._ledger.on_rows(self._applied)
        if self._ledger is not None and self._returned is not None:
            self._ledger.on_rows(self._returned.heard)
        if self.work is not None:
            self.work.start()
        rows = self._journal.rows_of_live_contacts()
        if rows:
            log.info("found {count} rows of unfinished contacts in the journal", count=len(rows), event="record-read")
        now, wall = self._clock.monotonic(), self._clock.wall()
        self._carry_out(self.site.recover(rows, now, wall, self._journal.boot))
        if self._link is not None:
            self._recall_moves(now, wall)
        if self._ledger is not None:
            self._ledger.recall(dict.fromkeys(filter(None, (contact_of(one.row) for one in rows))), self._recalled)
        if self._returned is not None:
            self._returned.look()
        self._switch.start(self._reported)
        if self._link is not None:
            self._link.start(self._received, self._link_changed)
        self._beat()

    def _recall_moves(self, now: float, wall: float) -> None:
        """What other cities answered of ours within the last hour counts towards their limits (A7)."""
        answered = [
            (one.row.site, min(now, now - (wall - one.wall)))
            for one in self._journal.rows_of_kind(AttemptAnswered, wall - HOUR_S)
            if isinstance(one.row, AttemptAnswered) and one.node == self.city and one.row.site != self.city
        ]
        self.site.peers.recall(answered)

    def stop(self) -> Deferred[None]:
        """Let go, leaving calls as they are; fires when everything is closed."""
        self._stopped = True
        for timer in [*self._timers.values(), *([self._beat_timer] if self._beat_timer else [])]:
            if timer.active():
                timer.cancel()
        self._timers.clear()
        if self._returned is not None:
            self._returned.stop()
        if self.work is not None:
            self.work.stop()
        self.lookups.stop()
        if self.pieces is not None:
            self.pieces.stop()
        self._silence.stop()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        closing = [self._switch.stop()]
        if self._link is not None:
            closing.append(self._link.stop())
        await gatherResults(closing, consumeErrors=True)
        if self._ledger is not None:
            await self._ledger.stop()
        await self._journal.stop()

    def health(self) -> Mapping[str, object]:
        """What a watchdog or an operator asks first."""
        return {
            "node": self.city,
            "lineage": self.site.rules.lineage,
            "alone": self.site.sight.alone,
            "link": self.link_up,
            "hub_seen": self.site.sight.leader is not None,
            "leader": self.site.sight.leader,
            "peers": sorted(self.site.sight.peers),
            "term": self._hubs.term,
            "switch_up": self.site.sessions.switch_up,
            "contacts_live": len(self.site.contacts),
            "agents": len(self.site.sessions.all()),
            "rows_waiting": dict(self._ledger.waiting()) if self._ledger is not None else {},
        }

    # ── what the services need (services.city.City) ─────────────────────────────────────────────────────────────
    def act(self, event: AgentEvent) -> None:
        """Let an agent's event happen. Raises ``Refused``."""
        self._advance(event)

    def transfer(self, event: TransferAsked) -> Deferred[None]:
        """As ``act``; fires when the anchor has taken the caller over."""
        settled: Deferred[None] = Deferred()
        self._transfers[event.request] = settled
        try:
            self._advance(event)
        except Refused:
            del self._transfers[event.request]
            raise
        return settled

    def record(self, row: AnyRow, *receivers: NodeId) -> Deferred[None]:
        """Put a row on record that no event of the core leads to, for the hubs and ``receivers``; fires once it is on
        disk.
        """
        synced: Deferred[None] = Deferred()
        self._output.put([(row, (*self.site.rules.hubs, *receivers))], [partial(synced.callback, None)])
        return synced

    def on_rows_from(self, hear: Callable[[NodeId, Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with new rows on record that another node sent, and with that node."""
        if self._ledger is not None:
            self._ledger.on_rows_from(hear)

    def seat_view(self, agent: AgentId) -> SeatView | None:
        """The agent's session now."""
        return seat_view(self.site, agent, self._clock.monotonic())

    def own_picture(self) -> CityPicture:
        """What the others see of us."""
        busy: dict[str, int] = {}
        for contact in self.site.contacts.all():
            attempt = contact.current
            if attempt is not None and attempt.site is not None and not attempt.home:
                busy[attempt.site] = busy.get(attempt.site, 0) + 1
        return city_picture(self.site, busy, self._clock.monotonic())

    def province(self) -> Mapping[CityId, tuple[CityPicture, float]]:
        """Last picture of each other city, with its age in seconds."""
        return self._pictures.pictures(self._clock.monotonic())

    def stands_alone(self) -> bool:
        """Whether the city has no link (B5)."""
        return self._link is None

    def hub_followed(self) -> NodeId | None:
        """The hub that leads, as far as it is heard now (B2)."""
        return self.site.sight.leader

    def peers_seen(self) -> bool:
        """Whether any other city is heard now (B3)."""
        return bool(self.site.sight.peers)

    def watch(self, agent: AgentId, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after each change of the agent's session; the result ends it."""
        self._watchers.setdefault(agent, []).append(changed)

        def unwatch() -> None:
            watchers = self._watchers.get(agent, [])
            if changed in watchers:
                watchers.remove(changed)
            if not watchers:
                self._watchers.pop(agent, None)

        return unwatch

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _advance(self, event: Event) -> None:
        self._carry_out(self.site.advance(event, self._clock.monotonic()))

    def _reported(self, report: Report) -> None:
        match report:
            case SwitchUp(connections):
                self.counts.switch_up.set(1)
                log.info("the switch is there, with {count} connections", count=len(connections), event="switch-up")
            case SwitchDown(reason):
                self.counts.switch_up.set(0)
                log.warn(
                    "the switch is away: {reason}; seats are not assignable until it is back",
                    reason=reason,
                    event="switch-down",
                )
            case _:
                pass
        unknown, turned_away = self.site.anchor.unknown_doors, self.site.anchor.turned_away
        self._advance(report)
        if isinstance(report, Offered) and self.site.anchor.unknown_doors > unknown:
            self.counts.unknown_doors.count()
            log.info("no door opens for {called}: a call was turned away", called=report.called, event="door-unknown")
        if self.site.anchor.turned_away > turned_away:
            self._say_full()

    def _say_full(self) -> None:
        """Once in a while: there may be hundreds a second."""
        now = self._clock.monotonic()
        if now >= self._full_said + FULL_SAID_EVERY_S:
            self._full_said = now
            log.warn(
                "more call than this city can bear: {count} turned away so far, {live} are here",
                count=self.site.anchor.turned_away,
                live=len(self.site.contacts),
                event="city-full",
            )

    def _link_changed(self, up: bool) -> None:
        self.link_up = up
        self.counts.link_up.set(up)
        if up:
            log.info("the link is up", event="link-up")
        else:
            log.warn("the link is down; this city goes on by itself (B4)", event="link-down")
        self._sender.want_full()
        if self._ledger is not None:
            self._ledger.link_changed(up)

    def _received(self, envelope: Envelope) -> None:
        if self._stopped:
            return
        from_hub = envelope.sender in self.site.rules.hubs
        if not from_hub and CityId(envelope.sender) not in self.site.rules.peers:
            self.counts.strangers.count("unknown_sender")
            log.warn(
                "refused a message of {sender}, which is no node of this province",
                sender=envelope.sender,
                event="stranger",
            )
            return
        if from_hub and envelope.stream is Stream.COMMAND and self._hubs.outdated(envelope.term):
            self.counts.strangers.count("old_term")
            log.warn(
                "refused a command of {sender}: it speaks under term {term}, and {known} is known (B2)",
                sender=envelope.sender,
                term=envelope.term,
                known=self._hubs.term,
                event="old-term",
            )
            return
        message = envelope.body
        self.counts.messages.count(envelope.sender, str(message.__struct_config__.tag))
        match message:
            case HubBeat(leads=leads, silent=silent):
                if self._ledger is not None:
                    self._ledger.run_heard(envelope.sender, envelope.lineage)
                now = self._clock.monotonic()
                leads = leads and self.city not in silent  # it cannot do anything for a city that it does not hear
                self._hubs.heard(envelope.sender, envelope.term, leads=leads, now=now, run=envelope.lineage)
                if self._post is not None:
                    self._post.term = self._hubs.term
                self._silence.heard(envelope.sender)
                self._look_around()
            case Beat():
                if self._ledger is not None:
                    self._ledger.run_heard(envelope.sender, envelope.lineage)
                self._picture(CityId(envelope.sender), envelope, message)
            case FullPictureWanted():
                self._sender.want_full()
            case LedgerHello() | LedgerRows() | LedgerHeads() | LedgerAck():
                if self._ledger is not None:
                    self._ledger.heard(envelope)
            case Lookup() | LookupAnswer():
                self.lookups.heard(envelope.sender, message)
            case CopyAsked() | CopyTold():
                if self.copies is not None:
                    self.copies.heard(envelope.sender, message)
            case PieceAsked() | PieceTold():
                if self.pieces is not None:
                    self.pieces.heard(envelope.sender, message)
            case _ if isinstance(message, _FOR_THE_CORE):
                self._advance(Heard(envelope.sender, message))
            case _:
                self.counts.strangers.count("not_for_a_city")

    def _hears(self, city: CityId) -> bool:
        """Whether another city is in sight."""
        return city in self.site.sight.peers

    def _picture(self, city: CityId, envelope: Envelope, beat: Beat) -> None:
        now = self._clock.monotonic()
        hearing = self._pictures.heard(city, envelope.lineage, beat, now=now)
        if hearing is Hearing.INCOMPLETE:
            self._send(NodeId(city), FullPictureWanted(), Stream.PICTURE, self._beat_s)
        elif hearing is Hearing.NEW:
            if not self._hears(city):
                self._look_around()
            self._advance(PictureHeard(city))

    def _applied(self, rows: Sequence[Journalled]) -> None:
        """Rows of another anchor are on record: outcomes of attempts that we served (O3)."""
        for row in rows:
            if row.node != self.city:
                self._advance(OutcomeApplied(row.row))

    def _rows_returned(self, rows: tuple[Journalled, ...]) -> None:
        """Contacts that the journal had lost, and that nothing ended (J5)."""
        self._advance(RowsReturned(rows))

    def _recalled(self, rows: Sequence[Journalled]) -> None:
        """Outcomes that an earlier run received and may not have acted on; settled ones change nothing."""
        if not self._stopped:
            self._applied(rows)

    def behind(self, to: NodeId, message: AnyMessage, budget_s: float) -> None:
        """Send on the ledger's stream, behind what is live, and not to be had after ``budget_s``."""
        self._send(to, message, Stream.LEDGER, budget_s)

    def _report(self, to: NodeId, message: AnyMessage) -> None:
        self._send(to, message, Stream.LEDGER, None)

    def _own_rows(self, rows: Sequence[Journalled]) -> None:
        now = self._clock.wall()
        for row in rows:
            self.counts.row(row.row)
            if isinstance(row.row, Repaired):
                _say_repaired(row.row)
            self.counts.sync_s.observe(max(0.0, now - row.wall))

    # ── out ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _carry_out(self, commands: list[Command]) -> None:
        """Timers at once; everything else behind the journal (J1, O2)."""
        if not commands:
            return
        rows: list[tuple[AnyRow, Sequence[NodeId]]] = []
        effects: list[Effect] = []
        for command in commands:
            match command:
                case StartTimer(key, after_s):
                    self._drop_timer(key)
                    self._timers[key] = self._clock.call_later(after_s, self._expired, key)
                case StopTimer(key):
                    self._drop_timer(key)
                case Write(row, receivers):
                    rows.append((row, (*self.site.rules.hubs, *receivers)))
                case _:
                    effects.append(self._effect(command))
        self._output.put(rows, effects)

    def _effect(self, command: Ask | AnswerSeat | Send | AgentShown | TransferSettled | AskRecords) -> Effect:
        match command:
            case Ask(request):
                return partial(self._switch.request, request)
            case AnswerSeat(extension):
                return partial(self._switch.answer_seat, extension)
            case Send(to, message, budget_s):
                return partial(self._command, to, message, budget_s)
            case AgentShown(agent):
                return partial(self._show, agent)
            case AskRecords():
                return partial(self._ask_records, command)
            case TransferSettled(request, problem):
                return partial(self._settle, request, None if problem is None else Refused(problem, status=503))

    def _ask_records(self, asked: AskRecords) -> None:
        if self._self_service is None:
            self._records_answered(Unread(), asked)
        else:
            answering = self._self_service(asked.question)
            answering.addErrback(_unread)
            answering.addCallback(self._records_answered, asked)
            answering.addErrback(
                lambda failure: log.failure("an answer could not be used", failure, event="self-service-failed")
            )

    def _records_answered(self, answer: Answer, asked: AskRecords) -> None:
        if not self._stopped:
            self._advance(RecordsAnswered(asked.contact, asked.asked, answer))

    def _command(self, to: NodeId, message: AnyMessage, budget_s: float) -> None:
        self._send(to, message, Stream.COMMAND, budget_s)

    def _send(self, to: NodeId, message: AnyMessage, stream: Stream, budget_s: float | None) -> None:
        if self._post is not None:
            self._post.send(to, message, stream, budget_s)

    def _show(self, agent: AgentId) -> None:
        for changed in list(self._watchers.get(agent, ())):
            changed()

    def _settle(self, request: str, refused: Refused | None) -> None:
        settled = self._transfers.pop(request, None)
        if settled is None:
            return
        if refused is None:
            settled.callback(None)
        else:
            settled.errback(refused)

    def _drop_timer(self, key: TimerKey) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _expired(self, key: TimerKey) -> None:
        self._timers.pop(key, None)
        self._advance(TimerExpired(key))

    # ── beat ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _beat(self) -> None:
        """Tell everybody how we are, and look who has fallen silent."""
        self._beat_timer = self._clock.call_later(self._beat_s, self._beat)
        if self._post is None:
            return
        picture = self.own_picture()
        beat = self._sender.beat(picture, now=self._clock.monotonic(), wall=self._clock.wall())
        self._send(EVERYONE, beat, Stream.PICTURE, self._beat_s * SILENT_AFTER_BEATS)
        self._look_around(beat=True)

    def _look_around(self, *, beat: bool = False) -> None:
        """Tell the core who can be heard, when that has changed and with each beat."""
        now = self._clock.monotonic()
        leader, reign = self._hubs.following(now)
        peers = self._pictures.seen(now) if self.link_up else frozenset()
        known = self.site.sight
        if leader != known.leader:
            self.counts.hub_seen.set(leader is not None)
            if leader is not None:
                log.info("{leader} leads under term {term}", leader=leader, term=self._hubs.term, event="hub-heard")
            elif known.leader is not None:
                log.warn(
                    "{hub}, that led, was last heard {silent_s} s ago; {count} cities are heard: {how} (B3, B4)",
                    hub=known.leader,
                    silent_s=round(self._silence.silent_s(known.leader), 3),
                    count=len(peers),
                    how="callers are sent to them directly" if peers else "callers are served at home",
                    event="hub-silent",
                )
        if peers != known.peers:
            self.counts.peers_seen.set(len(peers))
            for city in sorted(known.peers - peers):
                log.warn(
                    "{city} was last heard {silent_s} s ago; it is not asked until it is heard again (B6)",
                    city=city,
                    silent_s=round(self._silence.silent_s(NodeId(city)), 3),
                    event="peer-silent",
                )
            for city in sorted(peers - known.peers):
                log.info("{city} is heard", city=city, event="peer-heard")
        if beat or (leader, peers, reign) != (known.leader, known.peers, known.reign):
            self._advance(ProvinceSeen(leader, peers, reign))


def _unread(failure: Failure) -> Answer:
    """Which records, and whose, is nobody's business in a log."""
    refused = failure.value
    if isinstance(refused, Refused):
        slugs = " ".join(problem.slug for problem in refused.problems)
        log.warn("a self-service cannot read the records: {why}", why=slugs, event="self-service-unread")
    else:
        log.failure("a self-service failed", failure, event="self-service-failed")
    return Unread()


def _say_repaired(row: Repaired) -> None:
    log.warn(
        "put right: {what}: {found}; {done} (I8)",
        what=row.what,
        found=row.found,
        done=row.done,
        contact=row.contact or "",
        agent=row.agent or "",
        connection=row.connection,
        event="repaired",
    )
