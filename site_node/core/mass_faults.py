"""Faults of many lines that are one (大面积障碍): what makes them one, and what stands now.

Pure. Reports of lines that share a cable, an exchange or a district within a time are one mass fault. What stands is
the fold of the rows that the city wrote; a row that comes twice changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from dataset.rows import (
    Journalled,
    MassFaultArea,
    MassFaultCleared,
    MassFaultConfirmed,
    MassFaultDeclared,
    MassFaultLinked,
    Origin,
)
from dataset.work import Actor, MassFaultId, WorkItemId

AREAS: tuple[MassFaultArea, ...] = ("cable", "exchange", "district")
"""from the narrowest on"""
MASS_FAULT = "mass_fault"
"""cause of the ending of a caller who heard of one and needed no agent"""
Place = tuple[MassFaultArea, str]
"""an area by its kind and its name in the lines' records"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MassFaultRules:
    """From when on reports are one mass fault."""

    window_s: float = 1_800.0
    cable: int = 5
    """reports on one cable"""
    cable_share: float = 0.03
    """or of so many of its lines, …"""
    cable_least: int = 3
    """… if there are so many"""
    exchange: int = 15
    district: int = 30
    repair_s: float = 14_400.0
    """how long the repair is expected to take until somebody knows better"""

    def least(self, place: Place, lines: int | None) -> int:
        """How many lines have to be reported there. ``lines``: how many it has, None where that is not known."""
        match place[0]:
            case "cable":
                share = max(self.cable_least, ceil(lines * self.cable_share)) if lines else self.cable
                return min(self.cable, share)
            case "exchange":
                return self.exchange
            case "district":
                return self.district


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An open fault of one line."""

    item: WorkItemId
    line: str
    at: float
    places: tuple[Place, ...] = ()
    """the areas that the line is in, the narrowest first, as far as the records say"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Reports that are one mass fault."""

    place: Place
    items: tuple[WorkItemId, ...]
    """in the order of their names"""


def groups(reports: Iterable[Report], rules: MassFaultRules, lines: Mapping[Place, int]) -> tuple[Group, ...]:
    """What ``reports`` come to, in whatever order they are; each is in one group at most. ``lines``: how many lines an
    area has, where it is known.

    A wider area is one fault only if its reports are spread over it: where more than half of them come from one
    narrower area that is a mass fault by itself, it is that one.
    """
    left = set(reports)
    found: list[Group] = []
    while True:  # what is left of a wide area without the narrow ones may be one by itself
        before = len(found)
        for kind in reversed(AREAS):
            together = _by_place(left, kind)
            for place in sorted(together):
                close = _close(together[place], rules.window_s, rules.least(place, lines.get(place)))
                if close and not _narrower(close, kind, rules, lines):
                    found.append(Group(place=place, items=tuple(sorted(one.item for one in close))))
                    left -= close
        if len(found) == before:
            return tuple(sorted(found, key=lambda group: group.place))


def _by_place(reports: Iterable[Report], kind: MassFaultArea) -> dict[Place, list[Report]]:
    together: dict[Place, list[Report]] = defaultdict(list)
    for report in reports:
        for place in report.places:
            if place[0] == kind:
                together[place].append(report)
    return together


def _close(reports: Sequence[Report], window_s: float, least: int) -> set[Report]:
    """Those that are in some stretch of ``window_s`` with ``least`` different lines or more."""
    ordered = sorted(reports, key=lambda one: (one.at, one.item))
    stretch: Counter[str] = Counter()
    close: set[Report] = set()
    begin = taken = 0
    for end, last in enumerate(ordered):
        stretch[last.line] += 1
        while ordered[begin].at < last.at - window_s:
            gone = ordered[begin].line
            stretch[gone] -= 1
            if not stretch[gone]:
                del stretch[gone]
            begin += 1
        if len(stretch) >= least:
            close.update(ordered[max(begin, taken) : end + 1])
            taken = end + 1
    return close


