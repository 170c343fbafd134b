"""Contents of files that come from another city, piece by piece behind what is live (S4), whole or not at all.

Whoever needs a content asks for it; one question of a node is open at a time, and the next one waits until the last
piece has cost its time at the pace (``docs/decisions/attachments.md``). A cut line holds a transfer up, and it goes on
where it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import CityId, LineageId, NodeId
from federation.core.envelope import AnyMessage, PieceAsked, PieceTold
from federation.node.operations import city_silent, stopping
from federation.ports import Clock, Timer

LARGEST_PIECE = 6_000
"""bytes of one piece: 8,000 on the line (S4)"""
SHARE_OF_PACE = 0.25
"""of what the ledger may take of the line in the long run"""
ANSWER_S = 10.0
"""a piece that has not come for so long is asked for again"""
LONGEST_TURN_S = ANSWER_S / 2
"""a question behind others for longer than that is not answered: it would come too late"""
REST_S = 3.0
"""before that, and before a city that is away is looked for again"""
PAUSE_S = 0.05
"""between a piece and the next question, at least"""
MOST_AWAITED = 8
"""files that somebody waits for at a seat, at once"""

Send = Callable[[NodeId, AnyMessage, float], None]
"""Sends behind what is live, with a time to live in seconds."""
PartOf = Callable[[NodeId, str, int], Deferred[bytes]]
"""Bytes of a content for the node that asks, by its name and from where on; errbacks with ``Refused``."""
log = Logger()


@dataclass(slots=True)
class _Coming:
    """A content on its way here."""

    city: CityId
    of: str
    size: int
    patience_s: float | None
    """of whoever waits for it, without a piece; None: nobody does"""
    came_at: float
    """when the last piece came, or the first was wanted"""
    found: Deferred[bytes] = field(default_factory=Deferred)
    here: bytearray = field(default_factory=bytearray)
    rests_until: float = -inf
    timer: Timer | None = None

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it at a seat."""
        return self.patience_s is not None


@dataclass(frozen=True, slots=True)
class _Open:
    question: str
    coming: _Coming
    asked_at: float
    timer: Timer


