"""Mass faults of a running city: found by the reports, declared and cleared by people, told to those concerned.

Whatever is decided is a row first. What follows once one is repaired (a message to each customer, a note on each item)
is made under names that the row gives, so that a crash leaves nothing undone and nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from math import ceil
from typing import Any, Literal, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import CityId, CustomerId, NodeId
from dataset.pages import LARGEST_PAGE
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS
from dataset.records.line import LINES, Line
from dataset.records.work import MESSAGES, CustomerMessage
from dataset.rows import (
    AnyRow,
    Journalled,
    MassFaultArea,
    MassFaultCleared,
    MassFaultConfirmed,
    MassFaultDeclared,
    MassFaultLinked,
    WorkStepped,
)
from dataset.work import Actor, MassFaultId, Noted, Opened, RequestId, WorkItemId
from federation.core.work_item import WorkItem
from federation.node.operations import stopping
from federation.ports import Clock, Journal, Store, Timer
from site_node.core.consequences import LATE_S, reached_by, text_of
from site_node.core.mass_faults import MASS_FAULT, MassFault, MassFaultBook, MassFaultRules, Place, Report, groups
from site_node.core.notices import Word
from site_node.core.telephony import Prompt
from site_node.core.work_desk import WorkDesk
from site_node.shell.counts import CityCounts
from site_node.shell.work import KEPT_S, Work

GROUP = "fault"
"""the group of services whose items are reports of a line that does not work"""
SOON_S = 2.0
"""after a report: others come with it, and are looked at together"""
LOOK_EVERY_S = 30.0
"""how often what could not be done is taken up again"""
MOST_LINES = 50_000
"""numbers of an area that are kept in memory, at about 0.1 kB each"""
MOST_CALLED_BACK = 1_000
"""lines of an area up to which their customers' other numbers are looked up: a line that is dead calls nobody"""
MOST_HOURS = 99
"""that can be said"""
T = TypeVar("T")
log = Logger()


