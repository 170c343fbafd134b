"""Matching decisions per second: 10,000 agents, 50 skills, 5 each, decision records on, against a linear scan.

    python -m bench.matching [--seconds S] [--seed N]

One decision is: a contact arrives or an agent becomes free, the index is asked, both sides are taken out, and the
decision is written down as a row with what was known. The linear scan does the same over plain lists, in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from random import Random

from bench.output import say
from dataset import rows
from dataset.ids import AgentId, CityId, ContactId, SkillId
from federation.core.matching import MatchIndex

AGENTS, SKILLS, EACH = 10_000, 50, 5
CITY = CityId("guangzhou")


class LinearScan:
    """The peer: one list of waiting contacts, one of idle agents, both searched from the front."""

    def __init__(self) -> None:
        self.waiting: list[tuple[ContactId, SkillId]] = []
        self.free: list[tuple[AgentId, tuple[SkillId, ...]]] = []

    def wait(self, contact: ContactId, skill: SkillId) -> None:
        self.waiting.append((contact, skill))

    def leave(self, contact: ContactId) -> None:
        self.waiting = [place for place in self.waiting if place[0] != contact]

    def idle(self, agent: AgentId, skills: tuple[SkillId, ...]) -> None:
        self.free.append((agent, skills))

    def busy(self, agent: AgentId) -> None:
        self.free = [one for one in self.free if one[0] != agent]

    def agent_for(self, skill: SkillId) -> AgentId | None:
        return next((agent for agent, skills in self.free if skill in skills), None)

    def contact_for(self, agent: AgentId) -> ContactId | None:
        skills = next(skills for one, skills in self.free if one == agent)
        return next((contact for contact, skill in self.waiting if skill in skills), None)

    def idle_count(self, skill: SkillId) -> int:
        return sum(skill in skills for _, skills in self.free)

    def waiting_count(self, skill: SkillId) -> int:
        return sum(skill == wanted for _, wanted in self.waiting)


class Indexed(MatchIndex):
    """The product's index under the peer's names."""

    def wait(
        self,
        contact: ContactId,
        skill: SkillId,
        priority: int = 0,
        *,
        front: bool = False,
        place: int | None = None,
    ) -> None:
        super().wait(contact, skill, priority, front=front, place=place)

    waiting_count = MatchIndex.waiting


def run(index: Indexed | LinearScan, rng: Random, seconds: float) -> float:
    """Decisions per second with half the agents idle at the start, alternating arrivals and freed agents."""
    skills = [SkillId(f"skill{number}") for number in range(SKILLS)]
    agents = [AgentId(f"{number}@guangzhou") for number in range(AGENTS)]
    holds = {agent: tuple(rng.sample(skills, EACH)) for agent in agents}
    busy = agents[: AGENTS // 2]
    for agent in agents[AGENTS // 2 :]:
        index.idle(agent, holds[agent])
    wanted = [rng.choice(skills) for _ in range(4096)]
    freed = [rng.randrange(AGENTS // 2) for _ in range(4096)]
    decided = 0

    def decide(contact: ContactId, skill: SkillId, agent: AgentId) -> rows.Decision:
        return rows.Decision(
            contact=contact,
            n=1,
            by=CITY,
            choice="home",
            site=CITY,
            agent=agent,
            why="idle_at_home",
            known={"home.idle": index.idle_count(skill), "home.waiting": index.waiting_count(skill)},
        )

    begin = time.perf_counter()
    end = begin + seconds
    turn = 0
    while time.perf_counter() < end:
        for _ in range(16):
            turn += 1
            skill = wanted[turn % 4096]
            contact = ContactId(f"0020-00000000-{turn:06x}")
            index.wait(contact, skill)
            found = index.agent_for(skill)
            if found is not None:
                decide(contact, skill, found)
                index.leave(contact)
                index.busy(found)
                place = freed[turn % 4096]
                freed_agent, busy[place] = busy[place], found
                index.idle(freed_agent, holds[freed_agent])
                decided += 1
                match = index.contact_for(freed_agent)
                if match is not None:
                    decide(match, skill, freed_agent)
                    index.leave(match)
                    decided += 1
    return decided / (time.perf_counter() - begin)


def main() -> None:
    """Print a table and one JSON line: both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    kinds: dict[str, Callable[[], Indexed | LinearScan]] = {"index": Indexed, "linear_scan": LinearScan}
    rates = {name: run(make(), Random(args.seed), args.seconds) for name, make in kinds.items()}
    say(
        {
            "bench": "matching",
            "agents": AGENTS,
            "skills": SKILLS,
            "each": EACH,
            "decisions_per_s": {name: round(rate) for name, rate in rates.items()},
            "ratio": round(rates["index"] / rates["linear_scan"], 1),
        }
    )


if __name__ == "__main__":
    main()
