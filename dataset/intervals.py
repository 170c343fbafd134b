"""15-minute intervals as a fold of rows: the same rows in any order give the same bytes (I6, I7).

What happened is counted at the row that caused it, in the interval of that row's own wall time, which was fixed when
it was journalled. ``opening`` and ``closing`` are not counted but derived from the places that the rows leave open, so
a row that is missing, or one too many, shows as a sum that does not hold. Each row must be given once (I3).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from dataset.ids import CityId, ContactId, LineageId
from dataset.lineages import Lineages, born_in
from dataset.measures import (
    INTERVAL_S,
    Histogram,
    Interval,
    QueueKey,
    bucket_of,
    histogram,
    milliseconds,
)
from dataset.rows import (
    AttemptAnswered,
    AttemptWithdrawn,
    ContactEnded,
    Journalled,
    Left,
    QueueEntered,
    QueueLeft,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
    SegmentVoided,
    SelfServed,
)
from dataset.self_service import Outcome
from dataset.standing import LostSites

Slot = tuple[QueueKey, int]
"""a queue, and the start of an interval"""


def start_of(wall: float) -> int:
    """Start of the interval that ``wall`` falls into, UTC seconds."""
    return int(wall // INTERVAL_S) * INTERVAL_S


# ── counts ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class _Durations:
    """A histogram being counted; durations may be taken back."""

    __slots__ = ("counts", "total_ms")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.total_ms = 0

    def add(self, ms: int, sign: int) -> None:
        bucket = bucket_of(ms)
        self.counts[bucket] = self.counts.get(bucket, 0) + sign
        self.total_ms += sign * ms

    def done(self) -> Histogram:
        return histogram(self.counts, self.total_ms)


class _Counts:
    """One slot being counted."""

    __slots__ = ("durations", "numbers")

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.durations: dict[str, _Durations] = {}

    def time(self, name: str, ms: int, sign: int = 1) -> None:
        self.durations.setdefault(name, _Durations()).add(ms, sign)

    def __bool__(self) -> bool:
        return any(self.numbers.values()) or any(any(one.counts.values()) for one in self.durations.values())


class _Part(NamedTuple):
    """What one segment adds to one slot."""

    slot: Slot
    numbers: tuple[tuple[str, int], ...]
    talked_ms: int | None = None


# ── joins that counting needs ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(slots=True)
class _Waiting:
    """The places of one contact, as its anchor wrote them."""

    steps: list[tuple[int, QueueKey, int]] = field(default_factory=list)
    """start of the interval, queue, +1 entered or -1 left"""
    lineages: set[LineageId] = field(default_factory=set)
    ended: int | None = None
    """start of the interval of its (earliest) ending"""

    def open(self) -> dict[QueueKey, int]:
        """Entered minus left, per queue, where that is not 0."""
        net: dict[QueueKey, int] = {}
        for _, key, step in self.steps:
            net[key] = net.get(key, 0) + step
        return {key: count for key, count in net.items() if count}


@dataclass(slots=True)
class _Segment:
    """One attempt that somebody answered, from both sides."""

    opened: tuple[float, QueueKey, bool] | None = None
    """wall time, queue at the serving site, received from another city"""
    answered: tuple[float, QueueKey, bool] | None = None
    """the same as the anchor committed it"""
    confirmed: bool = False
    voided: bool = False
    anchor: CityId | None = None
    closed: tuple[float, int, int, int] | None = None
    """wall time; talked, held and wrap-up, milliseconds"""

    @property
    def unconfirmed(self) -> bool:
        """Whether it waits for the anchor's word before it counts anywhere (O3)."""
        received = self.opened is not None and self.opened[2]
        return received and self.answered is None and not self.confirmed and not self.voided

    def parts(self) -> Iterator[_Part]:
        """What it adds now. An unconfirmed segment of another city's contact counts nowhere yet (O3)."""
        seen = self.opened or self.answered
        if seen is None or (self.voided and self.answered is None):
            return
        if self.unconfirmed:
            return
        wall, key, received = seen
        if received:
            yield _Part((key, start_of(wall)), (("received", 1),))
        if self.closed is not None:
            closed_at, talked, held, wrap_up = self.closed
            numbers = (("handled", 1), ("held_ms", held), ("wrap_up_ms", wrap_up))
            yield _Part((key, start_of(closed_at)), numbers, talked)


