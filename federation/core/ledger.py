"""The ledger's two ends as pure machines: what one sender and one receiver do (S1-S4, J2-J5).

Both get messages and the moment, and answer with acts to carry out. They hold positions, never rows: rows stay in the
journal and in the receiver's store. ``docs/federation.md`` (Streams, Ledger) draws the sequence.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from dataset.ids import LineageId, NodeId
from dataset.rows import ROW_FROM_BYTES, Journalled
from federation.core.envelope import LedgerAck, LedgerHeads, LedgerHello, LedgerRow, LedgerRows

LARGEST_ROW_BYTES = 500_000
ENTRY_OVERHEAD_BYTES = 24
LARGEST_PIECE_BYTES = 8_000


@dataclass(frozen=True, slots=True)
class SendingPace:
    """How an outbox uses its line (S4). All per receiver."""

    batch_bytes: int = 64_000
    """largest run of rows in one message"""
    window_bytes: int = 192_000
    """most that may be on the way without an acknowledgement"""
    bytes_per_s: float = 128_000.0
    """long-run rate; a thin line needs less than half its own"""
    burst_bytes: float = 512_000.0
    """may be sent at once after a pause"""
    answer_s: float = 4.0
    """without an answer for so long, it is sent again; doubled each time"""
    answer_longest_s: float = 30.0
    fetch_rows: int = 200

    @classmethod
    def at(cls, bits_per_s: float) -> SendingPace:
        """The pace for a long-run rate: pieces small enough that what shares the line waits little behind them.

        A piece is an eighth of a second of the rate, a burst a quarter; so on a line of twice the rate a command waits
        for an eighth of a second at most. No piece is larger than what a receiver takes in within a millisecond or
        two, since its reactor does nothing else meanwhile (``bench.backlog``). The window lets the rate be reached
        with 1.5 s from sending to acknowledgement.
        """
        rate = bits_per_s / 8
        batch = int(min(max(rate / 8, 2_000), LARGEST_PIECE_BYTES))
        return cls(
            batch_bytes=batch,
            window_bytes=int(max(rate * 1.5, 4 * batch)),
            bytes_per_s=rate,
            burst_bytes=max(rate / 4, batch),
            fetch_rows=min(max(batch // 200, 10), 200),
        )


# ── acts ────────────────────────────────────────────────────────────────────────────────────────────────────────────
class Say(msgspec.Struct, frozen=True):
    """Send a ledger message to the other end."""

    message: LedgerHello | LedgerHeads | LedgerRows | LedgerAck


class Fetch(msgspec.Struct, frozen=True):
    """Read from the journal and come back with ``Sender.fetched(ticket, entries)``."""

    ticket: int
    lineage: LineageId
    after: int
    limit: int


class Acknowledged(msgspec.Struct, frozen=True):
    """The receiver has everything of ``lineage`` up to ``number``."""

    lineage: LineageId
    number: int


class NameMissing(msgspec.Struct, frozen=True):
    """The receiver stated more than this journal holds: journal it as ``TailMissing`` (J2)."""

    lineage: LineageId
    stated: int
    held: int


SenderAct = Say | Fetch | Acknowledged | NameMissing


# ── sender ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(slots=True)
class _Line:
    """One lineage on its way to one receiver."""

    head: int
    acked: int
    sent: int
    sent_again: int = 0
    """the gap that was last filled at the receiver's wish: each is filled once, then by the clock alone"""


