"""Who serves whom: larger priority first, FIFO inside it, the longest-idle agent; at a cost that does not grow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataset.ids import AgentId, ContactId, SkillId
from federation.core.matching import MatchIndex

FAULT, BILL, ORDER = SkillId("fault"), SkillId("bill"), SkillId("order")


def contact(n: int) -> ContactId:
    return ContactId(f"0020-00000001-{n:06x}")


def agent(n: int) -> AgentId:
    return AgentId(f"{n}@guangzhou")


def served(index: MatchIndex, skill: SkillId) -> list[ContactId]:
    """Everybody who waits for ``skill``, in the order of service."""
    order = []
    while (head := index.oldest(skill)) is not None:
        order.append(head)
        index.leave(head)
    return order


def test_fifo_inside_a_priority_and_larger_priorities_first() -> None:
    index = MatchIndex()
    for n, priority in enumerate((0, 3, 0, 1, 3)):
        index.wait(contact(n), FAULT, priority)
    assert served(index, FAULT) == [contact(n) for n in (1, 4, 3, 0, 2)]


def test_the_front_is_the_front_of_the_own_priority() -> None:
    """A caller who comes back is served before those of the same priority, and after larger ones."""
    index = MatchIndex()
    index.wait(contact(1), FAULT, 1)
    index.wait(contact(2), FAULT, 0)
    index.wait(contact(3), FAULT, 0, front=True)
    assert [index.ahead(contact(n)) for n in (1, 3, 2)] == [0, 1, 2]
    assert served(index, FAULT) == [contact(n) for n in (1, 3, 2)]


def test_the_longest_idle_agent_is_first() -> None:
    index = MatchIndex()
    for n in (1, 2, 3):
        index.idle(agent(n), (FAULT,))
    assert index.agent_for(FAULT) == agent(1)
    index.busy(agent(1))
    index.idle(agent(1), (FAULT,))
    assert index.agent_for(FAULT) == agent(2)
    index.busy(agent(3))
    index.idle(agent(3), (FAULT,), front=True)
    assert index.agent_for(FAULT) == agent(3)


def test_an_agent_of_many_skills_takes_the_oldest_of_all() -> None:
    """Largest priority, then longest waiting, over all skills of the agent; the order of the skills says nothing."""
    index = MatchIndex()
    index.wait(contact(1), BILL, 0)
    index.wait(contact(2), FAULT, 0)
    index.wait(contact(3), ORDER, 5)
    index.idle(agent(1), (FAULT, BILL))
    assert index.contact_for(agent(1)) == contact(1)
    index.idle(agent(2), (FAULT, BILL, ORDER))
    assert index.contact_for(agent(2)) == contact(3)
    index.wait(contact(4), FAULT, 0, front=True)
    assert index.contact_for(agent(1)) == contact(4)
    index.idle(agent(3), (SkillId("nobody"),))
    assert index.contact_for(agent(3)) is None


def test_leaving_and_becoming_busy() -> None:
    index = MatchIndex()
    index.wait(contact(1), FAULT, 0)
    assert (index.waits(contact(1)), index.waiting(FAULT)) == (True, 1)
    assert index.leave(contact(1))
    assert not index.leave(contact(1))
    assert (index.waits(contact(1)), index.waiting(FAULT), index.oldest(FAULT)) == (False, 0, None)
    index.idle(agent(1), (FAULT, BILL))
    assert (index.is_idle(agent(1)), index.idle_count(BILL)) == (True, 1)
    assert index.busy(agent(1))
    assert not index.busy(agent(1))
    assert (index.is_idle(agent(1)), index.idle_count(BILL), index.agent_for(BILL)) == (False, 0, None)


def test_nobody_has_two_places() -> None:
    index = MatchIndex()
    index.wait(contact(1), FAULT, 0)
    with pytest.raises(ValueError, match="waits already"):
        index.wait(contact(1), BILL, 0)
    index.idle(agent(1), (FAULT,))
    with pytest.raises(ValueError, match="idle already"):
        index.idle(agent(1), (BILL,))
    assert index.waiting(BILL) == index.idle_count(BILL) == 0


class Matching(RuleBasedStateMachine):
    """The index against two plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.index = MatchIndex()
        self.waiting: list[tuple[ContactId, SkillId, int]] = []
        """in the order of waiting, whatever the skill"""
        self.agents: list[tuple[AgentId, frozenset[SkillId]]] = []
        self.born = 0

    skills = st.sampled_from((FAULT, BILL, ORDER))
    picks = st.integers(min_value=0, max_value=10_000)

    @rule(skill=skills, priority=st.integers(0, 2), front=st.booleans())
    def wait(self, skill: SkillId, priority: int, front: bool) -> None:
        self.born += 1
        self.index.wait(contact(self.born), skill, priority, front=front)
        self.waiting.insert(0 if front else len(self.waiting), (contact(self.born), skill, priority))

    @precondition(lambda self: self.waiting)
    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        gone, _, _ = self.waiting.pop(pick % len(self.waiting))
        assert self.index.leave(gone)
        assert not self.index.leave(gone)

    @rule(skills=st.frozensets(skills, min_size=1), front=st.booleans())
    def idle(self, skills: frozenset[SkillId], front: bool) -> None:
        self.born += 1
        self.index.idle(agent(self.born), sorted(skills), front=front)
        self.agents.insert(0 if front else len(self.agents), (agent(self.born), skills))

    @precondition(lambda self: self.agents)
    @rule(pick=picks)
    def busy(self, pick: int) -> None:
        gone, _ = self.agents.pop(pick % len(self.agents))
        assert self.index.busy(gone)
        assert not self.index.busy(gone)

    def _in_order(self, skills: frozenset[SkillId]) -> list[ContactId]:
        wanted = [one for one in self.waiting if one[1] in skills]
        return [which for which, _, _ in sorted(wanted, key=lambda one: -one[2])]

    @invariant()
    def agrees(self) -> None:
        for skill in (FAULT, BILL, ORDER):
            order = self._in_order(frozenset([skill]))
            assert self.index.oldest(skill) == (order[0] if order else None)
            assert self.index.waiting(skill) == len(order)
            assert [self.index.ahead(which) for which in order] == list(range(len(order)))
            able = [who for who, skills in self.agents if skill in skills]
            assert self.index.agent_for(skill) == (able[0] if able else None)
            assert self.index.idle_count(skill) == len(able)
        for who, skills in self.agents:
            order = self._in_order(skills)
            assert self.index.contact_for(who) == (order[0] if order else None)


