"""Legs to customers in the public network: a seat first, then the customer, as a call-back has them."""

from __future__ import annotations

import pytest

from dataset.ids import ConnectionId, ContactId, Token
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
    Outside,
    Part,
    Role,
    Seat,
)
from site_node.ports import Capability
from tests.contract.switch.world import NUMBER_OUTSIDE, SEAT, SeatPhone, SwitchWorld

pytestmark = pytest.mark.needs(Capability.MAKE, Capability.OUTSIDE)

CONTACT = ContactId("0020-7f3a9c21-000001")
LEG = Leg(CONTACT, 1, Role.CUSTOMER, Token("7f3a9c21-000001"))


def make(world: SwitchWorld, ring_s: float = 20.0) -> ConnectionId:
    """Ask for a leg to the customer."""
    connection = world.new_connection()
    world.here.request(Make(connection, Outside(NUMBER_OUTSIDE), LEG, ring_s))
    return connection


def ring(world: SwitchWorld, ring_s: float = 20.0) -> tuple[SeatPhone, ConnectionId]:
    """The customer's telephone rings."""
    phone = world.here.outside()
    connection = make(world, ring_s)
    world.here.first(Delivered, connection)
    world.until(lambda: phone.ringing, what="the customer's telephone rings")
    return phone, connection


def talk(world: SwitchWorld) -> tuple[SeatPhone, ConnectionId, SeatPhone, ConnectionId]:
    """A seat and a customer that hear each other, the seat having answered first."""
    at_seat = world.here.seat(SEAT)
    seat = world.new_connection()
    world.here.request(Make(seat, Seat(SEAT), Leg(CONTACT, 1, Role.SEAT), 20.0, calling=NUMBER_OUTSIDE))
    world.until(lambda: at_seat.ringing, what="the seat rings")
    at_seat.answer()
    world.here.first(Established, seat)
    phone, customer = ring(world)
    phone.answer()
    world.here.first(Established, customer)
    world.here.request(Join(customer, seat))
    world.until(lambda: phone.hears(at_seat) and at_seat.hears(phone), what="both hear each other")
    return at_seat, seat, phone, customer


def test_a_customer_rings_answers_and_hangs_up(world: SwitchWorld) -> None:
    phone, connection = ring(world)
    assert not world.here.all_of(Established, connection)
    phone.answer()
    world.here.first(Established, connection)
    phone.hang_up()
    assert world.here.first(Cleared, connection).cause is Cause.NORMAL
    world.nothing_more()
    assert world.here.about(connection) == [
        Delivered(connection),
        Established(connection),
        Cleared(connection, Cause.NORMAL),
    ]


def test_a_customer_who_does_not_answer(world: SwitchWorld) -> None:
    phone, connection = ring(world, ring_s=2.0)
    assert world.here.first(Cleared, connection).cause is Cause.NO_ANSWER
    world.until(lambda: not phone.ringing, what="it stops ringing")


def test_a_customer_who_declines(world: SwitchWorld) -> None:
    phone, connection = ring(world)
    phone.reject()
    assert world.here.first(Cleared, connection).cause is Cause.REJECTED


def test_a_customer_who_is_in_a_call(world: SwitchWorld) -> None:
    phone, first = ring(world)
    phone.answer()
    world.here.first(Established, first)
    second = make(world)
    assert world.here.first(Cleared, second).cause is Cause.BUSY
    world.nothing_more()
    assert not world.here.all_of(Cleared, first)


def test_we_give_up_while_it_rings(world: SwitchWorld) -> None:
    phone, connection = ring(world)
    world.here.request(Clear(connection, Cause.CANCELLED))
    assert world.here.first(Cleared, connection).cause is Cause.CANCELLED
    world.until(lambda: not phone.ringing, what="it stops ringing")


def test_seat_and_customer_hear_each_other(world: SwitchWorld) -> None:
    at_seat, seat, phone, customer = talk(world)
    world.here.request(Part(customer, seat), Music(customer))
    world.until(lambda: phone.hears_sound() and at_seat.hears_nothing(), what="held, with music")
    world.here.request(Join(customer, seat))
    world.until(lambda: phone.hears(at_seat) and at_seat.hears(phone), what="both hear each other again")
    world.here.request(Clear(customer), Clear(seat))
    world.here.first(Cleared, customer)
    world.here.first(Cleared, seat)
    world.until(lambda: phone.over and at_seat.over, what="both telephones see the end")


def test_a_restarted_node_finds_both_legs(world: SwitchWorld) -> None:
    """O6: what they are for, that they are answered, and that they are joined."""
    at_seat, seat, phone, customer = talk(world)
    held = {one.connection: one for one in world.here.restart_node().connections}
    assert (held[customer].leg, held[customer].established, held[customer].incoming) == (LEG, True, False)
    assert held[customer].called == NUMBER_OUTSIDE
    assert held[customer].joined_to == seat
    assert phone.hears(at_seat)
    phone.hang_up()
    assert world.here.first(Cleared, customer).cause is Cause.NORMAL