class FilePieces:
    """Of one city. ``run`` names its questions, so that no answer to an earlier run is taken for one to this.

    ``heard_now``: whether a city is in sight; ``bytes_per_s``: what all files together may take, each way.
    """

    def __init__(
        self,
        run: LineageId,
        clock: Clock,
        send: Send,
        part_of: PartOf,
        heard_now: Callable[[CityId], bool],
        bytes_per_s: float,
    ) -> None:
        self._run = run
        self._clock = clock
        self._send = send
        self._part_of = part_of
        self._heard_now = heard_now
        self._bytes_per_s = bytes_per_s
        self._coming: list[_Coming] = []
        self._asked_at: dict[CityId, float] = {}
        self._count = 0
        self._open: _Open | None = None
        self._timer: Timer | None = None
        self._free_at = -inf
        self._tells_at = -inf
        """when the next piece may be told"""
        self._stopped = False

    def fetch(self, city: CityId, of: str, size: int, patience_s: float | None = None) -> Deferred[bytes]:
        """``size`` bytes that ``city`` has under the name ``of``. ``patience_s``: somebody waits for it, and for no
        piece longer than that.

        Errbacks with ``Refused``: 410 ``content-gone`` where it is not to be had there; 503 ``city-silent`` after
        ``patience_s``, ``files-too-many`` while others are waited for, ``stopping``.
        """
        one = _Coming(city, of, size, patience_s, self._clock.monotonic())
        if self._stopped:
            one.found.errback(stopping())
            return one.found
        if patience_s is not None:
            if sum(other.awaited for other in self._coming) >= MOST_AWAITED:
                one.found.errback(_too_many())
                return one.found
            one.timer = self._clock.call_later(patience_s, self._look_late, one, patience_s)
        self._coming.append(one)
        self._next()
        return one.found

    def heard(self, sender: NodeId, message: PieceAsked | PieceTold) -> None:
        """A question of another city, or the answer to the one that is open."""
        if self._stopped:
            return
        if isinstance(message, PieceAsked):
            self._answer(sender, message)
            return
        waiting = self._open
        if waiting is None or (waiting.question, NodeId(waiting.coming.city)) != (message.question, sender):
            return  # too late: it was asked for again
        self._close()
        self._take(waiting, message.data)

    def stop(self) -> None:
        """Ask and answer nothing more; what is half here is thrown away."""
        self._stopped = True
        self._close()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for one in list(self._coming):
            self._over(one, stopping())

    def waiting(self) -> int:
        """Contents that are not whole yet."""
        return len(self._coming)

    # ── asked ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _answer(self, sender: NodeId, ask: PieceAsked) -> None:
        """Tell a piece, once those told before have cost their time. Whoever would wait too long asks again."""
        now = self._clock.monotonic()
        at = max(now, self._tells_at)
        if at - now > LONGEST_TURN_S:
            return
        self._tells_at = at + LARGEST_PIECE / self._bytes_per_s
        if at > now:
            self._clock.call_later(at - now, self._tell, sender, ask)
        else:
            self._tell(sender, ask)

    def _tell(self, sender: NodeId, ask: PieceAsked) -> None:
        if self._stopped:
            return

        def told(data: bytes) -> None:
            if not self._stopped:
                self._send(sender, PieceTold(question=ask.question, data=data[:LARGEST_PIECE]), ANSWER_S)

        def gone(failure: Failure) -> bytes:
            if failure.check(Refused) is None:
                log.failure("a piece for {node} failed", failure, node=sender, event="piece-failed")
            return b""

        self._part_of(sender, ask.of, max(ask.since, 0)).addErrback(gone).addCallback(told)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _next(self) -> None:
        """Ask for the next piece of whatever is due, once the last one has cost its time."""
        if self._stopped or self._open is not None:
            return
        ready = [*(one for one in self._coming if one.awaited), *self._in_turn()]
        if not ready:
            return
        now = self._clock.monotonic()
        one = min(ready, key=lambda each: (each.rests_until > now, not each.awaited, self._last(each)))
        at = max(self._free_at, one.rests_until)
        if at > now:
            self._later(at - now)
            return
        one.rests_until = now
        if not one.awaited:
            self._asked_at[one.city] = now
        if not self._heard_now(one.city):
            one.rests_until = now + REST_S
            self._later(0.0)
            return
        self._count += 1
        question = f"{self._run}-{self._count}"
        timer = self._clock.call_later(ANSWER_S, self._late, question)
        self._open = _Open(question, one, now, timer)
        self._send(NodeId(one.city), PieceAsked(question=question, of=one.of, since=len(one.here)), ANSWER_S)

    def _in_turn(self) -> list[_Coming]:
        """Of each city the first that nobody waits for: so few are in memory half."""
        first: dict[CityId, _Coming] = {}
        for one in self._coming:
            if not one.awaited:
                first.setdefault(one.city, one)
        return list(first.values())

    def _last(self, one: _Coming) -> float:
        """When its turn was: each file that somebody waits for has its own, and each city for all others."""
        return one.rests_until if one.awaited else max(one.rests_until, self._asked_at.get(one.city, -inf))

    def _later(self, delay_s: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._clock.call_later(delay_s, self._next)

    def _late(self, question: str) -> None:
        if self._open is not None and self._open.question == question:
            one, self._open = self._open.coming, None
            one.rests_until = self._clock.monotonic() + REST_S
            self._next()

    def _take(self, asked: _Open, data: bytes) -> None:
        one, now = asked.coming, self._clock.monotonic()
        self._free_at = max(asked.asked_at + len(data) / self._bytes_per_s, now + PAUSE_S)
        if one in self._coming:
            one.here += data
            one.came_at = now
            if not data or len(one.here) > one.size:
                self._over(one, content_gone(one.city, opened=one.awaited))
            elif len(one.here) == one.size:
                self._over(one, bytes(one.here))
        self._next()

    def _look_late(self, one: _Coming, patience_s: float) -> None:
        """Whoever waits is told when nothing has come for too long."""
        left = one.came_at + patience_s - self._clock.monotonic()
        if left <= 0.0:
            self._over(one, _not_whole(one.city))
        else:
            one.timer = self._clock.call_later(left, self._look_late, one, patience_s)

    def _over(self, one: _Coming, result: bytes | Refused) -> None:
        self._coming.remove(one)
        if one.timer is not None and one.timer.active():
            one.timer.cancel()
        if isinstance(result, bytes):
            one.found.callback(result)
        else:
            one.found.errback(result)

    def _close(self) -> None:
        if self._open is not None and self._open.timer.active():
            self._open.timer.cancel()
        self._open = None


def content_gone(city: str, *, opened: bool = False) -> Refused:
    """For a file whose content ``city`` has no more, or has otherwise than the record says; ``opened``: by somebody who
    would read it, and did not hand it in.
    """
    todo_zh, todo_en = (
        ("请重新打开，仍不行请通知该局", "open it again, and tell that city if that fails")
        if opened
        else ("请重新添加", "hand it in again")
    )
    return Refused(
        Problem(
            "content-gone",
            zh=f"{city} 已没有此文件的内容，或与所说的不同；{todo_zh}",
            en=f"{city} has the content of this file no more, or another one: {todo_en}",
            place=city,
        ),
        status=410,
    )


def _not_whole(city: str) -> Refused:
    return city_silent(city, "文件没有取全，请稍后再打开", "the file is not whole: open it again later")


def _too_many() -> Refused:
    return Refused(
        Problem(
            "files-too-many",
            zh=f"正在从其他城市取 {MOST_AWAITED} 个文件；请等其中一个取完再打开",
            en=f"{MOST_AWAITED} files are being fetched from other cities: open this one when one of them is here",
        ),
        status=503,
    )
