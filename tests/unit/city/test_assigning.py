"""Who is given what of the waiting work."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataset.ids import AgentId, CityId, SkillId
from dataset.work import WorkItemId
from federation.core.envelope import AgentPicture, CityPicture, SkillPicture
from federation.core.work_item import WorkItem
from site_node.services.assigning import IDLE_S, Given, matched
from tests.harness.work import WORKING, begun

SKILLS = ("fault", "bill", "order")


def item(id: str, skill: str, pressed: int, due_at: float) -> WorkItem:
    """A work item; its service is named like the skill that it needs."""
    opened = begun(WORKING[0])
    return WorkItem(
        id=WorkItemId(id),
        service=skill,
        owning=opened.owning,
        customer="",
        line="",
        values={},
        opened_by=opened.by,
        opened_at=0.0,
        again_of=None,
        state="accepted",
        since=0.0,
        due_at=due_at,
        pressed=pressed,
    )


agents = st.lists(
    st.builds(
        AgentPicture,
        agent=st.integers(1, 9).map(lambda n: AgentId(f"100{n}@guangzhou")),
        name=st.just("x"),
        state=st.sampled_from(["ready", "talking", "not_ready"]),
        since_s=st.sampled_from([0.0, IDLE_S, 60.0]),
        skills=st.lists(st.sampled_from(SKILLS).map(SkillId), unique=True).map(tuple),
    ),
    unique_by=lambda one: one.agent,
)
items = st.lists(
    st.builds(
        item,
        id=st.integers(1, 50).map(lambda n: f"w-{n}"),
        skill=st.sampled_from(SKILLS),
        pressed=st.integers(0, 1),
        due_at=st.floats(0, 100),
    ),
    unique_by=lambda one: one.id,
)


@given(agents, items, st.lists(st.sampled_from(SKILLS), unique=True), st.sets(st.integers(1, 9)))
def test_nobody_is_given_what_they_cannot_do_and_calls_come_first(
    people: list[AgentPicture], waiting: list[WorkItem], calls: list[str], busy: set[int]
) -> None:
    picture = _picture(people, calls)
    hands = frozenset(AgentId(f"100{n}@guangzhou") for n in busy)
    found = _match(picture, waiting, hands)
    by_id, by_agent = {one.id: one for one in waiting}, {one.agent: one for one in people}
    assert len({one.agent for one in found}) == len({one.item for one in found}) == len(found)
    for one in found:
        agent = by_agent[one.agent]
        assert by_id[one.item].service in agent.skills
        assert (agent.state, agent.since_s >= IDLE_S) == ("ready", True)
        assert one.agent not in hands
        assert not set(calls) & set(agent.skills)
    given_to = {one.agent for one in found}
    for left in waiting:  # what is left has nobody free who could do it
        if left.id not in {one.item for one in found}:
            rest = [one for one in people if one.agent not in given_to | hands and left.service in one.skills]
            assert all(one.state != "ready" or one.since_s < IDLE_S or set(calls) & set(one.skills) for one in rest)


def test_what_is_pressed_for_goes_first_to_the_longest_idle() -> None:
    picture = _picture([_idle(1, 20.0), _idle(2, 90.0)], [])
    waiting = [item("w-1", "bill", 0, 5.0), item("w-2", "bill", 1, 50.0), item("w-3", "bill", 0, 60.0)]
    assert _match(picture, waiting, frozenset()) == (
        Given(WorkItemId("w-2"), AgentId("1002@guangzhou")),
        Given(WorkItemId("w-1"), AgentId("1001@guangzhou")),
    )


def _idle(number: int, since_s: float) -> AgentPicture:
    agent = AgentId(f"100{number}@guangzhou")
    return AgentPicture(agent=agent, name="x", state="ready", since_s=since_s, skills=(SkillId("bill"),))


def _picture(people: list[AgentPicture], calls: list[str]) -> CityPicture:
    skills = tuple(SkillPicture(waiting=1) for _ in calls)
    return CityPicture(
        city=CityId("guangzhou"), skills=dict(zip(map(SkillId, calls), skills, strict=True)), agents=tuple(people)
    )


def _match(picture: CityPicture, waiting: list[WorkItem], busy: frozenset[AgentId]) -> tuple[Given, ...]:
    return matched(picture, waiting, busy, lambda agent, item: True, lambda item: item.service)
