"""All work items that a node knows, as the fold of rows in any order: at the owning city, where it was asked, at hubs.

Pure. Rows name themselves by origin, so one that comes twice changes nothing; the steps of an item stand in the order
in which its owning city wrote them (its runs in their order, then the sequence), however late some of them come. So
every holder of the same rows knows the same items, requests and settlement (I4, I6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from dataset.calendar import WorkCalendar
from dataset.ids import AgentId, CityId, LineageId
from dataset.lineages import Lineages
from dataset.rows import Journalled, Origin, ProblemSaid, WorkRefused, WorkRequested, WorkStepped
from dataset.services.service import Service
from dataset.work import Acted, AnyStep, Attached, Opened, RequestId, WorkItemId
from federation.core.work_item import Effect, WorkItem, apply, fold, follows, opened

ServiceOf = Callable[[str], Service]
"""A service by ``id@version``; ``KeyError`` for one that this node does not have."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The owning city has not answered yet."""

    item: WorkItemId
    owning: CityId
    step: AnyStep


@dataclass(frozen=True, slots=True)
class Accepted:
    """The step was taken."""

    item: WorkItemId


@dataclass(frozen=True, slots=True)
class RefusedThere:
    """It was not, for these reasons."""

    item: WorkItemId
    owning: CityId
    problems: tuple[ProblemSaid, ...]


Answer = Pending | Accepted | RefusedThere


@dataclass(slots=True)
class _Item:
    """The rows of one item."""

    rows: dict[Origin, WorkStepped] = field(default_factory=dict)
    walls: dict[Origin, float] = field(default_factory=dict)
    """when each was written, by the owning city's clock"""
    folded: tuple[WorkItem, tuple[AnyStep, ...]] | None = None
    history: tuple[Passage, ...] | None = None
    unopened: bool = False
    """none of its rows opens it: nothing to fold until another comes"""


class Passage(NamedTuple):
    """One step of an item that stands, what the item was with it, and what followed from it."""

    row: WorkStepped
    after: WorkItem
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, order=True)
class Settlement:
    """What the owning and the serving city of one handling owe each other."""

    owning: CityId
    serving: CityId
    request: RequestId
    service: str
    collected_fen: int
    """taken in by the serving city, due to the owning city"""
    handling_fen: int
    """due to the serving city"""
    at: float
    """when the owning city took the step, by its wall clock (UTC)"""


