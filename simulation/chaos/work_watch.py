"""Requests for work and their answers, seen from outside: rows reaching disks, and cities that die in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from dataset.ids import AttemptId, CityId, ContactId, NodeId, is_hub
from dataset.rows import Journalled, WorkRefused, WorkRequested, WorkStepped
from dataset.work import RequestId, WorkItemId
from federation.core.work_book import WorkBook
from federation.links.inprocess import Wires
from federation.node.journal import Stamped
from federation.ports import Clock
from simulation.chaos.clerks import HandedIn
from simulation.chaos.watch import Moment, Track, Watch

AUDIT_EVERY_S = 60.0
"""longer than a city takes to look at its deadlines again"""
CUT_FOR_S = 0.5
"""a request that is not answered after so long while the line is cut waits for the line"""

_WORK = (WorkRequested, WorkStepped, WorkRefused)


@dataclass(slots=True)
class _Asked:
    """A request to another city that nobody has answered yet."""

    request: RequestId
    serving: CityId
    owning: CityId
    heard: bool = False
    """it is on the owning city's disk"""

    def track(self) -> Track:
        """For faults that wait for its moments: the city that asks stands as anchor, the owning one as serving site."""
        return Track(AttemptId(ContactId(self.request), 0), self.serving, self.owning)


@dataclass(slots=True)
class WorkWatch:
    """The watcher of work of one run."""

    clock: Clock
    wires: Wires
    watch: Watch
    wrong: list[str] = field(default_factory=list)
    _open: dict[RequestId, _Asked] = field(default_factory=dict)
    _written: set[RequestId] = field(default_factory=set)
    _answered: set[RequestId] = field(default_factory=set)

    def on_rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        """A group reached the disk of ``node``."""
        for one in stamped:
            row = one.journalled.row
            if not isinstance(row, _WORK) or row.request is None:
                continue
            self._written.add(row.request)
            if isinstance(row, WorkRequested):
                asked = self._open[row.request] = _Asked(row.request, CityId(node), row.owning)
                self.clock.call_later(CUT_FOR_S, self._look, asked)
                self.watch.hear(Moment.WORK_ASKED, asked.track())
            elif row.serving != CityId(node):
                self._answer(row.request, CityId(row.serving), CityId(node))

    def _answer(self, request: RequestId, serving: CityId, owning: CityId) -> None:
        if request in self._answered:
            self.watch.count("work_answered_twice")
        self._answered.add(request)
        asked = self._open.pop(request, None) or _Asked(request, serving, owning)
        self.watch.hear(Moment.WORK_ANSWERED, asked.track())

    def on_received(self, node: NodeId, row: Journalled) -> None:
        """A row of another node was committed at ``node``."""
        if isinstance(row.row, WorkRequested) and not is_hub(node):
            asked = self._open.get(row.row.request)
            if asked is not None and asked.owning == CityId(node):
                asked.heard = True
                self.watch.hear(Moment.WORK_HEARD, asked.track())

    def node_dies(self, node: NodeId) -> None:
        """A city's process is about to be killed."""
        for asked in self._open.values():
            if asked.owning == CityId(node) and asked.heard:
                self.watch.count("work_owner_dies_before_answer")
            if asked.serving == CityId(node):
                self.watch.count("work_asker_dies_before_answer")

    def on_told(self, one: HandedIn, state: str) -> None:
        """An agent was told how a request stands (J1: what they are told of is on disk)."""
        request = RequestId(one.request)
        if request not in self._written:
            self.wrong.append(f"J1: {one.serving} gave a receipt for {request}, which is on no disk")
        elif state != "pending" and one.serving != one.owning and request not in self._answered:
            self.wrong.append(f"S1: {one.serving} said that {request} is {state}; {one.owning} has not written so")

    def _look(self, asked: _Asked) -> None:
        if asked.request in self._open and self.apart(NodeId(asked.serving), NodeId(asked.owning)):
            self.watch.count("work_line_cut_before_answer")

    def apart(self, one: NodeId, other: NodeId) -> bool:
        """Whether nothing passes between them now, one way at least."""
        wires = self.wires
        cut = wires.line(one, other).cut or wires.line(other, one).cut
        return cut or not (wires.is_up(one) and wires.is_up(other))


class DeadlineWatch:
    """I1: nothing waits for ever. Every open item has a deadline, and one that has passed is soon another.

    ``books``: what each running city knows, and its wall time; ``disturbed_at``: when a node was last harmed.
    """

    def __init__(
        self,
        clock: Clock,
        books: Callable[[], Iterable[tuple[CityId, WorkBook, float]]],
        disturbed_at: Callable[[NodeId], float],
    ) -> None:
        self.wrong: list[str] = []
        self._clock = clock
        self._books = books
        self._disturbed_at = disturbed_at
        self._late: dict[WorkItemId, float] = {}
        clock.call_later(AUDIT_EVERY_S, self._audit)

    def _audit(self) -> None:
        now = self._clock.monotonic()
        self._clock.call_later(AUDIT_EVERY_S, self._audit)
        before, self._late = self._late, {}
        for city, book, wall in self._books():
            if now - self._disturbed_at(NodeId(city)) < 2 * AUDIT_EVERY_S:
                continue
            for item in book:
                if item.owning != city or item.ending is not None:
                    continue
                if item.due_at is None:
                    self.wrong.append(f"I1: {item.id} of {city} goes on without a deadline")
                elif item.due_at <= wall:
                    self._late[item.id] = item.due_at
                    if before.get(item.id) == item.due_at:
                        self.wrong.append(f"I1: {item.id} of {city} goes on beyond its deadline, and nobody is told")
