"""The running hub: link and timers in, messages and rows out, and the folds that the console looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from dataset.ids import EVERYONE, CityId, NodeId
from dataset.rows import Journalled
from federation.core.envelope import (
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
from provincial_hub.ports import Ledger
from provincial_hub.shell.counts import HubCounts
from provincial_hub.shell.memory import Memory
from provincial_hub.shell.post import Post

log = Logger()


class RunningHub:
    """Owns the core's timers and the beat; everything that happens to the hub goes through here, on one thread."""

    def __init__(
        self,
        *,
        cities: Sequence[CityId],
        clock: Clock,
        link: Link,
        journal: Journal,
        ledger: Ledger,
        core: Province,
        memory: Memory,
        counts: HubCounts,
        post: Post,
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
        self._ledger = ledger
        self._post = post
        self._beat_s = core.picture.beat_s
        self._beats = 0
        self._beat_timer: Timer | None = None
        self._timers: dict[tuple[str, ...], Timer] = {}
        self._known_cities = frozenset(cities)
        self._seen: frozenset[CityId] = frozenset()
        self._changed: list[Callable[[], None]] = []
        counts.read_open_attempts(core.open_attempts, core.waiting)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Listen and beat. The folds go on with every row from here on; those before come by ``memory.read``."""
        self._journal.on_rows(self._own_rows)
        self._ledger.on_rows(self._city_rows)
        self._link.start(self._received, self._link_changed)
        self._beat()

    def stop(self) -> Deferred[None]:
        """Fall silent; fires when link, ledger and journal are closed."""
        for timer in [*self._timers.values(), *([self._beat_timer] if self._beat_timer else [])]:
            if timer.active():
                timer.cancel()
        self._timers.clear()
        self._beat_timer = None
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self._link.stop()
        await gatherResults([self._ledger.stop(), self._journal.stop()], consumeErrors=True)

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
        log.info("the link is up" if up else "the link is down; cities go on by themselves (B4)")
        self._tell()

    def _received(self, envelope: Envelope) -> None:
        """One envelope. Only cities of the province are listened to, and only in their own name."""
        city = CityId(envelope.sender)
        if city not in self._known_cities:
            self.counts.strangers.labels("unknown_sender").inc()
            log.warn("refused a message of {sender}, which is no city of this province", sender=envelope.sender)
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
                self._ledger.heard(envelope, message)
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

    def _city_rows(self, rows: Sequence[Journalled]) -> None:
        now = self._clock.monotonic()
        for row in rows:
            self.counts.rows.labels(row.node).inc()
            self.memory.apply(row, now=now)
        self._tell()

    def _own_rows(self, rows: Sequence[Journalled]) -> None:
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
                log.debug("{kind} of {sender} changed nothing: {why}", kind=kind, sender=sender, why=why)

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
            self.counts.unknown_rows.labels(city).set(self._ledger.unknown_rows(city))
        for city in sorted(self._seen - seen):
            log.warn("{city} is silent; it is out of routing until it is heard again (B6)", city=city)
        for city in sorted(seen - self._seen):
            log.info("{city} is heard", city=city)
        if seen != self._seen:
            self._tell()
        self._seen = seen


def _on_disk() -> None:
    """Decisions inform; nothing waits for their sync."""
