"""Matters that come back: how often the same line, or customer, had the same within a time.

Pure. A service says in its file within which time a matter counts as one that is back (``[repeat]``); the owning city
counts when it takes the form, and writes the count with it, so that every holder of the row knows the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from dataset.ids import CityId
from dataset.services.service import Service
from dataset.work import Opened, WorkItemId

OFTEN = 2
"""so many of one kind within the longer time are worth a word to whoever has the customer on the phone"""
SHORT_S = 30 * 86_400.0
LONG_S = 90 * 86_400.0
YEAR_S = 366 * 86_400.0


class EarlierItem(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an item for this: it may be on record elsewhere only."""

    item: WorkItemId
    service: str
    """its code, without the version"""
    city: CityId
    """the owning one"""
    line: str = ""
    customer: str = ""
    opened_at: float
    ending: str = ""
    """empty while it goes on"""


class Often(msgspec.Struct, frozen=True, kw_only=True):
    """A service whose items are many."""

    service: str
    within_30_days: int
    within_90_days: int
    items: tuple[EarlierItem, ...]
    """those of the longer time, the newest first"""


def counted(service: Service, opening: Opened, earlier: Iterable[EarlierItem]) -> tuple[int, WorkItemId | None]:
    """How often the matter of ``opening`` was there within the time that ``service`` declares, and the last item of it.

    It is the same matter where the line is the same and the service is; of a form about no line where the customer and
    the service are; and where the new item names the old one itself (``again_of``), whatever that is about.
    """
    repeat = service.text.repeat
    if repeat is None:
        return 0, None
    since = opening.at - repeat.within_s

    def same(one: EarlierItem) -> bool:
        if one.item == opening.item or not since <= one.opened_at <= opening.at:
            return False
        if one.item == opening.again_of:
            return True
        who = one.line == opening.line if opening.line else bool(opening.customer) and one.customer == opening.customer
        return who and one.service == service.id

    found = {one.item: one for one in earlier if same(one)}
    last = max(found.values(), key=lambda one: (one.opened_at, one.item), default=None)
    return len(found), last.item if last is not None else None


def often(items: Iterable[EarlierItem], now: float) -> tuple[Often, ...]:
    """Of which services there are ``OFTEN`` items or more within ``LONG_S`` before ``now``, by the service's code.

    An item that several cities tell of is one.
    """
    by_service: dict[str, dict[WorkItemId, EarlierItem]] = defaultdict(dict)
    for one in items:
        if now - LONG_S <= one.opened_at <= now:
            known = by_service[one.service].get(one.item)
            if known is None or (not known.ending and one.ending):
                by_service[one.service][one.item] = one
    return tuple(
        Often(
            service=service,
            within_30_days=sum(one.opened_at >= now - SHORT_S for one in found.values()),
            within_90_days=len(found),
            items=tuple(sorted(found.values(), key=lambda one: (-one.opened_at, one.item))),
        )
        for service, found in sorted(by_service.items())
        if len(found) >= OFTEN
    )


def everything(items: Iterable[EarlierItem]) -> tuple[EarlierItem, ...]:
    """Each item once, though several cities tell of it: what is under way first, then the newest first."""
    found: dict[WorkItemId, EarlierItem] = {}
    for one in items:
        known = found.get(one.item)
        if known is None or (not known.ending and one.ending):  # an ending stands
            found[one.item] = one
    return tuple(sorted(found.values(), key=lambda one: (bool(one.ending), -one.opened_at, one.item)))
