"""The desk of work of a running city: requests and steps in, rows out, answers back.

One step of an item, and one opening for a line, is decided after the other: the next is looked at once the rows of the
one before are on disk. What another city asks is answered from the row that it wrote, so it is answered once more
after any crash, and not twice (docs/work-items.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock, execute
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import CityId, NodeId
from dataset.rows import AnyRow, CallBackEnded, Journalled, WorkRefused, WorkRequested, WorkStepped
from dataset.services.form import problems_of
from dataset.work import (
    AnyStep,
    Attached,
    CallBackOutcome,
    CalledBack,
    Opened,
    RequestId,
    WorkItemId,
    call_back_request,
    item_of,
)
from federation.core.repeats import EarlierItem
from federation.core.work_book import Accepted, RefusedThere
from federation.core.work_item import Facts, WorkItem
from federation.node.journal import item_of_row, open_after
from federation.node.ledger import Ledger
from federation.node.ledger_store import LedgerStore
from federation.node.operations import stopping
from federation.ports import Clock, Journal, Timer
from site_node.core.attachment_rules import weighed
from site_node.core.work_desk import WorkDesk
from site_node.shell.aftermath import Aftermath
from site_node.shell.counts import CityCounts
from site_node.shell.work_files import WorkFiles, left_behind

KEPT_S = 24 * 86_400.0
"""own rows about work that has ended, and requests of others, are read back so far at the start: shorter than rows are
kept in the journal (J5), so that no request is answered anew whose answer was forgotten"""
RECEIVED_S = 180 * 86_400.0
"""answers of others are read back so far, and own rows about ended items that came back from a hub after a loss (J5);
those of items that are still open are read whatever their age: no other row tells of their opening"""
LOOK_EVERY_S = 30.0
"""how often deadlines are looked at, and requests that could not be answered are taken up again"""

FactsOf = Callable[[str, str, float], Deferred[Facts]]
"""What the records say of a line and a customer (either may be empty) at a time; errbacks with ``Refused``."""
_T = TypeVar("_T")
log = Logger()


PastOf = Callable[[str, str, float], Deferred[tuple[EarlierItem, ...]]]
"""Items on record of a line, or without one of a customer, since a time; errbacks with ``Refused``."""


def no_records(line: str, customer: str, at: float) -> Deferred[Facts]:
    """Of a city without a store of records."""
    nothing: Deferred[Facts] = Deferred()
    nothing.callback(Facts())
    return nothing


class Work:
    """Drives ``WorkDesk`` by journal, ledger and clock; on the reactor's thread."""

    def __init__(
        self,
        *,
        city: CityId,
        hubs: Sequence[NodeId],
        desk: WorkDesk,
        journal: Journal,
        ledger: Ledger | None,
        clock: Clock,
        counts: CityCounts,
        facts: FactsOf = no_records,
        aftermath: Aftermath | None = None,
        past: PastOf | None = None,
        files: WorkFiles | None = None,
    ) -> None:
        """``aftermath``: writes what follows from steps; ``past``: what is on record of items that ended long ago. Both
        where there is a store of records. ``files``: of a city that takes in files.
        """
        self._past = past
        self.files = files
        self.desk = desk
        self._aftermath = aftermath
        self._city = city
        self._hubs = tuple(hubs)
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._facts = facts
        self._turns = _Turns()
        self._synced: dict[WorkItemId | RequestId, Deferred[None]] = {}
        """what waits until its row is on disk and in the book: a step by its item, a request by its name"""
        self._answering: set[RequestId] = set()
        self._calls: dict[RequestId, tuple[CallBackEnded, float]] = {}
        """calls to customers whose step is not on record yet, with the wall time of their end"""
        self._stepping: set[RequestId] = set()
        """those of them that are being handed in"""
        self._hearers: list[Callable[[RequestId], None]] = []
        self._timer: Timer | None = None
        self._read = False
        self._stopped = False
        counts.read_work(
            open_items=lambda: sum(item.ending is None for item in desk.book if item.owning == city),
            overdue=lambda: len(desk.overdue(clock.wall())),
            missing=lambda: len(desk.book.missing),
        )

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Read what earlier runs left; then answer what was asked, and look at deadlines."""
        now = self._clock.wall()
        own = self._journal.rows_of_work(now - KEPT_S)
        self.desk.add(own)
        self._note_calls(own)
        if self._aftermath is not None:
            self._aftermath.start(own)
        self._journal.on_rows(self._own)
        if self._ledger is None:
            self._begin([])
            return
        self._ledger.on_rows(self._received)
        Deferred.fromCoroutine(self._read_received(self._ledger.store, now, own)).addErrback(_unread)

    async def _read_received(self, store: LedgerStore, now: float, own: Sequence[Journalled]) -> None:
        """Rows of others, after those about their runs, by which they are put in order."""
        self.desk.add(await store.standing())
        since = now - RECEIVED_S
        rows = await store.work_since(since, of=NodeId(self._city))
        closed = _closed([*rows, *own])
        self._begin([one for one in rows if one.wall >= since or item_of_row(one.row) not in closed])

    def _begin(self, rows: Sequence[Journalled]) -> None:
        since = self._clock.wall() - KEPT_S
        self.desk.add(one for one in rows if one.wall >= since or not isinstance(one.row, WorkRequested))
        self._read = True
        found = list(self.desk.book)
        if found:
            log.info("found {count} work items on record", count=len(found), event="work-read")
        for version in sorted(self.desk.book.missing):
            log.error(
                "work items began with {version}, which is not among the services: put its file into earlier/",
                version=version,
                event="work-version-missing",
            )
        if self.files is not None:
            Deferred.fromCoroutine(self.files.sweep()).addErrback(left_behind)
        self._look()

    def stop(self) -> None:
        """Take no more steps; what is decided is with the journal."""
        self._stopped = True
        if self._aftermath is not None:
            self._aftermath.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def on_answers(self, hear: Callable[[RequestId], None]) -> None:
        """Call ``hear`` when another city has answered a request of this one."""
        self._hearers.append(hear)

    # ── handing in ──────────────────────────────────────────────────────────────────────────────────────────────────
    def open(self, owning: CityId, step_of: Callable[[WorkItemId], Opened]) -> Deferred[RequestId]:
        """Hand in a form; ``step_of`` makes the step for the item's name. Fires with the request once it is on disk.

        Of an own item the step is taken by then, else it is pending. Errbacks with ``Refused`` and all reasons, having
        written nothing.
        """
        request = self.desk.next_request()
        return self._hand_in(request, item_of(request), owning, step_of(item_of(request)))

    def step(self, item: WorkItemId, owning: CityId, step: AnyStep) -> Deferred[RequestId]:
        """Hand in a further step of ``item``; as ``open``."""
        return self._hand_in(self.desk.next_request(), item, owning, step)

    async def take_once(self, item: WorkItemId, step: AnyStep, request: RequestId) -> None:
        """Take a step of an own item that this city itself asks for under the name ``request``: however often, once.

        Raises ``Refused`` as ``step`` does.
        """

        def row(facts: Facts) -> AnyRow | None:
            if isinstance(self.desk.book.answer(request), Accepted):
                return None
            return self.desk.take(item, step, facts, self._city, request)

        await self._in_turn(item, step, row)

    def weigh(self, name: str, media_type: str, content: bytes) -> Deferred[str]:
        """The SHA-256 of what may be attached. Errbacks with ``Refused`` as ``check_file``."""
        if self.files is None:
            return execute(weighed, name, media_type, content)
        return self.files.weigh(name, media_type, content)

    def attach(
        self, item: WorkItemId, owning: CityId, step_of: Callable[[RequestId], Attached], content: bytes
    ) -> Deferred[RequestId]:
        """Hand in a file for ``item``; ``step_of`` makes the step for the request. As ``open``, once the content is on
        disk as well. Errbacks with ``Refused`` 507 ``attachment-not-written`` too.
        """
        request = self.desk.next_request()
        step = step_of(request)
        here = self._attach_here if owning == self._city else self._attach_there
        work = here(self.desk.request(request, item, owning, step), step, content)
        return Deferred.fromCoroutine(work).addCallback(lambda _: request)

    async def _attach_here(self, asked: WorkRequested, step: Attached, content: bytes) -> None:
        def row(facts: Facts) -> AnyRow:
            return self.desk.take(asked.item, step, facts, self._city, asked.request)

        await self._in_turn(asked.item, step, row, content)

    async def _attach_there(self, asked: WorkRequested, step: Attached, content: bytes) -> None:
        self._check_linked(asked.owning)

        async def ask() -> None:
            if self._stopped:
                raise stopping()
            await self._ask(asked)

        await (self.files.hand_in(step, content, ask) if self.files is not None else ask())

    def _hand_in(self, request: RequestId, item: WorkItemId, owning: CityId, step: AnyStep) -> Deferred[RequestId]:
        if owning == self._city:
            work = self._take(item, step, request)
        else:
            work = self._ask(self.desk.request(request, item, owning, step))
        return Deferred.fromCoroutine(work).addCallback(lambda _: request)

    async def _ask(self, asked: WorkRequested) -> None:
        self._check_linked(asked.owning)
        step = asked.step
        if isinstance(step, Opened):  # what can be seen here is said here; records are looked at where they are
            problems = problems_of(self.desk.service(step.service.partition("@")[0]).text.fields, step.values)
            if problems:
                raise Refused(*problems)
        await self._write(asked.request, asked, NodeId(asked.owning))

    def _check_linked(self, owning: CityId) -> None:
        if self._ledger is None:
            raise Refused(
                Problem(
                    "work-alone",
                    zh="本局独立运行，无法受理他局客户的业务",
                    en="this city stands alone and cannot take in work for customers of another",
                    place=owning,
                ),
                status=409,
            )

    async def _take(self, item: WorkItemId, step: AnyStep, request: RequestId | None) -> None:
        """One step of an own item for an own agent, in its turn."""
        await self._in_turn(item, step, lambda facts: self.desk.take(item, step, facts, self._city, request))

    # ── answering ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _answer_all(self) -> None:
        for asked, serving in self.desk.unanswered():
            if asked.request not in self._answering:
                self._answering.add(asked.request)
                self._do(self._answer(asked, serving), f"the request {asked.request} of {serving}")

    async def _answer(self, asked: WorkRequested, serving: CityId) -> None:
        def row(facts: Facts) -> WorkStepped | WorkRefused | None:
            return self.desk.answer(asked, serving, facts) if self._unanswered(asked) else None

        try:
            if isinstance(asked.step, Attached):
                await self._answer_file(asked, asked.step, serving, row)
            else:
                await self._in_turn(asked.item, asked.step, row)
        finally:
            self._answering.discard(asked.request)

    def _unanswered(self, asked: WorkRequested) -> bool:
        return not isinstance(self.desk.book.answer(asked.request), Accepted | RefusedThere)

    async def _answer_file(
        self,
        asked: WorkRequested,
        step: Attached,
        serving: CityId,
        row: Callable[[Facts], WorkStepped | WorkRefused | None],
    ) -> None:
        """A content is brought here only where the step would be taken; meanwhile the item goes on, so what is put on
        record is decided when all of it is here.
        """
        first = await self._in_turn(asked.item, step, row, write=WorkRefused)
        if not isinstance(first, WorkStepped) or self.files is None:
            return
        try:
            content = await self.files.bring(serving, asked.request, step)
        except Refused as refused:
            if refused.status >= 500:
                raise  # the request stays open
            no = self.desk.refuse(asked, serving, refused)
            await self._in_turn(asked.item, step, lambda _: no if self._unanswered(asked) else None)
        else:
            await self._in_turn(asked.item, step, row, content)

    # ── deadlines ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _look(self) -> None:
        if self._stopped:
            return
        self._timer = self._clock.call_later(LOOK_EVERY_S, self._look)
        now = self._clock.wall()
        self._follow_calls()
        for item in self.desk.overdue(now):
            self._do(self._miss(item), f"the deadline of {item}")
        self._answer_all()

    async def _miss(self, item: WorkItemId) -> None:
        def row(_: Facts) -> WorkStepped | None:
            now = self._clock.wall()
            known = self.desk.book.item(item)
            if known is None or known.due_at is None or known.due_at > now:
                return None  # it has moved on while it waited for its turn
            return self.desk.miss(item, now)

        await self._in_turn(item, None, row)

    # ── calls to customers ──────────────────────────────────────────────────────────────────────────────────────────
    def _note_calls(self, rows: Sequence[Journalled]) -> None:
        for one in rows:
            if isinstance(one.row, CallBackEnded) and one.row.called:
                self._calls[call_back_request(one.row.contact)] = one.row, one.wall

    def _follow_calls(self) -> None:
        """Hand in the steps of calls that have ended, where they are not on record."""
        for request, (call, ended_at) in list(self._calls.items()):
            if self.desk.book.answer(request) is not None:
                del self._calls[request]
            elif request not in self._stepping:
                self._stepping.add(request)
                self._do(self._called_back(request, call, ended_at), f"the step of the call {call.contact}")

    async def _called_back(self, request: RequestId, call: CallBackEnded, ended_at: float) -> None:
        """What the switch said of a call, as a step of its item. One that is refused for good is given up: the call is
        on record all the same.
        """
        step = CalledBack(
            at=ended_at,
            by=replace(call.by, contact=call.contact),
            reached=call.outcome is CallBackOutcome.REACHED,
            how="call",
            outcome=call.outcome,
            talked_s=call.talked_s,
        )
        try:
            if call.owning == self._city:
                await self.take_once(call.item, step, request)
            else:
                await self._ask(self.desk.request(request, call.item, call.owning, step))
        except Refused as refused:
            if refused.status < 500:
                self._calls.pop(request, None)
            raise
        else:
            self._calls.pop(request, None)
            self._tell(request)
        finally:
            self._stepping.discard(request)

    # ── one after the other ─────────────────────────────────────────────────────────────────────────────────────────
    async def _in_turn(
        self,
        item: WorkItemId,
        step: AnyStep | None,
        decide: Callable[[Facts], AnyRow | None],
        content: bytes | None = None,
        write: type[AnyRow] | None = None,
    ) -> AnyRow | None:
        """Decide by the records and the book when nothing else is under way for the item, nor then for its line; the
        row, once it is on record. ``content``: of the file that the step adds, on disk before the row that says so;
        ``write``: the only kind that goes on record, where what is decided may not be final.

        The item's turn comes first: what it waits for there may be the opening that says which line it is about.
        """
        return await self._turns.take(item, lambda: self._decide(item, step, decide, content, write))

    async def _decide(
        self,
        item: WorkItemId,
        step: AnyStep | None,
        decide: Callable[[Facts], AnyRow | None],
        content: bytes | None,
        write: type[AnyRow] | None,
    ) -> AnyRow | None:
        known = self.desk.book.item(item)
        opening = step if isinstance(step, Opened) else None
        line = opening.line if opening is not None else known.line if known is not None else ""
        customer = opening.customer if opening is not None else known.customer if known is not None else ""

        async def decided() -> AnyRow | None:
            asked_line = line if not customer or self._of_line(opening, known) else ""  # else of all the customer's
            facts = Facts() if step is None else await self._facts(asked_line, customer, self._clock.wall())
            if opening is not None:
                facts = replace(facts, earlier=await self._earlier(opening, line, customer))
            if self._stopped:
                raise stopping()
            row = decide(facts)
            if row is None or (write is not None and not isinstance(row, write)):
                return row
            if content is not None and self.files is not None and isinstance(row, WorkStepped):
                assert isinstance(step, Attached)
                await self.files.keep(step, content)
                if self._stopped:
                    raise stopping()
            await self._write(item, row, *self._receivers(item, row))
            return row

        return await (self._turns.take(f"line {line}", decided) if line else decided())

    async def _earlier(self, opening: Opened, line: str, customer: str) -> tuple[EarlierItem, ...]:
        """What the form may be a repeat of, where its service asks."""
        service = self.desk.catalogue.services.get(opening.service.partition("@")[0])
        if self._past is None or service is None or service.text.repeat is None:
            return ()
        return await self._past(line, customer, opening.at - service.text.repeat.within_s)

    def _of_line(self, opening: Opened | None, known: WorkItem | None) -> bool:
        """Whether the service is about one line: its form asks for it."""
        if known is not None:
            return self.desk.service_of(known).line_field is not None
        name = opening.service.partition("@")[0] if opening is not None else ""
        service = self.desk.catalogue.services.get(name)
        return service is None or service.line_field is not None

    def _receivers(self, item: WorkItemId, row: AnyRow) -> tuple[NodeId, ...]:
        """The city that asked, and the one where the item was opened: it has the customer's next question."""
        known = self.desk.book.item(item)
        serving = {getattr(row, "serving", self._city), known.opened_by.city if known is not None else self._city}
        return tuple(NodeId(city) for city in sorted(serving - {self._city}))

    async def _write(self, name: WorkItemId | RequestId, row: AnyRow, *receivers: NodeId) -> None:
        """Write a row; done when it is on disk and in the book."""
        synced = self._synced[name] = Deferred()
        self._journal.append([(row, (*self._hubs, *receivers))], lambda: None)
        await synced

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _own(self, rows: Sequence[Journalled]) -> None:
        self.desk.add(rows)
        self._note_calls(rows)
        if self._aftermath is not None:
            self._aftermath.add(rows)
        called = False
        for one in rows:
            row = one.row
            match row:
                case CallBackEnded():
                    called = True
                    continue
                case WorkRequested():
                    name: WorkItemId | RequestId = row.request
                case WorkStepped() | WorkRefused():
                    name = row.item
                case _:
                    continue
            synced = self._synced.pop(name, None)
            if synced is not None:
                synced.callback(None)
        if called and self._read and not self._stopped:
            self._follow_calls()

    def _received(self, rows: Sequence[Journalled]) -> None:
        self.desk.add(rows)
        if self._aftermath is not None:
            self._aftermath.add(rows)  # own ones, which a hub gives back (J5)
        if self._stopped or not self._read:
            return
        asked = False
        for one in rows:
            match one.row:
                case WorkRequested(owning=owning) if owning == self._city:
                    asked = True
                case WorkStepped(request=request, serving=serving) if serving == self._city:
                    self._answered(request)
                case WorkRefused(request=request, serving=serving) if serving == self._city:
                    self._answered(request)
                case _:
                    pass
        if asked:
            self._answer_all()

    def _answered(self, request: RequestId | None) -> None:
        if request is not None and self.files is not None:
            self.files.answered(request)
        self._tell(request)

    def _tell(self, request: RequestId | None) -> None:
        if request is not None:
            for hear in self._hearers:
                hear(request)

    def _do(self, work: Coroutine[Deferred[Any], Any, None], what: str) -> None:
        """Work that nobody waits for; what cannot be done now is taken up at the next look."""
        Deferred.fromCoroutine(work).addErrback(_later, what)


