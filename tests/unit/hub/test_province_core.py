"""The hub's core on a hand-driven clock: who is asked, in which order, and what is on record about it."""

from __future__ import annotations

from random import Random

import pytest

from dataset.ids import AgentId, AttemptId, CityId, ContactId, LineageId, SkillId, Token
from dataset.rows import Decision
from federation.core.envelope import (
    AgentPicture,
    CityPicture,
    Close,
    Context,
    Granted,
    NoProposal,
    NotGranted,
    Open,
    Propose,
    SkillPicture,
    Taken,
)
from federation.core.open_attempt import OPEN_MOVES, OpenMove, OpenState
from federation.core.overflow import OverflowPolicy
from federation.core.picture import Hearing, PictureSender, ProvincePicture
from federation.core.proposal_events import (
    BeatDue,
    CancelTimer,
    Command,
    Heard,
    Ignored,
    PictureHeard,
    Record,
    Send,
    SetTimer,
    TimerExpired,
)
from federation.core.proposals import Proposals

GUANGZHOU, SHENZHEN, FOSHAN = CityId("guangzhou"), CityId("shenzhen"), CityId("foshan")
FAULT, BILL = SkillId("fault"), SkillId("bill")


class Scene:
    """A province core with its clock, timers and three cities' pictures."""

    def __init__(self) -> None:
        self.now = 100.0
        self.picture = ProvincePicture(beat_s=1.0)
        self.core = Proposals(self.picture, OverflowPolicy(), proposal_s=2.0)
        self.senders = {city: PictureSender(full_every=1) for city in (GUANGZHOU, SHENZHEN, FOSHAN)}
        self.timers: dict[tuple[str, ...], float] = {}
        self.done: list[Command] = []

    def _carry_out(self, commands: list[Command]) -> list[Command]:
        for command in commands:
            if isinstance(command, SetTimer):
                self.timers[command.key] = self.now + command.delay_s
            elif isinstance(command, CancelTimer):
                self.timers.pop(command.key, None)
        self.done += commands
        return commands

    def beat(self, city: CityId, **agents: str) -> list[Command]:
        """``li="ready fault bill"``."""
        people = [
            AgentPicture(
                agent=AgentId(f"{who}@{city}"),
                name=who,
                state=said.split()[0],
                skills=tuple(SkillId(skill) for skill in said.split()[1:]),
                since_s=5.0,
            )
            for who, said in agents.items()
        ]
        skills: dict[str, SkillPicture] = {
            skill: SkillPicture(
                idle=sum(one.state == "ready" and skill in one.skills for one in people),
                staffed=sum(skill in one.skills for one in people),
            )
            for skill in (FAULT, BILL)
        }
        picture = CityPicture(city=city, skills=skills, agents=tuple(people))
        beat = self.senders[city].beat(picture, now=self.now, wall=0.0)
        assert self.picture.heard(city, LineageId("00000001"), beat, now=self.now) is Hearing.NEW
        return self._carry_out(self.core.advance(PictureHeard(city), self.now))

    def hear(self, sender: CityId, message: Open | Granted | NotGranted | Taken | Close) -> list[Command]:
        return self._carry_out(self.core.advance(Heard(sender, message), self.now))

    def open(
        self,
        contact: str,
        *,
        n: int = 1,
        skill: SkillId = FAULT,
        priority: int = 0,
        waited_s: float = 0.0,
        anchor: CityId = FOSHAN,
        refused_by: tuple[CityId, ...] = (),
    ) -> list[Command]:
        context = Context(
            calling="13900001234",
            door="10000",
            path=(),
            service=skill,
            skill=skill,
            channel="voice",
            priority=priority,
            package="p@1",
            waited_s=waited_s,
        )
        message = Open(contact=ContactId(contact), n=n, context=context, budget_s=6.0, refused_by=refused_by)
        return self.hear(anchor, message)

    def sleep(self, seconds: float) -> list[Command]:
        """Let timers expire in order."""
        until, commands = self.now + seconds, []
        while due := sorted((at, key) for key, at in self.timers.items() if at <= until):
            self.now, key = due[0]
            del self.timers[key]
            commands += self._carry_out(self.core.advance(TimerExpired(key), self.now))
        self.now = until
        return commands

    def tick(self) -> list[Command]:
        return self._carry_out(self.core.advance(BeatDue(), self.now))

    def state(self, contact: str, n: int = 1) -> OpenState:
        return self.core.state(AttemptId(ContactId(contact), n))


