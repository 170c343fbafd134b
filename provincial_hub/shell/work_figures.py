"""The one reader of work items and of the use of knowledge that reports share: what is counted day by day, kept as rows
come.

Counting follows the ledger, behind all that is live and in pieces; its state is on disk, so that a start goes on where
the run before ended. A report waits until what the ledger had when it was asked is counted, and for no longer than
``WAITS_S``: then it is refused with how far it has come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.calendar import day_of, midnight
from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.knowledge_measures import ArticleKey, ArticleUse, article_use
from dataset.rows import ArticleJudged, ArticlesShown, Journalled, LineageOpened, TailMissing, WorkStepped
from dataset.service_measures import ServicePart, added
from dataset.work import WorkItemId
from federation.core.service_fold import ServiceFold, Standing
from federation.core.work_item import WorkItem
from federation.node.behind import Behind
from federation.node.ledger_store import LedgerStore
from federation.node.offering import Offering
from federation.ports import Clock, Timer
from provincial_hub.core.work_figures import BEFORE_S, DayPart, Figures, Handled, figures_of, handled
from provincial_hub.shell import figures_table as table_of
from provincial_hub.shell.figures_table import Came, Seen, Stored, Table, UpTo

T = TypeVar("T")
COUNTED_AS = "2"
"""changes with what is counted, so that a later version counts anew"""
PLACES_AT_ONCE = 1_000
"""of the ledger, read for rows about work"""
ITEMS_AT_ONCE = 200
"""counted before they are written down"""
ITEMS_A_PIECE = 10
"""counted before anything else has its turn: some milliseconds"""
AFTER_S = 30.0
"""rows that come are counted so much later, with those that come meanwhile: the steps of an item that follow each other
count it once. A report asked for in between counts what has come so far, which is little against ``WAITS_S``."""
WAITS_S = 10.0
"""a report waits so long for rows that are not counted yet"""
SETTLED_BEFORE_S = 60 * 86_400.0
"""rows so much older than a month do not count in it: two answers to one request lie at most so far apart"""

_COUNTED = (WorkStepped, ArticlesShown, ArticleJudged)

log = Logger()


class Counted(NamedTuple):
    """What came of services in some days, and what was open at their end, or now."""

    sums: Mapping[tuple[str, CityId], ServicePart]
    """by service and city"""
    digests: Mapping[tuple[CityId, date], str]
    """of all services of a city's day; of the days that have any figures"""
    standing: Mapping[tuple[CityId, str], Standing]
    """where anything was open"""
    untold: Mapping[CityId, int]
    """items with steps in these days that count nowhere, by owning city"""


class Questions(NamedTuple):
    """What came of one service, and what it has open now."""

    part: ServicePart
    open: Sequence[WorkItem]
    """the oldest of them, in order"""
    open_count: int
    """of all"""


@dataclass(slots=True)
class _Job:
    work: Callable[[], Awaitable[Any]]
    answer: Deferred[Any]
    timer: Timer | None = None


class _OneApart(NamedTuple):
    """An item that a report counts by itself, from those of its rows that are not too old for it."""

    item: Stored
    parts: tuple[DayPart, ...]
    standing: Mapping[tuple[CityId, str], Standing]
    untold: Mapping[CityId, int]
    open: tuple[WorkItem, ...]


@dataclass(frozen=True)
class _Apart:
    """All of them."""

    items: Sequence[_OneApart]

    @cached_property
    def names(self) -> frozenset[WorkItemId]:
        """Theirs."""
        return frozenset(one.item.item for one in self.items)