def _narrower(close: set[Report], kind: MassFaultArea, rules: MassFaultRules, lines: Mapping[Place, int]) -> bool:
    """Whether more than half of it comes from one narrower area that is a mass fault by itself."""
    whole = len({one.line for one in close})
    for narrow in AREAS[: AREAS.index(kind)]:
        for place, some in _by_place(close, narrow).items():
            inside = _close(some, rules.window_s, rules.least(place, lines.get(place)))
            if inside and 2 * len({one.line for one in inside}) > whole:
                return True
    return False


# ── what stands ─────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class MassFault:
    """One, as it is now."""

    id: MassFaultId
    place: Place
    by_count: bool
    """found by the reports; else somebody declared it"""
    declared_by: Actor | None
    declared_at: float
    expected_at: float
    """when it is expected to be repaired, seconds since 1970 (UTC)"""
    note: str = ""
    confirmed_by: Actor | None = None
    items: tuple[WorkItemId, ...] = ()
    cleared: MassFaultCleared | None = None
    cleared_at: float | None = None

    @property
    def stands(self) -> bool:
        """Whether it is neither repaired nor rejected."""
        return self.cleared is None


@dataclass(slots=True)
class MassFaultBook:
    """Deterministic mutable index beside the core."""

    _faults: dict[MassFaultId, MassFault] = field(default_factory=dict)
    _of_item: dict[WorkItemId, MassFaultId] = field(default_factory=dict)
    _seen: set[Origin] = field(default_factory=set)

    def add(self, journalled: Journalled) -> None:
        """Take in one row, in the order of its writer; other kinds are passed over."""
        row = journalled.row
        if not isinstance(row, MassFaultDeclared | MassFaultConfirmed | MassFaultCleared | MassFaultLinked):
            return
        if journalled.origin in self._seen:
            return
        self._seen.add(journalled.origin)
        if isinstance(row, MassFaultDeclared):
            self._faults[row.mass_fault] = MassFault(
                id=row.mass_fault,
                place=(row.area, row.name),
                by_count=row.by is None,
                declared_by=row.by,
                declared_at=journalled.wall,
                expected_at=row.expected_at,
                note=row.note,
                confirmed_by=row.by,
            )
            self._link(row.mass_fault, row.items)
            return
        known = self._faults.get(row.mass_fault)
        if known is None:
            return  # its beginning was on a disk that is lost
        match row:
            case MassFaultConfirmed(by=by, expected_at=expected_at, note=note):
                changed = replace(known, confirmed_by=by, expected_at=expected_at, note=note or known.note)
                self._faults[known.id] = changed
            case MassFaultCleared() if known.stands:
                self._faults[known.id] = replace(known, cleared=row, cleared_at=journalled.wall)
            case MassFaultLinked(items=items):
                self._link(known.id, items)
            case _:
                pass

    def _link(self, name: MassFaultId, items: Iterable[WorkItemId]) -> None:
        new = [item for item in items if item not in self._of_item]
        self._of_item.update(dict.fromkeys(new, name))
        known = self._faults[name]
        self._faults[name] = replace(known, items=(*known.items, *new))

    def get(self, name: str) -> MassFault | None:
        """One by its name."""
        return self._faults.get(MassFaultId(name))

    def of_item(self, item: WorkItemId) -> MassFault | None:
        """The one that an item is part of, or was."""
        name = self._of_item.get(item)
        return self._faults[name] if name is not None else None

    def all(self) -> tuple[MassFault, ...]:
        """Those that stand first, then the newest first."""
        return tuple(sorted(self._faults.values(), key=lambda one: (not one.stands, -one.declared_at, one.id)))

    def standing(self) -> tuple[MassFault, ...]:
        """Those that stand, the newest first."""
        return tuple(one for one in self.all() if one.stands)

    def over(self, places: Iterable[Place]) -> MassFault | None:
        """The one that stands over one of these areas; of several the first place's."""
        standing = {one.place: one for one in reversed(self.standing())}
        return next((standing[place] for place in places if place in standing), None)
