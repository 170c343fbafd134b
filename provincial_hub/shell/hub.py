"""The running hub: link and timers in, messages and rows out, and the folds that the console looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import EVERYONE, HUB, CityId, NodeId
from dataset.rows import Journalled
from federation.core.envelope import (
    AnyMessage,
    Beat,
    Close,
    Envelope,
    FullPictureWanted,
    Granted,
    HubBeat,
    LedgerHello,
    LedgerRows,
    NotGranted,
    Open,
    Stream,
    Taken,
)
from federation.core.picture import SILENT_AFTER_BEATS, Hearing, ProvincePicture
from federation.node.ledger import ReceivedLedger
from federation.node.ledger_store import LedgerStore
from federation.node.post import TERM, Post
from federation.ports import Clock, Journal, Link, Timer
from provincial_hub.core.events import (
    BeatDue,
    CancelTimer,
    Command,
    Event,
    Heard,
    Ignored,
    PictureHeard,
    Record,
    Send,
    SetTimer,
    TimerExpired,
)
from provincial_hub.core.province import Province
from provincial_hub.shell.counts import HubCounts
from provincial_hub.shell.memory import Memory

log = Logger()

HISTORY_S = 2 * 86_400.0
"""how much of the record is folded at start, for screens; reports read what they need"""


class RunningHub:
    """Owns the core's timers and the beat; everything that happens to the hub goes through here, on one thread."""

    def __init__(
        self,
        *,
        cities: Sequence[CityId],
        clock: Clock,
        link: Link,
        journal: Journal,
        store: LedgerStore,
        core: Province,
        memory: Memory,
        counts: HubCounts,
        history_s: float = HISTORY_S,
    ) -> None:
        self.cities = tuple(cities)
        self.picture: ProvincePicture = core.picture
        self.core = core
        self.memory = memory
        self.counts = counts
        self.link_up = False
        self._clock = clock
        self._link = link
        self._journal = journal
        self._store = store
        self._history_s = history_s
        self.term = TERM
        self._post = Post(HUB, journal.lineage, link, term=self.term)
        self.ledger = ReceivedLedger(store, self._say_ledger)
        self._held: dict[CityId, tuple[Envelope, LedgerHello]] | None = {}
        """hellos, in their envelopes, that came while the folds read what is on record; None afterwards"""
        self._early: list[Journalled] = []
        """own rows that were kept meanwhile"""
        self._stopped = False
        self._beat_s = core.picture.beat_s
        self._beats = 0
        self._beat_timer: Timer | None = None
        self._timers: dict[tuple[str, ...], Timer] = {}
        self._known_cities = frozenset(cities)
        self._seen: frozenset[CityId] = frozenset()
        self._changed: list[Callable[[], None]] = []
        counts.read_open_attempts(core.open_attempts, core.waiting)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> Deferred[None]:
        """Route and beat at once; take in rows of record once those on disk are folded, when the result fires."""
        self._journal.on_rows(self._own_rows)
        self.ledger.on_rows(self._city_rows)
        self._link.start(self._received, self._link_changed)
        self._beat()
        return Deferred.fromCoroutine(self._read_record())

    async def _read_record(self) -> None:
        """Fold what is on record, own rows that a crash kept from the ledger included; then answer the cities."""
        since = self._clock.wall() - self._history_s
        kept: Deferred[Sequence[Journalled]] = Deferred()
        self._store.keep_own(self._journal.rows_since(since), kept.callback)
        await kept
        rows = await self.ledger.rows_since(since)
        if self._stopped:
            return
        self.memory.since = since
        now = self._clock.monotonic()
        known = {(row.lineage, row.sequence) for row in rows}
        early = [row for row in self._early if (row.lineage, row.sequence) not in known]
        for row in sorted([*rows, *early], key=lambda row: row.wall):
            self.memory.apply(row, now=now)
        log.info(
            "{count} rows of the last {hours:.0f} h are read",
            count=len(rows),
            hours=self._history_s / 3600,
            event="record-read",
        )
        held, self._held = self._held or {}, None
        for envelope, hello in held.values():
            self.ledger.heard(envelope, hello)
        self._tell()

    def stop(self) -> Deferred[None]:
        """Fall silent; fires when link, ledger and journal are closed."""
        self._stopped = True
        for timer in [*self._timers.values(), *([self._beat_timer] if self._beat_timer else [])]:
            if timer.active():
                timer.cancel()
        self._timers.clear()
        self._beat_timer = None
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self._link.stop()
        await self._journal.stop()
        await self.ledger.stop()

    def health(self) -> Mapping[str, object]:
        """``GET /health``: whether the hub can do its work, and which cities it hears."""
        seen = self.picture.seen(self._clock.monotonic())
        return {
            "node": HUB,
            "link": self.link_up,
            "record_read": self._held is None,
            "term": self.term,
            "cities": {city: city in seen for city in self.cities},
            "open_attempts": self.core.open_attempts(),
            "waiting": self.core.waiting(),
        }

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
        self._tell()

    def _received(self, envelope: Envelope) -> None:
        """One envelope. Only cities of the province are listened to, and only in their own name."""
        city = CityId(envelope.sender)
        if city not in self._known_cities:
            self.counts.strangers.labels("unknown_sender").inc()
            log.warn(
                "refused a message of {sender}, which is no city of this province",
                sender=envelope.sender,
                event="stranger",
            )
            return
        message = envelope.body
        kind = str(message.__struct_config__.tag)
        self.counts.messages.labels(city, kind).inc()
        match message:
            case Beat():
                self._picture(city, envelope, message)
            case Open() | Granted() | NotGranted() | Taken() | Close():
                self._count_answer(city, message)
                self._advance(Heard(city, message))
            case LedgerHello() | LedgerRows():
                self._ledger_message(city, envelope, message)
            case _:
                self.counts.strangers.labels("not_for_a_hub").inc()

    def _picture(self, city: CityId, envelope: Envelope, beat: Beat) -> None:
        now = self._clock.monotonic()
        hearing = self.picture.heard(city, envelope.lineage, beat, now=now, wall=self._clock.wall())
        if hearing is Hearing.INCOMPLETE:
            self._post.send(NodeId(city), FullPictureWanted(), Stream.PICTURE, self._beat_s)
        elif hearing is Hearing.NEW:
            self._advance(PictureHeard(city))
            self._tell()

    def _count_answer(self, city: CityId, message: Open | Granted | NotGranted | Taken | Close) -> None:
        if isinstance(message, Granted):
            self.counts.answers.labels(city, "granted").inc()
        elif isinstance(message, NotGranted):
            self.counts.answers.labels(city, message.reason).inc()

    def _ledger_message(self, city: CityId, envelope: Envelope, message: LedgerHello | LedgerRows) -> None:
        if self._held is None:
            self.ledger.heard(envelope, message)
        elif isinstance(message, LedgerHello):
            self._held[city] = (envelope, message)  # rows need a session, and none is open yet

    def _say_ledger(self, to: NodeId, message: AnyMessage) -> None:
        self._post.send(to, message, Stream.LEDGER)

    def _city_rows(self, rows: Sequence[Journalled]) -> None:
        now = self._clock.monotonic()
        for row in rows:
            self.counts.rows.labels(row.node).inc()
            self.memory.apply(row, now=now)
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
        self._tell()

    # ── core ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _advance(self, event: Event) -> None:
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
                self.counts.decisions.labels(row.choice, row.why).inc()
                self._journal.append([(row, ())], _on_disk)
            case Ignored(why, sender, kind):
                self.counts.ignored.labels(why, kind).inc()
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
        """Say that the hub is there, and look who fell silent (B6)."""
        self._beat_timer = self._clock.call_later(self._beat_s, self._beat)
        self._beats += 1
        self._post.send(
            EVERYONE,
            HubBeat(count=self._beats, wall=self._clock.wall()),
            Stream.PICTURE,
            self._beat_s * SILENT_AFTER_BEATS,
        )
        self._look_around()
        self._advance(BeatDue())

    def _look_around(self) -> None:
        now = self._clock.monotonic()
        seen = self.picture.seen(now)
        for city in self.cities:
            known = self.picture.city(city, now)
            self.counts.city_seen.labels(city).set(city in seen)
            self.counts.picture_age.labels(city).set(known.age_s)
            self.counts.clock_offset.labels(city).set(known.clock_offset_s)
            self.counts.unknown_rows.labels(city).set(self.ledger.unknown_rows(city))
        for city in sorted(self._seen - seen):
            log.warn(
                "{city} is silent; it is out of routing until it is heard again (B6)", city=city, event="city-silent"
            )
        for city in sorted(seen - self._seen):
            log.info("{city} is heard", city=city, event="city-heard")
        if seen != self._seen:
            self._tell()
        self._seen = seen


def _on_disk() -> None:
    """Decisions inform; nothing waits for their sync."""
