"""Files that are attached to work items, in every seventh seed: whether each is where it belongs, whole and once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import AttemptId, CityId, ContactId, NodeId
from dataset.records.attachment import digest
from dataset.rows import WorkRefused, WorkRequested, WorkStepped
from dataset.work import Attached, RequestId
from federation.core.envelope import Envelope, PieceAsked, PieceTold
from federation.links.inprocess import Fate
from federation.node.journal import Stamped
from simulation.chaos.clerks import LAST_S, Clerks
from simulation.chaos.desks import Desk
from simulation.chaos.watch import Moment, Track
from simulation.chaos.world import ChaosProvince

FIRST_S = 30.0
EVERY_S = 34.0
"""mean time between two files that a city's clerks attach"""
RECENT = 10
"""items that files are attached to are among the latest so many"""
BYTES = (300, 42_000)
"""of a file: one piece to seven"""
TWICE = 0.15
"""share that is handed in twice under one name, as by somebody who is impatient"""
CUT_FOR_S = 0.5


@dataclass(slots=True)
class _File:
    """A file that somebody attached, and every request that it became."""

    serving: CityId
    content: bytes
    requests: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Coming:
    """A content on its way to the owning city."""

    request: RequestId
    owning: CityId
    serving: CityId
    size: int
    here: int = 0

    def track(self) -> Track:
        """As a request for work: who asks for the step is the anchor, the owning city the serving site."""
        return Track(AttemptId(ContactId(self.request), 0), self.serving, self.owning)


