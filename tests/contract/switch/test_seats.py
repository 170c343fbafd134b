"""Legs to seats: ringing, answer and its absence, who hears whom, and hanging up at every moment."""

from __future__ import annotations

import pytest

from dataset.ids import ConnectionId, ContactId
from site_node.core.telephony import (
    Cause,
    Clear,
    Cleared,
    Delivered,
    Established,
    Join,
    Leg,
    Make,
    Music,
    Part,
    Play,
    Played,
    Prompt,
    Role,
    Seat,
)
from site_node.ports import Capability
from tests.contract.switch.world import OTHER_SEAT, SEAT, UNREGISTERED_SEAT, CallerPhone, SeatPhone, SwitchWorld

pytestmark = pytest.mark.needs(Capability.MAKE)

LEG = Leg(ContactId("0020-7f3a9c21-000001"), 1, Role.SEAT)


def make(world: SwitchWorld, extension: str = SEAT, ring_s: float = 20.0) -> ConnectionId:
    """Ask for a leg to a seat."""
    connection = world.new_connection()
    world.here.request(Make(connection, Seat(extension), LEG, ring_s, calling="13800000001"))
    return connection


def ring(world: SwitchWorld, extension: str = SEAT, ring_s: float = 20.0) -> tuple[SeatPhone, ConnectionId]:
    """A phone that rings."""
    phone = world.here.seat(extension)
    connection = make(world, extension, ring_s)
    world.here.first(Delivered, connection)
    world.until(lambda: phone.ringing, what=f"the phone at {extension} rings")
    return phone, connection


def talk(world: SwitchWorld) -> tuple[CallerPhone, ConnectionId, SeatPhone, ConnectionId]:
    """A customer and a seat that hear each other."""
    caller, customer = world.here.answered()
    phone, seat = ring(world)
    phone.answer()
    world.here.first(Established, seat)
    world.here.request(Join(customer, seat))
    world.until(lambda: caller.hears(phone) and phone.hears(caller), what="both hear each other")
    return caller, customer, phone, seat


class TestRinging:
    def test_a_seat_rings_and_answers(self, world: SwitchWorld) -> None:
        phone, connection = ring(world)
        assert not world.here.all_of(Established, connection)
        phone.answer()
        world.here.first(Established, connection)
        world.until(lambda: phone.in_call, what="the phone is in a call")
        assert world.here.about(connection) == [Delivered(connection), Established(connection)]

    def test_nobody_answers_in_ring_time(self, world: SwitchWorld) -> None:
        """No answer: the agent becomes 示忙 and the caller keeps the place."""
        phone, connection = ring(world, ring_s=3.0)
        assert world.here.first(Cleared, connection).cause is Cause.NO_ANSWER
        world.until(lambda: not phone.ringing, what="the phone stops ringing")
        phone.answer()
        world.nothing_more()
        assert world.here.about(connection)[-1] == Cleared(connection, Cause.NO_ANSWER)

    def test_ring_time_ends_with_the_answer(self, world: SwitchWorld) -> None:
        phone, connection = ring(world, ring_s=2.0)
        phone.answer()
        world.here.first(Established, connection)
        world.nothing_more(3.0)
        assert not world.here.all_of(Cleared)

    def test_the_seat_declines(self, world: SwitchWorld) -> None:
        phone, connection = ring(world)
        phone.reject()
        assert world.here.first(Cleared, connection).cause is Cause.REJECTED

    def test_no_phone_has_registered(self, world: SwitchWorld) -> None:
        connection = make(world, UNREGISTERED_SEAT)
        assert world.here.first(Cleared, connection).cause is Cause.UNREACHABLE
        assert world.here.about(connection) == [Cleared(connection, Cause.UNREACHABLE)]

    def test_no_such_seat(self, world: SwitchWorld) -> None:
        connection = make(world, "8999")
        assert world.here.first(Cleared, connection).cause is Cause.UNREACHABLE

    def test_a_second_call_to_a_ringing_seat_is_refused_by_the_switch(self, world: SwitchWorld) -> None:
        """A6: the switch keeps the limit of one as well."""
        phone, connection = ring(world)
        second = make(world)
        assert world.here.first(Cleared, second).cause is Cause.BUSY
        assert phone.ringing
        phone.answer()
        world.here.first(Established, connection)
        assert world.here.about(second) == [Cleared(second, Cause.BUSY)]

    def test_a_second_call_to_a_talking_seat_is_refused_by_the_switch(self, world: SwitchWorld) -> None:
        caller, _, phone, seat = talk(world)
        second = make(world)
        assert world.here.first(Cleared, second).cause is Cause.BUSY
        assert caller.hears(phone)
        assert not world.here.all_of(Cleared, seat)

    def test_a_seat_is_free_again_after_its_call(self, world: SwitchWorld) -> None:
        phone, connection = ring(world)
        phone.reject()
        world.here.first(Cleared, connection)
        ring(world)

    def test_two_seats_ring_at_the_same_time(self, world: SwitchWorld) -> None:
        one, first = ring(world)
        other, second = ring(world, OTHER_SEAT)
        other.answer()
        world.here.first(Established, second)
        assert one.ringing
        one.answer()
        world.here.first(Established, first)

    def test_making_the_same_connection_twice_is_nothing(self, world: SwitchWorld) -> None:
        phone, connection = ring(world)
        world.here.request(Make(connection, Seat(OTHER_SEAT), LEG, 20.0))
        world.nothing_more()
        assert phone.ringing
        assert world.here.about(connection) == [Delivered(connection)]