TestMatching = Matching.TestCase
TestMatching.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def steps(of: Callable[[], object]) -> int:
    """Lines of code executed in the index: work counted, not time measured."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith("matching.py"):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        of()
    finally:
        sys.settrace(before)
    return count


def cost(waiting: int, idle: int) -> list[int]:
    """Steps of every operation that a match needs, with so many waiting and so many agents idle."""
    index = MatchIndex()
    skills = [SkillId(f"s{n}") for n in range(50)]
    for n in range(waiting):
        index.wait(contact(n), skills[n % 25], n % 3)
    for n in range(idle):
        index.idle(agent(n), [skills[25 + (n + k) % 25] for k in range(5)])
    fresh, worker = contact(10**6), agent(10**6)
    return [
        steps(lambda: index.wait(fresh, skills[0], 2)),
        steps(lambda: index.leave(fresh)),
        steps(lambda: index.wait(fresh, skills[0], 0, front=True)),
        steps(lambda: index.oldest(skills[0])),
        steps(lambda: index.leave(fresh)),
        steps(lambda: index.idle(worker, [*skills[:3], *skills[30:32]])),
        steps(lambda: index.agent_for(skills[30])),
        steps(lambda: index.contact_for(worker)),
        steps(lambda: index.busy(worker)),
        steps(lambda: index.idle(worker, skills[30:35], front=True)),
        steps(lambda: index.busy(worker)),
        steps(lambda: index.leave(contact(0))),
        steps(lambda: index.busy(agent(0))),
    ]


def test_the_cost_does_not_grow_with_waiting_contacts_and_agents() -> None:
    """Matching costs the same with a hundred times more waiting contacts and idle agents."""
    small, large = cost(150, 100), cost(15_000, 10_000)
    assert all(small)
    assert small == large


def test_an_old_place_is_given_back_between_those_who_came_before_and_after() -> None:
    """Whoever was tried and not answered is neither before the earlier nor behind the later ones."""
    index = MatchIndex()
    for n in range(5):
        index.wait(contact(n), FAULT, 0)
    old = {n: index.place_of(contact(n)) for n in (1, 3)}
    for n in old:
        index.leave(contact(n))
    index.wait(contact(9), FAULT, 0, front=True)
    for n, place in reversed(old.items()):
        index.wait(contact(n), FAULT, 0, place=place)
    assert served(index, FAULT) == [contact(n) for n in (9, 0, 1, 2, 3, 4)]
    assert index.place_of(contact(1)) is None