class Files:
    """The clerks who attach files in one run, and the watcher of what becomes of these."""

    def __init__(self, world: ChaosProvince, seed: int, clerks: Clerks) -> None:
        self._world = world
        self._clerks = clerks
        self._rng = Random(f"{seed}, files")
        self._desks: dict[CityId, list[Desk]] = {city.id: [] for city in world.province.cities}
        self._files: dict[str, _File] = {}
        """by SHA-256: no two are the same"""
        self._asked: dict[RequestId, WorkRequested] = {}
        self._steps: dict[str, list[tuple[NodeId, Attached]]] = {}
        """steps that ever were on a disk, by SHA-256"""
        self._refused: dict[RequestId, WorkRefused] = {}
        self._questions: dict[str, RequestId] = {}
        self._coming: dict[RequestId, _Coming] = {}
        self._died_with: set[tuple[NodeId, str]] = set()
        """contents of which no row was on disk when their city died"""
        self._wrong: list[str] = []
        world.on_seated.append(self._seated)
        world.on_rows.append(self._rows)
        world.on_kill.append(self._node_dies)
        world.on_piece = self._piece
        world.disks.on_kept = self._kept
        world.disks.on_files_lost = self._lost

    def begin(self) -> None:
        """Attach files until nobody hands in anything any more."""
        for city in self._desks:
            self._world.time.call_later(FIRST_S + self._rng.expovariate(1 / EVERY_S), self._next, city)

    # ── what they do ────────────────────────────────────────────────────────────────────────────────────────────────
    def _seated(self, city: CityId, desk: Desk) -> None:
        desks = self._desks[city]
        desks.append(desk)
        desk.on_close(lambda code, reason: desks.remove(desk) if desk in desks else None)

    def _next(self, city: CityId) -> None:
        if self._world.time.monotonic() > LAST_S:
            return
        rng = self._rng
        self._world.time.call_later(rng.expovariate(1 / EVERY_S), self._next, city)
        items, desks = self._clerks.recent(RECENT), self._desks[city]
        if not items or not desks:
            return
        desk, (item, owning) = rng.choice(desks), rng.choice(items)
        content = b"%PDF-1.7\n" + rng.randbytes(rng.randint(*BYTES))
        sha256 = digest(content)
        self._files[sha256] = _File(city, content)
        fields = {
            "item": item,
            "owning": owning,
            "name": f"{sha256[:8]}.pdf",
            "media_type": "application/pdf",
            "content": content,
            "key": sha256[:8],
        }
        for _ in range(2 if rng.random() < TWICE else 1):
            asked: Deferred[dict[str, Any]] = desk.upload("work_attach", fields)
            asked.addCallback(self._attached, city, sha256).addErrback(self._refusal)

    def _attached(self, answer: dict[str, Any], city: CityId, sha256: str) -> None:
        receipt = answer["receipt"]
        self._files[sha256].requests.add(receipt["request"])
        self._clerks.receipt(receipt, city)

    def _refusal(self, failure: Failure) -> None:
        """Told so, or the connection went."""
        failure.trap(Refused)

    # ── what is seen ────────────────────────────────────────────────────────────────────────────────────────────────
    def _rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        for one in stamped:
            match one.journalled.row:
                case WorkRequested(step=Attached()) as asked:
                    self._asked[asked.request] = asked
                case WorkStepped(step=Attached() as step, request=request):
                    self._steps.setdefault(step.sha256, []).append((node, step))
                    self._coming.pop(RequestId(request or ""), None)
                case WorkRefused(request=request) as refused if request in self._asked:
                    self._refused[request] = refused
                    self._coming.pop(request, None)
                case _:
                    pass

    def _piece(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        message = envelope.body
        if isinstance(message, PieceAsked) and fate is Fate.SENT:
            asked = self._asked.get(RequestId(message.of))
            if asked is None or not isinstance(asked.step, Attached):
                return
            owning, serving = CityId(envelope.sender), CityId(receiver)
            self._questions[message.question] = asked.request
            fresh = _Coming(asked.request, owning, serving, asked.step.size)
            self._coming.setdefault(asked.request, fresh).here = message.since
        elif isinstance(message, PieceTold) and fate is Fate.ARRIVED:
            coming = self._coming.get(self._questions.pop(message.question, RequestId("")))
            if coming is None or not message.data:
                return
            coming.here += len(message.data)
            if coming.here < coming.size:
                self._world.time.call_later(CUT_FOR_S, self._look, coming, coming.here)
                self._world.watch.hear(Moment.FILE_HALF, coming.track())

    def _look(self, coming: _Coming, here: int) -> None:
        """Whether the next piece has not come, since the line is cut."""
        waits = self._coming.get(coming.request) is coming and coming.here == here
        if waits and self._world.work.apart(NodeId(coming.serving), NodeId(coming.owning)):
            self._world.watch.count("file_line_cut_between_pieces")

    def _kept(self, node: NodeId, sha256: str) -> None:
        """A content is on the disk of its owning city."""
        for coming in list(self._coming.values()):
            asked = self._asked[coming.request].step
            if NodeId(coming.owning) == node and isinstance(asked, Attached) and asked.sha256 == sha256:
                self._world.watch.hear(Moment.FILE_KEPT, coming.track())

    def _node_dies(self, node: NodeId) -> None:
        rowless = {sha256 for sha256 in self._world.disks.disk(node).files if not self._on_record(node, sha256)}
        self._died_with |= {(node, sha256) for sha256 in rowless}
        asked_for = {one.step.sha256 for one in self._asked.values() if isinstance(one.step, Attached)}
        for _ in rowless & asked_for:
            self._world.watch.count("file_owner_dies_before_row")
        for coming in self._coming.values():
            if NodeId(coming.owning) == node and 0 < coming.here < coming.size:
                self._world.watch.count("file_owner_dies_between_pieces")
            if NodeId(coming.serving) == node and coming.here < coming.size:
                self._world.watch.count("file_asker_dies_between_pieces")
        for request in [
            name for name, one in self._coming.items() if node in (NodeId(one.owning), NodeId(one.serving))
        ]:
            del self._coming[request]

    def _lost(self, node: NodeId) -> None:
        """The disk of ``node`` is gone, and all files on it."""
        for sha256 in self._world.disks.disk(node).sending:
            if sha256 not in self._steps:
                self._world.watch.count("file_lost_with_its_city")

    def _on_record(self, node: NodeId, sha256: str) -> bool:
        return any(one == node for one, _ in self._steps.get(sha256, ()))

    # ── the verdict ─────────────────────────────────────────────────────────────────────────────────────────────────
    def findings(self, lost: Collection[NodeId]) -> Iterator[str]:
        """What is wrong with the files of a run that has healed and gone quiet; nothing is held against disks that were
        lost, nor against cities of which nothing is left (``lost``). What agents were told of requests is looked at
        with all others (``simulation.chaos.work_check``).
        """
        disks = self._world.disks
        yield from self._wrong
        for sha256, file in self._files.items():
            if len(file.requests) > 1:
                yield f"I1: the file {sha256[:8]} of {file.serving} became {len(file.requests)} requests"
            for node, step in self._steps.get(sha256, ()):
                if node not in disks.files_lost and disks.disk(node).files.get(sha256) != file.content:
                    yield f"I1: {node} has taken the file {step.attachment}, and has its content not as it was"
            if len({step.attachment for _, step in self._steps.get(sha256, ())}) > 1:
                yield f"I1: the file {sha256[:8]} of {file.serving} is on record twice"
        rows = [row.row for row in disks.destroyed.values()]
        touched = {row.request for row in rows if isinstance(row, WorkRequested | WorkStepped | WorkRefused)}
        for request, refused in self._refused.items():
            serving = NodeId(self._asked[request].step.by.city)  # type: ignore[union-attr]  # an Attached has one
            gone = any(one.slug == "content-gone" for one in refused.problems)
            if gone and serving not in disks.files_lost and request not in touched:
                yield f"I1: {request} is refused since {serving} has its content no more, and no disk was lost"
        yield from self._left(lost)

    def _left(self, lost: Collection[NodeId]) -> Iterator[str]:
        """Contents that nobody asks for: of an own item's file whose city died before its row, nothing else."""
        disks = self._world.disks
        open_there = {
            step.sha256 for _, book, _ in self._world.books() for city in self._desks for step in book.files_sent(city)
        }
        for city in self._desks:
            node = NodeId(city)
            if node in lost:
                continue
            for sha256 in disks.disk(node).files:
                if not self._on_record(node, sha256) and (node, sha256) not in self._died_with:
                    yield f"I1: {node} keeps the content {sha256[:8]}, and no row names it"
            for sha256 in disks.disk(node).sending:
                if sha256 not in open_there and node not in disks.files_lost:
                    yield f"I1: {node} still keeps the content {sha256[:8]}, which was answered"
