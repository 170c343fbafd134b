"""What the telephone network in memory can do beyond the contract of the switch port: faults on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import pytest

from dataset.ids import CityId, ConnectionId, ContactId, Token
from federation.node.clock import VirtualClock
from site_node.core.telephony import (
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Digit,
    Established,
    Join,
    Leg,
    Make,
    Music,
    Offered,
    Play,
    Played,
    Prompt,
    Report,
    Role,
    Seat,
    SwitchDown,
    SwitchUp,
    Trunk,
)
from site_node.switch.simulated import Caller, CallState, Hearing, Network, SeatPhone, Sound

A, B, C = CityId("guangzhou"), CityId("shenzhen"), CityId("foshan")
R = TypeVar("R", bound=Report)
TOKEN = Token("8d21c0aa-00002f")


@dataclass
class Node:
    """A site node that only listens and asks."""

    network: Network
    city: CityId
    heard: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.switch = self.network.adapter(self.city)
        self.switch.start(self.heard.append)

    def ask(self, *requests: object) -> None:
        for request in requests:
            self.switch.request(request)  # type: ignore[arg-type]

    def last(self, kind: type[R]) -> R:
        return next(report for report in reversed(self.heard) if isinstance(report, kind))

    def newest(self) -> Report:
        return self.heard[-1]

    def ending(self, connection: ConnectionId) -> Cause | None:
        (*causes,) = (one.cause for one in self.heard if isinstance(one, Cleared) and one.connection == connection)
        assert len(causes) <= 1
        return causes[0] if causes else None


class Province:
    def __init__(self, delay_s: float = 0.02) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock, Random(7), (A, B, C), trunk_delay_s=delay_s)
        for city in (A, B, C):
            self.network.add_seat(city, "8001")
        self.a, self.b = Node(self.network, A), Node(self.network, B)
        self.trunk = self.network.trunk(A, B)
        self.clock.advance(0)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def make(self, name: str = "out", ring_s: float = 25.0) -> ConnectionId:
        connection = ConnectionId(name)
        leg = Leg(ContactId("c"), 1, Role.OUTBOUND, TOKEN)
        self.a.ask(Make(connection, Trunk(B, "7701", TOKEN), leg, ring_s))
        return connection

    def inbound(self) -> ConnectionId:
        offered = self.b.last(Offered)
        return offered.connection

    def established_leg(self) -> tuple[ConnectionId, ConnectionId]:
        here = self.make()
        self.pass_time(5)
        there = self.inbound()
        self.b.ask(Answer(there))
        self.pass_time(5)
        assert Established(here) in self.a.heard
        return here, there

    def caller(self) -> tuple[Caller, ConnectionId]:
        caller = self.network.call(A, "10000", "13800000001")
        self.pass_time(0)
        offered = self.a.last(Offered)
        self.a.ask(Answer(offered.connection))
        self.pass_time(0)
        return caller, offered.connection


def test_reports_never_come_from_inside_a_request() -> None:
    province = Province()
    _, connection = province.caller()
    before = len(province.a.heard)
    province.a.ask(Play(connection, (Prompt("welcome"),)), Clear(connection))
    assert len(province.a.heard) == before
    province.pass_time(0)
    assert province.a.heard[before:] == [Cleared(connection, Cause.CLEARED_BY_US)]


def test_prompts_take_their_time_and_can_be_followed_one_by_one() -> None:
    clock = VirtualClock()
    network = Network(clock, Random(1), (A,), prompt_s={"welcome": 4.0}, usual_prompt_s=2.0, number_s=1.0)
    node = Node(network, A)
    caller = network.call(A, "10000", "1")
    heard: list[tuple[float, str]] = []
    caller.on_change = lambda: heard.append((clock.monotonic(), caller.hears().prompt))
    clock.advance(0)
    offered = node.last(Offered)
    node.ask(Answer(offered.connection))
    clock.advance(0)
    node.ask(Play(offered.connection, (Prompt("welcome"), Prompt("queue-position", 3))))
    clock.advance(10)
    assert heard == [(0.0, ""), (0.0, "welcome"), (4.0, "queue-position"), (7.0, "")]
    assert node.newest() == Played(offered.connection, completed=True)


def test_signalling_takes_the_trunks_delay_each_way() -> None:
    province = Province(delay_s=1.0)
    here = province.make()
    province.pass_time(0.9)
    assert not any(isinstance(report, Offered) for report in province.b.heard)
    province.pass_time(0.2)
    province.b.ask(Answer(province.inbound()))
    province.pass_time(0.9)
    assert Established(here) not in province.a.heard
    province.pass_time(0.2)
    assert Established(here) in province.a.heard


def test_a_shorter_delay_never_lets_a_message_overtake_an_earlier_one() -> None:
    province = Province(delay_s=2.0)
    here = province.make()
    province.pass_time(1.0)
    province.trunk.delay_s = 0.01
    province.a.ask(Clear(here))
    province.pass_time(5)
    there = province.inbound()
    assert province.b.ending(there) is Cause.NORMAL


def test_a_cancel_that_crosses_the_answer_ends_both_sides() -> None:
    """O2, O4: the answer reaches an anchor that has already withdrawn."""
    province = Province(delay_s=1.0)
    here = province.make()
    province.pass_time(1.5)
    there = province.inbound()
    province.b.ask(Answer(there))
    province.pass_time(0.5)
    province.a.ask(Clear(here))
    province.pass_time(5)
    assert province.a.ending(here) is Cause.CANCELLED
    assert Established(here) not in province.a.heard
    assert Established(there) in province.b.heard
    assert province.b.ending(there) is Cause.NORMAL
    assert province.trunk.in_use == 0


def test_a_full_trunk_refuses_with_congestion_and_is_given_back() -> None:
    province = Province()
    province.trunk.capacity = 1
    here, _ = province.established_leg()
    second = province.make("second")
    province.pass_time(1)
    assert province.a.ending(second) is Cause.CONGESTION
    province.a.ask(Clear(here))
    province.pass_time(1)
    assert province.trunk.in_use == 0
    province.make("third")
    province.pass_time(1)
    assert province.a.ending(ConnectionId("third")) is None


def test_a_trunk_can_refuse_every_leg() -> None:
    province = Province()
    province.trunk.refuses = Cause.REFUSED
    here = province.make()
    province.pass_time(1)
    assert province.a.ending(here) is Cause.REFUSED
    assert province.trunk.in_use == 0


def test_a_lost_set_up_is_found_by_ring_time_alone() -> None:
    province = Province()
    province.trunk.loss = 1.0
    here = province.make(ring_s=6.0)
    province.pass_time(5.9)
    assert province.a.ending(here) is None
    province.pass_time(0.2)
    assert province.a.ending(here) is Cause.NO_ANSWER
    assert not any(isinstance(report, Offered) for report in province.b.heard)
    assert province.trunk.in_use == 0


def test_legs_over_a_cut_trunk_fail() -> None:
    province = Province()
    province.trunk.cut()
    here = province.make()
    province.pass_time(1)
    assert province.a.ending(here) is Cause.UNREACHABLE


def test_a_cut_in_talk_is_found_by_the_media_timers_of_both_ends() -> None:
    """O5: a channel without voice is no evidence."""
    province = Province()
    here, there = province.established_leg()
    province.trunk.cut()
    province.pass_time(14)
    assert province.a.ending(here) is None
    province.pass_time(2)
    assert province.a.ending(here) is Cause.MEDIA_LOST
    assert province.b.ending(there) is Cause.MEDIA_LOST
    assert province.trunk.in_use == 0


def test_a_short_break_ends_nothing() -> None:
    province = Province()
    here, there = province.established_leg()
    province.trunk.cut()
    province.pass_time(10)
    province.trunk.restore()
    province.pass_time(60)
    assert province.a.ending(here) is None
    assert province.b.ending(there) is None


def test_a_hang_up_lost_in_a_break_leaves_the_other_end_to_its_timer() -> None:
    province = Province()
    here, there = province.established_leg()
    province.trunk.cut()
    province.a.ask(Clear(here, Cause.FINISHED))
    province.pass_time(1)
    province.trunk.restore()
    province.pass_time(13)
    assert province.b.ending(there) is None
    province.pass_time(2)
    assert province.b.ending(there) is Cause.MEDIA_LOST


def test_a_silent_trunk_ends_as_a_fault_here_and_looks_like_a_hang_up_there() -> None:
    """The case that O4 was found for."""
    province = Province()
    here, there = province.established_leg()
    province.trunk.mute(toward=A)
    province.pass_time(20)
    assert province.a.ending(here) is Cause.MEDIA_LOST
    assert province.b.ending(there) is Cause.NORMAL


def test_a_lost_answer_leaves_the_serving_end_to_its_timer() -> None:
    province = Province(delay_s=1.0)
    here = province.make(ring_s=10.0)
    province.pass_time(2)
    there = province.inbound()
    province.b.ask(Answer(there))
    province.pass_time(0.5)
    province.trunk.cut()
    province.pass_time(60)
    assert province.a.ending(here) is Cause.NO_ANSWER
    assert province.b.ending(there) is Cause.MEDIA_LOST


def test_a_switch_that_dies_takes_its_calls_along_and_its_neighbour_notices() -> None:
    province = Province()
    caller, _ = province.caller()
    here, there = province.established_leg()
    province.network.city(A).fail()
    province.pass_time(0)
    assert isinstance(province.a.newest(), SwitchDown)
    assert caller.over
    assert caller.cause is Cause.SWITCH_FAILED
    province.pass_time(20)
    assert province.b.ending(there) is Cause.MEDIA_LOST
    assert province.a.ending(here) is None
    turned_away = province.network.call(A, "10000", "1")
    province.pass_time(0)
    assert turned_away.cause is Cause.UNREACHABLE
    province.network.city(A).recover()
    province.pass_time(0)
    assert province.a.newest() == SwitchUp(())


def test_a_leg_to_a_dead_switch_cannot_be_reached() -> None:
    province = Province()
    province.network.city(B).fail()
    here = province.make()
    province.pass_time(1)
    assert province.a.ending(here) is Cause.UNREACHABLE


def test_while_a_switch_cannot_be_reached_its_calls_go_on_and_the_snapshot_tells() -> None:
    province = Province()
    caller, connection = province.caller()
    other, second = province.caller()
    exchange = province.network.city(A)
    exchange.disconnect()
    province.pass_time(1)
    assert isinstance(province.a.newest(), SwitchDown)
    province.a.ask(Clear(second))
    other.hang_up()
    province.pass_time(1)
    assert isinstance(province.a.newest(), SwitchDown)
    assert caller.state is CallState.IN_CALL
    exchange.reconnect()
    province.pass_time(0)
    up = province.a.newest()
    assert isinstance(up, SwitchUp)
    assert [held.connection for held in up.connections] == [connection]


def test_what_a_dead_process_has_sent_is_carried_out_before_the_snapshot() -> None:
    """O6: else its bridge command would hit the adopted call."""
    province = Province()
    caller, connection = province.caller()
    province.network.city(A).command_delay_s = 0.5
    province.a.ask(Music(connection))
    province.a.switch.stop()
    assert caller.hears().sound is Sound.SILENCE
    again = Node(province.network, A)
    assert caller.hears().sound is Sound.MUSIC
    province.pass_time(1)
    up = again.heard[0]
    assert isinstance(up, SwitchUp)
    assert [held.connection for held in up.connections] == [connection]


def test_a_seat_phone_that_loses_its_network_is_missed_in_talk() -> None:
    province = Province()
    phone = province.network.seat(A, "8001")
    seat = ConnectionId("seat")
    leg = Leg(ContactId("c"), 1, Role.SEAT)
    province.a.ask(Make(seat, Seat("8001"), leg, 20.0))
    province.pass_time(0)
    phone.answer()
    province.pass_time(1)
    phone.vanish()
    province.pass_time(1)
    province.a.ask(Make(ConnectionId("next"), Seat("8001"), leg, 20.0))
    province.pass_time(30)
    assert province.a.ending(seat) is Cause.MEDIA_LOST
    assert province.a.ending(ConnectionId("next")) is Cause.UNREACHABLE
    phone.register()
    province.a.ask(Make(ConnectionId("later"), Seat("8001"), leg, 20.0))
    province.pass_time(0)
    assert Delivered(ConnectionId("later")) in province.a.heard


def test_digits_cross_the_trunk_with_the_voice() -> None:
    province = Province()
    caller, customer = province.caller()
    here, there = province.established_leg()
    province.a.ask(Join(customer, here))
    province.pass_time(0)
    caller.press("7")
    province.pass_time(1)
    assert Digit(customer, "7") in province.a.heard
    assert Digit(there, "7") in province.b.heard
    with pytest.raises(ValueError, match="not a digit"):
        caller.press("77")


def test_legs_joined_into_a_ring_end_in_silence() -> None:
    province = Province()
    one, _ = province.established_leg()
    first = province.inbound()
    two = province.make("two")
    province.pass_time(1)
    second = province.inbound()
    province.b.ask(Answer(second))
    province.pass_time(1)
    province.a.ask(Join(one, two))
    province.b.ask(Join(first, second))
    province.pass_time(1)
    assert province.network.city(A).connections[one].toward_far() == Hearing(Sound.SILENCE)


def test_phones_say_when_something_changes_and_only_then() -> None:
    province = Province()
    changes: list[tuple[CallState, Sound]] = []
    caller = province.network.call(A, "10000", "1")
    caller.on_change = lambda: changes.append((caller.state, caller.hears().sound))
    phone: SeatPhone = province.network.seat(A, "8001")
    rings: list[str] = []
    phone.on_change = lambda: rings.append(phone.state)
    province.pass_time(0)
    offered = province.a.last(Offered)
    connection = offered.connection
    province.a.ask(Answer(connection), Music(connection), Music(connection))
    province.a.ask(Make(ConnectionId("s"), Seat("8001"), Leg(ContactId("c"), 1, Role.SEAT), 20.0))
    province.pass_time(1)
    phone.answer()
    province.pass_time(0)
    province.a.ask(Join(connection, ConnectionId("s")))
    province.pass_time(0)
    caller.hang_up()
    province.pass_time(0)
    assert changes == [
        (CallState.IN_CALL, Sound.MUSIC),
        (CallState.IN_CALL, Sound.VOICE),
        (CallState.OVER, Sound.SILENCE),
    ]
    assert rings[:2] == [CallState.RINGING, CallState.IN_CALL]
    assert caller.answered == 0.0
    assert caller.ended == 1.0


def test_the_same_seed_gives_the_same_day() -> None:
    def day(seed: int) -> list[Report]:
        clock = VirtualClock()
        network = Network(clock, Random(seed), (A, B))
        node = Node(network, A)
        network.trunk(A, B).loss = 0.5
        for number in range(50):
            leg = Leg(ContactId("c"), 1, Role.OUTBOUND, TOKEN)
            node.ask(Make(ConnectionId(f"{number:06}"), Trunk(B, "7701", TOKEN), leg, 5.0 + number))
        clock.advance(100)
        return node.heard

    assert day(3) == day(3)
    assert day(3) != day(4)