class Sender:
    """The outbox of one receiver.

    ``due`` is the monotonic moment at which ``tick`` wants to be called, None when it need not be. The current lineage
    goes before older ones (S4). A session begins with ``link_up`` and with each refusal of the receiver.
    """

    def __init__(self, lineage: LineageId, streams: Iterable[tuple[LineageId, int, int]], pace: SendingPace) -> None:
        self._lineage = lineage
        self._pace = pace
        self._lines = {of: _Line(head, min(acked, head), min(acked, head)) for of, head, acked in streams}
        self._lines.setdefault(lineage, _Line(0, 0, 0))
        self._up = False
        self._open = False
        self._sessions = 0
        self._session = ""
        self._on_the_way: deque[tuple[LineageId, int, int]] = deque()
        """lineage, last number, bytes; in the order of sending"""
        self._ticket = 0
        self._fetching: tuple[int, LineageId, int] | None = None
        self._answer_s = pace.answer_s
        self._answer_due: float | None = None
        self._allowance = pace.burst_bytes
        self._allowance_at = 0.0
        self._resume_at: float | None = None
        self._named: set[LineageId] = set()
        self.resent = 0
        """times that rows or a hello had to be sent again, for metrics"""

    @property
    def due(self) -> float | None:
        """When ``tick`` wants to be called."""
        if self._answer_due is None or self._resume_at is None:
            return self._answer_due if self._resume_at is None else self._resume_at
        return min(self._answer_due, self._resume_at)

    @property
    def waiting(self) -> int:
        """Rows synced and not acknowledged."""
        return sum(line.head - line.acked for line in self._lines.values())

    @property
    def open(self) -> bool:
        """Whether the receiver has answered this session's hello."""
        return self._open

    def link_up(self, now: float) -> list[SenderAct]:
        """The link came (back): open a session (J3)."""
        self._up = True
        self._answer_s = self._pace.answer_s
        return self._hello(now)

    def link_down(self) -> None:
        """The link is gone; nothing is said until it is back."""
        self._up = self._open = False
        self._answer_due = self._resume_at = None
        self._unsend()

    def grown(self, head: int, now: float) -> list[SenderAct]:
        """Rows of the current lineage up to ``head`` are synced (S1)."""
        line = self._lines[self._lineage]
        line.head = max(line.head, head)
        return self._pump(now)

    def heads(self, message: LedgerHeads, now: float) -> list[SenderAct]:
        """The receiver says what it has, or that it refused our session's rows."""
        if not self._up:
            return []
        if message.refused:
            return self._hello(now) if message.refused == self._session else []
        if message.session != self._session:
            return []
        acts: list[SenderAct] = []
        for lineage in [*self._lines, *(LineageId(name) for name in message.heads if name not in self._lines)]:
            stated = message.heads.get(lineage, 0)
            acts += self._restart_line(lineage, stated) if not self._open else self._advance_line(lineage, stated)
        if not self._open:
            self._open = True
            self._answer_s = self._pace.answer_s
            self._answer_due = None
        self._settle_answer(now, progress=True)
        return acts + self._pump(now)

    def acknowledged(self, message: LedgerAck, now: float) -> list[SenderAct]:
        """The receiver has committed up to a number."""
        if not self._open or message.session != self._session:
            return []
        acts = self._advance_line(message.lineage, message.number)
        if acts:
            self._settle_answer(now, progress=True)
        self._fill_gap(message.lineage, message.again_from)
        return acts + self._pump(now)

    def fetched(self, ticket: int, entries: list[tuple[int, bytes]], now: float) -> list[SenderAct]:
        """Rows that ``Fetch`` asked for; the answer to an older ticket is ignored."""
        if self._fetching is None or self._fetching[0] != ticket:
            return []
        _, lineage, after = self._fetching
        self._fetching = None
        line = self._lines[lineage]
        if entries:
            line.head = max(line.head, entries[-1][0])
        acts: list[SenderAct] = []
        self._earn(now)
        for message, size in batches(self._session, lineage, after, line.head, entries, self._pace.batch_bytes):
            if acts and (self._allowance <= 0 or self._on_the_way_bytes() >= self._pace.window_bytes):
                break  # read again when the line may take more: a burst would stand in everybody's way (S4)
            last = message.rows[-1].number if message.rows else message.forgotten_to
            line.sent = last
            self._on_the_way.append((lineage, last, size))
            self._allowance -= size
            acts.append(Say(message))
        if self._answer_due is None:
            self._answer_due = now + self._answer_s
        return acts + self._pump(now)

    def fetch_failed(self, ticket: int, now: float) -> None:
        """The journal could not be read; tried again after the time of an answer."""
        if self._fetching is not None and self._fetching[0] == ticket:
            self._fetching = None
            self._resume_at = now + self._answer_s

    def tick(self, now: float) -> list[SenderAct]:
        """Time has passed ``due``."""
        if not self._up:
            return []
        if self._answer_due is not None and now >= self._answer_due:
            self.resent += 1
            self._answer_s = min(self._answer_s * 2, self._pace.answer_longest_s)
            if not self._open:
                return self._say_hello(now)
            self._answer_due = None
            self._unsend()
        if self._resume_at is not None and now >= self._resume_at:
            self._resume_at = None
        return self._pump(now)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _hello(self, now: float) -> list[SenderAct]:
        self._sessions += 1
        self._session = f"{self._lineage}-{self._sessions:06x}"
        self._open = False
        self._resume_at = None
        self._unsend()
        return self._say_hello(now)

    def _say_hello(self, now: float) -> list[SenderAct]:
        self._answer_due = now + self._answer_s
        head = self._lines[self._lineage].head
        return [Say(LedgerHello(session=self._session, lineage=self._lineage, head=head))]

    def _restart_line(self, lineage: LineageId, stated: int) -> list[SenderAct]:
        """A new session: the receiver's word decides where to go on, also backwards (J5)."""
        acts: list[SenderAct] = []
        line = self._lines.get(lineage)
        held = line.head if line else 0
        if stated > held and lineage not in self._named:
            self._named.add(lineage)
            acts.append(NameMissing(lineage, stated, held))
        if line is not None:
            if line.acked != min(stated, held):
                acts.append(Acknowledged(lineage, min(stated, held)))
            line.acked = line.sent = min(stated, held)
        return acts

    def _advance_line(self, lineage: LineageId, number: int) -> list[SenderAct]:
        line = self._lines.get(lineage)
        if line is None or not line.acked < number <= line.head:
            return []
        line.acked = number
        line.sent = max(line.sent, number)
        if self._on_the_way:
            self._on_the_way = deque([one for one in self._on_the_way if one[0] != lineage or one[1] > number])
        return [Acknowledged(lineage, number)]

    def _fill_gap(self, lineage: LineageId, again_from: int) -> None:
        """Messages overtook each other or one was lost: go back to the gap at once instead of at ``answer_s``."""
        line = self._lines.get(lineage)
        if line is None or not line.acked < again_from <= line.sent or line.sent_again == again_from:
            return
        line.sent_again = again_from
        line.sent = again_from - 1
        self._on_the_way = deque(one for one in self._on_the_way if one[0] != lineage or one[1] < again_from)
        if self._fetching is not None and self._fetching[1] == lineage:
            self._fetching = None
        self.resent += 1

    def _settle_answer(self, now: float, *, progress: bool) -> None:
        if progress:
            self._answer_s = self._pace.answer_s
        self._answer_due = now + self._answer_s if self._on_the_way else None

    def _unsend(self) -> None:
        """What is not acknowledged was not sent; a fetch under way is not wanted any more."""
        for line in self._lines.values():
            line.sent, line.sent_again = line.acked, 0
        self._on_the_way.clear()
        self._fetching = None

    def _pump(self, now: float) -> list[SenderAct]:
        """Ask for the next rows, when there are any and the line may take them."""
        if not self._open or self._fetching is not None:
            return []
        if self._on_the_way and self._on_the_way_bytes() >= self._pace.window_bytes:
            return []
        lineage = self._next_lineage()
        if lineage is None:
            self._resume_at = None
            return []
        self._earn(now)
        if self._allowance <= 0:
            self._resume_at = now + max(-self._allowance / self._pace.bytes_per_s, 0.01)
            return []
        self._resume_at = None
        self._ticket += 1
        after = self._lines[lineage].sent
        self._fetching = (self._ticket, lineage, after)
        return [Fetch(self._ticket, lineage, after, self._pace.fetch_rows)]

    def _earn(self, now: float) -> None:
        earned = (now - self._allowance_at) * self._pace.bytes_per_s
        self._allowance = min(self._allowance + earned, self._pace.burst_bytes)
        self._allowance_at = now

    def _on_the_way_bytes(self) -> int:
        return sum(size for _, _, size in self._on_the_way)

    def _next_lineage(self) -> LineageId | None:
        current = self._lines[self._lineage]
        if current.sent < current.head:
            return self._lineage
        for lineage, line in self._lines.items():
            if line.sent < line.head:
                return lineage
        return None


