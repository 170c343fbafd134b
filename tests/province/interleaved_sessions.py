"""Interleavings of federation.md around an agent's session."""

from __future__ import annotations

from dataset.errors import Refused
from dataset.ids import AgentId, CityId, SkillId
from site_node.core import events
from tests.province.interleaved import ANCHOR, SERVING, THIRD, Scene, interleaving


def _refusal(scene: Scene, city: CityId, agent: AgentId, seat: str) -> str:
    """The slug with which a login is refused; empty when it is not."""
    scene.network.add_seat(city, seat)
    try:
        scene.sites[city].running.act(events.LoggedIn(agent, "guest", seat, (SkillId("fault"),), can_answer=True))
        scene.sites[city].running.act(events.ReadyAsked(agent))
    except Refused as refused:
        return refused.problems[0].slug
    return ""


@interleaving(
    "the agent logs in elsewhere while the first site is cut off",
    "A8",
    "I2",
    broken_by=("an_agent_may_log_in_anywhere",),
)
def agent_logs_in_elsewhere(scene: Scene) -> None:
    """The agent talks at the own city, which is then cut off, and tries a seat of another: refused, with a word that
    says where to log in. A caller who waits is not given to an agent who sits in two cities (A8, I2).
    """
    agent = scene.agent(SERVING)
    first = scene.call(ANCHOR)
    scene.phone(SERVING).answer()
    scene.pass_s(1.0)
    scene.cut(SERVING)
    scene.pass_s(5.0)
    scene.moment()
    refused = _refusal(scene, THIRD, agent, "8001")
    second = scene.call(ANCHOR)
    scene.pass_s(5.0)
    assert not scene.phone(THIRD).ringing
    assert refused == "agent-of-another-city"
    assert scene.talking(SERVING, first)
    second.hang_up()
    first.hang_up()
    scene.pass_s(2.0)
    scene.mend(SERVING)
    scene.pass_s(40.0)
    scene.holds()