@dataclass(slots=True)
class _Contact:
    """All that counting needs of one contact."""

    waiting: dict[str, _Waiting] = field(default_factory=dict)
    """by the node that wrote it"""
    segments: dict[int, _Segment] = field(default_factory=dict)
    """by attempt"""

    def written_by(self, node: str) -> _Waiting:
        """Its places as ``node`` wrote them, from here on."""
        known = self.waiting.get(node)
        if known is None:
            known = self.waiting[node] = _Waiting()
        return known

    def segment(self, n: int) -> _Segment:
        """The attempt, from here on."""
        known = self.segments.get(n)
        if known is None:
            known = self.segments[n] = _Segment()
        return known

    def finished(self) -> bool:
        """Whether no row is missing, as far as can be told; a late one may come all the same."""
        for waiting in self.waiting.values():
            if waiting.ended is None or waiting.open():
                return False
        for segment in self.segments.values():
            if segment.unconfirmed or not (segment.voided or segment.closed is not None):
                return False
        return bool(self.waiting)

    def last(self) -> int:
        """Start of the last interval that anything of it is counted in."""
        starts = [0]
        for waiting in self.waiting.values():
            starts += [waiting.ended or 0, *(start for start, _, _ in waiting.steps)]
        for segment in self.segments.values():
            seen = (segment.opened, segment.answered, segment.closed)
            starts += [start_of(one[0]) for one in seen if one is not None]
        return max(starts)


