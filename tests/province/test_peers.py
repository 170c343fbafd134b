"""The hub is gone and the broker is there: cities send each other their callers directly (federation.md B3)."""

from __future__ import annotations

from collections import Counter

import pytest

from dataset import rows
from dataset.ids import CityId, NodeId
from dataset.rows import Ending, Left, Withdrawn
from federation.core.envelope import Envelope, Granted, NotGranted, Propose
from federation.links.inprocess import Fate
from tests.province.test_population import Peopled
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities


@pytest.fixture
def province() -> ThreeCities:
    return ThreeCities()


def without_hub(province: ThreeCities) -> None:
    province.crash_hub()
    province.pass_s(4.0)
    for city in (GUANGZHOU, SHENZHEN, FOSHAN):
        assert province.sites[city].health()["leader"] is None


def chosen(province: ThreeCities, city: CityId) -> list[tuple[str, str, CityId | None]]:
    """What ``city`` decided about its callers abroad: by whom, what, which city."""
    found = province.rows(city, rows.Decision)
    return [(row.choice, row.by, row.site) for row in found if row.choice in ("propose", "wait", "none")]


def heard(province: ThreeCities, kind: type) -> list[tuple[str, str]]:
    """From whom and to whom messages of ``kind`` arrive from here on."""
    found: list[tuple[str, str]] = []

    def fate(fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        if fate is Fate.ARRIVED and isinstance(envelope.body, kind):
            found.append((envelope.sender, receiver))

    province.wires.on_fate = fate
    return found


def test_callers_go_from_city_to_city_without_a_hub(province: ThreeCities) -> None:
    """For minutes: opened, proposed by the anchor, granted, answered; the hub learns of all of it when it is back."""
    without_hub(province)
    for number in range(5):
        last = province.agent(SHENZHEN, number)
        caller = province.call(FOSHAN)
        [rings] = [at for at in range(number + 1) if province.phone(SHENZHEN, at).ringing]
        province.phone(SHENZHEN, rings).answer()
        province.pass_s(40.0)
        caller.hang_up()
        province.pass_s(20.0)
    assert [row.how for row in province.rows(FOSHAN, rows.QueueLeft)] == [Left.SENT_OUT] * 5
    assert chosen(province, FOSHAN) == [("propose", FOSHAN, SHENZHEN)] * 5
    told = [row for row in province.rows(FOSHAN, rows.Decision) if row.choice == "propose"]
    assert all(f"{SHENZHEN}.age_s" in row.known and row.why == "largest_idle_share" for row in told)
    assert province.seat(last).presence == "ready"
    province.start_hub()
    province.pass_s(30.0)
    assert len(province.ledger_rows(rows.ContactEnded)) == 5
    assert [row for row in province.ledger_rows(rows.Decision) if row.choice == "propose"] == told


def test_two_islands_match_one_slot(province: ThreeCities) -> None:
    """A2: the first grant wins, the other city is refused and tries on; both callers are answered."""
    first = province.agent(SHENZHEN)
    without_hub(province)
    proposals = heard(province, Propose)
    grants, refusals = heard_all(province, Granted), heard_all(province, NotGranted)
    one, other = province.call(FOSHAN, wait_s=0.0), province.call(GUANGZHOU, wait_s=0.0)
    province.pass_s(2.0)
    assert sorted(proposals) == [(FOSHAN, SHENZHEN), (GUANGZHOU, SHENZHEN)]
    assert (len(grants), len(refusals)) == (1, 1)
    province.phone(SHENZHEN).answer()
    province.pass_s(1.0)
    assert province.seat(first).presence == "talking"
    province.agent(SHENZHEN, number=1)
    province.pass_s(2.0)
    province.phone(SHENZHEN, 1).answer()
    province.pass_s(5.0)
    answered = province.rows(FOSHAN, rows.AttemptAnswered) + province.rows(GUANGZHOU, rows.AttemptAnswered)
    assert len({row.agent for row in answered}) == len(answered) == 2
    one.hang_up()
    other.hang_up()
    province.pass_s(30.0)


def heard_all(province: ThreeCities, kind: type) -> list[tuple[str, str]]:
    """As ``heard``, beside whoever listens already."""
    before, found = province.wires.on_fate, heard(province, kind)
    mine = province.wires.on_fate

    def both(fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        for one in (before, mine):
            if one is not None:
                one(fate, receiver, envelope)

    province.wires.on_fate = both
    return found


def test_ten_callers_at_once_are_spread(province: ThreeCities) -> None:
    """Each city asks for its own callers; nobody subtracts what others ask, and still both cities are asked."""
    for number in range(6):
        province.agent(SHENZHEN, number)
        if number < 4:
            province.agent(GUANGZHOU, number)
    without_hub(province)
    callers = [province.call(FOSHAN, calling=f"1380000{at:04d}", wait_s=0.0) for at in range(8)]
    province.pass_s(1.9)
    asked = Counter(row.site for row in province.rows(FOSHAN, rows.Decision) if row.choice == "propose")
    assert set(asked) == {SHENZHEN, GUANGZHOU}
    for city, count in ((SHENZHEN, 6), (GUANGZHOU, 4)):
        for number in range(count):
            if province.phone(city, number).ringing:
                province.phone(city, number).answer()
    province.pass_s(2.0)
    assert len(province.rows(FOSHAN, rows.AttemptAnswered)) == 8
    for caller in callers:
        caller.hang_up()
    province.pass_s(30.0)


def test_a_city_silent_for_three_beats_is_not_asked(province: ThreeCities) -> None:
    """B6: its line is cut; it is asked again once it is heard."""
    province.agent(SHENZHEN)
    without_hub(province)
    province.wires.cut([NodeId(SHENZHEN)])
    province.pass_s(4.1)
    assert province.sites[FOSHAN].health()["peers"] == [GUANGZHOU]
    caller = province.call(FOSHAN, wait_s=8.0)
    assert not [row for row in province.rows(FOSHAN, rows.Decision) if row.site == SHENZHEN]
    province.wires.cut([NodeId(SHENZHEN)], restore=True)
    province.pass_s(3.0)
    assert province.phone(SHENZHEN).ringing
    caller.hang_up()
    province.pass_s(2.0)


def test_one_direction_lost_between_two_cities(province: ThreeCities) -> None:
    """佛山 hears 深圳 but is not heard: its proposals come to nothing, and the third city is asked."""
    province.agent(SHENZHEN)
    province.agent(SHENZHEN, 1)
    province.agent(GUANGZHOU)
    without_hub(province)
    province.wires.line(NodeId(FOSHAN), NodeId(SHENZHEN)).cut = True
    callers = [province.call(FOSHAN, calling=f"1380000{at:04d}") for at in range(3)]
    assert province.time.run_until(lambda: province.phone(GUANGZHOU).ringing, 30.0)
    assert not province.phone(SHENZHEN).ringing
    for caller in callers:
        caller.hang_up()
    province.pass_s(5.0)


def test_everything_gone_is_an_island_and_heals(province: ThreeCities) -> None:
    """B4: the broker is gone; callers wait at home, nothing is opened; then cities, then the hub."""
    province.agent(SHENZHEN)
    province.wires.broker_dies()
    province.pass_s(4.0)
    caller = province.call(FOSHAN, wait_s=5.0)
    assert province.rows(FOSHAN, rows.AttemptOpened) == []
    home = province.seat(province.agent(FOSHAN, skills=("bill",)))
    assert (home.hub_seen, home.peers_seen) == (False, False)
    province.crash_hub()
    province.wires.broker_returns()
    province.pass_s(3.0)
    assert province.phone(SHENZHEN).ringing
    province.phone(SHENZHEN).answer()
    province.pass_s(1.0)
    caller.hang_up()
    province.start_hub()
    province.pass_s(30.0)
    [row] = province.ledger_rows(rows.ContactEnded)
    assert (row.ending, row.serving) == (Ending.COMPLETED, SHENZHEN)


def test_the_hub_proposes_again_when_it_is_back(province: ThreeCities) -> None:
    """What waits is opened at the hub at once; from there on only the hub asks."""
    without_hub(province)
    caller = province.call(FOSHAN, wait_s=5.0)
    assert chosen(province, FOSHAN)[-1][:2] == ("wait", FOSHAN)
    province.start_hub()
    province.pass_s(2.5)
    proposals = heard(province, Propose)
    province.agent(SHENZHEN)
    province.pass_s(1.0)
    assert proposals == [("hub", SHENZHEN)]
    assert province.phone(SHENZHEN).ringing
    caller.hang_up()
    province.pass_s(2.0)


def test_the_screen_says_how_cut_off_the_city_is(province: ThreeCities) -> None:
    agent = province.agent(FOSHAN)
    pushed: list[tuple[bool, bool]] = []

    def note() -> None:
        view = province.seat(agent)
        pushed.append((view.hub_seen, view.peers_seen))

    province.sites[FOSHAN].running.watch(agent, note)
    without_hub(province)
    province.wires.cut([NodeId(FOSHAN)])
    province.pass_s(4.0)
    province.wires.cut([NodeId(FOSHAN)], restore=True)
    province.pass_s(4.0)
    assert [one for at, one in enumerate(pushed) if one != pushed[at - 1] or at == 0] == [
        (False, True),
        (False, False),
        (False, True),
    ]


@pytest.mark.parametrize("after_s", [0.001, 0.03, 0.05, 0.07, 0.09, 0.12, 0.2, 1.0, 5.0, 15.0])
@pytest.mark.parametrize("back", [False, True])
def test_the_hub_dies_at_each_state_of_an_attempt(province: ThreeCities, after_s: float, back: bool) -> None:
    """Opened, proposed, granted, taken, ringing: the caller is answered within seconds, by one agent, on one record."""
    province.agent(SHENZHEN)
    caller = province.call(FOSHAN, wait_s=after_s)
    province.crash_hub()
    if back:
        province.pass_s(1.0)
        province.start_hub()
    assert province.time.run_until(lambda: province.phone(SHENZHEN).ringing, 7.0)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    caller.hang_up()
    province.pass_s(60.0)
    opened, answered = province.rows(FOSHAN, rows.AttemptOpened), province.rows(FOSHAN, rows.AttemptAnswered)
    assert len(answered) == 1
    assert len(opened) == 1 + len(province.rows(FOSHAN, rows.AttemptWithdrawn))
    assert len(province.rows(FOSHAN, rows.ContactEnded)) == 1


def test_an_attempt_that_waits_at_a_dying_hub_is_not_kept_waiting(province: ThreeCities) -> None:
    """Its budget is 30 s; the anchor asks a city itself as soon as the hub is silent."""
    caller = province.call(FOSHAN, wait_s=5.0)
    province.crash_hub()
    province.pass_s(0.5)
    province.agent(SHENZHEN)
    province.pass_s(3.5)
    assert province.phone(SHENZHEN).ringing
    assert [row.reason for row in province.rows(FOSHAN, rows.AttemptWithdrawn)] == [Withdrawn.NO_GRANT]
    caller.hang_up()
    province.pass_s(2.0)


class _Hour:
    """The same customers and people, under one state of the province."""

    def __init__(self, what: str) -> None:
        people = Peopled(busier=2.2)
        if what != "hub":
            people.world.crash_hub()
        if what == "island":
            people.world.wires.broker_dies()
        people.work(3600.0)
        left = Counter(row.how for row in people.rows(rows.QueueLeft))
        self.what = what
        self.answered = left[Left.ANSWERED_HERE] + left[Left.SENT_OUT]
        self.abroad = left[Left.SENT_OUT]
        self.lost = left[Left.ABANDONED]
        self.share = self.answered / (self.answered + self.lost)
        self.within = sum(row.within_target for row in people.rows(rows.QueueLeft)) / (self.answered + self.lost)
        decisions = people.rows(rows.Decision)
        self.proposals = sum(row.choice == "propose" and row.why != "named_agent" for row in decisions)
        self.born = len(people.rows(rows.ContactBorn))
        self.ended = len(people.rows(rows.ContactEnded))

    def __str__(self) -> str:
        return (
            f"{self.what:7} answered {self.share:.1%} ({self.answered} of {self.answered + self.lost}), "
            f"within 20 s {self.within:.1%}, abroad {self.abroad}, proposed by anchors {self.proposals}"
        )


def test_without_a_hub_nearly_as_many_are_answered_as_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The same hour of callers at 2.2 × the usual load; printed, and far better than every city for itself."""
    hub, peers, island = _Hour("hub"), _Hour("peers"), _Hour("island")
    with capsys.disabled():
        print(*("", hub, peers, island), sep="\n")
    for hour in (hub, peers, island):
        assert hour.born == hour.ended
    assert hub.proposals == island.proposals == island.abroad == 0
    assert min(peers.proposals, peers.abroad) > 0
    assert peers.within > hub.within - 0.05
    assert peers.within > island.within