class WorkFigures:
    """Follows ``store`` and answers from ``table``."""

    def __init__(self, table: Table, store: LedgerStore, offering: Offering, clock: Clock) -> None:
        self._table = table
        self._store = store
        self._offering = offering
        self._clock = clock
        self._behind = Behind(clock)
        self._jobs: list[_Job] = []
        self._running = False
        self._stopped = False
        self._soon: Timer | None = None
        self._up_to: UpTo | None = None
        """how far the ledger is read; None until the table was looked at"""
        self._written = 0
        self._last = 0
        """of the ledger, when it was read last"""
        self._left, self._known = 0, 0
        """items to be counted anew, of how many"""
        self._waits_since: float | None = None
        """when rows came that nobody has begun to count"""
        self._counts_since: float | None = None
        """the same of those that are being counted"""

    # ── follows ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Count what is on record."""
        self._waits_since = self._clock.monotonic()
        self._go()

    def heard(self, rows: Sequence[Journalled]) -> None:
        """Rows are on record; such as reports are made of are counted soon."""
        if self._soon is None and not self._stopped and any(isinstance(one.row, _COUNTED) for one in rows):
            if self._waits_since is None:
                self._waits_since = self._clock.monotonic()
            self._soon = self._clock.call_later(AFTER_S, self._now)

    def stop(self) -> Deferred[None]:
        """Count no more, and close the table; whoever waits is refused."""
        self._stopped = True
        self._behind.stop()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        for job in list(self._jobs):
            self._give_up(job)
        return self._table.stop()

    @property
    def counting(self) -> bool:
        """Whether anything is being counted, or told."""
        return self._running

    @property
    def behind(self) -> tuple[int, int]:
        """Places of the ledger that are not read yet, and items that are read and not counted, as far as is known."""
        return self._last - (self._up_to.place if self._up_to is not None else 0), self._left

    @property
    def behind_s(self) -> float:
        """For how long the oldest row that reports do not count yet has been on record; of an earlier run, since the
        start of this one.
        """
        waiting = [at for at in (self._waits_since, self._counts_since) if at is not None]
        return self._clock.monotonic() - min(waiting) if waiting else 0.0

    def _is_over(self) -> bool:
        return self._stopped

    def _now(self) -> None:
        self._soon = None
        self._go()

    def _go(self) -> None:
        if not self._running and not self._stopped:
            self._running = True
            Deferred.fromCoroutine(self._run()).addErrback(
                lambda failure: log.failure("work items are not counted", failure, event="figures-failed")
            )

    async def _run(self) -> None:
        """One turn after the other: what has come is counted, then those reports are told that waited for it."""
        try:
            while not self._is_over():
                waiting = list(self._jobs)
                try:
                    await self._catch_up()
                except Exception as error:
                    if self._is_over():
                        return
                    for job in waiting:
                        if self._taken(job):
                            job.answer.errback(error)
                    raise
                for job in waiting:
                    if self._taken(job):
                        await _tell(job)
                if not self._jobs:
                    return
        finally:
            self._running = False

    async def _catch_up(self) -> None:
        since = self._counts_since if self._counts_since is not None else self._waits_since
        self._counts_since, self._waits_since = since, None
        if self._up_to is None:
            self._up_to = await self._opened()
        while not self._is_over():
            page = await self._store.reported_after(self._up_to.place, PLACES_AT_ONCE)
            self._last = page.last
            self._up_to = self._up_to._replace(place=page.place)
            if page.rows:
                place, row = page.rows[-1]
                self._up_to = UpTo(page.place, place, _origin(row))
            if page.rows or page.place - self._written > 100 * PLACES_AT_ONCE:
                await self._write(partial(table_of.take_in, came=_came(page.rows), upto=self._up_to))
                self._written = page.place
            if page.place >= page.last:
                break
        await self._count_stale()
        if not self._is_over():
            self._counts_since = None

    async def _opened(self) -> UpTo:
        """Where the run before ended; the beginning, where the ledger is another one than it had."""
        found = await self._table.read(table_of.up_to)
        if found.row:
            rows = await self._store.rows_at([found.row])
            if [_origin(row) for _, row in rows] != [found.origin]:
                log.info("work items are counted anew: the ledger is another one", event="figures-anew")
                await self._write(table_of.forget)
                found = UpTo()
        await self._write(partial(table_of.made_with, digests=_digests(self._offering)))
        self._written = found.place
        return found

    async def _count_stale(self) -> None:
        self._left, self._known = await self._table.read(table_of.stale_count)
        while self._left and not self._is_over():
            items = await self._table.read(partial(table_of.stale, limit=ITEMS_AT_ONCE))
            if not items:
                break
            counted = await self._figures(items)
            if self._is_over():
                return
            await self._write(partial(table_of.count, counted=counted))
            self._left = max(0, self._left - len(items))

    async def _figures(self, items: Sequence[Stored]) -> list[tuple[Stored, Figures]]:
        rows, runs = await self._rows_of(items), await self._runs(items)

        def figures(one: Stored) -> tuple[Stored, Figures]:
            catalogue, calendar = self._offering.catalogue, self._offering.calendar
            of = figures_of(
                one.item, rows[one.item], runs if one.several else (), catalogue.versions.__getitem__, calendar
            )
            return one, of

        return await self._piece_by_piece(figures, items)

    async def _rows_of(self, items: Iterable[Stored]) -> dict[WorkItemId, list[Journalled]]:
        found: dict[WorkItemId, list[Journalled]] = {one.item: [] for one in items}
        for _, row in await self._store.rows_at([place for one in items for place in one.places]):
            if isinstance(row.row, WorkStepped):
                found[row.row.item].append(row)
        return found

    async def _runs(self, items: Iterable[Stored]) -> list[Journalled]:
        return await self._store.standing() if any(one.several for one in items) else []

    async def _piece_by_piece(self, work: Callable[[Stored], T], items: Sequence[Stored]) -> list[T]:
        """``work`` on each, behind what is live."""
        found: list[T] = []
        for at in range(0, len(items), ITEMS_A_PIECE):
            done: Deferred[None] = Deferred()
            self._behind.do("figures", partial(_work_on, work, items[at : at + ITEMS_A_PIECE], found, done))
            await done
        return found

    def _write(self, apply: Callable[[Any], None]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._table.write(apply, done.callback)
        return done

    # ── asked ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _when_counted(self, work: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """Do ``work`` once all is counted that is on record now, while nothing is counted."""
        answer: Deferred[T] = Deferred()
        job = _Job(work, answer)
        self._jobs.append(job)
        job.timer = self._clock.call_later(WAITS_S, self._give_up, job)
        if self._stopped:
            self._give_up(job)
        self._go()
        return answer

    def _taken(self, job: _Job) -> bool:
        """Whether it is still wanted; then nobody gives it up any more."""
        if job not in self._jobs:
            return False
        self._jobs.remove(job)
        if job.timer is not None and job.timer.active():
            job.timer.cancel()
        return True

    def _give_up(self, job: _Job) -> None:
        if self._taken(job):
            job.answer.errback(self._refusal())

    def _refusal(self) -> Refused:
        places, items = self.behind
        read = 100 * (self._last - places) // self._last if self._last else 0
        counted = 100 * (self._known - items) // self._known if self._known and not places else 0
        return Refused(
            Problem(
                "still-counting",
                zh=f"工单正在计数：账本已读 {read}%，工单已计 {counted}%；请稍后再试",
                en=f"work items are being counted: {read}% of the ledger are read, {counted}% of the items counted;"
                " ask again later",
            ),
            status=503,
        )

    def services(self, first: date, last: date, city: CityId | None, wall: float) -> Deferred[Counted]:
        """What came of services on the days from ``first`` to ``last``, and was open at their end, or at ``wall`` where
        that comes first; of ``city`` or all. Errbacks with ``Refused`` 503 ``still-counting``.
        """
        return self._when_counted(partial(self._services, first, last, city, wall))

    async def _services(self, first: date, last: date, city: CityId | None, wall: float) -> Counted:
        begin, end = midnight(first), midnight(last + timedelta(days=1))
        now = wall < end
        apart = await self._apart(begin, end, min(end, wall), now=now)
        days = range(first.toordinal(), last.toordinal() + 1)
        sums = await self._sums(days, city, apart)
        untold: Counter[CityId] = Counter()
        for one in await self._table.read(table_of.untold_items):
            figures = known(one)
            if figures.untold is not None and one.item not in apart.names:
                untold[figures.untold] += any(day in days for day in figures.untold_days)
        standing = await (self._open_now(wall, apart) if now else self._open_then(days.stop, apart))
        for two in apart.items:
            untold.update(two.untold)
            for place, more in two.standing.items():
                _add(standing, place, *more)
        return Counted(
            sums.services,
            {(name, date.fromordinal(day)): digest for (name, day), digest in sums.digests.items()},
            {place: one for place, one in sorted(standing.items()) if one.open and city in (None, place[0])},
            {name: items for name, items in sorted(untold.items()) if items},
        )

    def questions(
        self, service: str, first: date, last: date, city: CityId | None, wall: float, most: int
    ) -> Deferred[Questions]:
        """What came of ``service`` on these days, and the ``most`` oldest of its items that are open at ``wall``.

        Errbacks as ``services``.
        """
        return self._when_counted(partial(self._questions, service, first, last, city, wall, most))

    async def _questions(
        self, service: str, first: date, last: date, city: CityId | None, wall: float, most: int
    ) -> Questions:
        apart = await self._apart(midnight(first), midnight(last + timedelta(days=1)), wall, now=True)
        sums = await self._sums(range(first.toordinal(), last.toordinal() + 1), city, apart, service)
        of_service = await self._table.read(partial(table_of.open_items, service=service, city=city))
        oldest = [item for item in of_service if item not in apart.names]
        stored = await self._table.read(partial(table_of.named, items=oldest[:most]))
        rows, runs = await self._rows_of(stored), await self._runs(stored)

        def as_it_is(one: Stored) -> WorkItem:
            return next(self._fold(rows[one.item], runs if one.several else ()).open(wall))

        found = [one for two in apart.items for one in two.open]
        found = [one for one in found if one.service.partition("@")[0] == service and city in (None, one.owning)]
        everything = len(oldest) + len(found)
        found += await self._piece_by_piece(as_it_is, stored)
        found.sort(key=lambda one: (one.opened_at, one.id))
        return Questions(added(sums.services.values()), found[:most], everything)

    def handled(self, first: date, last: date) -> Deferred[list[Handled]]:
        """What cities owe each other for steps that were written down on the days from ``first`` to ``last``, summed up
        by pair and service, in order. Errbacks as ``services``.
        """
        return self._when_counted(partial(self._handled, first, last))

    async def _handled(self, first: date, last: date) -> list[Handled]:
        begin, end = midnight(first), midnight(last + timedelta(days=1))
        span = first.toordinal(), last.toordinal()
        found = await self._table.read(lambda connection: table_of.handled_between(connection, *span))
        doubled = await self._table.read(table_of.doubled_items)
        rows, runs = await self._rows_of(doubled), await self._runs(doubled)

        def of(one: Stored) -> list[Handled]:
            some = [row for row in rows[one.item] if row.wall >= begin - SETTLED_BEFORE_S]
            fold = self._fold(some, runs if one.several else ())
            return [handled(two) for two in fold.settlements() if begin <= two.at < end]

        return [*found, *(two for some in await self._piece_by_piece(of, doubled) for two in some)]

    def articles(self, first: date, last: date) -> Deferred[dict[ArticleKey, ArticleUse]]:
        """How articles were used on the days from ``first`` to ``last``: shown, and what was said of them, in order.

        Errbacks as ``services``.
        """
        return self._when_counted(partial(self._articles, first, last))

    async def _articles(self, first: date, last: date) -> dict[ArticleKey, ArticleUse]:
        span = first.toordinal(), last.toordinal()
        found = {
            key: ArticleUse(shown=times)
            for key, times in (await self._table.read(lambda file: table_of.shown_between(file, *span))).items()
        }
        places = await self._table.read(lambda file: table_of.judged_between(file, *span))
        for key, use in article_use(row for _, row in await self._store.rows_at(places)).items():
            found[key] = found.get(key, ArticleUse()).plus(use)
        return dict(sorted(found.items()))

    # ── parts of an answer ──────────────────────────────────────────────────────────────────────────────────────────
    def _fold(self, rows: Iterable[Journalled], runs: Iterable[Journalled]) -> ServiceFold:
        catalogue, calendar = self._offering.catalogue, self._offering.calendar
        return ServiceFold(catalogue.versions.__getitem__, calendar, (*runs, *rows))

    async def _apart(self, begin: float, end: float, moment: float, *, now: bool) -> _Apart:
        """Those that count by themselves in a report of begin ≤ time < end. It tells what was open at ``moment``, which
        is a midnight, or ``now``.
        """
        items = await self._table.read(partial(table_of.counted_apart, begin=begin, at=moment if now else None))
        rows, runs = await self._rows_of(items), await self._runs(items)

        def of(one: Stored) -> _OneApart:
            some = [row for row in rows[one.item] if row.wall >= begin - BEFORE_S]
            fold = self._fold(some, runs if one.several else ())
            parts = tuple(
                DayPart(key.day.toordinal(), key.city, key.service, part)
                for key, part in fold.parts(begin, end).items()
            )
            open_ = tuple(fold.open(moment))
            return _OneApart(one, parts, fold.standing(moment), fold.untold(begin, end), open_)

        return _Apart(await self._piece_by_piece(of, items))

    async def _sums(self, days: range, city: CityId | None, apart: _Apart, only: str = "") -> table_of.Sums:
        changes = table_of.changes_of((known(one.item).parts, one.parts) for one in apart.items)
        span = days.start, days.stop - 1
        return await self._table.read(lambda connection: table_of.day_sums(connection, *span, city, changes, only))

    async def _open_then(self, day: int, apart: _Apart) -> dict[tuple[CityId, str], Standing]:
        """What was open at the midnight at which ``day`` begins, without those ``apart``."""
        standing = await self._table.read(partial(table_of.open_at, day=day))
        for one in apart.items:
            for turn in known(one.item).turns:
                if turn.day <= day:
                    _add(standing, (turn.city, turn.service), -turn.open, -turn.overdue)
        return standing

    async def _open_now(self, wall: float, apart: _Apart) -> dict[tuple[CityId, str], Standing]:
        """What is open now, without those ``apart``."""
        day = day_of(wall).toordinal()
        standing, near = await self._table.read(partial(table_of.open_now, day=day, apart=apart.names))
        rows, runs = await self._rows_of(near), await self._runs(near)

        def late(one: Stored) -> bool:
            fold = self._fold(rows[one.item], runs if one.several else ())
            return any(fold.overdue(item, wall) for item in fold.open(wall))

        for one, overdue in zip(near, await self._piece_by_piece(late, near), strict=True):
            open_ = known(one).open
            if overdue and open_ is not None:
                _add(standing, (open_.city, open_.service), 0, 1)
        return standing


def known(one: Stored) -> Figures:
    """The figures of an item, when all are counted."""
    assert one.figures is not None
    return one.figures


def _came(rows: Sequence[tuple[int, Journalled]]) -> Came:
    seen: list[Seen] = []
    shown: Counter[tuple[int, ArticleKey]] = Counter()
    judged: list[tuple[int, int]] = []
    for place, one in rows:
        match one.row:
            case WorkStepped(item=item):
                seen.append(Seen(place, item, f"{one.node}/{one.lineage}"))
            case ArticlesShown():
                for key, use in article_use([one]).items():
                    shown[day_of(one.wall).toordinal(), key] += use.shown
            case ArticleJudged():
                judged.append((day_of(one.wall).toordinal(), place))
            case _:
                pass
    return Came(seen, any(isinstance(one.row, LineageOpened | TailMissing) for _, one in rows), shown, judged)


def _add(standing: dict[tuple[CityId, str], Standing], place: tuple[CityId, str], open_: int, overdue: int) -> None:
    before = standing.get(place, Standing())
    standing[place] = Standing(before.open + open_, before.overdue + overdue)


async def _tell(job: _Job) -> None:
    try:
        found = await job.work()
    except Exception as error:  # noqa: BLE001 - whoever asked hears of it
        job.answer.errback(error)
    else:
        job.answer.callback(found)


def _work_on(work: Callable[[Stored], T], items: Sequence[Stored], found: list[T], done: Deferred[None]) -> None:
    try:
        found += [work(one) for one in items]
    except Exception as error:  # noqa: BLE001 - a piece of work behind must not raise; whoever waits does
        done.errback(error)
    else:
        done.callback(None)


def _origin(row: Journalled) -> str:
    return f"{row.node}/{row.lineage}/{row.sequence}"


def _digests(offering: Offering) -> dict[str, str]:
    """Of all that figures are made with, by name."""
    made = {one.reference: one.text for one in offering.catalogue.versions.values()}
    special = {day.isoformat(): spans for day, spans in offering.calendar.special.items()}
    calendar = offering.calendar.weekdays, special
    return {name: _digest(what) for name, what in {"": COUNTED_AS, "calendar": calendar, **made}.items()}


def _digest(what: object) -> str:
    return sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()