def batches(
    session: str, lineage: LineageId, after: int, head: int, entries: list[tuple[int, bytes]], batch_bytes: int
) -> list[tuple[LedgerRows, int]]:
    """``entries`` as messages of at most ``batch_bytes`` with their sizes.

    A message has no gaps inside; where numbers are no longer kept, the next one says so (``forgotten_to``). When
    nothing after ``after`` is kept at all, one message without rows says that for everything up to ``head``.
    """
    if not entries:
        empty = LedgerRows(session=session, lineage=lineage, rows=(), forgotten_from=after + 1, forgotten_to=head)
        return [(empty, ENTRY_OVERHEAD_BYTES)]
    made: list[tuple[LedgerRows, int]] = []
    run: list[LedgerRow] = []
    size, forgotten, previous = 0, (0, 0), after

    def close() -> None:
        nonlocal run, size, forgotten
        if run:
            made.append((_message(session, lineage, run, forgotten), size))
        run, size, forgotten = [], 0, (0, 0)

    for number, data in entries:
        data = data if len(data) <= LARGEST_ROW_BYTES else _too_large(data)
        cost = len(data) + ENTRY_OVERHEAD_BYTES
        if number != previous + 1 or (run and size + cost > batch_bytes):
            close()
            if number != previous + 1:
                forgotten = (previous + 1, number - 1)
        run.append(LedgerRow(number=number, row=msgspec.Raw(data)))
        size += cost
        previous = number
    close()
    return made


def _message(session: str, lineage: LineageId, run: list[LedgerRow], forgotten: tuple[int, int]) -> LedgerRows:
    return LedgerRows(
        session=session, lineage=lineage, rows=tuple(run), forgotten_from=forgotten[0], forgotten_to=forgotten[1]
    )


def _too_large(data: bytes) -> bytes:
    """What goes instead of a row that no envelope holds: the receiver parks it (S2) and totals name it."""
    return json.dumps({"too_large": len(data), "begins": data[:500].decode("utf-8", "replace")}).encode()