def sent(commands: list[Command]) -> list[tuple[str, str]]:
    return [(str(one.to), one.message.contact) for one in commands if isinstance(one, Send)]


def decisions(commands: list[Command]) -> list[tuple[str, str | None, str]]:
    return [(one.row.choice, one.row.site, one.row.why) for one in commands if isinstance(one, Record)]


def ignored(commands: list[Command]) -> list[str]:
    return [one.why for one in commands if isinstance(one, Ignored)]


def granted(contact: str, site: CityId, who: str, n: int = 1) -> Granted:
    return Granted(
        contact=ContactId(contact),
        n=n,
        site=site,
        agent=AgentId(f"{who}@{site}"),
        token=Token("00000001-000001"),
        number="7701",
        ttl_s=6.0,
    )


def not_granted(contact: str, site: CityId, reason: str = "nobody_idle", n: int = 1) -> NotGranted:
    return NotGranted(contact=ContactId(contact), n=n, site=site, reason=reason)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_opened_contact_is_proposed_to_the_idlest_city(scene: Scene) -> None:
    """The decision is on record with what was known and how old it was (I9)."""
    scene.beat(GUANGZHOU, li="ready fault", wang="talking fault")
    scene.beat(SHENZHEN, chen="ready fault")
    scene.now += 0.4
    commands = scene.open("c1", waited_s=3.0)
    assert sent(commands) == [("shenzhen", "c1")]
    propose = next(one.message for one in commands if isinstance(one, Send))
    assert isinstance(propose, Propose)
    assert (propose.anchor, propose.budget_s, propose.context.waited_s) == (FOSHAN, 2.0, 3.0)
    row = next(one.row for one in commands if isinstance(one, Record))
    assert isinstance(row, Decision)
    assert (row.by, row.choice, row.site, row.why) == ("hub", "propose", SHENZHEN, "largest_idle_share")
    assert row.known["guangzhou.idle"] == 1
    assert row.known["guangzhou.age_s"] == 0.4
    assert row.known["shenzhen.staffed"] == 1
    assert scene.state("c1") is OpenState.PROPOSED