class _Turns:
    """One after the other, by name."""

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    async def take(self, name: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do ``work`` once what came before it under ``name`` is over; what it came to."""
        lock = self._locks.setdefault(name, DeferredLock())
        await lock.acquire()
        try:
            done = await work()
        except GeneratorExit:
            raise  # it is thrown away, and whoever waits behind it too: the run is over
        except BaseException:
            self._over(name, lock)
            raise
        self._over(name, lock)
        return done

    def _over(self, name: str, lock: DeferredLock) -> None:
        lock.release()
        if not lock.locked and not lock.waiting:
            self._locks.pop(name, None)


def _later(failure: Failure, what: str) -> None:
    if failure.check(Refused) is not None:
        log.warn("{what} cannot be dealt with now: {why}", what=what, why=failure.getErrorMessage(), event="work-later")
    else:
        log.failure("{what} failed", failure, what=what, event="work-failed")


def _unread(failure: Failure) -> None:
    log.failure(
        "what other cities asked cannot be read; it is answered after the next start", failure, event="work-unread"
    )


def _closed(rows: Iterable[Journalled]) -> set[WorkItemId | None]:
    """Items that had ended with the last of ``rows`` about them."""
    closed: set[WorkItemId | None] = set()
    for one in sorted(rows, key=lambda row: row.wall):
        after = open_after(one.row)
        if after is not None:
            (closed.discard if after else closed.add)(item_of_row(one.row))
    return closed
