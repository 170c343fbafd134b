"""What agents were told of work against what is on record: I1 for work items, and settlement (I4).

Held against nobody is what a fault destroyed on purpose: rows that were taken off a disk before every hub had them are
named as lost with their journal, and an answer may be reversed only where rows about its item were taken off a disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from dataset.ids import CityId, NodeId
from dataset.rows import Journalled, WorkRefused, WorkRequested, WorkStepped
from dataset.work import Acted, Opened, RequestId, WorkItemId
from federation.core.work_book import Accepted, RefusedThere, Settlement, WorkBook
from federation.core.work_item import WorkItem
from simulation.chaos.clerks import Clerks, HandedIn
from simulation.chaos.offered import offering
from simulation.chaos.world import ChaosProvince

_Answer = WorkStepped | WorkRefused


@dataclass(slots=True)
class WorkFindings:
    """What was found."""

    violations: list[str] = field(default_factory=list)
    lost_with_journal: set[str] = field(default_factory=set)
    """requests and items of which rows are gone for good"""
    reversed: set[RequestId] = field(default_factory=set)
    """requests of which an agent was told something else than what stands, after a loss"""
    overtaken: set[WorkItemId] = field(default_factory=set)
    """items of which a step stands no more, since a lost one came back"""


@dataclass(frozen=True, slots=True)
class _Harm:
    """What faults did to rows about work."""

    requests: frozenset[str]
    """of which rows are gone that not every hub has"""
    items: frozenset[str]
    touched: frozenset[str]
    """requests and items of which rows were taken off a disk, whether or not they came back"""
    lost: Collection[NodeId]
    """cities of which nothing is left"""


def check_work(world: ChaosProvince, clerks: Clerks, lost: Collection[NodeId]) -> WorkFindings:
    """Judge the work of a run that has healed and gone quiet. ``lost``: cities of which nothing is left."""
    findings = WorkFindings()
    harm = _harm(world, lost)
    for hub in world.province.hub_ids:
        rows = [*world.disks.ledgers[hub].standing, *world.disks.ledgers[hub].work]
        _AtHub(world, hub, rows, harm, findings).check(clerks.handed_in.values())
    for city, request in clerks.unknown_requests:
        if request not in harm.touched and NodeId(city) not in lost:
            findings.violations.append(f"I1: {city} was asked about {request}, and knew nothing of it")
    return findings


def _harm(world: ChaosProvince, lost: Collection[NodeId]) -> _Harm:
    held = [
        {(row.node, row.lineage, row.sequence) for row in world.disks.ledgers[hub].work}
        for hub in world.province.hub_ids
    ]
    requests, items, touched = set[str](), set[str](), set[str]()
    for row in world.disks.destroyed.values():
        if not isinstance(row.row, WorkRequested | _Answer):
            continue
        names = {row.row.item, row.row.request or row.row.item}
        touched |= names
        if not all((row.node, row.lineage, row.sequence) in one for one in held):
            items.add(row.row.item)
            requests |= names
    return _Harm(frozenset(requests), frozenset(items), frozenset(touched), lost)


class _AtHub:
    """The work of the province as one hub has it, against agents and cities."""

    def __init__(
        self, world: ChaosProvince, hub: NodeId, rows: Iterable[Journalled], harm: _Harm, findings: WorkFindings
    ) -> None:
        self._world = world
        self._hub = hub
        self._harm = harm
        self._findings = findings
        self._book = _book(rows)
        self._asked: set[RequestId] = set()
        self._answers: dict[RequestId, list[Journalled]] = defaultdict(list)
        self._rows: dict[WorkItemId, list[Journalled]] = defaultdict(list)
        for one in rows:
            row = one.row
            if isinstance(row, WorkRequested):
                self._asked.add(row.request)
            elif isinstance(row, _Answer):
                self._rows[row.item].append(one)
                if row.request is not None:
                    self._answers[row.request].append(one)

    def check(self, handed_in: Iterable[HandedIn]) -> None:
        """Everything."""
        taken_in = {RequestId(one.request): one.collected_fen for one in handed_in}
        for one in handed_in:
            self._receipt(one)
        for request, answers in self._answers.items():
            if len(answers) > 1 and request not in self._harm.touched:
                self._say(f"I1: {request} was answered {len(answers)} times, and nothing was lost")
        for item, rows in self._rows.items():
            self._item(item, rows)
        self._settled(taken_in)
        for city, book, _ in self._world.books():
            if NodeId(city) not in self._harm.lost:
                self._agrees(city, book)

    def _say(self, sentence: str) -> None:
        self._findings.violations.append(f"{sentence} ({self._hub})")

    # ── I1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _receipt(self, one: HandedIn) -> None:
        """What a city gave a receipt for is on record and answered, as the agent was told."""
        request, harm = RequestId(one.request), self._harm
        if NodeId(one.owning) in harm.lost or NodeId(one.serving) in harm.lost:
            return
        answer = self._book.answer(request)
        if not isinstance(answer, Accepted | RefusedThere):
            if request in harm.requests:
                self._findings.lost_with_journal.add(request)
            elif one.serving != one.owning and request not in self._asked:
                self._say(f"I1: {request}, for which {one.serving} gave a receipt, is not on record")
            else:
                self._say(f"I1: {request} of {one.serving} is not answered by {one.owning}")
            return
        stands = "accepted" if isinstance(answer, Accepted) else "refused"
        if one.told[-1] == stands:
            return
        if request in harm.touched or one.item in harm.touched:
            self._findings.reversed.add(request)
        else:
            self._say(f"I1: {request} is {stands}, and an agent in {one.serving} was told {one.told[-1]} last")

    def _item(self, name: WorkItemId, rows: list[Journalled]) -> None:
        """An item is opened once and ended once, and nothing of it is overtaken where nothing was lost."""
        harm = self._harm
        if not any(isinstance(one.row, WorkStepped) for one in rows) or NodeId(rows[0].node) in harm.lost:
            return
        item = self._book.item(name)
        if item is None:
            if name in harm.items:
                self._findings.lost_with_journal.add(name)
            else:
                self._say(f"I1: {name} has steps, and no opening on record")
            return
        if item.ending is None and name not in harm.items:
            self._say(f"I1: {name} of {item.owning} has not ended; it is {item.state} until {item.due_at}")
        if self._book.overtaken(name):
            self._findings.overtaken.add(name)
        if name in harm.touched:
            return
        if self._book.overtaken(name):
            self._say(f"I1: of {name} steps are overtaken, and nothing was lost")
        openings = [one for one in rows if isinstance(one.row, WorkStepped) and isinstance(one.row.step, Opened)]
        endings = [one for one in rows if isinstance(one.row, WorkStepped) and one.row.ended]
        if len(openings) != 1 or len(endings) > 1:
            self._say(f"I1: {name} was opened {len(openings)} times and ended {len(endings)} times")

    # ── I4 ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _settled(self, taken_in: Mapping[RequestId, int | None]) -> None:
        """Each step that was taken for another city's agent is settled once, with what the agent took in."""
        entries: dict[RequestId, list[Settlement]] = defaultdict(list)
        for entry in self._book.settlements():
            entries[entry.request].append(entry)
        due: set[RequestId] = set()
        for request, answers in self._answers.items():
            steps = [one for one in answers if isinstance(one.row, WorkStepped)]
            first = steps[0] if steps else None
            if first is None or not isinstance(first.row, WorkStepped) or first.row.serving == first.node:
                continue
            due.add(request)
            found = entries.get(request, [])
            if len(found) != 1:
                self._say(f"I4: {request} is settled {len(found)} times")
                continue
            fen = taken_in.get(request)
            takes = isinstance(first.row.step, Opened | Acted)
            if takes and fen is not None and found[0].collected_fen != fen:
                self._say(f"I4: {request} is settled with {found[0].collected_fen} fen, taken in were {fen}")
            if found[0].handling_fen != offering().catalogue.versions[found[0].service].handling_fen:
                self._say(f"I4: {request} is settled with {found[0].handling_fen} fen for its handling")
        for request in entries.keys() - due:
            self._say(f"I4: {request} is settled, and was not taken")

    def _agrees(self, city: CityId, book: WorkBook) -> None:
        """Items and settlement of a city are those of the hub."""
        here, there = (self._of(city, one.settlements()) for one in (book, self._book))
        for entry in sorted(here ^ there):
            whose = f"{city} has" if entry in here else f"{self._hub} has, and {city} has not,"
            self._say(f"I4: {whose} the entry {entry}")
        mine, known = self._items_of(city, book), self._items_of(city, self._book)
        for name in sorted(mine.keys() | known.keys()):
            if mine.get(name) != known.get(name):
                self._say(f"I1: {city} knows {name} as {_short(mine.get(name))}, the hub as {_short(known.get(name))}")

    def _of(self, city: CityId, entries: Iterable[Settlement]) -> set[Settlement]:
        """Those that concern ``city`` and are not lost in part."""
        return {
            one
            for one in entries
            if city in (one.owning, one.serving)
            and one.request not in self._harm.requests
            and not {NodeId(one.owning), NodeId(one.serving)} & set(self._harm.lost)
        }

    def _items_of(self, city: CityId, book: WorkBook) -> dict[WorkItemId, WorkItem]:
        """Items that ``city`` must know whole: its own, and those that were opened there."""
        return {
            one.id: one
            for one in book
            if city in (one.owning, one.opened_by.city)
            and one.id not in self._harm.items
            and NodeId(one.owning) not in self._harm.lost
        }


def _book(rows: Iterable[Journalled]) -> WorkBook:
    book = WorkBook(offering().catalogue.versions.__getitem__, offering().calendar)
    for row in rows:
        book.add(row)
    return book


def _short(item: WorkItem | None) -> str:
    if item is None:
        return "nothing"
    return f"{item.state} after {item.revision} steps, with {item.assignee or 'nobody'}, due {item.due_at}"