class MassFaults:
    """On the reactor's thread. ``city_name``: for messages to customers."""

    def __init__(
        self,
        *,
        city: CityId,
        city_name: str,
        hubs: Sequence[NodeId],
        rules: MassFaultRules,
        work: Work,
        journal: Journal,
        store: Store,
        clock: Clock,
        counts: CityCounts,
        area_code: str = "",
        prompt: str | None = None,
    ) -> None:
        """``prompt``: what callers of the area hear, with the hours in it; None: nothing is said."""
        self._area_code = area_code
        self._prompt = prompt
        self._concerned: dict[str, MassFaultId] = {}
        """numbers, as they call, and the mass fault that they hear of"""
        self._learnt: set[tuple[MassFaultId, int]] = set()
        """those whose numbers are known; of an exchange by so many reports"""
        self.book = MassFaultBook()
        self.city = city
        self._city_name = city_name
        self._hubs = tuple(hubs)
        self._rules = rules
        self._work = work
        self._desk: WorkDesk = work.desk
        self._journal = journal
        self._store = store
        self._clock = clock
        self._one = DeferredLock()
        """one look, or one decision of somebody, after the other"""
        self._writing: tuple[AnyRow, Deferred[None]] | None = None
        """the row that is waited for"""
        self._timer: Timer | None = None
        self._soon: Timer | None = None
        self._told: set[MassFaultId] = set()
        """repaired ones whose items and customers were told"""
        self._stopped = False
        counts.read_mass_faults(lambda: len(self.book.standing()))

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Read what earlier runs left; then look for reports that belong together."""
        for row in self._journal.rows_of_work(self._clock.wall() - KEPT_S):
            self.book.add(row)
        self._journal.on_rows(self._rows)
        self._look()

    def stop(self) -> None:
        """Look no more; what is undone is done at the next start."""
        self._stopped = True
        for timer in (self._timer, self._soon):
            if timer is not None and timer.active():
                timer.cancel()

    def _rows(self, rows: Sequence[Journalled]) -> None:
        for one in rows:
            self.book.add(one)
            if self._writing is not None and one.row == self._writing[0]:
                (_, synced), self._writing = self._writing, None
                synced.callback(None)
            if isinstance(one.row, WorkStepped) and isinstance(one.row.step, Opened):
                self._look_soon()

    def _look_soon(self) -> None:
        if not self._stopped and (self._soon is None or not self._soon.active()):
            self._soon = self._clock.call_later(SOON_S, self._look_now)

    def _look(self) -> None:
        self._timer = self._clock.call_later(LOOK_EVERY_S, self._look)
        self._look_now()

    def _look_now(self) -> None:
        Deferred.fromCoroutine(self._sort_out()).addErrback(_failed)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _sort_out(self) -> None:
        """Link and group new reports, then tell those whose mass fault is repaired."""
        if self._stopped or self._one.locked:
            return  # whoever is at it, or the next look, sees the same
        await self._one.acquire()
        try:
            await self._group()
            await self._learn_who()
            for fault in self.book.all():
                if fault.cleared is not None and fault.cleared.how == "repaired" and fault.id not in self._told:
                    await self._tell(fault, fault.cleared)
                    self._told.add(fault.id)
        finally:
            self._one.release()

    def _new(self) -> list[WorkItem]:
        """Own open reports that are part of no mass fault yet; older ones than two windows join none any more."""
        since = self._clock.wall() - 2 * self._rules.window_s
        return [
            item
            for item in self._desk.book
            if item.owning == self.city
            and item.ending is None
            and item.line
            and item.opened_at >= since
            and self.book.of_item(item.id) is None
            and self._desk.service_of(item).text.group == GROUP
        ]

    async def _group(self) -> None:
        reports = [await self._report(item) for item in self._new()]
        for report in reports:
            fault = self.book.over(report.places)
            if fault is not None:
                await self._write(MassFaultLinked(mass_fault=fault.id, items=(report.item,)))
        alone = [report for report in reports if self.book.of_item(report.item) is None]
        for group in groups(alone, self._rules, await self._sizes(alone)):
            name = await self._declare(group.place, group.items, None, self._rules.repair_s, "")
            log.warn(
                "{count} reports of {area} {name} are one mass fault: {mass_fault}",
                count=len(group.items),
                area=group.place[0],
                name=group.place[1],
                mass_fault=name,
                event="mass-fault-found",
            )

    async def _report(self, item: WorkItem) -> Report:
        line = await self._store.get(LINES, (self.city, item.line))
        return Report(item=item.id, line=item.line, at=item.opened_at, places=_places(line) if line is not None else ())

    async def _sizes(self, reports: Iterable[Report]) -> dict[Place, int]:
        """How many lines the cables have on which there are reports enough for a share to matter."""
        count: dict[Place, int] = {}
        for place in (place for report in reports for place in report.places if place[0] == "cable"):
            count[place] = count.get(place, 0) + 1
        return {
            place: await self._lines_of(place[1])
            for place, reported in count.items()
            if self._rules.cable_least <= reported < self._rules.cable
        }

    async def _lines_of(self, cable: str) -> int:
        page = await self._store.page(LINES, (self.city, cable), index="by_cable", limit=LARGEST_PAGE)
        return len(page.records)  # a cable with more has a share above any count that is declared

    # ── who calls ───────────────────────────────────────────────────────────────────────────────────────────────────
    def word(self, calling: str, service: str) -> Word | None:
        """What ``calling`` is told that wants ``service``: of the mass fault that stands where its line is.

        Looks at nothing but what is in memory. A number may lack its area code.
        """
        declared = self._desk.catalogue.services.get(service)
        if self._prompt is None or declared is None or declared.text.group != GROUP:
            return None
        for number in (calling, f"{self._area_code}{calling}"):
            fault = self.book.get(self._concerned.get(number, ""))
            if fault is not None and fault.stands:
                hours = max(1, ceil((fault.expected_at - self._clock.wall()) / 3600))
                return Word(MASS_FAULT, (Prompt(self._prompt, min(hours, MOST_HOURS)),))
        return None

    async def _learn_who(self) -> None:
        """The numbers that are concerned by each one that stands: its lines, and where their customers are called."""
        standing = {
            (fault.id, len(fault.items) if fault.place[0] == "exchange" else 0): fault for fault in self.book.standing()
        }
        if standing.keys() == self._learnt:
            return
        concerned: dict[str, MassFaultId] = {}
        for fault in standing.values():
            lines = await self._lines(fault)
            concerned |= dict.fromkeys((line.number for line in lines), fault.id)
            for who in sorted({line.customer for line in lines}) if len(lines) <= MOST_CALLED_BACK else ():
                customer = await self._store.get(CUSTOMERS, (self.city, who))
                if customer is not None:
                    concerned |= dict.fromkeys(customer.contact_numbers, fault.id)
        self._concerned, self._learnt = concerned, set(standing)

    async def _lines(self, fault: MassFault) -> list[Line]:
        """Of an exchange those on the cables that were reported: records are not kept by exchange."""
        if fault.place[0] != "exchange":
            return await self._lines_in(*fault.place)
        cables: set[str] = set()
        for name in fault.items:
            item = self._desk.book.item(name)
            line = await self._store.get(LINES, (self.city, item.line)) if item is not None else None
            if line is not None and line.cable:
                cables.add(line.cable)
        found = [line for cable in sorted(cables) for line in await self._lines_in("cable", cable)]
        return [line for line in found if line.exchange == fault.place[1]]

    async def _lines_in(self, area: MassFaultArea, name: str) -> list[Line]:
        found: list[Line] = []
        token = None
        while len(found) < MOST_LINES:
            index = f"by_{area}"
            page = await self._store.page(LINES, (self.city, name), index=index, limit=LARGEST_PAGE, token=token)
            found += page.records
            token = page.token
            if token is None:
                break
        return found

    async def over(self, number: str) -> MassFault | None:
        """The one that stands over a line. Raises ``Refused`` while the records cannot be read."""
        line = await self._store.get(LINES, (self.city, number))
        return self.book.over(_places(line)) if line is not None else None

    # ── what people say ─────────────────────────────────────────────────────────────────────────────────────────────
    async def declare(self, by: Actor, area: MassFaultArea, name: str, repair_s: float, note: str) -> MassFaultId:
        """Somebody knows of one. Raises ``Refused`` 409 ``mass-fault-stands`` where one stands there already, 404
        ``area-unknown`` for a cable or district without a line on record.
        """
        declared = await self._decide(lambda: self._declared(by, (area, name), repair_s, note))
        self._look_now()  # the next caller hears of it
        return declared

    async def _declared(self, by: Actor, place: Place, repair_s: float, note: str) -> MassFaultId:
        stands = self.book.over([place])
        if stands is not None:
            raise _refused(
                "mass-fault-stands",
                f"该处已有大面积障碍 {stands.id}",
                f"a mass fault stands there already: {stands.id}",
                place[1],
            )
        index = {"cable": "by_cable", "district": "by_district"}.get(place[0])
        if index is not None:
            page = await self._store.page(LINES, (self.city, place[1]), index=index, limit=1)
            if not page.records:
                raise _refused(
                    "area-unknown",
                    f"资料中没有用户线属于 {place[1]}；请核对名称",
                    f"no line on record belongs to {place[1]}: check the name",
                    place[1],
                    404,
                )
        return await self._declare(place, (), by, repair_s, note)

    async def confirm(self, by: Actor, name: str, repair_s: float, note: str) -> None:
        """It is one, and repaired in ``repair_s`` seconds from now. Raises ``Refused``: 404 ``mass-fault-unknown``, 409
        ``mass-fault-cleared``.
        """

        async def confirmed() -> None:
            fault = self._standing(name)
            expected = self._clock.wall() + repair_s
            await self._write(MassFaultConfirmed(mass_fault=fault.id, by=by, expected_at=expected, note=note))

        await self._decide(confirmed)

    async def clear(self, by: Actor, name: str, *, repaired: bool, note: str) -> None:
        """It is repaired, or was none. Raises ``Refused`` as ``confirm`` does."""

        async def cleared() -> None:
            fault = self._standing(name)
            how: Literal["repaired", "rejected"] = "repaired" if repaired else "rejected"
            await self._write(MassFaultCleared(mass_fault=fault.id, how=how, by=by, note=note))

        await self._decide(cleared)
        self._look_soon()

    def _standing(self, name: str) -> MassFault:
        fault = self.book.get(name)
        if fault is None:
            raise _refused("mass-fault-unknown", "没有此大面积障碍", "there is no such mass fault", name, 404)
        if not fault.stands:
            raise _refused("mass-fault-cleared", "此大面积障碍已销除", "this mass fault has been cleared", name)
        return fault

    async def _decide(self, work: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> T:
        """In its turn, by what is on disk."""
        await self._one.acquire()
        try:
            if self._stopped:
                raise stopping()
            return await work()
        finally:
            self._one.release()

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _declare(
        self, place: Place, items: tuple[WorkItemId, ...], by: Actor | None, repair_s: float, note: str
    ) -> MassFaultId:
        name = MassFaultId(f"m-{self._desk.next_request()}")
        await self._write(
            MassFaultDeclared(
                mass_fault=name,
                area=place[0],
                name=place[1],
                items=items,
                by=by,
                expected_at=self._clock.wall() + repair_s,
                note=note,
            )
        )
        return name

    async def _write(self, row: AnyRow) -> None:
        """Done when it is on disk and in the book; one after the other, as everything here."""
        synced: Deferred[None] = Deferred()
        self._writing = row, synced
        self._journal.append([(row, self._hubs)], lambda: None)
        await synced

    # ── once it is repaired ─────────────────────────────────────────────────────────────────────────────────────────
    async def _tell(self, fault: MassFault, cleared: MassFaultCleared) -> None:
        """A message to each customer whose item goes on, then a note on each item: where the note is, all is done."""
        items = [item for name in fault.items if (item := self._desk.book.item(name)) is not None]
        untold = [item for item in items if self._desk.book.answer(_note_of(fault, item)) is None]
        if not untold:
            return
        messages: dict[str, CustomerMessage] = {}
        for item in items:
            message = await self._message(fault, item) if item.ending is None else None
            if message is not None:
                messages.setdefault(message.to or item.id, message)  # one for a customer with several lines
        await self._store.put([Put(MESSAGES, one) for one in messages.values()])
        for item in untold:
            note = f"大面积障碍 {fault.id} 已修复 · mass fault {fault.id} is repaired\n{cleared.note}"
            step = Noted(at=self._clock.wall(), by=cleared.by, note=note.strip())
            await self._work.take_once(item.id, step, _note_of(fault, item))

    async def _message(self, fault: MassFault, item: WorkItem) -> CustomerMessage | None:
        """What the item's service has its customers told; None where it has nothing."""
        service = self._desk.service_of(item)
        if service.text.mass_over is None:
            return None
        line: Line | None = await self._store.get(LINES, (self.city, item.line))
        who = line.customer if line is not None else CustomerId(item.customer)
        customer = await self._store.get(CUSTOMERS, (self.city, who)) if who else None
        at = fault.cleared_at if fault.cleared_at is not None else self._clock.wall()
        numbers = customer.contact_numbers if customer is not None else ()
        language = customer.language if customer is not None else "zh"
        return CustomerMessage(
            city=self.city,
            origin=f"{fault.id}/{item.id}",
            code=service.text.mass_over,
            item=item.id,
            to=reached_by(item, service) or (numbers[0] if numbers else None),
            text=text_of(item, service, service.text.mass_over, self._city_name, language),
            at=at,
            state="waiting" if at > self._clock.wall() - LATE_S else "dropped",
        )


def _places(line: Line) -> tuple[Place, ...]:
    """The areas that a line is in, the narrowest first."""
    named: tuple[Place, ...] = (("cable", line.cable), ("exchange", line.exchange), ("district", line.district))
    return tuple(place for place in named if place[1])


def _note_of(fault: MassFault, item: WorkItem) -> RequestId:
    """The name under which the note is taken: it is taken once."""
    return RequestId(f"{fault.id}/{item.id}")


def _refused(slug: str, zh: str, en: str, place: str, status: int = 409) -> Refused:
    return Refused(Problem(slug, zh=zh, en=en, place=place), status=status)


def _failed(failure: Failure) -> None:
    if failure.check(Refused) is not None:
        log.warn("mass faults are looked at later: {why}", why=failure.getErrorMessage(), event="mass-fault-later")
    else:
        log.failure("looking for mass faults failed", failure, event="mass-fault-failed")
