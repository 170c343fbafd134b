"""Who serves whom: waiting contacts by skill and priority, idle agents by how long they have been idle.

Larger priorities first, FIFO inside a priority; the longest-idle agent wins. Every operation costs the same whatever
the number of waiting contacts and agents: it grows only with the skills of one agent and the priorities of a skill.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from dataset.ids import AgentId, ContactId, SkillId


@dataclass(frozen=True, slots=True)
class Waiting:
    """One place in a queue. ``order`` decides inside a priority, across skills too."""

    contact: ContactId
    skill: SkillId
    priority: int
    order: int


class _SkillQueue:
    """The waiting contacts of one skill: one ordered dict per priority in use, largest priority first."""

    __slots__ = ("ranks", "size")

    def __init__(self) -> None:
        self.ranks: list[tuple[int, OrderedDict[ContactId, Waiting]]] = []
        self.size = 0

    def rank(self, priority: int) -> OrderedDict[ContactId, Waiting]:
        for existing, places in self.ranks:
            if existing == priority:
                return places
        places = OrderedDict()
        insort(self.ranks, (priority, places), key=lambda rank: -rank[0])
        return places

    def head(self) -> Waiting | None:
        for _, places in self.ranks:
            if places:
                return next(iter(places.values()))
        return None


class MatchIndex:
    """Waiting contacts and idle agents of one site. Deterministic: equal calls give equal matches."""

    def __init__(self) -> None:
        self._queues: dict[SkillId, _SkillQueue] = {}
        self._places: dict[ContactId, Waiting] = {}
        self._idle: dict[SkillId, OrderedDict[AgentId, None]] = {}
        self._agents: dict[AgentId, tuple[SkillId, ...]] = {}
        self._last = 0
        self._first = 0

    # ── contacts ────────────────────────────────────────────────────────────────────────────────────────────────
    def wait(
        self, contact: ContactId, skill: SkillId, priority: int, *, front: bool = False, place: int | None = None
    ) -> None:
        """Give ``contact`` a place: at the end of its priority, at its front, or the old ``place`` that it had there.

        It must not have one already. An old place costs as many steps as others are before it.
        """
        if contact in self._places:
            raise ValueError(f"{contact} waits already")
        if place is None and front:
            self._first -= 1
            order = self._first
        elif place is None:
            self._last += 1
            order = self._last
        else:
            order = place
        queue = self._queues.get(skill)
        if queue is None:
            queue = self._queues[skill] = _SkillQueue()
        places = queue.rank(priority)
        self._places[contact] = places[contact] = Waiting(contact, skill, priority, order)
        queue.size += 1
        if place is not None:
            before = list(takewhile(lambda other: places[other].order < order, places))
            places.move_to_end(contact, last=False)
            for other in reversed(before):
                places.move_to_end(other, last=False)
        elif front:
            places.move_to_end(contact, last=False)

    def place_of(self, contact: ContactId) -> int | None:
        """The place of ``contact`` in the order of its priority, to be given back; None when it has none."""
        place = self._places.get(contact)
        return place.order if place is not None else None

    def leave(self, contact: ContactId) -> bool:
        """Take ``contact`` out of its place; whether it had one."""
        place = self._places.pop(contact, None)
        if place is None:
            return False
        queue = self._queues[place.skill]
        del queue.rank(place.priority)[contact]
        queue.size -= 1
        return True

    def waits(self, contact: ContactId) -> bool:
        """Whether ``contact`` has a place."""
        return contact in self._places

    def waiting(self, skill: SkillId) -> int:
        """How many wait for ``skill``."""
        queue = self._queues.get(skill)
        return queue.size if queue else 0

    def waiting_before(self, skill: SkillId, priority: int) -> int:
        """How many would be served before one who joined the queue of ``skill`` with ``priority`` now."""
        queue = self._queues.get(skill)
        return sum(len(places) for rank, places in queue.ranks if rank >= priority) if queue else 0

    def ahead(self, contact: ContactId) -> int:
        """How many are served before ``contact`` in its queue; for announcements, costs the length of the queue."""
        place = self._places[contact]
        count = 0
        for priority, places in self._queues[place.skill].ranks:
            if priority > place.priority:
                count += len(places)
            elif priority == place.priority:
                for other in places:
                    if other == contact:
                        return count
                    count += 1
        return count

    def oldest(self, skill: SkillId) -> ContactId | None:
        """The contact that is served next for ``skill``."""
        queue = self._queues.get(skill)
        head = queue.head() if queue else None
        return head.contact if head else None

    # ── agents ──────────────────────────────────────────────────────────────────────────────────────────────────
    def idle(self, agent: AgentId, skills: Iterable[SkillId], *, front: bool = False) -> None:
        """``agent`` is idle from now on; ``front`` gives back the place that an unanswered try had taken."""
        if agent in self._agents:
            raise ValueError(f"{agent} is idle already")
        self._agents[agent] = tuple(skills)
        for skill in self._agents[agent]:
            agents = self._idle.get(skill)
            if agents is None:
                agents = self._idle[skill] = OrderedDict()
            agents[agent] = None
            if front:
                agents.move_to_end(agent, last=False)

    def busy(self, agent: AgentId) -> bool:
        """``agent`` is not idle any more; whether it was."""
        skills = self._agents.pop(agent, None)
        if skills is None:
            return False
        for skill in skills:
            del self._idle[skill][agent]
        return True

    def is_idle(self, agent: AgentId) -> bool:
        """Whether ``agent`` is idle."""
        return agent in self._agents

    def idle_count(self, skill: SkillId) -> int:
        """How many idle agents have ``skill``."""
        return len(self._idle.get(skill, ()))

    # ── matching ────────────────────────────────────────────────────────────────────────────────────────────────
    def agent_for(self, skill: SkillId) -> AgentId | None:
        """The longest-idle agent with ``skill``."""
        agents = self._idle.get(skill)
        return next(iter(agents)) if agents else None

    def contact_for(self, agent: AgentId) -> ContactId | None:
        """The contact that an idle ``agent`` should take: largest priority, then longest waiting, over its skills."""
        best: Waiting | None = None
        for skill in self._agents[agent]:
            queue = self._queues.get(skill)
            if queue is None or not queue.size:
                continue
            head = queue.head()
            if head is not None and (
                best is None
                or head.priority > best.priority
                or (head.priority == best.priority and head.order < best.order)
            ):
                best = head
        return best.contact if best else None
