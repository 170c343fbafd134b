"""The running hub: link, lock and timers in, messages and rows out, and the folds that the console looks at.

A hub that stands by (B2) does all that the leader does but one thing: it takes in rows and pictures, beats, keeps its
console; it does not propose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import EVERYONE, CityId, NodeId
from dataset.rows import Journalled, Origin
from federation.core.envelope import (
    AnyMessage,
    Beat,
    Close,
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
    NotGranted,
    Open,
    Stream,
    Taken,
)
from federation.core.leader import Tenure
from federation.core.ledger import SendingPace
from federation.core.limits import HOUR_S
from federation.core.picture import SILENT_AFTER_BEATS, Hearing, ProvincePicture
from federation.core.proposal_events import (
    BeatDue,
    CancelTimer,
    CitiesLost,
    Command,
    Event,
    Heard,
    Ignored,
    PictureHeard,
    Record,
    Send,
    SetTimer,
    SteppedDown,
    TimerExpired,
)
from federation.core.proposals import Proposals
from federation.node.behind import Behind
from federation.node.ledger import Ledger
from federation.node.ledger_store import FIRST, LedgerStore
from federation.node.post import Post
from federation.node.public_copies import PublicCopies
from federation.node.silence import SilenceWatch
from federation.ports import Clock, Journal, Leadership, Link, Timer
from provincial_hub.core.leading import Leading, Turn
from provincial_hub.shell.counts import HubCounts
from provincial_hub.shell.lost import LostCities
from provincial_hub.shell.memory import Memory
from provincial_hub.shell.settling import Settling
from provincial_hub.shell.tails import Tails

log = Logger()

CLOCK_OFF_S = 5.0
"""the offset holds one way on the link as well, and queues there"""
ROWS_AT_ONCE = 100
"""folded in one turn while the record is read: about a millisecond of it"""
HISTORY_S = 2 * 86_400.0
"""how much of the record is folded at start, for screens; reports read what they need"""


class RunningHub:
    """Owns the core's timers and the beat; everything that happens to the hub goes through here, on one thread."""

    def __init__(
        self,
        *,
        node: NodeId,
        cities: Sequence[CityId],
        others: Sequence[NodeId],
        leadership: Leadership,
        clock: Clock,
        link: Link,
        journal: Journal,
        store: LedgerStore,
        core: Proposals,
        memory: Memory,
        counts: HubCounts,
        history_s: float = HISTORY_S,
        pace: SendingPace | None = None,
        codes: Mapping[str, CityId] | None = None,
    ) -> None:
        """``codes``: area code → city; without them lost rows about work are given back to who wrote them only."""
        self.node = node
        self.cities = tuple(cities)
        self.others = tuple(others)
        """the other hubs"""
        self.picture: ProvincePicture = core.picture
        self.core = core
        self.memory = memory
        self.counts = counts
        self.link_up = False
        self.copies: PublicCopies | None = None
        """of what cities publish; set by whoever assembles a hub with records"""
        self._clock = clock
        self._link = link
        self._journal = journal
        self._store = store
        self._history_s = history_s
        self._leadership = leadership
        self._leading = Leading(node, silent_after_s=core.picture.beat_s * SILENT_AFTER_BEATS)
        self._post = Post(node, journal.lineage, link)
        self.lost = LostCities(
            memory=memory, picture=core.picture, journal=journal, store=store, clock=clock, others=others
        )
        self.ledger = Ledger(journal, store, clock, self._say_ledger, pace)
        self._behind = Behind(clock)
        self._tails = Tails(node, journal, store, others, codes or {})
        self.settling = Settling(journal, store, others)
        self._leads_since: float | None = None
        self._held: dict[NodeId, Envelope] | None = {}
        """envelopes with hellos that came while the folds read what is on record; None afterwards"""
        self._early: list[Journalled] = []
        """own rows that were kept meanwhile"""
        self._stopped = False
        self._beat_s = core.picture.beat_s
        self._beats = 0
        self._clocks_off: set[CityId] = set()
        self._began = clock.monotonic()
        self._beat_timer: Timer | None = None
        self._timers: dict[tuple[str, ...], Timer] = {}
        self._silence = SilenceWatch(clock, core.picture.silent_after_s, self._fell_silent)
        self._known_cities = frozenset(cities)
        self._seen: frozenset[CityId] = frozenset()
        self._lost: frozenset[CityId] = frozenset()
        self._changed: list[Callable[[], None]] = []
        counts.read_open_attempts(core.open_attempts, core.waiting)
        counts.term.set_function(lambda: self.term)
        for city in self.cities:
            counts.read_city(
                city,
                seen=partial(self._is_seen, city),
                picture_age_s=partial(self._picture_age_s, city),
                clock_offset_s=partial(self.picture.clock_offset_s, city),
                lost=partial(self._is_lost, city),
                unknown_rows=partial(self.ledger.unknown_rows, city),
            )

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> Deferred[None]:
        """Route and beat at once; take in rows of record once those on disk are folded, when the result fires."""
        self._journal.on_rows(self._own_rows)
        self.settling.start()
        self.ledger.on_rows(self._rows_of_others)
        self.ledger.on_rows(self._tails.heard)
        self._leadership.compete(lambda: self._leading.term, self._lock_says)
        self._link.start(self._received, self._link_changed)
        self._beat()
        return Deferred.fromCoroutine(self._read_record())

    async def _read_record(self) -> None:
        """Fold what is on record, own rows that a crash kept from the ledger included; then answer the cities."""
        since = self._clock.wall() - self._history_s
        kept: Deferred[Sequence[Journalled]] = Deferred()
        self._store.keep_own(self._journal.rows_since(since), kept.callback)
        await kept
        standing = [row for row in await self._store.standing() if row.wall < since]
        for row in sorted(standing, key=lambda row: row.wall):
            self.memory.apply(row, now=self._clock.monotonic())
        count, after, known = 0, FIRST, set[Origin]()
        while True:
            rows, place = await self._store.page(since, after, ROWS_AT_ONCE)
            if self._stopped:
                return
            if place is None:
                break
            count, after = count + len(rows), place
            await self._fold_behind(rows)
            known.update(row.origin for row in rows if row.lineage == self._journal.lineage)
        now = self._clock.monotonic()
        for row in sorted(self._early, key=lambda row: row.wall):
            if row.origin not in known:
                self.memory.apply(row, now=now)
        self.memory.since = since
        log.info(
            "{count} rows of the last {hours:.0f} h are read",
            count=count,
            hours=self._history_s / 3600,
            event="record-read",
        )
        self._lost_known()
        held, self._held = self._held or {}, None
        self._recall_moves()
        for envelope in held.values():
            self.ledger.heard(envelope)
        self._tell()
        await self._tails.resume()

    def _fold_behind(self, rows: Sequence[Journalled]) -> Deferred[None]:
        """Fold some rows of the record; fires when the next may follow (S4)."""
        folded: Deferred[None] = Deferred()

        def fold() -> None:
            now = self._clock.monotonic()
            for row in rows:
                self.memory.apply(row, now=now)
            folded.callback(None)

        self._behind.do("record", fold)
        return folded

    def stop(self) -> Deferred[None]:
        """Fall silent; fires when link, ledger and journal are closed."""
        self._stopped = True
        self._behind.stop()
        self._tails.stop()
        for timer in [*self._timers.values(), *([self._beat_timer] if self._beat_timer else [])]:
            if timer.active():
                timer.cancel()
        self._timers.clear()
        self._silence.stop()
        self._beat_timer = None
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        """The lock is given back first, which may take a round; nothing is heard or decided meanwhile."""
        await self._leadership.stop()
        await self._link.stop()
        self.ledger.fall_silent()
        await self._journal.stop()
        await self.ledger.stop()

    def health(self) -> Mapping[str, object]:
        """``GET /health``: whether the hub can do its work, and which cities it hears."""
        seen = self.picture.seen(self._clock.monotonic())
        return {
            "node": self.node,
            "link": self.link_up,
            "record_read": self._held is None,
            "leads": self.leads,
            "leader": self.leader,
            "term": self.term,
            "cities": {city: city in seen for city in self.cities},
            "declared_lost": sorted(self._lost),
            "open_attempts": self.core.open_attempts(),
            "waiting": self.core.waiting(),
        }

    def heard_city(self, city: CityId) -> NodeId | None:
        """The node of ``city``, while it is heard."""
        return NodeId(city) if self._is_seen(city) else None

    def _is_seen(self, city: CityId) -> bool:
        return city in self.picture.seen(self._clock.monotonic())

    def _picture_age_s(self, city: CityId) -> float:
        return self.picture.city(city, self._clock.monotonic()).age_s

    def _is_lost(self, city: CityId) -> bool:
        return city in self._lost

    # ── leadership (B2) ─────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def leads(self) -> bool:
        """Whether this hub is the one that proposes, now."""
        return self._leading.leads(self._clock.monotonic())

    @property
    def leader(self) -> NodeId | None:
        """The hub that leads, as far as is known here; None when none is heard."""
        return self._leading.leader(self._clock.monotonic())

    @property
    def term(self) -> int:
        """The highest known; this hub's own while it leads."""
        return self._leading.term

    def _lock_says(self, tenure: Tenure | None) -> None:
        if not self._stopped:
            self._leading.lock_says(tenure)
            self._look_at_leadership()

    def _hub_beat(self, hub: NodeId, envelope: Envelope, beat: HubBeat) -> None:
        self._leading.heard(hub, envelope.term, leads=beat.leads, now=self._clock.monotonic())
        self._look_at_leadership()

    def _look_at_leadership(self) -> None:
        """Before anything is said as the hub that leads: does it still? After a pause the clock says no."""
        turn = self._leading.look(self._clock.monotonic())
        self._post.term = self.term
        if turn is not None:
            self._turned(turn)
        if self._leading.overruled:
            log.warn("this hub gives the lock back: term {term} was heard of", term=self.term, event="overruled")
            self._leadership.resign()

    def _turned(self, turn: Turn) -> None:
        leads = turn is Turn.PROMOTED
        self.counts.leads.set(leads)
        self._leads_since = self._clock.monotonic() if leads else None
        if leads:
            self._recall_moves()
            log.info("{hub} leads under term {term}", hub=self.node, term=self.term, event="leads")
        else:
            log.warn("{hub} stands by; term {term} is known", hub=self.node, term=self.term, event="stands-by")
            self._advance(SteppedDown())
        if self._beats:
            self._say_that_we_are_here()
        self._tell()

    def _recall_moves(self) -> None:
        """What cities answered for each other before this hub led counts towards their limits too (A7)."""
        if self._leads_since is None or self._held is not None:
            return
        wall, now = self._clock.wall(), self._clock.monotonic()
        answered = self.memory.traffic.answered_elsewhere(wall - HOUR_S)
        self.core.moves.recall(((anchor, site, now - (wall - at)) for anchor, site, at in answered), self._leads_since)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after anything that a screen could show; the result ends it."""
        self._changed.append(changed)
        return lambda: self._changed.remove(changed) if changed in self._changed else None

    def _tell(self) -> None:
        for changed in list(self._changed):
            changed()

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _link_changed(self, up: bool) -> None:
        self.link_up = up
        self.counts.link_up.set(up)
        if up:
            log.info("the link is up", event="link-up")
        else:
            log.warn("the link is down; cities go on by themselves (B4)", event="link-down")
        self.ledger.link_changed(up)
        self._tell()

    def _received(self, envelope: Envelope) -> None:
        """One envelope. Only nodes of the province are listened to, and only in their own name."""
        if self._stopped:
            return
        if envelope.sender in self.others:
            self._received_of_hub(envelope.sender, envelope)
            return
        city = CityId(envelope.sender)
        if city not in self._known_cities:
            self.counts.strangers.count("unknown_sender")
            log.warn(
                "refused a message of {sender}, which is no node of this province",
                sender=envelope.sender,
                event="stranger",
            )
            return
        message = envelope.body
        kind = str(message.__struct_config__.tag)
        self.counts.messages.count(city, kind)
        if envelope.term > self.term:
            self._leading.heard_term(envelope.term)
            self._look_at_leadership()
        match message:
            case Beat():
                self.ledger.run_heard(envelope.sender, envelope.lineage)
                self._picture(city, envelope, message)
            case Open() | Granted() | NotGranted() | Taken() | Close() if not self.leads:
                self._carry_out(Ignored("not_leading", city, kind))
            case Open() | Granted() | NotGranted() | Taken() | Close():
                self._count_answer(city, message)
                self._advance(Heard(city, message))
            case LedgerHello() | LedgerRows() | LedgerHeads() | LedgerAck():
                self._ledger_message(envelope)
            case CopyAsked() | CopyTold():
                if self.copies is not None:
                    self.copies.heard(envelope.sender, message)
            case _:
                self.counts.strangers.count("not_for_a_hub")

    def _received_of_hub(self, hub: NodeId, envelope: Envelope) -> None:
        """Beats, and rows both ways: each hub has the other's decisions and standing facts too."""
        message = envelope.body
        self.counts.messages.count(hub, str(message.__struct_config__.tag))
        match message:
            case HubBeat():
                self.ledger.run_heard(hub, envelope.lineage)
                self._hub_beat(hub, envelope, message)
            case LedgerHello() | LedgerRows() | LedgerHeads() | LedgerAck():
                self._ledger_message(envelope)
            case _:
                self.counts.strangers.count("not_for_a_hub")

    def _picture(self, city: CityId, envelope: Envelope, beat: Beat) -> None:
        now = self._clock.monotonic()
        hearing = self.picture.heard(city, envelope.lineage, beat, now=now, wall=self._clock.wall())
        self._silence.heard(envelope.sender)
        if hearing is Hearing.INCOMPLETE:
            self._post.send(NodeId(city), FullPictureWanted(), Stream.PICTURE, self._beat_s)
        elif hearing is Hearing.NEW:
            self._advance(PictureHeard(city))
            self._tell()

    def _count_answer(self, city: CityId, message: Open | Granted | NotGranted | Taken | Close) -> None:
        if isinstance(message, Granted):
            self.counts.answers.count(city, "granted")
        elif isinstance(message, NotGranted):
            self.counts.answers.count(city, message.reason)

    def _ledger_message(self, envelope: Envelope) -> None:
        if self._held is None or isinstance(envelope.body, (LedgerHeads, LedgerAck)):
            self.ledger.heard(envelope)
        elif isinstance(envelope.body, LedgerHello):
            self._held[envelope.sender] = envelope  # rows need a session, and none is open yet

    def behind(self, to: NodeId, message: AnyMessage, budget_s: float) -> None:
        """Send on the ledger's stream, behind what is live, and not to be had after ``budget_s``."""
        self._post.send(to, message, Stream.LEDGER, budget_s)

    def _say_ledger(self, to: NodeId, message: AnyMessage) -> None:
        self._post.send(to, message, Stream.LEDGER)

    def _rows_of_others(self, rows: Sequence[Journalled]) -> None:
        now = self._clock.monotonic()
        for row in rows:
            self.counts.rows.count(row.node)
            self.memory.apply(row, now=now)
        self._lost_known()
        self._tell()

    def _own_rows(self, rows: Sequence[Journalled]) -> None:
        if not self._stopped:
            self._store.keep_own(rows, self._own_rows_kept)

    def _own_rows_kept(self, rows: Sequence[Journalled]) -> None:
        if self._held is not None:
            self._early += rows
            return
        now = self._clock.monotonic()
        for row in rows:
            self.memory.apply(row, now=now)
        self._lost_known()
        self._tell()

    def _lost_known(self) -> None:
        """Standing facts may have come: routing keeps to them, and whoever waits for one hears of it (E3)."""
        cities = self.lost.cities()
        if cities != self._lost:
            self._lost = cities
            self._advance(CitiesLost(cities))
        self.lost.look()

    # ── core ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _advance(self, event: Event) -> None:
        self._look_at_leadership()
        for command in self.core.advance(event, self._clock.monotonic()):
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case Send(to, message, budget_s):
                self._post.send(to, message, Stream.COMMAND, budget_s)
            case SetTimer(key, delay_s):
                self._drop_timer(key)
                self._timers[key] = self._clock.call_later(delay_s, self._expired, key)
            case CancelTimer(key):
                self._drop_timer(key)
            case Record(row):
                self.counts.decisions.count(row.choice, row.why)
                self._journal.append([(row, self.others)], _on_disk)
            case Ignored(why, sender, kind):
                self.counts.ignored.count(why, kind)
                log.debug(
                    "{kind} of {sender} changed nothing: {why}",
                    kind=kind,
                    sender=sender,
                    why=why,
                    event="command-ignored",
                )

    def _drop_timer(self, key: tuple[str, ...]) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _expired(self, key: tuple[str, ...]) -> None:
        self._timers.pop(key, None)
        self._advance(TimerExpired(key))

    # ── beat ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _beat(self) -> None:
        """Look who fell silent (B6), and say that the hub is there and whom it does not hear."""
        self._beat_timer = self._clock.call_later(self._beat_s, self._beat)
        self._look_at_leadership()
        self._look_around()
        self.lost.look()
        self._say_that_we_are_here()
        self._advance(BeatDue())

    def _fell_silent(self) -> None:
        """Somebody may have: out of routing at once, and told so in case it can still hear us (failure 2)."""
        before = self._seen
        self._look_around()
        if self._seen != before:
            self.lost.look()
            self._say_that_we_are_here()
            self._advance(BeatDue())

    def _say_that_we_are_here(self) -> None:
        self._beats += 1
        now = self._clock.monotonic()
        silent: tuple[CityId, ...] = ()
        if now - self._began >= self.picture.silent_after_s:
            silent = tuple(city for city in self.cities if not self.picture.hears(city, now))
        beat = HubBeat(count=self._beats, wall=self._clock.wall(), leads=self.leads, silent=silent)
        self._post.send(EVERYONE, beat, Stream.PICTURE, self._beat_s * SILENT_AFTER_BEATS)

    def _look_around(self) -> None:
        now = self._clock.monotonic()
        seen = self.picture.seen(now)
        for city in self.cities:
            self._look_at_clock(city, self.picture.clock_offset_s(city))
        for city in sorted(self._seen - seen):
            log.warn(
                "{city} was last heard {silent_s} s ago; it is out of routing until it is heard again (B6)",
                city=city,
                silent_s=round(self._silence.silent_s(NodeId(city)), 3),
                event="city-silent",
            )
        for city in sorted(seen - self._seen):
            log.info("{city} is heard", city=city, event="city-heard")
        if seen != self._seen:
            self._tell()
        self._seen = seen

    def _look_at_clock(self, city: CityId, offset_s: float) -> None:
        """An alarm once when a city's clock goes wrong, a word when it is right again; nothing is computed of it."""
        if abs(offset_s) > CLOCK_OFF_S and city not in self._clocks_off:
            self._clocks_off.add(city)
            log.warn(
                "the clock of {city} is {offset} s off: set it right; durations do not depend on it",
                city=city,
                offset=round(offset_s, 1),
                event="clock-off",
            )
        elif abs(offset_s) < CLOCK_OFF_S / 2 and city in self._clocks_off:
            self._clocks_off.remove(city)
            log.info("the clock of {city} is right again", city=city, event="clock-right")


def _on_disk() -> None:
    """Decisions inform; nothing waits for their sync."""