# ── receiver ────────────────────────────────────────────────────────────────────────────────────────────────────────
class ReceivedEntry(msgspec.Struct, frozen=True):
    """One slot of a sender's stream."""

    number: int
    data: bytes
    """the row's bytes as they came"""
    journalled: Journalled | None
    """None: it could not be read, and is parked (S2)"""


class Batch(msgspec.Struct, frozen=True):
    """A gapless run to be committed together with its cursor, in one transaction (S1)."""

    sender: NodeId
    lineage: LineageId
    entries: tuple[ReceivedEntry, ...]
    cursor: int
    """the stream's head once this is committed"""
    hole: tuple[int, int] | None = None
    """first and last number that the sender no longer keeps (J5)"""


class Commit(msgspec.Struct, frozen=True):
    """Write ``batch``; afterwards call ``Receiver.committed(batch)``."""

    batch: Batch


ReceiverAct = Say | Commit


@dataclass(slots=True)
class ReceivedCounts:
    """For metrics."""

    applied: int = 0
    parked: int = 0
    duplicates: int = 0
    gaps: int = 0
    refused: int = 0
    """messages of another session"""
    holes: int = 0


class Receiver:
    """The inbox of one sender. ``heads``: the cursors in the store, after any repair (J3)."""

    def __init__(self, sender: NodeId, heads: Mapping[LineageId, int]) -> None:
        self._sender = sender
        self._committed = dict(heads)
        self._received = dict(heads)
        """as ``_committed``, plus what is being committed"""
        self._committing = 0
        self._session = ""
        self._hello_waits = False
        self.counts = ReceivedCounts()

    def hello(self, message: LedgerHello) -> list[ReceiverAct]:
        """The sender opens a session: from here on only its rows count (J3). Answered when no commit is under way.

        An older hello of the same run, late on its way, is ignored. One of another run cannot be told from a newer
        one; if it misleads us, our refusal of the live session makes the sender open the next.
        """
        if message.session == self._session and not self._hello_waits:
            return [self._heads()]
        run, _, counter = message.session.rpartition("-")
        own_run, _, own_counter = self._session.rpartition("-")
        if run == own_run and counter < own_counter:
            return []
        self._session = message.session
        self._hello_waits = True
        return self._answer_hello()

    def rows(self, message: LedgerRows) -> list[ReceiverAct]:
        """Rows arrived: refuse, drop, or commit them."""
        if message.session != self._session or self._hello_waits:
            self.counts.refused += 1
            return [Say(LedgerHeads(session=self._session, heads={}, refused=message.session))]
        lineage = message.lineage
        head = self._received.get(lineage, 0)
        hole = None
        if message.forgotten_to > head and message.forgotten_from <= head + 1:
            hole = (head + 1, message.forgotten_to)
            head = message.forgotten_to
            self.counts.holes += 1
        entries: list[ReceivedEntry] = []
        again_from = head + 1 if message.forgotten_to > head else 0
        for one in message.rows:
            if one.number <= head:
                self.counts.duplicates += 1
            elif one.number == head + 1:
                entries.append(_read(one))
                head += 1
            else:
                self.counts.gaps += 1
                again_from = head + 1
                break
        if not entries and hole is None:
            # an acknowledgement was lost, or a message before this one: say again what we have
            return [Say(self._ack(lineage, again_from))]
        self._received[lineage] = head
        self._committing += 1
        return [Commit(Batch(self._sender, lineage, tuple(entries), head, hole))]

    def committed(self, batch: Batch) -> list[ReceiverAct]:
        """``batch`` is on disk: acknowledge it (S1)."""
        self._committing -= 1
        self._committed[batch.lineage] = max(batch.cursor, self._committed.get(batch.lineage, 0))
        parked = sum(entry.journalled is None for entry in batch.entries)
        self.counts.parked += parked
        self.counts.applied += len(batch.entries) - parked
        if self._hello_waits:
            return self._answer_hello()
        return [Say(self._ack(batch.lineage))]

    def _ack(self, lineage: LineageId, again_from: int = 0) -> LedgerAck:
        number = self._committed.get(lineage, 0)
        return LedgerAck(session=self._session, lineage=lineage, number=number, again_from=again_from)

    def _answer_hello(self) -> list[ReceiverAct]:
        if self._committing:
            return []
        self._hello_waits = False
        return [self._heads()]

    def _heads(self) -> Say:
        heads = {str(lineage): number for lineage, number in self._committed.items()}
        return Say(LedgerHeads(session=self._session, heads=heads))


def _read(one: LedgerRow) -> ReceivedEntry:
    data = bytes(one.row)
    try:
        return ReceivedEntry(one.number, data, ROW_FROM_BYTES.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ReceivedEntry(one.number, data, None)
