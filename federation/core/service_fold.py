"""Measures of services as a fold of the rows of work items: the same rows in any order, however often, give the same.

Pure. A row that comes late changes the parts of the days that it is about, and nothing else. Parts of different items
add up, so the fold of all cities' rows is the sum of the folds of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from dataset.calendar import LONGEST_CLOSED, WorkCalendar, day_of, midnight
from dataset.ids import CityId
from dataset.measures import Histogram, bucket_of, milliseconds
from dataset.rows import Journalled
from dataset.service_measures import PartKey, ServicePart, added
from dataset.services.service import Service
from dataset.work import MARKS, SATISFIED, Acted, CalledBack, Opened, Pressed, WorkItemId
from federation.core.work_book import Passage, ServiceOf, Settlement, WorkBook
from federation.core.work_item import Ended, Escalated, FeeDue, WorkItem

DAY = timedelta(days=1)
CLOSED = timedelta(days=LONGEST_CLOSED + 1)


class Standing(NamedTuple):
    """What one service of one city has open at a moment."""

    open: int = 0
    overdue: int = 0
    """of these, longer open than the service's time for the whole; without such a time, with a deadline missed"""


class OpenDays(NamedTuple):
    """Midnights, in China, just before which an item was open: those at which the days from ``first`` to ``last``
    begin.
    """

    city: CityId
    service: str
    """without its version"""
    first: date
    last: date | None
    """included; None: until today"""
    overdue_from: date | None
    """from which of them on it was overdue"""