def test_grant_and_taken_close_the_attempt(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    scene.hear(SHENZHEN, granted("c1", SHENZHEN, "chen"))
    assert scene.state("c1") is OpenState.GRANTED
    scene.hear(FOSHAN, Taken(contact=ContactId("c1"), n=1, token=Token("00000001-000001")))
    assert scene.state("c1") is OpenState.CLOSED
    assert scene.timers == {}
    assert scene.core.open_attempts() == 0


def test_a_refusal_goes_on_to_the_next_city(scene: Scene) -> None:
    scene.beat(GUANGZHOU, li="ready fault", wang="talking fault")
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    commands = scene.hear(SHENZHEN, not_granted("c1", SHENZHEN))
    assert sent(commands) == [("guangzhou", "c1")]
    row = next(one.row for one in commands if isinstance(one, Record))
    assert row.known["shenzhen.said"] == "nobody_idle"


def test_a_refusal_is_believed_until_the_next_picture_and_asked_at_most_twice(scene: Scene) -> None:
    """A picture and a refusal that disagree must not play ping-pong."""
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    assert sent(scene.hear(SHENZHEN, not_granted("c1", SHENZHEN))) == []
    assert sent(scene.beat(SHENZHEN, chen="ready fault")) == [("shenzhen", "c1")]
    assert sent(scene.hear(SHENZHEN, not_granted("c1", SHENZHEN))) == []
    assert sent(scene.beat(SHENZHEN, chen="ready fault")) == []


def test_a_hard_refusal_excludes_the_city_at_once(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    scene.hear(SHENZHEN, not_granted("c1", SHENZHEN, "numbers_exhausted"))
    assert sent(scene.beat(SHENZHEN, chen="ready fault")) == []


def test_nobody_idle_waits_and_is_pulled_by_priority_then_waiting_time(scene: Scene) -> None:
    """A freed agent anywhere takes the most urgent, then the longest waiting; waiting at home counts."""
    scene.beat(SHENZHEN, chen="talking fault")
    assert decisions(scene.open("short")) == [("wait", None, "nobody_idle")]
    scene.open("long", waited_s=30.0)
    scene.open("urgent", priority=1)
    assert scene.core.waiting() == 3
    assert sent(scene.beat(SHENZHEN, chen="ready fault")) == [("shenzhen", "urgent")]
    assert sent(scene.beat(SHENZHEN, chen="ready fault", zhou="ready fault")) == [("shenzhen", "long")]
    assert scene.core.waiting() == 1


def test_not_all_contacts_ask_for_the_same_agent(scene: Scene) -> None:
    scene.beat(GUANGZHOU, li="ready fault", wang="talking fault")
    scene.beat(SHENZHEN, chen="ready fault")
    asked = [sent(scene.open(f"c{at}")) for at in range(3)]
    assert asked == [[("shenzhen", "c0")], [("guangzhou", "c1")], []]


def test_a_granted_agent_is_taken_until_the_next_picture(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    scene.hear(SHENZHEN, granted("c1", SHENZHEN, "chen"))
    scene.hear(FOSHAN, Taken(contact=ContactId("c1"), n=1, token=Token("t")))
    assert sent(scene.open("c2")) == []
    assert sent(scene.beat(SHENZHEN, chen="ready fault")) == [("shenzhen", "c2")]


def test_an_agent_with_both_skills_goes_to_the_more_urgent(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="talking fault bill")
    scene.open("bill", skill=BILL, waited_s=9.0)
    scene.open("fault", priority=2)
    assert sent(scene.beat(SHENZHEN, chen="ready fault bill")) == [("shenzhen", "fault")]


def test_no_answer_to_a_proposal_in_its_time(scene: Scene) -> None:
    """Each proposal has its own timer; the next city is asked, and a late grant is still the anchor's to take."""
    scene.beat(GUANGZHOU, li="ready fault", wang="talking fault")
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    assert sent(scene.sleep(2.0)) == [("guangzhou", "c1")]
    scene.hear(SHENZHEN, granted("c1", SHENZHEN, "chen"))
    assert scene.state("c1") is OpenState.GRANTED


def test_budget_over(scene: Scene) -> None:
    """The anchor hears that nobody was found, and why; its timers are gone."""
    scene.open("c1")
    commands = scene.sleep(6.0)
    messages = [one.message for one in commands if isinstance(one, Send)]
    assert messages == [NoProposal(contact=ContactId("c1"), n=1, reason="nobody_seen")]
    assert decisions(commands) == [("none", None, "nobody_seen")]
    assert scene.state("c1") is OpenState.CLOSED
    assert scene.timers == {}


def test_the_same_state_of_affairs_is_recorded_once_however_often_a_contact_is_opened(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="talking fault")
    assert decisions(scene.open("c1")) == [("wait", None, "nobody_idle")]
    scene.now += 1.0
    assert decisions(scene.open("c1", n=2)) == []
    scene.now += 2.0
    assert decisions(scene.open("c1", n=3)) == [("wait", None, "nobody_seen")]


def test_after_a_grant_the_budget_ends_silently(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    scene.hear(SHENZHEN, granted("c1", SHENZHEN, "chen"))
    assert sent(scene.sleep(6.0)) == []
    assert scene.core.open_attempts() == 0


def test_close_frees_the_seat_for_somebody_else(scene: Scene) -> None:
    """A home win withdraws the attempt; the agent asked for is proposed to the next."""
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    assert sent(scene.open("c2")) == []
    assert sent(scene.hear(FOSHAN, Close(contact=ContactId("c1"), n=1, reason="home_won"))) == [("shenzhen", "c2")]


def test_cities_that_refused_the_anchor_and_the_anchor_itself_are_not_asked(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.beat(FOSHAN, huang="ready fault")
    assert sent(scene.open("c1", refused_by=(SHENZHEN,))) == []
    assert sent(scene.open("c2", anchor=SHENZHEN)) == [("foshan", "c2")]


def test_messages_that_come_twice_late_or_from_the_wrong_city_change_nothing(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.open("c1")
    assert ignored(scene.open("c1")) == ["doubled"]
    assert ignored(scene.hear(GUANGZHOU, Close(contact=ContactId("c1"), n=1, reason="?"))) == ["not_its_own"]
    assert ignored(scene.hear(GUANGZHOU, granted("c1", SHENZHEN, "chen"))) == ["not_its_own"]
    assert ignored(scene.open("c1", n=2, anchor=GUANGZHOU)) == ["not_its_own"]
    assert scene.state("c1") is OpenState.PROPOSED
    scene.hear(FOSHAN, Close(contact=ContactId("c1"), n=1, reason="home_won"))
    assert ignored(scene.open("c1")) == ["late"]
    assert ignored(scene.hear(SHENZHEN, not_granted("c1", SHENZHEN))) == ["late"]
    assert ignored(scene.hear(SHENZHEN, granted("c1", SHENZHEN, "chen"))) == ["late"]
    assert ignored(scene.hear(FOSHAN, Taken(contact=ContactId("c1"), n=1, token=Token("t")))) == ["late"]


def test_a_close_that_overtakes_its_open(scene: Scene) -> None:
    scene.beat(SHENZHEN, chen="ready fault")
    scene.hear(FOSHAN, Close(contact=ContactId("c1"), n=1, reason="customer_left"))
    assert ignored(scene.open("c1")) == ["late"]
    assert sent(scene.open("c1", n=2)) == [("shenzhen", "c1")]


def test_a_higher_attempt_closes_the_lower_one(scene: Scene) -> None:
    """A1: at most one remote attempt is open."""
    scene.open("c1")
    scene.open("c1", n=2)
    assert scene.state("c1") is OpenState.CLOSED
    assert scene.state("c1", 2) is OpenState.WAITING
    assert scene.core.waiting() == 1


def test_a_silent_city_loses_its_proposals_at_once(scene: Scene) -> None:
    """B6, before the proposal's own timer."""
    scene.beat(GUANGZHOU, li="talking fault")
    scene.beat(SHENZHEN, chen="ready fault")
    scene.now += 2.5
    scene.open("c1")
    scene.beat(GUANGZHOU, li="ready fault", wang="ready fault")
    scene.now += 0.5
    assert sent(scene.tick()) == [("guangzhou", "c1")]


def test_the_reserve_stops_counting_when_a_contact_has_waited(scene: Scene) -> None:
    people = {f"a{at}": "talking fault" for at in range(9)} | {"free": "ready fault"}
    scene.beat(GUANGZHOU, **people)
    assert decisions(scene.open("c1", waited_s=8.0)) == [("wait", None, "below_reserve")]
    scene.now += 1.9
    assert sent(scene.tick()) == []
    scene.now += 0.1
    commands = scene.tick()
    assert sent(commands) == [("guangzhou", "c1")]
    assert decisions(commands) == [("propose", GUANGZHOU, "idle_anywhere")]


def test_a_city_that_does_not_hear_the_hub_is_not_asked(scene: Scene) -> None:
    """Failure 2: loss in one direction."""
    picture = CityPicture(city=SHENZHEN, skills={"fault": SkillPicture(idle=1, staffed=1)}, hub_seen=False)
    beat = scene.senders[SHENZHEN].beat(picture, now=scene.now, wall=0.0)
    scene.picture.heard(SHENZHEN, LineageId("00000001"), beat, now=scene.now)
    assert sent(scene.open("c1")) == []


def test_every_state_has_a_row_for_what_may_come_late() -> None:
    """Late events have rows of their own: only these are illegal, and the core never makes them."""
    missing = {
        (state, move)
        for state in OpenState
        for move in OpenMove
        if state is not OpenState.CLOSED and not OPEN_MOVES.may(state, move)
    }
    assert missing == {
        (OpenState.WAITING, OpenMove.NO_REPLY),
        (OpenState.PROPOSED, OpenMove.PROPOSE),
        (OpenState.GRANTED, OpenMove.PROPOSE),
        (OpenState.GRANTED, OpenMove.NO_REPLY),
    }


@pytest.mark.parametrize("seed", range(30))
def test_any_order_of_messages_leaves_nothing_behind(seed: int) -> None:
    """Lost, late, doubled and reordered messages of many contacts: no move is illegal, and after the budgets the
    table, the lines and the timers are empty, and no seat stays promised.
    """
    draw, scene = Random(seed), Scene()
    cities = (GUANGZHOU, SHENZHEN, FOSHAN)
    for _ in range(400):
        contact, n = f"c{draw.randrange(8)}", draw.randrange(1, 6)
        site = draw.choice(cities)
        match draw.randrange(8):
            case 0 | 1:
                scene.open(
                    contact,
                    n=n,
                    skill=draw.choice((FAULT, BILL)),
                    priority=draw.randrange(2),
                    waited_s=draw.uniform(0.0, 15.0),
                    anchor=draw.choice(cities),
                )
            case 2:
                scene.hear(site, granted(contact, site, "li", n))
            case 3:
                scene.hear(site, not_granted(contact, site, draw.choice(("nobody_idle", "unverified")), n))
            case 4:
                scene.hear(site, Taken(contact=ContactId(contact), n=n, token=Token("t")))
            case 5:
                scene.hear(site, Close(contact=ContactId(contact), n=n, reason="x"))
            case 6:
                states = ("ready fault", "talking fault", "ready fault bill", "wrap_up bill")
                scene.beat(site, li=draw.choice(states), wang=draw.choice(states))
            case _:
                scene.sleep(draw.uniform(0.0, 2.0))
                scene.tick()
    scene.sleep(10.0)
    assert (scene.core.open_attempts(), scene.core.waiting(), scene.timers) == (0, 0, {})
    for _ in range(5):  # heard steadily again after the silence
        scene.sleep(1.0)
        for city in cities:
            scene.beat(city, li="ready fault", wang="ready fault")
    assert len(sent(scene.open("last", n=99))) == 1


def test_a_pair_of_cities_at_its_limit_waits_while_others_go_on() -> None:
    """A7: what 佛山 may send to 深圳 within the hour is spent; 广州's callers still go there."""
    scene = Scene()
    scene.core = Proposals(scene.picture, OverflowPolicy(reserve=0.0, moves_per_hour_and_pair=1), proposal_s=2.0)
    scene.beat(SHENZHEN, li="ready fault", wu="ready fault", xu="ready fault")
    scene.open("a")
    scene.hear(SHENZHEN, granted("a", SHENZHEN, "li"))
    commands = scene.open("b")
    assert decisions(commands) == [("wait", None, "capped")]
    [row] = [one.row for one in commands if isinstance(one, Record)]
    assert row.known["shenzhen.capped"] == 1
    assert sent(scene.open("c", anchor=GUANGZHOU)) == [(SHENZHEN, "c")]
    scene.beat(GUANGZHOU, he="ready fault")
    assert scene.state("b") is OpenState.PROPOSED, "elsewhere"