class _Finished:
    """Contacts that are finished, in some hundred bytes each: a hub has those of days, and a late row of any needs all
    that was known of it.
    """

    def __init__(self) -> None:
        self._packed: dict[ContactId, bytes] = {}
        self._ends: dict[int, list[ContactId]] = {}
        """by the last interval; a contact that was taken out and put back is named again"""
        self._numbers: dict[QueueKey | str, int] = {}
        self._names: list[QueueKey | str] = []
        """queues, nodes and lineages, which are few"""

    def __len__(self) -> int:
        return len(self._packed)

    def put(self, name: ContactId, contact: _Contact) -> None:
        """Keep ``contact``."""
        last = contact.last()
        self._packed[name] = (last // INTERVAL_S).to_bytes(4) + _PACK.encode(
            (
                [
                    (
                        self._number(node),
                        [(start, self._number(key), step) for start, key, step in one.steps],
                        [self._number(lineage) for lineage in one.lineages],
                        one.ended,
                    )
                    for node, one in contact.waiting.items()
                ],
                [
                    (
                        n,
                        self._seen(one.opened),
                        self._seen(one.answered),
                        one.confirmed,
                        one.voided,
                        None if one.anchor is None else self._number(one.anchor),
                        one.closed,
                    )
                    for n, one in contact.segments.items()
                ],
            )
        )
        self._ends.setdefault(last, []).append(name)

    def take(self, name: ContactId) -> _Contact | None:
        """Take it out again, as it was; None when it is not here."""
        packed = self._packed.pop(name, None)
        if packed is None:
            return None
        waiting, segments = _UNPACK.decode(packed[4:])
        names: list[Any] = self._names
        return _Contact(
            {
                names[node]: _Waiting(
                    [(start, names[key], step) for start, key, step in steps], {names[one] for one in lineages}, ended
                )
                for node, steps, lineages, ended in waiting
            },
            {
                n: _Segment(
                    self._seen_again(opened),
                    self._seen_again(answered),
                    confirmed,
                    voided,
                    None if anchor is None else names[anchor],
                    None if closed is None else tuple(closed),
                )
                for n, opened, answered, confirmed, voided, anchor, closed in segments
            },
        )

    def forget_before(self, before: int) -> None:
        """Drop contacts of which nothing is counted in the interval that starts at ``before``, or later."""
        for start in [start for start in self._ends if start < before]:
            for name in self._ends.pop(start):
                packed = self._packed.get(name)
                if packed is not None and int.from_bytes(packed[:4]) * INTERVAL_S < before:
                    del self._packed[name]

    def _number(self, name: QueueKey | str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        return number

    def _seen(self, seen: tuple[float, QueueKey, bool] | None) -> tuple[float, int, bool] | None:
        return None if seen is None else (seen[0], self._number(seen[1]), seen[2])

    def _seen_again(self, seen: Any) -> Any:
        return None if seen is None else (seen[0], self._names[seen[1]], seen[2])


_PACK, _UNPACK = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder()


class Unconfirmed(NamedTuple):
    """A segment of another city's contact that no word of its anchor will confirm, as things stand (O3, E3)."""

    site: CityId
    """who served it, and does not count it yet"""
    anchor: CityId
    contact: ContactId
    n: int
    start: int
    """the interval it would count in"""


_NEVER = float("-inf")
_OF_SEGMENTS = (AttemptAnswered, SegmentOpened, SegmentConfirmed, SegmentVoided, SegmentClosed)
_COUNTED = frozenset({QueueEntered, QueueLeft, ContactEnded, AttemptWithdrawn, SelfServed, *_OF_SEGMENTS})


class IntervalFold:
    """Rows in, intervals out; at any time, in any order."""

    def __init__(self) -> None:
        self._lineages = Lineages()
        self._lost = LostSites()
        self._last: dict[str, float] = {}
        """wall time of the last row of each node"""
        self._counts: dict[Slot, _Counts] = {}
        self._flow: dict[QueueKey, Counter[int]] = defaultdict(Counter)
        """entered minus left, per interval"""
        self._contacts: dict[ContactId, _Contact] = {}
        """those that are not finished"""
        self._finished = _Finished()
        self._open: set[tuple[str, ContactId]] = set()
        """contacts whose entered and left differ in some queue"""
        self._unconfirmed: set[tuple[ContactId, int]] = set()
        self._withdrawn: dict[tuple[ContactId, int], float] = {}
        """attempts in other cities that their anchor withdrew, and when: no answer is missing there"""

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def add(self, journalled: Journalled) -> None:
        """Take in one row; kinds that measure nothing are passed over."""
        row = journalled.row
        if journalled.wall > self._last.get(journalled.node, _NEVER):
            self._last[journalled.node] = journalled.wall
        if type(row) not in _COUNTED:
            if not self._lineages.add(journalled):
                self._lost.add(journalled)
        elif isinstance(row, QueueEntered):
            self._step(journalled, _queue(journalled, row), row.contact, row.how, +1)
        elif isinstance(row, QueueLeft):
            key = _queue(journalled, row)
            self._step(journalled, key, row.contact, row.how, -1)
            self._left(key, start_of(journalled.wall), row)
        elif isinstance(row, _OF_SEGMENTS):
            self._segment(journalled, row)
        elif isinstance(row, ContactEnded):
            self._ended(journalled, row)
        elif isinstance(row, AttemptWithdrawn):
            if row.site not in (None, journalled.node):
                self._withdrawn[row.contact, row.n] = journalled.wall
        elif isinstance(row, SelfServed) and row.outcome is Outcome.TOLD:
            self._slot(_queue(journalled, row), start_of(journalled.wall)).numbers["self_served"] += 1

    def _step(self, journalled: Journalled, key: QueueKey, contact: ContactId, how: str, step: int) -> None:
        start = start_of(journalled.wall)
        self._slot(key, start).numbers[how] += 1
        self._flow[key][start] += step
        name = (journalled.node, contact)
        known = self._of(contact)
        waiting = known.written_by(journalled.node)
        waiting.steps.append((start, key, step))
        waiting.lineages.add(journalled.lineage)
        (self._open.add if waiting.open() else self._open.discard)(name)
        self._look_whether_finished(contact, known)

    def _of(self, contact: ContactId) -> _Contact:
        known = self._contacts.get(contact)
        if known is None:
            known = self._contacts[contact] = self._finished.take(contact) or _Contact()
        return known

    def _look_whether_finished(self, contact: ContactId, known: _Contact) -> None:
        if known.finished():
            self._finished.put(contact, self._contacts.pop(contact))

    def _left(self, key: QueueKey, start: int, row: QueueLeft) -> None:
        counts = self._slot(key, start)
        counts.numbers["within_target"] += row.within_target
        if row.how in (Left.ANSWERED_HERE, Left.SENT_OUT):
            counts.time("waiting", milliseconds(row.waited_s))
        elif row.how in (Left.ABANDONED, Left.SHORT):
            counts.time("waiting_abandoned", milliseconds(row.waited_s))

    def _ended(self, journalled: Journalled, row: ContactEnded) -> None:
        known = self._of(row.contact)
        waiting = known.written_by(journalled.node)
        start = start_of(journalled.wall)
        waiting.ended = start if waiting.ended is None else min(start, waiting.ended)
        waiting.lineages.add(journalled.lineage)
        self._look_whether_finished(row.contact, known)

    def _segment(
        self,
        journalled: Journalled,
        row: AttemptAnswered | SegmentOpened | SegmentConfirmed | SegmentVoided | SegmentClosed,
    ) -> None:
        known = self._of(row.contact)
        segment = known.segment(row.n)
        self._count(segment, -1)
        if isinstance(row, AttemptAnswered):
            key = QueueKey(row.site, row.service, row.channel, row.skill)
            segment.answered = _first(segment.answered, (journalled.wall, key, row.site != journalled.node))
        elif isinstance(row, SegmentOpened):
            key = QueueKey(row.site, row.service, row.channel, row.skill)
            segment.opened = _first(segment.opened, (journalled.wall, key, row.received))
            segment.anchor = row.anchor
        elif isinstance(row, SegmentConfirmed):
            segment.confirmed = True
        elif isinstance(row, SegmentVoided):
            segment.voided = True
        else:
            times = (milliseconds(row.talked_s), milliseconds(row.held_s), milliseconds(row.wrap_up_s))
            closed = (journalled.wall, *times)
            segment.closed = closed if segment.closed is None else min(closed, segment.closed)
        self._count(segment, +1)
        (self._unconfirmed.add if segment.unconfirmed else self._unconfirmed.discard)((row.contact, row.n))
        self._look_whether_finished(row.contact, known)

    def _count(self, segment: _Segment, sign: int) -> None:
        for part in segment.parts():
            counts = self._slot(*part.slot)
            for name, number in part.numbers:
                counts.numbers[name] += sign * number
            if part.talked_ms is not None:
                counts.time("talking", part.talked_ms, sign)

    def _slot(self, key: QueueKey, start: int) -> _Counts:
        counts = self._counts.get((key, start))
        if counts is None:
            counts = self._counts[key, start] = _Counts()
        return counts

    def forget_before(self, wall: float) -> None:
        """Drop what only intervals before that of ``wall`` could need. Later rows of that time count wrong; choose
        it older than any row that may still come.
        """
        before = start_of(wall)
        self._finished.forget_before(before)
        for contact, known in list(self._contacts.items()):
            for node, waiting in list(known.waiting.items()):
                last = max([start for start, _, _ in waiting.steps] + [waiting.ended or before])
                if waiting.ended is not None and last < before and (node, contact) not in self._open:
                    del known.waiting[node]
            for n, segment in list(known.segments.items()):
                if segment.closed is not None and start_of(segment.closed[0]) < before:
                    del known.segments[n]
                    self._unconfirmed.discard((contact, n))
            if not known.waiting and not known.segments:
                del self._contacts[contact]
        self._withdrawn = {name: wall for name, wall in self._withdrawn.items() if wall >= before}
        self._counts = {slot: counts for slot, counts in self._counts.items() if slot[1] >= before}
        for flow in self._flow.values():
            early = [start for start in flow if start < before]
            if early:
                # one earlier interval keeps what was still open, for the openings to begin with
                flow[before - INTERVAL_S] = sum(flow.pop(start) for start in early)

    # ── out ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def intervals(
        self, begin: float | None = None, end: float | None = None, city: CityId | None = None
    ) -> list[Interval]:
        """All intervals in which something happened or somebody waited, by queue and start.

        ``begin`` ≤ start < ``end`` (UTC seconds), of one ``city`` or all. A place lost with its journal leaves as
        ``failed`` when the run opens that does not know it, one of a city declared lost with that city's last row (E3).
        """
        lost_cities = self._lost.cities()
        flow = {key: Counter(steps) for key, steps in self._flow.items()}
        lost: Counter[Slot] = Counter()
        wrong: dict[QueueKey, Counter[int]] = {}
        for name in self._open:
            self._correct(name, flow, lost, wrong, lost_cities)
        found: list[Interval] = []
        starts: dict[QueueKey, set[int]] = {key: set() for key in flow}
        for (key, start), counts in self._counts.items():
            if counts:
                starts.setdefault(key, set()).add(start)
        for key in sorted(starts):
            if city is None or key.city == city:
                found += self._of_queue(key, starts[key], flow.get(key, Counter()), wrong.get(key, Counter()), lost)
        return [one for one in found if (begin is None or one.start >= begin) and (end is None or one.start < end)]

    def unconfirmed(
        self, begin: float | None = None, end: float | None = None, city: CityId | None = None
    ) -> list[Unconfirmed]:
        """Segments that count nowhere because their anchor is declared lost, or has lost the contact with its journal.

        Totals name them as unknown. Range and ``city`` (that served) as with ``intervals``; in order.
        """
        lost_cities = self._lost.cities()
        found = []
        for contact, n in self._unconfirmed:
            known = self._contacts[contact]
            segment = known.segments[n]
            if segment.opened is None or segment.anchor is None or (contact, n) in self._withdrawn:
                continue
            wall, key, _ = segment.opened
            start = start_of(wall)
            if (
                city not in (None, key.city)
                or (begin is not None and start < begin)
                or (end is not None and start >= end)
            ):
                continue
            waiting = known.waiting.get(segment.anchor)
            runs = waiting.lineages if waiting is not None else {born_in(contact)}
            if segment.anchor in lost_cities or self._lineages.lost_at(segment.anchor, contact, runs):
                found.append(Unconfirmed(key.city, segment.anchor, contact, n, start))
        return sorted(found)

    def last_row(self, node: str) -> float | None:
        """Wall time of the last row of ``node`` taken in."""
        return self._last.get(node)

    def json(self) -> bytes:
        """All intervals as JSON; equal rows give equal bytes."""
        return msgspec.json.encode(self.intervals())

    def _correct(
        self,
        name: tuple[str, ContactId],
        flow: dict[QueueKey, Counter[int]],
        lost: Counter[Slot],
        wrong: dict[QueueKey, Counter[int]],
        lost_cities: frozenset[CityId],
    ) -> None:
        """Places that rows leave open: honest waiting, lost with journal or city, or rows that do not fit together."""
        node, contact = name
        waiting = self._contacts[contact].waiting[node]
        lost_at = self._lineages.lost_at(node, contact, waiting.lineages) if waiting.ended is None else None
        if lost_at is None and node in lost_cities:
            lost_at = self._last[node]
        for key, net in waiting.open().items():
            steps: Counter[int] = Counter()
            for start, of, step in waiting.steps:
                if of == key:
                    steps[start] += step
            if net == 1 and waiting.ended is None:
                if lost_at is not None:
                    lost[key, start_of(lost_at)] += 1
                    flow[key][start_of(lost_at)] -= 1
                continue
            # as much as the evidence allows: a contact waits in one place or in none, and in none once it has ended
            counted = shown = 0
            bad = wrong.setdefault(key, Counter())
            for start in sorted({*steps, *([waiting.ended] if waiting.ended is not None else [])}):
                counted += steps[start]
                ended = waiting.ended is not None and start >= waiting.ended
                true = 0 if ended else min(max(counted, 0), 1)
                bad[start] += (true - counted) - shown
                shown = true - counted

    def _of_queue(
        self, key: QueueKey, slots: set[int], flow: Counter[int], wrong: Counter[int], lost: Counter[Slot]
    ) -> Iterator[Interval]:
        starts = sorted({*slots, *flow, *wrong})
        opening = 0
        for place, start in enumerate(starts):
            until = starts[place + 1] if place + 1 < len(starts) else start + INTERVAL_S
            closing = opening + flow[start] + wrong[start]
            counts = self._counts.get((key, start), _EMPTY)
            if counts or opening or closing or lost[key, start]:
                yield _interval(key, start, opening, closing, counts, lost[key, start])
            opening = closing
            if opening:
                for idle in range(start + INTERVAL_S, until, INTERVAL_S):
                    yield _interval(key, idle, opening, opening, _EMPTY, 0)


_EMPTY = _Counts()


def _interval(key: QueueKey, start: int, opening: int, closing: int, counts: _Counts, lost: int) -> Interval:
    numbers = {name: number for name, number in counts.numbers.items() if number}
    numbers["failed"] = numbers.get("failed", 0) + lost
    times = {name: durations.done() for name, durations in counts.durations.items()}
    return Interval(**key._asdict(), start=start, opening=opening, closing=closing, **numbers, **times)  # type: ignore[arg-type]


def _queue(journalled: Journalled, row: QueueEntered | QueueLeft | SelfServed) -> QueueKey:
    return QueueKey(CityId(journalled.node), row.service, row.channel, row.skill)


def _first(
    known: tuple[float, QueueKey, bool] | None, new: tuple[float, QueueKey, bool]
) -> tuple[float, QueueKey, bool]:
    """The earlier of two, so that a row repeated by a restored journal counts once and in a fixed place."""
    return new if known is None else min(known, new)


def fold(rows: Iterable[Journalled]) -> IntervalFold:
    """The fold of ``rows``."""
    folded = IntervalFold()
    for row in rows:
        folded.add(row)
    return folded
