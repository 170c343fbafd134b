"""When a contact is opened to the province and which city is asked first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from dataset.ids import AgentId, CityId, ContactId, SkillId
from federation.core.envelope import AgentPicture, CityPicture, SkillPicture
from federation.core.limits import PairMoves
from federation.core.overflow import (
    Candidate,
    Choice,
    OverflowPolicy,
    candidate,
    choose_city,
    pause_before_next,
    should_open,
)
from federation.core.picture import KnownCity

POLICY = OverflowPolicy()
FAULT, BILL = SkillId("fault"), SkillId("bill")
GUANGZHOU, SHENZHEN, FOSHAN = CityId("guangzhou"), CityId("shenzhen"), CityId("foshan")


@pytest.mark.parametrize(
    ("home", "waited", "expected", "province", "opens", "why"),
    [
        (SkillPicture(idle=1, staffed=2), 30.0, 60.0, True, False, "idle_at_home"),
        (SkillPicture(staffed=2), 30.0, 60.0, False, False, "province_away"),
        (SkillPicture(), 0.0, None, True, True, "nobody_at_home"),
        (SkillPicture(staffed=2), 0.0, 5.1, True, True, "home_late"),
        (SkillPicture(staffed=2), 0.0, 5.0, True, False, "home_in_time"),
        (SkillPicture(staffed=2), 10.0, 1.0, True, True, "waited_long"),
    ],
)
def test_the_anchors_rule(
    home: SkillPicture, waited: float, expected: float | None, province: bool, opens: bool, why: str
) -> None:
    """Home first; at once when home will be late; in any case after so long; never into an island's void."""
    verdict = should_open(home, waited_s=waited, expected_wait_s=expected, province_seen=province, policy=POLICY)
    assert (verdict.open, verdict.why) == (opens, why)
    assert verdict.known["home.staffed"] == home.staffed
    assert verdict.known["waited_s"] == waited


def test_time_alone_opens_later() -> None:
    verdict = should_open(SkillPicture(staffed=1), waited_s=4.0, expected_wait_s=2.0, province_seen=True, policy=POLICY)
    assert verdict.look_again_s == 6.0


def test_a_contact_that_moved_often_enough_stays_at_home() -> None:
    """A7: hops per contact; an agent at home still comes first in what is said."""
    away = SkillPicture(staffed=0)
    policy = replace(POLICY, hops_per_contact=2)
    for hops, opens in ((1, True), (2, False)):
        verdict = should_open(away, waited_s=20.0, expected_wait_s=None, province_seen=True, policy=policy, hops=hops)
        assert verdict.open is opens
    assert (verdict.why, verdict.known["hops"]) == ("hops_spent", 2)
    unlimited = replace(policy, hops_per_contact=0)
    assert should_open(away, waited_s=20.0, expected_wait_s=None, province_seen=True, policy=unlimited, hops=99).open


def choose(
    *candidates: Candidate,
    waited: float = 0.0,
    refused: frozenset[CityId] = frozenset(),
    spread: str | None = None,
    capped: Mapping[CityId, int] | None = None,
) -> Choice:
    return choose_city(
        candidates,
        anchor=FOSHAN,
        refused_by=refused,
        waited_s=waited,
        policy=POLICY,
        beat_s=1.0,
        spread_by=ContactId(spread) if spread else None,
        capped=capped or {},
    )


def test_the_largest_share_of_idle_seats_wins() -> None:
    choice = choose(Candidate(GUANGZHOU, 10, 4, 0, 0.2), Candidate(SHENZHEN, 4, 2, 0, 0.2))
    assert (choice.city, choice.why) == (SHENZHEN, "largest_idle_share")
    assert choice.known["guangzhou.idle"] == 4
    assert choice.known["shenzhen.age_s"] == 0.2


