"""Customers of a simulated city: when they come, what they press, how long they wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from dataset.ids import CityId, ConnectionId, ContactId
from dataset.packages import parse_package
from federation.node.clock import VirtualClock
from simulation.population.callers import (
    Callers,
    CallOutcome,
    CallRecord,
    Habits,
    SelfServiceHabits,
    Wish,
    menu_prompts_of,
    self_service_of,
    wishes_of,
)
from simulation.population.day import DAY_S, FLAT, TWO_PEAKS, DayProfile
from simulation.population.draws import constant, exponential, lognormal, never
from site_node.core.telephony import (
    Answer,
    Clear,
    Cleared,
    Digit,
    Established,
    Join,
    Leg,
    Make,
    Music,
    Offered,
    Part,
    Play,
    Prompt,
    Report,
    Role,
    Seat,
)
from site_node.switch.simulated import Network, Sound

CITY = CityId("guangzhou")
FAULT = Wish("fault", 1.0, "112", "1")
SURE = Habits(
    one_number=1.0,
    barges_in=0.0,
    wrong_digit=0.0,
    presses_nothing=0.0,
    key_delay_s=constant(1.0),
    patience_s=constant(60.0),
    second_patience_s=constant(30.0),
    hangs_up=1.0,
    talk_s=constant(100.0),
)
PACKAGE = Path(__file__).parents[3] / "conf/packages/yihaotong.toml"


class Center:
    """A center that answers, plays a menu and then music; tests do the rest."""

    def __init__(
        self,
        habits: Habits = SURE,
        menu_s: float = 10.0,
        numbers: dict[CityId, list[str]] | None = None,
        self_service: SelfServiceHabits | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock, Random(1), (CITY,), prompt_s={"welcome": 5.0, "main-menu": menu_s})
        self.network.add_seat(CITY, "8001")
        self.switch = self.network.adapter(CITY)
        self.heard: list[tuple[float, Report]] = []
        self.answers = True
        self.switch.start(self.report)
        self.records: list[CallRecord] = []
        self.callers = Callers(
            self.clock,
            Random(5),
            self.network,
            {CITY: 60.0},
            [FAULT],
            "10000",
            frozenset({"main-menu"}),
            habits=habits,
            profile=DayProfile(FLAT),
            done=self.records.append,
            numbers=numbers,
            self_service=self_service,
        )

    def report(self, report: Report) -> None:
        self.heard.append((self.clock.monotonic(), report))
        match report:
            case Offered(connection, called) if self.answers:
                self.connection = connection
                self.switch.request(Answer(connection))
                if called == "10000":
                    self.menu()
                else:
                    self.switch.request(Music(connection))
            case Digit(connection, "1"):
                self.switch.request(Music(connection))
            case Digit(connection, _):
                self.menu(Prompt("invalid-choice"))
            case Established(connection) if connection == "seat":
                self.switch.request(Join(self.connection, connection))

    def menu(self, first: Prompt = Prompt("welcome")) -> None:  # noqa: B008 - a value
        self.switch.request(Play(self.connection, (first, Prompt("main-menu")), barge_in=True))

    def agent_answers(self) -> None:
        leg = Leg(ContactId("c"), 1, Role.SEAT)
        self.switch.request(Make(ConnectionId("seat"), Seat("8001"), leg, 20.0))
        self.clock.advance(0)
        self.network.seat(CITY, "8001").answer()
        self.clock.advance(0)

    def digits(self) -> list[tuple[float, str]]:
        return [(at, report.digit) for at, report in self.heard if isinstance(report, Digit)]

    def ended(self) -> float:
        return next(at for at, report in self.heard if isinstance(report, Cleared))


class TestMenu:
    def test_a_patient_listener_presses_after_the_menu(self) -> None:
        center = Center()
        center.callers.call_now(CITY)
        center.clock.advance(20)
        assert center.digits() == [(16.0, "1")]

    def test_who_knows_the_menu_barges_in(self) -> None:
        center = Center(replace(SURE, barges_in=1.0))
        center.callers.call_now(CITY)
        center.clock.advance(20)
        assert center.digits() == [(6.0, "1")]

    def test_a_wrong_key_first_and_then_the_right_one(self) -> None:
        center = Center(replace(SURE, wrong_digit=1.0))
        center.callers.call_now(CITY)
        center.clock.advance(60)
        assert [digit for _, digit in center.digits()] == ["9", "1"]

    def test_some_press_nothing(self) -> None:
        center = Center(replace(SURE, presses_nothing=1.0))
        center.callers.call_now(CITY)
        center.clock.advance(50)
        assert center.digits() == []

    def test_the_old_number_of_a_service_needs_no_key(self) -> None:
        center = Center(replace(SURE, one_number=0.0))
        center.callers.call_now(CITY)
        center.clock.advance(70)
        offered = center.heard[1][1]
        assert isinstance(offered, Offered)
        assert offered.called == "112"
        assert center.digits() == []


class TestPatience:
    def test_who_waits_too_long_gives_up(self) -> None:
        """Patience counts from the key, not from the dialling."""
        center = Center()
        center.callers.call_now(CITY)
        center.clock.advance(100)
        assert center.ended() == 76.0
        (record,) = center.records
        assert record.outcome is CallOutcome.GAVE_UP
        assert record.hung_up
        assert (record.began, record.answered, record.heard_agent, record.ended) == (0.0, 0.0, None, 76.0)

    def test_who_talks_does_not_give_up(self) -> None:
        center = Center()
        center.callers.call_now(CITY)
        center.clock.advance(20)
        center.agent_answers()
        center.clock.advance(200)
        (record,) = center.records
        assert record.outcome is CallOutcome.SERVED
        assert record.heard_agent == 20.0
        assert record.ended == 120.0
        assert record.talked_s == 100.0

    def test_on_hold_another_patience_counts_and_talk_stands_still(self) -> None:
        center = Center()
        center.callers.call_now(CITY)
        center.clock.advance(20)
        center.agent_answers()
        center.clock.advance(40)
        center.switch.request(Part(center.connection, ConnectionId("seat")))
        center.switch.request(Music(center.connection))
        center.clock.advance(20)
        center.switch.request(Join(center.connection, ConnectionId("seat")))
        center.clock.advance(10)
        assert not center.records
        center.switch.request(Part(center.connection, ConnectionId("seat")))
        center.clock.advance(60)
        (record,) = center.records
        assert record.outcome is CallOutcome.SERVED
        assert record.talked_s == 50.0
        assert record.ended == 20 + 40 + 20 + 10 + 30

    def test_a_center_that_never_answers_is_given_up_too(self) -> None:
        center = Center()
        center.answers = False
        center.callers.call_now(CITY)
        center.clock.advance(100)
        assert center.records[0].outcome is CallOutcome.GAVE_UP

    def test_who_is_cleared_while_waiting_was_cut_off(self) -> None:
        center = Center()
        center.callers.call_now(CITY)
        center.clock.advance(20)
        center.switch.request(Clear(center.connection))
        center.clock.advance(1)
        assert center.records[0].outcome is CallOutcome.CUT_OFF
        assert center.callers.in_progress == 0

    def test_who_is_never_answered_was_turned_away(self) -> None:
        center = Center()
        center.switch.stop()
        center.callers.call_now(CITY)
        center.clock.advance(1)
        assert center.records[0].outcome is CallOutcome.TURNED_AWAY
        assert center.callers.outcomes[CallOutcome.TURNED_AWAY] == 1

    def test_who_leaves_the_end_to_the_agent_talks_until_cleared(self) -> None:
        center = Center(replace(SURE, hangs_up=0.0))
        center.callers.call_now(CITY)
        center.clock.advance(20)
        center.agent_answers()
        center.clock.advance(5000)
        assert not center.records
        assert center.network.seat(CITY, "8001").hears().sound is Sound.VOICE
        center.switch.request(Clear(center.connection))
        center.clock.advance(1)
        assert center.records[0].talked_s == 5000


class TestArrivals:
    def test_calls_arrive_as_often_as_asked(self) -> None:
        center = Center()
        center.callers.start()
        center.clock.advance(100 * 3600)
        assert 5700 < center.callers.called[CITY] < 6300
        center.callers.stop()
        center.clock.advance(1000)
        assert center.callers.in_progress == 0
        assert len(center.records) == center.callers.called[CITY]

    def test_the_same_seed_brings_the_same_customers_whatever_becomes_of_them(self) -> None:
        """Policies are compared on the same callers."""

        def customers(answers: bool) -> list[tuple[float, str, str]]:
            center = Center()
            center.answers = answers
            center.callers.start()
            center.clock.advance(3 * 3600)
            return [(r.began, r.calling, r.service) for r in sorted(center.records, key=lambda record: record.began)]

        one, other = customers(True), customers(False)
        both = min(len(one), len(other)) - 5
        assert both > 100
        assert one[:both] == other[:both]

    def test_a_changed_rate_is_noticed(self) -> None:
        center = Center()
        center.callers.calls_per_hour[CITY] = 0.0
        center.callers.start()
        center.clock.advance(3 * 3600)
        assert center.callers.called[CITY] == 0
        center.callers.calls_per_hour[CITY] = 600.0
        center.clock.advance(2 * 3600)
        assert center.callers.called[CITY] > 400

    def test_nobody_calls_for_nothing(self) -> None:
        center = Center()
        with pytest.raises(ValueError, match="no wish"):
            Callers(center.clock, Random(1), center.network, {CITY: 1.0}, [], "10000", frozenset())


class TestDay:
    def test_two_peaks(self) -> None:
        profile = DayProfile()
        local = [profile.weight((hour - 8) % 24 * 3600 + 1800) for hour in range(24)]
        assert local == pytest.approx(TWO_PEAKS)
        assert local[10] == max(local)
        assert local[15] > local[12]
        assert profile.weight(0.0) == pytest.approx(profile.weight(DAY_S))

    def test_arrivals_follow_the_profile(self) -> None:
        profile, rng = DayProfile(), Random(3)
        hours = [0] * 24
        moment = 0.0
        while moment < 20 * DAY_S:
            moment += profile.next_arrival(moment, 100.0, rng)
            hours[int((moment / 3600 + 8) % 24)] += 1
        for hour, count in enumerate(hours):
            assert count / 2000 == pytest.approx(TWO_PEAKS[hour], abs=0.15)

    def test_no_calls_is_for_ever(self) -> None:
        assert DayProfile().next_arrival(0.0, 0.0, Random(1)) == float("inf")

    @pytest.mark.parametrize("hours", [(1.0,) * 23, (0.0,) * 24, (*FLAT[:23], -1.0)])
    def test_a_wrong_profile_is_refused(self, hours: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="24 weights"):
            DayProfile(hours)


class TestNumbers:
    def calling(self, numbers: dict[CityId, list[str]] | None, known: float = 0.85) -> list[tuple[str, float, float]]:
        center = Center(replace(SURE, known=known), numbers=numbers)
        center.answers = False
        for _ in range(200):
            center.callers.call_now(CITY)
        center.clock.advance(1000)
        return [(one.calling, one.began, one.ended) for one in center.records]

    def test_most_who_call_are_on_record_and_everything_else_about_them_is_as_without(self) -> None:
        strangers, some = self.calling(None), self.calling({CITY: ["02081110001", "13900000002"]})
        known = [one for one in some if one[0] in ("02081110001", "13900000002")]
        assert 150 < len(known) < 190
        assert len({one[0] for one in known}) == 2
        assert [one[1:] for one in some] == [one[1:] for one in strangers]
        assert all(one in strangers for one in some if one not in known)

    @pytest.mark.parametrize("numbers", [{}, {CITY: []}, {CityId("elsewhere"): ["110"]}])
    def test_where_nobody_is_on_record_strangers_call(self, numbers: dict[CityId, list[str]]) -> None:
        assert self.calling(numbers) == self.calling(None) == self.calling({CITY: ["110"]}, known=0.0)


def test_draws_have_the_mean_they_are_asked_for() -> None:
    rng = Random(2)
    for draw in (exponential(180.0), lognormal(180.0, 0.8), constant(180.0)):
        assert fmean(draw(rng) for _ in range(20_000)) == pytest.approx(180.0, rel=0.04)
    assert never()(rng) == float("inf")
    with pytest.raises(ValueError, match="larger than 0"):
        exponential(0.0)
    with pytest.raises(ValueError, match="larger than 0"):
        lognormal(10.0, 0.0)


def test_wishes_come_out_of_the_package() -> None:
    package = parse_package(PACKAGE.read_bytes(), str(PACKAGE))
    wishes = {wish.service: wish for wish in wishes_of(package, {"fault": 3.0, "general": 1.0})}
    assert wishes["fault"] == Wish("fault", 3.0, "112", "1")
    assert wishes["general"].keys == "0"
    assert wishes["general"].door == package.doors[0].number
    assert wishes["bill"].share == 0.0
    assert "press-0" in menu_prompts_of(package)
    with pytest.raises(ValueError, match="no service nonsense"):
        wishes_of(package, {"nonsense": 1.0})


def test_self_services_are_found_in_the_package_with_the_keys_that_lead_there() -> None:
    package = parse_package(PACKAGE.read_bytes(), PACKAGE.name)
    assert self_service_of(package) == {"bill": "61", "progress": "62", "tariff": "631"}


def test_a_number_whose_menu_goes_on_by_itself_is_a_door_of_that_service() -> None:
    package = parse_package(PACKAGE.read_bytes(), PACKAGE.name)
    [wish] = [wish for wish in wishes_of(package) if wish.service == "bill"]
    assert (wish.door, wish.keys) == ("170", "3")


def test_who_does_not_serve_itself_is_the_same_customer_as_ever() -> None:
    """Others may use self-service or not: nobody else draws differently."""

    def day(self_service: SelfServiceHabits | None) -> list[CallRecord]:
        center = Center(Habits(), numbers={CITY: ["02088886666"]}, self_service=self_service)
        center.callers.start()
        center.clock.advance(3600.0)
        center.callers.stop()
        return center.records

    ways = self_service_of(parse_package(PACKAGE.read_bytes(), PACKAGE.name))
    nobody = day(SelfServiceHabits(ways, {}, share=0.0))
    assert len(nobody) > 30
    assert nobody == day(None)
