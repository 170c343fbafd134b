"""An anchor without a hub chooses among the cities that it hears (federation.md B3), by the hub's own matching."""

from __future__ import annotations

from collections import Counter

import pytest

from dataset import rows
from dataset.ids import CityId, ConnectionId, ContactId, NodeId
from dataset.rows import Decision, Withdrawn
from federation.core.envelope import Close, NotGranted, Open, Propose, Release, Taken
from federation.core.overflow import OverflowPolicy
from site_node.core import events
from site_node.core.commands import Send
from site_node.core.telephony import Cause, Established, Make
from tests.unit.core.core_alone import FOSHAN, HUB, SHENZHEN, CoreAlone

EASY = OverflowPolicy(reserve=0.0)


@pytest.fixture
def core() -> CoreAlone:
    return CoreAlone(overflow=EASY)


def refusal(which: ContactId, n: int, city: CityId, reason: str = "nobody_idle") -> NotGranted:
    return NotGranted(contact=which, n=n, site=city, reason=reason)


def asked(core: CoreAlone) -> dict[str, Propose]:
    """Which city the last event asked, for whom."""
    sent = (one for one in core.commands if isinstance(one, Send))
    return {one.to: one.message for one in sent if isinstance(one.message, Propose)}


def tick(core: CoreAlone, **ready: int) -> None:
    core.now += 1.0
    core.sees_peers(**ready)


# ── the choice ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_without_a_hub_the_anchor_asks_a_city_itself(core: CoreAlone) -> None:
    """The attempt is written first, with scope ``province``; the decision says who chose, what was known, how old."""
    core.sees_peers(shenzhen=2, foshan=0)
    core.now = 0.5
    which = core.call()
    [(city, wish)] = asked(core).items()
    assert (city, wish.anchor, wish.contact, wish.budget_s) == (SHENZHEN, core.rules.city, which, 2.0)
    assert core.place(rows.AttemptOpened) < core.place(Propose)
    assert [row.scope for row in core.wrote(rows.AttemptOpened)] == ["province"]
    opened, chosen = core.wrote(Decision)
    assert (opened.choice, opened.by) == ("open", core.rules.city)
    assert (chosen.choice, chosen.by, chosen.site, chosen.n) == ("propose", core.rules.city, SHENZHEN, wish.n)
    assert (chosen.known["shenzhen.idle"], chosen.known["shenzhen.age_s"], chosen.known["foshan.idle"]) == (2, 0.5, 0)
    assert core.sent(Open) == []


def test_the_grant_is_taken_as_ever(core: CoreAlone) -> None:
    core.sees_peers(shenzhen=2)
    which = core.call()
    core.hears(core.granted(which, 1))
    [made] = core.asked(Make)
    assert [one.token for one in core.sent(Taken)] == ["0000000b-000001"]
    core.does(Established(made.connection))
    assert core.contact(which).hops == 1
    assert not [key for key in core.timers if key[0] in ("grant", "leg", "ring", "peers")]


def test_after_a_refusal_another_city_is_asked_for_the_same_attempt(core: CoreAlone) -> None:
    """A2: the first grant wins; whoever loses tries on, within the attempt's budget."""
    core.sees_peers(shenzhen=5, foshan=1)
    which = core.call()
    [(first, wish)] = asked(core).items()
    core.hears(refusal(which, wish.n, CityId(first)), first)
    [(second, again)] = asked(core).items()
    assert (second != first, again.n) == (True, wish.n)
    assert core.wrote(Decision)[0].known[f"{first}.said"] == "nobody_idle"
    assert core.count(rows.AttemptWithdrawn) == 0


def test_silence_counts_as_a_refusal_and_two_exclude(core: CoreAlone) -> None:
    """A city that does not answer is asked once more after a newer picture, and then no more for this attempt."""
    core.sees_peers(shenzhen=2)
    which = core.call()
    core.expires("peers", "proposal", which, "1", SHENZHEN)
    assert asked(core) == {}, "not on the strength of the same picture"
    core.shown(SHENZHEN, 2)
    assert set(asked(core)) == {SHENZHEN}
    core.expires("peers", "proposal", which, "1", SHENZHEN)
    core.shown(SHENZHEN, 2)
    assert asked(core) == {}


def test_nobody_idle_waits_and_is_matched_when_a_picture_shows_somebody(core: CoreAlone) -> None:
    core.sees_peers(shenzhen=0, foshan=0)
    first, second = core.call(), core.call()
    assert [row.why for row in core.wrote(Decision) if row.choice == "wait"] == ["nobody_idle"]
    core.now += 3.0
    core.shown(FOSHAN, 1)
    assert {city: wish.contact for city, wish in asked(core).items()} == {FOSHAN: first}, "who waited longer, and one"
    assert asked(core)[FOSHAN].context.waited_s == pytest.approx(3.0)
    core.shown(SHENZHEN, 1)
    assert {city: wish.contact for city, wish in asked(core).items()} == {SHENZHEN: second}