def test_a_city_at_its_limit_is_passed_over() -> None:
    """A7: and said so, with how many that were; when it is the only one with somebody idle, the contact waits."""
    capped = {SHENZHEN: 7}
    both = (Candidate(GUANGZHOU, 10, 4, 0, 0.2), Candidate(SHENZHEN, 4, 3, 0, 0.2))
    choice = choose(*both, capped=capped)
    assert (choice.city, choice.known["shenzhen.capped"]) == (GUANGZHOU, 7)
    choice = choose(both[1], Candidate(GUANGZHOU, 10, 0, 0, 0.2), capped=capped)
    assert (choice.city, choice.why) == (None, "capped")
    idle_nowhere = choose(Candidate(SHENZHEN, 4, 0, 0, 0.2), capped=capped)
    assert idle_nowhere.why == "nobody_idle"


def test_what_a_city_took_is_forgotten_after_an_hour() -> None:
    moves = PairMoves(2)
    moves.moved(FOSHAN, SHENZHEN, 0.0)
    moves.moved(FOSHAN, SHENZHEN, 1800.0)
    assert moves.full(FOSHAN, SHENZHEN, 0, 3599.0)
    assert not moves.full(FOSHAN, SHENZHEN, 0, 3600.0)
    assert moves.full(FOSHAN, SHENZHEN, 1, 3600.0), "with one under way"
    assert not moves.full(GUANGZHOU, SHENZHEN, 0, 1800.0), "per pair"
    unlimited = PairMoves(0)
    unlimited.moved(FOSHAN, SHENZHEN, 0.0)
    assert not unlimited.full(FOSHAN, SHENZHEN, 10_000, 0.0)


def test_what_is_on_record_from_before_the_count_began_counts_once() -> None:
    moves = PairMoves(3)
    moves.moved(FOSHAN, SHENZHEN, 50.0)
    moves.moved(FOSHAN, SHENZHEN, 120.0)
    for _ in range(2):
        moves.recall([(FOSHAN, SHENZHEN, 90.0), (FOSHAN, SHENZHEN, -3000.0), (FOSHAN, SHENZHEN, 121.0)], began=100.0)
        assert moves.count(FOSHAN, SHENZHEN, 130.0) == 3, "two on record, and one heard of since"
    assert moves.count(FOSHAN, SHENZHEN, 600.0) == 2, "the oldest is an hour old"


def test_ties_go_to_the_smaller_id_and_home_is_never_asked() -> None:
    choice = choose(
        Candidate(FOSHAN, 1, 1, 0, 0.0), Candidate(SHENZHEN, 4, 2, 0, 0.2), Candidate(GUANGZHOU, 4, 2, 0, 0.9)
    )
    assert choice.city == GUANGZHOU


def test_the_reserve_holds_for_the_first_seconds_only() -> None:
    """A moved call must not push a city's own callers out; but nobody waits for a reserve for long."""
    last_one = Candidate(GUANGZHOU, 10, 1, 0, 0.0)
    assert choose(last_one).why == "below_reserve"
    assert choose(last_one, waited=10.0) == choose(last_one, waited=10.0)
    assert (choose(last_one, waited=10.0).city, choose(last_one, waited=10.0).why) == (GUANGZHOU, "idle_anywhere")


def test_an_old_picture_counts_less() -> None:
    choice = choose(Candidate(GUANGZHOU, 4, 4, 0, 31.0), Candidate(SHENZHEN, 4, 2, 0, 1.0))
    assert choice.city == SHENZHEN


def test_seats_already_asked_for_are_subtracted() -> None:
    """Not all contacts ask for the same agent."""
    assert choose(Candidate(GUANGZHOU, 4, 2, 2, 0.0), Candidate(SHENZHEN, 4, 1, 0, 0.0)).city == SHENZHEN
    assert choose(Candidate(GUANGZHOU, 4, 2, 2, 0.0)).why == "nobody_idle"