class WorkBook:
    """Deterministic mutable index beside the core."""

    def __init__(self, service_of: ServiceOf, calendar: WorkCalendar) -> None:
        self._service_of = service_of
        self._calendar = calendar
        self._lineages = Lineages()
        self._items: dict[WorkItemId, _Item] = defaultdict(_Item)
        self._by_line: dict[str, set[WorkItemId]] = defaultdict(set)
        self._asked: dict[RequestId, tuple[WorkRequested, CityId]] = {}
        """with the city that asks"""
        self._keys: dict[tuple[AgentId, WorkItemId | None, str], dict[RequestId, None]] = defaultdict(dict)
        """requests by who handed in a form, or a file for an item, and how the seat names it"""
        self._files: dict[WorkItemId, dict[RequestId, None]] = defaultdict(dict)
        """requests to add a file"""
        self._taken: dict[RequestId, WorkItemId] = {}
        self._refused: dict[RequestId, dict[Origin, WorkRefused]] = defaultdict(dict)
        self.missing: set[str] = set()
        """versions of services (``id@version``) that items here began with and that this node does not have: these
        items cannot be told, and nothing is done with them, until it has"""

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def add(self, journalled: Journalled) -> None:
        """Take in one row; kinds that are not about work or runs are passed over."""
        match journalled.row:
            case WorkStepped() as row:
                item = self._items[row.item]
                item.rows[journalled.origin] = row
                item.walls[journalled.origin] = journalled.wall
                item.folded = item.history = None
                item.unopened = False
                if row.request is not None:
                    self._taken[row.request] = row.item
                if isinstance(row.step, Opened):
                    self._by_line[row.step.line].add(row.item)
                self._name(row.item, row.step, row.request)
            case WorkRequested() as row:
                self._asked[row.request] = row, CityId(journalled.node)
                self._name(row.item, row.step, row.request)
                if isinstance(row.step, Attached):
                    self._files[row.item][row.request] = None
            case WorkRefused() as row:
                self._refused[row.request][journalled.origin] = row
            case _:
                if self._lineages.add(journalled):
                    for item in self._items.values():
                        item.folded = item.history = None

    def _name(self, item: WorkItemId, step: AnyStep, request: RequestId | None) -> None:
        if isinstance(step, Opened | Attached) and step.key and request is not None:
            of = item if isinstance(step, Attached) else None
            self._keys[step.by.agent, of, step.key][request] = None

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────────────────
    def __iter__(self) -> Iterator[WorkItem]:
        """All items of which the opening is known."""
        for name, item in list(self._items.items()):
            folded = item.folded or self._folded(name)
            if folded is not None:
                yield folded[0]

    def item(self, item: WorkItemId) -> WorkItem | None:
        """What it has come to; None while its opening is not known here."""
        folded = self._folded(item)
        return None if folded is None else folded[0]

    def overtaken(self, item: WorkItemId) -> tuple[AnyStep, ...]:
        """Its steps that stand no more, since a lost row came back that was written before them."""
        folded = self._folded(item)
        return () if folded is None else folded[1]

    def steps(self, item: WorkItemId) -> tuple[AnyStep, ...]:
        """Its steps in order, the overtaken ones too."""
        return tuple(self._items[item].rows[origin].step for origin in self._in_order(item))

    def history(self, item: WorkItemId) -> tuple[Passage, ...]:
        """The steps of an item that stand, from its opening on; nothing while it cannot be told."""
        if self._folded(item) is None:
            return ()
        kept = self._items[item]
        if kept.history is not None:
            return kept.history
        rows = [kept.rows[origin] for origin in self._in_order(item)]
        first = next(row for row in rows if isinstance(row.step, Opened))
        assert isinstance(first.step, Opened)
        service = self._service_of(first.service)
        known = opened(service, self._calendar, first.step)
        found = [Passage(first, known, ())]
        for row in rows:
            if not isinstance(row.step, Opened) and follows(service, known, row.step):
                known, effects = apply(service, self._calendar, known, row.step)
                found.append(Passage(row, known, effects))
        kept.history = tuple(found)
        return kept.history

    def untold(self, begin: float, end: float) -> dict[CityId, int]:
        """How many items with steps of begin ≤ time < end cannot be told, by owning city: the opening is not known
        here, or the version of the service that they began with is ``missing``.
        """
        found: dict[CityId, int] = defaultdict(int)
        for name, item in self._items.items():
            if any(begin <= row.step.at < end for row in item.rows.values()) and self._folded(name) is None:
                found[CityId(min(item.rows)[0])] += 1
        return dict(found)

    def passed(self, journalled: Journalled) -> tuple[WorkItem, tuple[Effect, ...]] | None:
        """What the item of this step came to with it, and what followed from that; None for a step that was overtaken,
        or that answers a request which another answered first, and while the item cannot be told.
        """
        row = journalled.row
        item = self._items.get(row.item) if isinstance(row, WorkStepped) else None
        mine = item.rows.get(journalled.origin) if item is not None else None
        if mine is None:
            return None
        return next(((one.after, one.effects) for one in self.history(mine.item) if one.row is mine), None)

    def answer(self, request: RequestId) -> Answer | None:
        """How a request stands; None for one that is not known.

        Where a loss had it answered twice, a step that was taken stands before a refusal (nothing that was handed in is
        lost), else the first refusal.
        """
        if request in self._taken:
            return Accepted(self._taken[request])
        if request in self._refused:
            first = min(self._refused[request], key=self._place)
            refused = self._refused[request][first]
            return RefusedThere(refused.item, CityId(first[0]), refused.problems)
        if request not in self._asked:
            return None
        asked, _ = self._asked[request]
        return Pending(asked.item, asked.owning, asked.step)

    def unanswered(self, owning: CityId) -> tuple[tuple[WorkRequested, CityId], ...]:
        """Requests to ``owning`` that it has not answered, each with the city that asks, in the order of their ids."""
        waiting = self._asked.keys() - self._taken.keys() - self._refused.keys()
        return tuple(self._asked[name] for name in sorted(waiting) if self._asked[name][0].owning == owning)

    def by_key(self, agent: AgentId, key: str, of: WorkItemId | None = None) -> RequestId | None:
        """The request that an agent's form of this name has become, or a file for the item ``of``; not one that was
        refused.
        """
        named = self._keys.get((agent, of, key), {}) if key else {}
        return next((one for one in sorted(named) if not isinstance(self.answer(one), RefusedThere)), None)

    def files_asked(self, item: WorkItemId) -> tuple[tuple[WorkRequested, CityId], ...]:
        """Requests to add a file to ``item`` that were not taken, pending or refused, each with the city that asks."""
        return tuple(self._asked[one] for one in self._files.get(item, ()) if one not in self._taken)

    def files_sent(self, city: CityId) -> tuple[Attached, ...]:
        """Files that ``city`` has to hand in to others, and that nobody has answered for."""
        asked = (self._asked[one] for named in self._files.values() for one in named)
        waiting = (row for row, by in asked if by == city and isinstance(self.answer(row.request), Pending))
        return tuple(row.step for row in waiting if isinstance(row.step, Attached))

    def asked(self, request: RequestId) -> WorkRequested | None:
        """What another city is asked, or was."""
        return self._asked[request][0] if request in self._asked else None

    def taken(self, request: RequestId) -> AnyStep | None:
        """The step that was taken for ``request``."""
        item = self._items.get(self._taken[request]) if request in self._taken else None
        rows = item.rows.values() if item is not None else ()
        return next((row.step for row in rows if row.request == request), None)

    def of_line(self, line: str) -> tuple[WorkItem, ...]:
        """All items of a line, the newest first."""
        found = [item for name in self._by_line.get(line, ()) if (item := self.item(name)) is not None]
        return tuple(sorted(found, key=lambda item: (-item.opened_at, item.id)))

    def of_customer(self, customer: str) -> tuple[WorkItem, ...]:
        """All items of a customer, the newest first; nothing for an empty name."""
        found = [item for item in self if customer and item.customer == customer]
        return tuple(sorted(found, key=lambda item: (-item.opened_at, item.id)))

    def owner(self, item: WorkItemId) -> CityId | None:
        """The owning city of an item that anything is known of: it writes the steps, or was asked for the first."""
        known = self._items.get(item)
        if known is not None and known.rows:
            return CityId(next(iter(known.rows))[0])
        return next((row.owning for row, _ in self._asked.values() if row.item == item), None)

    def due(self, now: float) -> tuple[WorkItem, ...]:
        """Items whose deadline has passed, the longest overdue first."""
        late = [item for item in self if item.due_at is not None and item.due_at <= now]
        return tuple(sorted(late, key=lambda item: (item.due_at or 0.0, item.id)))

    def settlements(self) -> tuple[Settlement, ...]:
        """Every handling of one city's item in another, once, in order."""
        found = []
        for name, item in self._items.items():
            for origin in self._in_order(name):
                row, owning = item.rows[origin], CityId(origin[0])
                if row.request is None or row.serving == owning:
                    continue
                collected = row.step.collected_fen if isinstance(row.step, Opened | Acted) else 0
                found.append(
                    Settlement(
                        owning, row.serving, row.request, row.service, collected, row.handling_fen, item.walls[origin]
                    )
                )
        return tuple(sorted(found))

    def _folded(self, name: WorkItemId) -> tuple[WorkItem, tuple[AnyStep, ...]] | None:
        item = self._items.get(name)
        if item is None or item.unopened:
            return None
        if item.folded is None:
            steps = self.steps(name)
            first = next((step for step in steps if isinstance(step, Opened)), None)
            if first is None:
                item.unopened = True
                return None
            try:
                service = self._service_of(first.service)
            except KeyError:
                self.missing.add(first.service)
                return None
            behind = [step for step in steps if step is not first]
            item.folded = fold(service, self._calendar, [first, *behind])
        return item.folded

    def _in_order(self, name: WorkItemId) -> tuple[Origin, ...]:
        """Its rows in order; of two answers to one request the first. When the owning city's disk has lost that it had
        answered, the request comes again, and it answers once more.
        """
        item = self._items.get(name)
        if item is None:
            return ()
        found, seen = [], set[RequestId]()
        for origin in sorted(item.rows, key=self._place):
            request = item.rows[origin].request
            if request is None or request not in seen:
                found.append(origin)
            if request is not None:
                seen.add(request)
        return tuple(found)

    def _place(self, origin: Origin) -> tuple[int, LineageId, int]:
        node, lineage, sequence = origin
        return self._lineages.rank(node, lineage), lineage, sequence
