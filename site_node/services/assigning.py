"""Gives waiting work to agents who are idle while no call waits for them: the most urgent item first, one at a time.

Calls come first: an agent with a work item in hand stays 示闲 and is rung like any other. The item stays theirs, until
they bring it on, give it back, or its deadline passes and it is taken from them by whoever is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import AgentId, CityId
from dataset.work import Assigned, RequestId, WorkItemId
from federation.core.envelope import AgentPicture, CityPicture
from federation.core.work_item import WorkItem, queue_order
from federation.ports import Clock, Timer
from site_node.services.city import City
from site_node.shell.work import Work

EVERY_S = 5.0
IDLE_S = 10.0
"""an agent is given work after so long without a call"""
log = Logger()


@dataclass(frozen=True, slots=True)
class Given:
    """One item for one agent."""

    item: WorkItemId
    agent: AgentId


def matched(
    picture: CityPicture,
    waiting: Iterable[WorkItem],
    busy: frozenset[AgentId],
    may: Callable[[AgentId, WorkItem], bool],
    skill_of: Callable[[WorkItem], str],
) -> tuple[Given, ...]:
    """Who is given what now. Pure.

    An agent is given work who is idle for ``IDLE_S``, has none in hand (``busy``), and for none of whose skills a call
    waits; of several the one who is idle longest. An item goes to an agent with its service's skill who ``may`` act.
    """
    calls = {skill for skill, queue in picture.skills.items() if queue.waiting}
    free = sorted(
        (one for one in picture.agents if _is_free(one) and one.agent not in busy and not calls & set(one.skills)),
        key=lambda one: (-one.since_s, one.agent),
    )
    found = []
    for item in sorted(waiting, key=queue_order) if free else ():
        fit = next((one for one in free if skill_of(item) in one.skills and may(one.agent, item)), None)
        if fit is not None:
            free.remove(fit)
            found.append(Given(item.id, fit.agent))
    return tuple(found)


def _is_free(agent: AgentPicture) -> bool:
    return agent.state == "ready" and agent.since_s >= IDLE_S


class WorkAssigner:
    """Looks every few seconds. ``roles_of``: of an agent at a seat; ``tell`` shows an item to whoever was given it."""

    def __init__(
        self,
        city: City,
        work: Work,
        clock: Clock,
        roles_of: Callable[[AgentId], frozenset[str]],
        tell: Callable[[AgentId, WorkItemId], None],
    ) -> None:
        self._city = city
        self._work = work
        self._clock = clock
        self._roles_of = roles_of
        self._tell = tell
        self._timer: Timer | None = None
        self._under_way: set[WorkItemId] = set()

    def start(self) -> None:
        """Begin to look."""
        self._timer = self._clock.call_later(EVERY_S, self._look)

    def stop(self) -> None:
        """Give nothing more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _look(self) -> None:
        self.start()
        picture = self._city.own_picture()
        if not any(map(_is_free, picture.agents)):
            return
        desk, now = self._work.desk, self._clock.wall()
        waiting = [item for item in desk.waiting(now) if item.id not in self._under_way]
        if not waiting:
            return
        busy = frozenset(item.assignee for item in desk.book if item.assignee is not None and item.ending is None)
        for given in matched(picture, waiting, busy, self._may, self._skill_of):
            self._under_way.add(given.item)
            self._give(CityId(self._city.city), given, now)

    def _give(self, owning: CityId, given: Given, now: float) -> None:
        done = self._work.step(given.item, owning, Assigned(at=now, to=given.agent, by=None))
        done.addCallback(self._given, given).addErrback(_not_given, given)
        done.addBoth(lambda _: self._under_way.discard(given.item))

    def _given(self, request: RequestId, given: Given) -> None:
        self._tell(given.agent, given.item)

    def _may(self, agent: AgentId, item: WorkItem) -> bool:
        """Whether the agent's roles let it bring the item on."""
        service = self._work.desk.service_of(item)
        return any(self._roles_of(agent) & set(action.roles) for action in service.possible(item.state))

    def _skill_of(self, item: WorkItem) -> str:
        return str(self._work.desk.service_of(item).text.skill)


def _not_given(failure: Failure, given: Given) -> None:
    """Somebody else was faster, or the node is stopping: the item is looked at again."""
    if failure.check(Refused) is None:
        log.failure("{item} could not be given out", failure, item=given.item, agent=given.agent, event="work-failed")