@pytest.mark.parametrize(
    ("candidates", "refused", "why"),
    [
        ((), frozenset(), "nobody_seen"),
        ((Candidate(GUANGZHOU, 4, 4, 0, 0.0),), frozenset({GUANGZHOU}), "all_refused"),
        ((Candidate(GUANGZHOU, 0, 0, 0, 0.0),), frozenset(), "nobody_staffed"),
        ((Candidate(GUANGZHOU, 4, 0, 0, 0.0),), frozenset(), "nobody_idle"),
    ],
)
def test_why_nobody(candidates: tuple[Candidate, ...], refused: frozenset[CityId], why: str) -> None:
    choice = choose(*candidates, refused=refused)
    assert (choice.city, choice.why) == (None, why)


def test_without_a_hub_the_anchors_spread_their_requests() -> None:
    """B3: in proportion to the shares, so that not all ask the same city; and repeatable by contact."""
    cities = (Candidate(GUANGZHOU, 4, 3, 0, 0.0), Candidate(SHENZHEN, 4, 1, 0, 0.0))
    asked = Counter(choose(*cities, spread=f"0757-00000001-{at:06x}").city for at in range(2_000))
    assert 0.70 < asked[GUANGZHOU] / 2_000 < 0.80
    assert choose(*cities, spread="a").city == choose(*cities, spread="a").city


def picture(*agents: tuple[str, str, tuple[SkillId, ...], float], up: bool = True) -> KnownCity:
    ready = [skills for _, state, skills, _ in agents if state == "ready"]
    skills: dict[str, SkillPicture] = {
        skill: SkillPicture(
            idle=sum(skill in one for one in ready), staffed=sum(skill in one for _, _, one, _ in agents)
        )
        for skill in (FAULT, BILL)
    }
    shown = CityPicture(
        city=GUANGZHOU,
        skills=skills,
        agents=tuple(
            AgentPicture(agent=AgentId(who), name=who, state=state, skills=of, since_s=since)
            for who, state, of, since in agents
        ),
        switch_up=up,
    )
    return KnownCity(GUANGZHOU, shown, 0.3, 0.3, True, 0.0)


def test_a_promise_takes_the_agent_whom_the_city_itself_would_take() -> None:
    """One longest-idle agent with both skills is promised to a fault: then one fewer is idle for bills."""
    both = picture(("1", "ready", (FAULT, BILL), 9.0), ("2", "ready", (FAULT,), 5.0), ("3", "talking", (BILL,), 1.0))
    assert candidate(both, BILL) == Candidate(GUANGZHOU, 2, 1, 0, 0.3)
    assert candidate(both, BILL, asked=[FAULT]) == Candidate(GUANGZHOU, 2, 1, 1, 0.3)
    single = picture(("1", "ready", (FAULT, BILL), 5.0), ("2", "ready", (FAULT,), 9.0))
    assert candidate(single, BILL, asked=[FAULT]) == Candidate(GUANGZHOU, 1, 1, 0, 0.3)
    assert candidate(single, FAULT, asked=[FAULT, FAULT]) == Candidate(GUANGZHOU, 2, 2, 2, 0.3)
    assert candidate(single, FAULT, leased=frozenset({AgentId("2")})) == Candidate(GUANGZHOU, 2, 2, 1, 0.3)


def test_a_city_without_its_switch_is_not_asked() -> None:
    assert candidate(picture(("1", "ready", (FAULT,), 5.0), up=False), FAULT) is None
    assert candidate(KnownCity(GUANGZHOU, None, 9.0, 9.0, False, 0.0), FAULT) is None


def test_pauses_double_and_differ_between_contacts() -> None:
    pauses = [pause_before_next(ContactId("a"), failures, POLICY) for failures in (1, 2, 3, 4, 9)]
    for pause, longest in zip(pauses, (0.5, 1.0, 2.0, 4.0, 4.0), strict=True):
        assert longest / 2 <= pause <= longest
    assert len({pause_before_next(ContactId(str(at)), 1, POLICY) for at in range(100)}) == 100