def test_own_proposals_are_subtracted(core: CoreAlone) -> None:
    """One idle agent is asked for once, however many of ours wait."""
    core.sees_peers(shenzhen=1)
    core.call()
    assert set(asked(core)) == {SHENZHEN}
    core.call()
    assert asked(core) == {}


def test_nobody_within_the_budget_is_withdrawn_and_tried_again(core: CoreAlone) -> None:
    core.sees_peers(shenzhen=0)
    which = core.call()
    core.now = core.timers["peers", "budget", which, "1"] - 0.5
    core.sees_peers(shenzhen=0)
    core.expires("peers", "budget", which, "1")
    assert [row.reason for row in core.wrote(rows.AttemptWithdrawn)] == [Withdrawn.NO_GRANT]
    assert [(row.choice, row.why) for row in core.wrote(Decision)] == [("none", "nobody_idle")]
    core.expires("look", which)
    assert [row.n for row in core.wrote(rows.AttemptOpened)] == [2]


def test_a_home_agent_wins_until_a_grant_is_taken(core: CoreAlone) -> None:
    """A1: the open attempt is withdrawn first; the grant that travels is given back."""
    core.sees_peers(shenzhen=1)
    which = core.call()
    core.ready()
    assert [row.reason for row in core.wrote(rows.AttemptWithdrawn)] == [Withdrawn.HOME_WON]
    core.hears(core.granted(which, 1))
    assert len(core.sent(Release, SHENZHEN)) == 1
    assert core.asked(Make) == []


def test_a_caller_who_leaves_closes_the_attempt(core: CoreAlone) -> None:
    core.sees_peers(shenzhen=1)
    which = core.call()
    core.clears(ConnectionId("caller-1"), Cause.NORMAL)
    assert not [key for key in core.timers if which in key]


def test_a_silent_city_is_not_asked(core: CoreAlone) -> None:
    """B6: three beats without a picture."""
    core.sees_peers(shenzhen=5, foshan=1)
    core.now += 3.0
    core.sees_peers(foshan=1)
    core.call()
    assert set(asked(core)) == {FOSHAN}


def test_who_falls_silent_while_asked_is_given_up_at_once(core: CoreAlone) -> None:
    """B6: not only after its time to answer."""
    core.sees_peers(shenzhen=5)
    core.now += 2.9
    which = core.call()
    core.now += 0.2
    core.sees_peers(foshan=1)
    assert {city: wish.contact for city, wish in asked(core).items()} == {FOSHAN: which}


def test_nobody_heard_is_an_island(core: CoreAlone) -> None:
    """B4: nothing is opened, the caller waits at home."""
    core.sees_peers()
    core.call()
    assert core.count(rows.AttemptOpened) == 0
    core.sees_peers(foshan=1)
    assert set(asked(core)) == {FOSHAN}, "as soon as one is heard"


def test_ten_anchors_at_once_ask_in_proportion() -> None:
    """Not all the same city: contacts are drawn by their ids, a city with twice the idle share twice as often."""
    chosen: Counter[str] = Counter()
    for anchor in range(10):
        core = CoreAlone(overflow=EASY, lineage=f"{anchor:08x}")
        for _ in range(30):
            core.sees_peers(shenzhen=4, foshan=2)
            which = core.call()
            chosen += Counter(asked(core).keys())
            core.clears(core.contact(which).connection, Cause.NORMAL)
    assert chosen.total() == 300
    assert 150 < chosen[SHENZHEN] < 250, "two in three, give or take"


# ── the hub goes and comes ──────────────────────────────────────────────────────────────────────────────────────────
def test_an_attempt_open_at_a_hub_that_falls_silent_is_renewed_at_once(core: CoreAlone) -> None:
    which, wish = core.open_abroad()
    core.sees_peers(shenzhen=1)
    assert [(row.n, row.reason) for row in core.wrote(rows.AttemptWithdrawn)] == [(wish.n, Withdrawn.NO_GRANT)]
    assert {city: (one.contact, one.n) for city, one in asked(core).items()} == {SHENZHEN: (which, wish.n + 1)}
    core.hears(core.granted(which, wish.n, "0000000c-000001"))
    assert len(core.sent(Release)) == 1, "what the hub had found meanwhile is given back"