class TestCancelling:
    def test_we_take_the_call_back_while_it_rings(self, world: SwitchWorld) -> None:
        phone, connection = ring(world)
        world.here.request(Clear(connection, Cause.CANCELLED))
        assert world.here.first(Cleared, connection).cause is Cause.CANCELLED
        world.until(lambda: not phone.ringing, what="the phone stops ringing")
        phone.answer()
        world.nothing_more()
        assert isinstance(world.here.about(connection)[-1], Cleared)

    def test_we_take_the_call_back_at_once(self, world: SwitchWorld) -> None:
        """Before the switch had time to ring the seat: one ending, no answer after it, and the seat is free."""
        connection = make(world)
        world.here.request(Clear(connection))
        assert world.here.first(Cleared, connection).cause is Cause.CANCELLED
        phone, again = ring(world)
        phone.answer()
        world.here.first(Established, again)
        world.nothing_more()
        assert isinstance(world.here.about(connection)[-1], Cleared)
        assert len(world.here.all_of(Cleared, connection)) == 1

    def test_answer_and_cancel_cross(self, world: SwitchWorld) -> None:
        """Either the answer came first and was cleared, or it never came; once cleared, nothing more."""
        phone, connection = ring(world)
        phone.answer()
        world.here.request(Clear(connection))
        cleared = world.here.first(Cleared, connection)
        world.nothing_more()
        established = bool(world.here.all_of(Established, connection))
        assert cleared.cause in ({Cause.CLEARED_BY_US} if established else {Cause.CANCELLED})
        assert isinstance(world.here.about(connection)[-1], Cleared)
        world.until(lambda: not phone.in_call, what="the phone is free")


@pytest.mark.needs(Capability.SEAT_ANSWER)
class TestAnswerByCommand:
    def test_a_ringing_seat_is_answered_by_command(self, world: SwitchWorld) -> None:
        phone, connection = ring(world)
        world.here.switch.answer_seat(SEAT)
        world.here.first(Established, connection)
        world.until(lambda: phone.in_call, what="the phone is in a call")

    def test_a_silent_or_unknown_seat_is_not(self, world: SwitchWorld) -> None:
        world.here.switch.answer_seat(SEAT)
        world.here.switch.answer_seat("8999")
        world.nothing_more()
        assert world.here.reports == []


