"""Contents of files of work items: on disk before the row that names them, at whichever end (docs/work-items.md)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId, LineageId, NodeId
from dataset.records.attachment import digest
from dataset.work import Attached, RequestId
from federation.core.work_book import WorkBook
from federation.node.file_pieces import LARGEST_PIECE, FilePieces, content_gone
from federation.ports import Clock
from site_node.core.attachment_rules import base64_json, check_file, weighed
from site_node.ports import AttachmentFiles

LENT_S = 120.0
"""a content is lent to another city until nothing of it has been fetched for so long"""
MOST_LENT = 100
PATIENCE_S = 30.0
"""of whoever opens a file of another city, without a piece"""
log = Logger()


@dataclass(slots=True)
class _Lent:
    city: CityId
    sha256: str
    until: float


class WorkFiles:
    """Of one city. ``own``: contents of its own items; ``sending``: of files that other cities have yet to take.

    ``pieces``: None of a city that stands alone; set by whoever has the link.
    """

    def __init__(
        self,
        city: CityId,
        lineage: LineageId,
        own: AttachmentFiles,
        sending: AttachmentFiles,
        book: WorkBook,
        clock: Clock,
    ) -> None:
        self.own = own
        self.pieces: FilePieces | None = None
        self._city = city
        self._lineage = lineage
        self._sending = sending
        self._book = book
        self._clock = clock
        self._handing_in: Counter[str] = Counter()
        """contents whose request is not on record yet"""
        self._lent: OrderedDict[str, _Lent] = OrderedDict()
        self._numbers = count(1)

    # ── looked at ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def weigh(self, name: str, media_type: str, content: bytes) -> Deferred[str]:
        """The SHA-256 of what may be attached. Errbacks with ``Refused`` as ``check_file``."""
        return self.own.look(weighed, name, media_type, content)

    def told(self, content: bytes) -> Deferred[bytes]:
        """A content as JSON has it."""
        return self.own.look(base64_json, content)

    # ── handed in here ──────────────────────────────────────────────────────────────────────────────────────────────
    async def keep(self, step: Attached, content: bytes) -> None:
        """Have the content of an own item's file on disk. Raises ``Refused`` 507 ``attachment-not-written``."""
        await self.own.keep(step.sha256, content)

    async def hand_in(self, step: Attached, content: bytes, ask: Callable[[], Awaitable[None]]) -> None:
        """Have it on disk until its owning city has answered, and then ``ask``. Raises ``Refused`` as ``keep``."""
        self._handing_in[step.sha256] += 1
        try:
            await self._sending.keep(step.sha256, content)
            await ask()
        finally:
            self._handing_in[step.sha256] -= 1

    def answered(self, request: RequestId) -> None:
        """Another city has answered: what was kept for it is wanted no more, unless another request needs the same."""
        asked = self._book.asked(request)
        step = asked.step if asked is not None else None
        if isinstance(step, Attached) and step.sha256 not in self._wanted():
            self._sending.forget(step.sha256)

    async def sweep(self) -> None:
        """At a start: what no open request needs was left behind by a run that died."""
        wanted = self._wanted()
        for name in await self._sending.names():
            if name not in wanted:
                await self._sending.forget(name)

    def _wanted(self) -> set[str]:
        return {step.sha256 for step in self._book.files_sent(self._city)} | set(+self._handing_in)

    # ── handed in elsewhere ─────────────────────────────────────────────────────────────────────────────────────────
    async def bring(self, city: CityId, request: RequestId, step: Attached) -> bytes:
        """The content that ``city`` hands in, whole and what the request says; comes when it can.

        Raises ``Refused``: 410 ``content-gone``, 400 ``attachment-type``, 503 ``stopping``.
        """
        try:
            content = await self.own.read(step.sha256)  # another file may have had the same
        except Refused:
            if self.pieces is None:
                raise
            content = await self.pieces.fetch(city, request, step.size)
            if await self.own.look(digest, content) != step.sha256:
                raise content_gone(city) from None
            log.info(
                "the file {file} of {size} bytes is here from {city}",
                file=step.attachment,
                size=step.size,
                city=city,
                event="attachment-fetched",
            )
        await self.own.look(check_file, step.name, step.media_type, content)
        return content

    # ── opened elsewhere ────────────────────────────────────────────────────────────────────────────────────────────
    def lend(self, city: CityId, sha256: str) -> str:
        """The name under which ``city``, and nobody else, gets an own content for a while."""
        now = self._clock.monotonic()
        name = f"lent-{self._lineage}-{next(self._numbers):06x}"
        for known in [known for known, one in self._lent.items() if one.until <= now]:
            del self._lent[known]
        self._lent[name] = _Lent(city, sha256, now + LENT_S)
        while len(self._lent) > MOST_LENT:
            self._lent.popitem(last=False)
        return name

    async def borrow(self, city: CityId, name: str, size: int, sha256: str) -> bytes:
        """A content that ``city`` has lent, for somebody who waits. Raises ``Refused``: 410 ``content-gone``, 503
        ``city-silent``, ``files-too-many``, ``stopping``.
        """
        assert self.pieces is not None, "nobody lends without a link"
        content = await self.pieces.fetch(city, name, size, PATIENCE_S)
        if await self.own.look(digest, content) != sha256:
            raise content_gone(city, opened=True)
        return content

    def part_of(self, sender: NodeId, name: str, since: int) -> Deferred[bytes]:
        """A piece of what the node may have: what is handed in to it, or was lent to it. Errbacks with ``Refused``."""
        lent = self._lent.get(name)
        if lent is not None:
            now = self._clock.monotonic()
            if lent.city != CityId(sender) or lent.until <= now:
                return fail(content_gone(self._city))
            lent.until = now + LENT_S
            return self.own.part(lent.sha256, since, LARGEST_PIECE)
        asked = self._book.asked(RequestId(name))
        if asked is None or NodeId(asked.owning) != sender or not isinstance(asked.step, Attached):
            return fail(content_gone(self._city))
        return self._sending.part(asked.step.sha256, since, LARGEST_PIECE)


def left_behind(failure: Failure) -> None:
    """The sweep of a start failed: the next start does it."""
    log.failure("files that were handed in cannot be looked through", failure, event="attachments-unswept")