def test_a_leg_on_its_way_does_not_care_for_the_hub(core: CoreAlone) -> None:
    which, wish = core.open_abroad()
    core.hears(core.granted(which, wish.n))
    [made] = core.asked(Make)
    core.sees_peers(shenzhen=1)
    assert core.count(rows.AttemptWithdrawn) == 0
    core.does(Established(made.connection))
    assert core.count(rows.AttemptAnswered) == 1


def test_with_nobody_left_the_attempt_is_withdrawn(core: CoreAlone) -> None:
    core.open_abroad()
    core.sees_peers()
    assert len(core.wrote(rows.AttemptWithdrawn)) == 1
    assert core.count(rows.AttemptOpened) == 1


def test_a_hub_that_comes_back_gets_what_waits(core: CoreAlone) -> None:
    core.sees_peers(shenzhen=0)
    which = core.call()
    core.sees_hub()
    assert [row.n for row in core.wrote(rows.AttemptWithdrawn)] == [1]
    assert [(one.contact, one.n) for one in core.sent(Open, HUB)] == [(which, 2)]
    core.shown(SHENZHEN, 1)
    assert asked(core) == {}, "the hub proposes now"


def test_a_proposal_under_way_is_let_finish_when_the_hub_comes_back(core: CoreAlone) -> None:
    core.sees_peers(shenzhen=1)
    which = core.call()
    core.sees_hub()
    assert core.sent(Open) == []
    core.hears(core.granted(which, 1))
    assert len(core.asked(Make)) == 1


@pytest.mark.parametrize("silent", [False, True])
def test_when_it_fails_the_hub_is_asked(core: CoreAlone, silent: bool) -> None:
    core.sees_peers(shenzhen=1)
    which = core.call()
    core.sees_hub()
    if silent:
        core.expires("peers", "proposal", which, "1", SHENZHEN)
    else:
        core.hears(refusal(which, 1, SHENZHEN))
    assert [(one.contact, one.n) for one in core.sent(Open, HUB)] == [(which, 2)]
    assert asked(core) == {}


def test_another_hub_leads_and_gets_what_was_open_at_the_first(core: CoreAlone) -> None:
    """B2: a promoted hub knows nothing of the other's attempts."""
    which, wish = core.open_abroad()
    core.does(events.ProvinceSeen(leader=NodeId("hub2"), cities=frozenset([SHENZHEN])))
    assert [one.n for one in core.sent(Close, HUB)] == [wish.n]
    assert [(one.contact, one.n) for one in core.sent(Open, "hub2")] == [(which, wish.n + 1)]


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_city_that_took_enough_this_hour_is_not_asked() -> None:
    """A7: the decision says ``capped`` and how many that were; after an hour it is asked again."""
    core = CoreAlone(overflow=OverflowPolicy(reserve=0.0, moves_per_hour_and_pair=2))
    for n in (1, 2):
        tick(core, shenzhen=5)
        which = core.call()
        core.hears(core.granted(which, 1, f"0000000b-00000{n}"))
        [made] = core.asked(Make)
        core.does(Established(made.connection))
    tick(core, shenzhen=5)
    which = core.call()
    assert asked(core) == {}
    waits = core.wrote(Decision)[-1]
    assert (waits.choice, waits.why, waits.known["shenzhen.capped"]) == ("wait", "capped", 2)
    core.now += 3600.0
    core.shown(SHENZHEN, 5)
    assert {city: one.contact for city, one in asked(core).items()} == {SHENZHEN: which}


def test_what_a_hub_had_moved_counts_when_the_hub_is_gone() -> None:
    core = CoreAlone(overflow=OverflowPolicy(reserve=0.0, moves_per_hour_and_pair=1))
    core.talk_abroad()
    core.sees_peers(shenzhen=5, foshan=1)
    core.call()
    assert set(asked(core)) == {FOSHAN}


def test_proposals_under_way_count_towards_the_limit() -> None:
    core = CoreAlone(overflow=OverflowPolicy(reserve=0.0, moves_per_hour_and_pair=1))
    core.sees_peers(shenzhen=5)
    first = core.call()
    assert set(asked(core)) == {SHENZHEN}
    second = core.call()
    assert asked(core) == {}
    core.hears(refusal(first, 1, SHENZHEN, "numbers_exhausted"))
    assert {city: one.contact for city, one in asked(core).items()} == {SHENZHEN: second}


def test_a_contact_that_was_answered_abroad_often_enough_stays_at_home() -> None:
    """A7: hops per contact."""
    core = CoreAlone(overflow=OverflowPolicy(reserve=0.0, hops_per_contact=1))
    _, leg = core.talk_abroad()
    core.clears(leg, Cause.MEDIA_LOST)
    assert (core.wrote(rows.QueueEntered) != [], core.sent(Open)) == (True, [])