@pytest.mark.needs(Capability.JOIN)
class TestJoin:
    def test_both_hear_each_other(self, world: SwitchWorld) -> None:
        talk(world)

    def test_answered_but_not_joined_is_silence(self, world: SwitchWorld) -> None:
        """O2: the answer is in the journal before the audio is bridged."""
        caller, _ = world.here.answered()
        phone, seat = ring(world)
        phone.answer()
        world.here.first(Established, seat)
        world.nothing_more()
        assert caller.hears_nothing()
        assert phone.hears_nothing()

    def test_joining_again_is_nothing(self, world: SwitchWorld) -> None:
        caller, customer, phone, seat = talk(world)
        world.here.request(Join(customer, seat), Join(seat, customer))
        world.nothing_more()
        assert caller.hears(phone)
        assert phone.hears(caller)

    def test_join_ends_music(self, world: SwitchWorld) -> None:
        caller, customer = world.here.answered()
        world.here.request(Music(customer))
        phone, seat = ring(world)
        phone.answer()
        world.here.first(Established, seat)
        world.until(caller.hears_sound, what="music")
        world.here.request(Join(customer, seat))
        world.until(lambda: caller.hears(phone) and phone.hears(caller), what="both hear each other")
        world.until(lambda: not caller.hears_sound(), what="no more music")

    def test_join_ends_a_prompt(self, world: SwitchWorld) -> None:
        caller, customer = world.here.answered()
        phone, seat = ring(world)
        phone.answer()
        world.here.first(Established, seat)
        world.here.request(Play(customer, (Prompt("main-menu"),) * 3))
        world.until(caller.hears_sound, what="the prompt")
        world.here.request(Join(customer, seat))
        assert not world.here.first(Played, customer).completed
        world.until(lambda: caller.hears(phone), what="the caller hears the seat")

    def test_hold_and_retrieve(self, world: SwitchWorld) -> None:
        """Hold is Part and Music; the agent hears nothing of it."""
        caller, customer, phone, seat = talk(world)
        world.here.request(Part(customer, seat), Music(customer))
        world.until(caller.hears_sound, what="music")
        world.until(phone.hears_nothing, what="silence at the seat")
        world.here.request(Join(customer, seat))
        world.until(lambda: caller.hears(phone) and phone.hears(caller), what="both hear each other again")

    def test_parting_twice_or_from_a_stranger_is_nothing(self, world: SwitchWorld) -> None:
        caller, customer, phone, seat = talk(world)
        world.here.request(Part(customer, world.new_connection()))
        world.nothing_more()
        assert caller.hears(phone)
        world.here.request(Part(seat, customer), Part(customer, seat))
        world.until(lambda: caller.hears_nothing() and phone.hears_nothing(), what="both are alone")
        assert not world.here.all_of(Cleared)

    def test_sent_on_to_another_seat(self, world: SwitchWorld) -> None:
        """Transfer at the anchor: the customer's leg stays, the partner changes, audio both ways after it."""
        caller, customer, phone, seat = talk(world)
        world.here.request(Part(customer, seat), Music(customer))
        other, second = ring(world, OTHER_SEAT)
        other.answer()
        world.here.first(Established, second)
        world.here.request(Clear(seat, Cause.TRANSFERRED), Join(customer, second))
        world.until(lambda: caller.hears(other) and other.hears(caller), what="the new partners hear each other")
        world.until(lambda: not phone.in_call, what="the first seat is free")


class TestEnding:
    def test_the_caller_hangs_up_in_talk(self, world: SwitchWorld) -> None:
        """The seat is not cut off by the switch itself: its core decides."""
        caller, customer, phone, seat = talk(world)
        caller.hang_up()
        assert world.here.first(Cleared, customer).cause is Cause.NORMAL
        world.until(phone.hears_nothing, what="silence at the seat")
        assert phone.in_call
        assert not world.here.all_of(Cleared, seat)
        world.here.request(Clear(seat))
        assert world.here.first(Cleared, seat).cause is Cause.CLEARED_BY_US
        world.until(lambda: not phone.in_call, what="the seat's phone sees the end")

    def test_the_seat_hangs_up_in_talk(self, world: SwitchWorld) -> None:
        """A receiver put down is not “finished” (O4): the caller is still there."""
        caller, customer, phone, seat = talk(world)
        phone.hang_up()
        assert world.here.first(Cleared, seat).cause is Cause.NORMAL
        world.until(caller.hears_nothing, what="silence at the caller")
        assert caller.in_call
        assert not world.here.all_of(Cleared, customer)
        world.here.request(Music(customer))
        world.until(caller.hears_sound, what="music for the caller")

    def test_the_seat_hangs_up_on_hold(self, world: SwitchWorld) -> None:
        caller, customer, phone, seat = talk(world)
        world.here.request(Part(customer, seat), Music(customer))
        world.until(caller.hears_sound, what="music")
        phone.hang_up()
        assert world.here.first(Cleared, seat).cause is Cause.NORMAL
        assert caller.hears_sound()

    def test_the_caller_hangs_up_while_the_seat_rings(self, world: SwitchWorld) -> None:
        caller, customer = world.here.answered()
        phone, seat = ring(world)
        caller.hang_up()
        world.here.first(Cleared, customer)
        assert phone.ringing
        world.here.request(Clear(seat))
        assert world.here.first(Cleared, seat).cause is Cause.CANCELLED

    def test_both_hang_up_at_once(self, world: SwitchWorld) -> None:
        caller, customer, phone, seat = talk(world)
        caller.hang_up()
        phone.hang_up()
        world.here.first(Cleared, customer)
        world.here.first(Cleared, seat)
        world.nothing_more()
        assert len(world.here.all_of(Cleared)) == 2

    def test_we_clear_both(self, world: SwitchWorld) -> None:
        caller, customer, phone, seat = talk(world)
        world.here.request(Clear(seat, Cause.FINISHED), Clear(customer, Cause.FINISHED))
        assert world.here.first(Cleared, seat).cause is Cause.CLEARED_BY_US
        assert world.here.first(Cleared, customer).cause is Cause.CLEARED_BY_US
        world.until(lambda: caller.over and not phone.in_call, what="both phones see the end")
