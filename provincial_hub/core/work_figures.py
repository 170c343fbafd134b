"""What one work item adds to the reports: to which days, as what it stands at midnights, and what is settled for it.

Pure. Figures of all items add up to those of the province, so an item whose rows change is counted anew and its old
figures are taken out: the same rows in any order, however often, give the same sums. They are those of
``federation.core.service_fold``, which counts them; days are China's, as ordinals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from dataset.calendar import WorkCalendar, day_of
from dataset.ids import CityId
from dataset.rows import Journalled, WorkStepped
from dataset.service_measures import COUNTED, ServicePart
from dataset.work import Opened, WorkItemId
from federation.core.service_fold import OpenDays, ServiceFold
from federation.core.work_book import ServiceOf, Settlement

BEFORE_S = 400 * 86_400.0
"""rows so much older than the first day of a report count no more: an item opened longer ago is one that cannot be
told"""
EVER = float("inf")


class KeptPart(ServicePart, frozen=True, kw_only=True, omit_defaults=True):
    """As it is written down: without what is 0, and read back as what it is."""


class DayPart(msgspec.Struct, frozen=True, array_like=True):
    """What a city did of a service on a day."""

    day: int
    city: CityId
    service: str
    part: ServicePart


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """From the midnight on at which ``day`` begins, so many more are open, and of these overdue."""

    day: int
    city: CityId
    service: str
    open: int
    overdue: int


class Handled(msgspec.Struct, frozen=True, array_like=True):
    """Steps that the owning city took for the serving one, written on ``day``."""

    day: int
    owning: CityId
    serving: CityId
    service: str
    """``id@version``"""
    entries: int
    collected_fen: int
    handling_fen: int


class Open(msgspec.Struct, frozen=True, array_like=True):
    """An item that has not ended."""

    city: CityId
    service: str
    opened_at: float
    overdue_from: int | None
    """the first midnight at which it is overdue, should nothing happen"""


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is counted of one item, and for which reports it is not: those count it by itself, from its rows."""

    parts: tuple[DayPart, ...] = ()
    turns: tuple[Turn, ...] = ()
    handled: tuple[Handled, ...] = ()
    open: Open | None = None
    untold: CityId | None = None
    """the owning city of an item that cannot be told"""
    untold_days: tuple[int, ...] = ()
    """with steps of it"""
    first: float = 0.0
    """wall time of its first row"""
    until: float | None = None
    """nothing of it is later; None for one that goes on, or of which that is not sure"""
    last_at: float = 0.0
    """of its latest step"""
    doubled: bool = False
    """a request was answered twice: ``handled`` is empty, since which answer counts depends on what is looked at"""


def figures_of(
    item: WorkItemId,
    rows: Sequence[Journalled],
    runs: Iterable[Journalled],
    service_of: ServiceOf,
    calendar: WorkCalendar,
) -> Figures:
    """What ``rows``, all of one item, come to. ``runs``: rows about the runs of its writer; needed where there are
    several.
    """
    fold = ServiceFold(service_of, calendar, (*runs, *rows))
    steps = [one.row for one in rows if isinstance(one.row, WorkStepped)]
    asked = [step.request for step in steps if step.request is not None]
    doubled = len(set(asked)) < len(asked)
    last_at = max(step.step.at for step in steps)
    untold = next(iter(fold.untold(-EVER, EVER)), None)
    opened = next(fold.open(EVER), None)
    spans = fold.open_days(item)
    since = spans[-1].overdue_from if opened is not None else None
    over = opened is None and untold is None and sum(isinstance(step.step, Opened) for step in steps) == 1
    return Figures(
        parts=tuple(
            DayPart(key.day.toordinal(), key.city, key.service, part) for key, part in fold.parts(-EVER, EVER).items()
        ),
        turns=tuple(_turns(spans)),
        handled=() if doubled else tuple(map(handled, fold.settlements())),
        open=None
        if opened is None
        else Open(
            opened.owning,
            service_of(opened.service).id,
            opened.opened_at,
            since.toordinal() if since is not None else None,
        ),
        untold=untold,
        untold_days=() if untold is None else tuple(sorted({day_of(step.step.at).toordinal() for step in steps})),
        first=min(one.wall for one in rows),
        until=max(last_at, *(one.wall for one in rows)) if over else None,
        last_at=last_at,
        doubled=doubled,
    )


def kept(part: ServicePart) -> KeptPart:
    """The same, to be written down."""
    some: dict[str, Any] = {name: value for name in COUNTED if (value := getattr(part, name))}
    if part.handling.buckets:
        some["handling"] = part.handling
    return KeptPart(**some)


def _turns(spans: Iterable[OpenDays]) -> Iterable[Turn]:
    for one in spans:
        yield Turn(one.first.toordinal(), one.city, one.service, 1, 0)
        if one.overdue_from is not None:
            yield Turn(one.overdue_from.toordinal(), one.city, one.service, 0, 1)
        if one.last is not None:
            overdue = int(one.overdue_from is not None)
            yield Turn(one.last.toordinal() + 1, one.city, one.service, -1, -overdue)


def handled(one: Settlement) -> Handled:
    """One step, in the form in which they are summed up."""
    day = day_of(one.at).toordinal()
    return Handled(day, one.owning, one.serving, one.service, 1, one.collected_fen, one.handling_fen)