class ServiceFold:
    """Deterministic mutable index of rows, and what they come to."""

    def __init__(self, service_of: ServiceOf, calendar: WorkCalendar, rows: Iterable[Journalled] = ()) -> None:
        self._service_of = service_of
        self._calendar = calendar
        self._book = WorkBook(service_of, calendar)
        for row in rows:
            self.add(row)

    def add(self, journalled: Journalled) -> None:
        """Take in one row; kinds that are not about work or runs are passed over."""
        self._book.add(journalled)

    def parts(self, begin: float, end: float, city: CityId | None = None) -> dict[PartKey, ServicePart]:
        """What was counted of steps with begin ≤ time < end (UTC seconds), of ``city`` or all; without empty ones."""
        found: dict[PartKey, list[ServicePart]] = defaultdict(list)
        for history in self._histories():
            service = self._service_of(history[0].row.service)
            for at, passage in enumerate(history):
                if begin <= passage.row.step.at < end:
                    for key, part in self._counted(service, passage, history[:at]):
                        if part and city in (None, key.city):
                            found[key].append(part)
        return {key: added(found[key]) for key in sorted(found)}

    def standing(self, moment: float, city: CityId | None = None) -> dict[tuple[CityId, str], Standing]:
        """What was open just before ``moment`` (UTC seconds), by city and service; nothing where nothing was."""
        found: dict[tuple[CityId, str], Standing] = defaultdict(Standing)
        for item in self.open(moment, city):
            service = self._service_of(item.service)
            before = found[item.owning, service.id]
            found[item.owning, service.id] = Standing(
                before.open + 1, before.overdue + self._overdue(service, item, moment)
            )
        return dict(sorted(found.items()))

    def open(self, moment: float, city: CityId | None = None) -> Iterator[WorkItem]:
        """Items as they were just before ``moment`` (UTC seconds), those that had not ended."""
        for history in self._histories():
            known = [passage.after for passage in history if passage.row.step.at < moment]
            if known and known[-1].ending is None and city in (None, known[-1].owning):
                yield known[-1]

    def open_days(self, item: WorkItemId) -> list[OpenDays]:
        """When ``item`` was open, in order and apart: what ``standing`` says of it at any midnight."""
        history = self._book.history(item)
        moments = sorted({passage.row.step.at for passage in history})
        found: list[OpenDays] = []
        for at, moment in enumerate(moments):
            known = [passage.after for passage in history if passage.row.step.at <= moment][-1]
            last = day_of(moments[at + 1]) if at + 1 < len(moments) else None
            first = day_of(moment) + DAY
            if known.ending is None and (last is None or first <= last):
                service = self._service_of(history[0].row.service)
                since = self._overdue_from(service, known, first, last)
                found.append(OpenDays(known.owning, service.id, first, last, since))
        return found

    def overdue(self, item: WorkItem, moment: float) -> bool:
        """Whether ``item``, open just before ``moment``, was overdue then."""
        return self._overdue(self._service_of(item.service), item, moment)

    def settlements(self) -> tuple[Settlement, ...]:
        """See ``WorkBook``."""
        return self._book.settlements()

    def untold(self, begin: float, end: float) -> Mapping[CityId, int]:
        """Items with steps of that time that count nowhere, by owning city: their opening is not on record here, or
        this node does not have the version of the service that they began with.
        """
        return self._book.untold(begin, end)

    # ── one item ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _histories(self) -> Iterator[tuple[Passage, ...]]:
        return (history for item in self._book if (history := self._book.history(item.id)))

    def _counted(
        self, service: Service, passage: Passage, earlier: tuple[Passage, ...]
    ) -> Iterator[tuple[PartKey, ServicePart]]:
        step, item = passage.row.step, passage.after
        key = PartKey(item.owning, service.id, day_of(step.at))
        match step:
            case Opened(times_before=times_before, again_of=again_of):
                elsewhere = passage.row.serving != item.owning
                yield (
                    key,
                    ServicePart(opened=1, elsewhere=elsewhere, repeats=times_before > 0, reopened=again_of is not None),
                )
                if elsewhere:
                    yield key._replace(city=passage.row.serving), ServicePart(for_others=1)
            case Acted(satisfaction=mark):
                yield key, ServicePart(reopened=_led_back(service, item.state, [one.after.state for one in earlier]))
                if mark is not None:
                    yield key, _asked(mark)
            case Pressed():
                yield key, ServicePart(pressed=1)
            case CalledBack(reached=True):
                yield key, ServicePart(called_back=1)
            case _:
                pass
        for effect in passage.effects:
            match effect:
                case FeeDue(fen=fen, monthly=monthly, deposit=deposit):
                    once = 0 if deposit or monthly else fen
                    yield (
                        key,
                        ServicePart(
                            fees_fen=once,
                            monthly_fen=fen if monthly and not deposit else 0,
                            deposits_fen=fen if deposit else 0,
                        ),
                    )
                case Escalated():
                    yield key, ServicePart(escalated=1)
                case Ended():
                    yield key, self._ended(service, item, step.at)
                case _:
                    pass

    def _ended(self, service: Service, item: WorkItem, at: float) -> ServicePart:
        ms, measure = milliseconds(self._lasted_s(service, item, at)), service.text.measure
        ending = item.ending
        return ServicePart(
            done=ending == "done",
            answered=ending == "answered",
            refused=ending == "refused",
            cancelled=ending == "cancelled",
            unfounded=ending == "unfounded",
            promised=measure is not None,
            within=measure is not None and ms <= milliseconds(measure.within_s),
            handling=Histogram(((bucket_of(ms), 1),), ms),
        )

    def _overdue(self, service: Service, item: WorkItem, moment: float) -> bool:
        measure = service.text.measure
        return item.missed > 0 if measure is None else self._lasted_s(service, item, moment) > measure.within_s

    def _overdue_from(self, service: Service, item: WorkItem, first: date, last: date | None) -> date | None:
        """The first midnight of those at which it was overdue. With a time for the whole it stays so."""
        measure = service.text.measure
        if measure is None:
            return first if item.missed > 0 else None
        try:
            due = day_of(
                item.opened_at + measure.within_s
                if measure.clock == "calendar"
                else self._calendar.after(item.opened_at, measure.within_s)
            )
        except OverflowError:  # there is no more work in which it could become late
            return None
        if last is not None and last < due:
            return None
        day = max(first, due)
        while last is None or day <= last:
            if self._overdue(service, item, midnight(day)):
                return day
            if day - due > CLOSED:
                return None
            day += DAY
        return None

    def _lasted_s(self, service: Service, item: WorkItem, until: float) -> float:
        """From its opening on, seconds by the clock of the service's measure."""
        measure = service.text.measure
        if measure is not None and measure.clock == "calendar":
            return max(0.0, until - item.opened_at)
        return self._calendar.between(item.opened_at, until)


def _asked(mark: int) -> ServicePart:
    """A customer was asked how satisfied they are."""
    said = mark in MARKS
    return ServicePart(
        satisfaction_asked=1,
        satisfaction_said=said,
        satisfied=said and mark >= SATISFIED,
        satisfaction_points=mark if said else 0,
    )


def _led_back(service: Service, state: str, before: list[str]) -> bool:
    """Whether it was in ``state`` before, and the file has that ahead of the state that it left now."""
    order = list(service.states)
    return state in before and order.index(state) < order.index(before[-1])
