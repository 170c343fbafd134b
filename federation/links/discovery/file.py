"""The operator's switch: a small file on each hub's machine names the hub that leads, and its term.

    leader = "hub2"
    term = 4

To switch by hand: first change the file of the hub that leads, then the other's, each time with the next term. A file
that cannot be read, or says nothing that can be understood, makes nobody leader: its hub stands by until it is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.declared import Between, Reading, setting
from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from dataset.toml_text import parse_toml
from federation.core.leader import Tenure
from federation.node.configuration import read_file
from federation.node.login import Runner
from federation.ports import Clock, Timer

EVERY_S = 1.0
STANDS_S = 3.0
"""what was read counts for so long: a hub that was paused reads again before it says anything as the one that leads"""

log = Logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What the file says."""

    leader: NodeId = setting("主用的省中心", "the hub that leads")
    term: Annotated[int, Between(1)] = setting("任期，每次切换加一", "its term, one more with each switch")


def read_switch(path: Path, hubs: Collection[NodeId]) -> Switch:
    """What the file at ``path`` says. Raises ``Refused`` with file and line."""
    reading = Reading(parse_toml(read_file(path), str(path)))
    switch = reading.table(Switch)
    if reading.sound("leader") and switch.leader not in hubs:
        known = ", ".join(hubs)
        reading.fault(
            ("leader",),
            "hub-unknown",
            f"省文件中没有省中心 {switch.leader}；有：{known}",
            f"the province file has no hub {switch.leader}; it has {known}",
        )
    reading.done()
    return switch


class FileLeadership:
    """``federation.ports.Leadership`` by the operator's file, read in a thread once a second."""

    def __init__(self, path: Path, node: NodeId, hubs: Collection[NodeId], clock: Clock, run: Runner) -> None:
        self._path = path
        self._node = node
        self._hubs = tuple(hubs)
        self._clock = clock
        self._run = run
        self._heard: Callable[[], int] = lambda: 0
        self._changed: Callable[[Tenure | None], None] = lambda _: None
        self._timer: Timer | None = None
        self._given_up = 0
        """a term that this hub has resigned from"""
        self._holds = False
        self._said: Problem | None = None
        self._stopped = False

    def compete(self, heard: Callable[[], int], changed: Callable[[Tenure | None], None]) -> None:
        """Read the file now, and every second."""
        self._heard, self._changed = heard, changed
        self._look()

    def resign(self) -> None:
        """Lead again only when the file names a higher term."""
        self._given_up = max(self._given_up, self._heard())
        self._lost()

    def stop(self) -> Deferred[None]:
        """Read it no more."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return succeed(None)

    def _look(self) -> None:
        self._timer = self._clock.call_later(EVERY_S, self._look)
        read_at = self._clock.monotonic()
        reading: Deferred[Switch] = self._run(read_switch, self._path, self._hubs)
        reading.addCallbacks(self._read, self._unread, callbackArgs=(read_at,))
        reading.addErrback(_broke)

    def _read(self, switch: Switch, read_at: float) -> None:
        if self._stopped:
            return
        old = switch.term < self._heard() or switch.term <= self._given_up
        if switch.leader != self._node or old:
            self._say(self._old(switch) if switch.leader == self._node else None)
            self._lost()
        else:
            self._say(None)
            self._holds = True
            self._changed(Tenure(switch.term, read_at + STANDS_S))

    def _unread(self, failure: Failure) -> None:
        refused = failure.value
        if not isinstance(refused, Refused):
            _broke(failure)
        elif not self._stopped:
            self._say(refused.problems[0])
            self._lost()

    def _lost(self) -> None:
        if self._holds:
            self._holds = False
            self._changed(None)

    def _old(self, switch: Switch) -> Problem:
        least = max(self._heard(), self._given_up)
        return Problem(
            "leader-term-old",
            zh=f"任期 {switch.term} 已过时，省内已有任期 {least}；请写 term = {least + 1}",
            en=f"term {switch.term} is over, the province knows of {least}; write term = {least + 1}",
            place=f"{self._path}: term",
        )

    def _say(self, problem: Problem | None) -> None:
        """Each trouble once."""
        if problem is not None and problem != self._said:
            log.error(
                "this hub stands by: {why} [{slug}]",
                why=problem.text("en"),
                slug=problem.slug,
                event="leader-file-refused",
            )
        self._said = problem


def _broke(failure: Failure) -> None:
    log.failure("reading the leader file broke", failure, event="leadership-broke")
