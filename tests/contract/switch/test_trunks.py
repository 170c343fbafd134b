"""Legs between two cities: what travels, what is refused, who hears whom, and what an ending tells the other side."""

from __future__ import annotations

import pytest

from dataset.ids import CityId, ConnectionId, ContactId, Token
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Established,
    Join,
    Leg,
    Make,
    Music,
    Offered,
    Part,
    Role,
    Seat,
    Trunk,
)
from site_node.ports import Capability
from tests.contract.switch.world import (
    HERE,
    NUMBER_OUT_OF_THE_POOL,
    SEAT,
    THERE,
    CallerPhone,
    SeatPhone,
    SwitchWorld,
)

pytestmark = pytest.mark.needs(Capability.TRUNK)

CONTACT = ContactId("0020-7f3a9c21-000001")
TOKEN = Token("8d21c0aa-00002f")
OUTBOUND = Leg(CONTACT, 2, Role.OUTBOUND, TOKEN)
INBOUND = Leg(CONTACT, 2, Role.INBOUND, TOKEN)


def make(world: SwitchWorld, ring_s: float = 20.0, city: CityId = THERE) -> ConnectionId:
    """Ask the switch here for a leg to the other city."""
    connection = world.new_connection()
    device = Trunk(city, NUMBER_OUT_OF_THE_POOL, TOKEN)
    world.here.request(Make(connection, device, OUTBOUND, ring_s, calling="13800000001"))
    return connection


def extended(world: SwitchWorld, ring_s: float = 20.0) -> tuple[ConnectionId, ConnectionId]:
    """A leg that has been offered in the other city: its id here, its id there."""
    here = make(world, ring_s)
    return here, world.there.first(Offered).connection


def answered(world: SwitchWorld) -> tuple[ConnectionId, ConnectionId]:
    """An established leg: its id here, its id there."""
    here, there = extended(world)
    world.there.request(Answer(there))
    world.there.first(Established, there)
    world.here.first(Established, here)
    return here, there


def talk(world: SwitchWorld) -> tuple[CallerPhone, SeatPhone, dict[str, ConnectionId]]:
    """A customer here and a seat there that hear each other."""
    caller, customer = world.here.answered()
    here, there = extended(world)
    phone = world.there.seat(SEAT)
    seat = world.new_connection()
    world.there.request(Make(seat, Seat(SEAT), Leg(CONTACT, 2, Role.SEAT, TOKEN), 20.0))
    world.there.first(Delivered, seat)
    world.there.request(Alert(there))
    world.here.first(Delivered, here)
    world.until(lambda: phone.ringing, what="the seat rings")
    phone.answer()
    world.there.first(Established, seat)
    world.there.request(Join(there, seat), Answer(there))  # the first word of the agent is not cut off
    world.here.first(Established, here)
    world.here.request(Join(customer, here))
    world.until(lambda: caller.hears(phone) and phone.hears(caller), 15.0, "caller and far seat hear each other")
    return caller, phone, {"customer": customer, "here": here, "there": there, "seat": seat}


class TestSetUp:
    def test_number_token_and_origin_arrive(self, world: SwitchWorld) -> None:
        """A3: the serving site recognises the leg by its token, and by the number where trunks carry no headers."""
        make(world)
        offered = world.there.first(Offered)
        assert offered.called == NUMBER_OUT_OF_THE_POOL
        assert offered.token == TOKEN
        assert offered.from_city == HERE
        assert offered.calling == "13800000001"

    def test_delivered_comes_with_the_far_citys_alert_and_only_then(self, world: SwitchWorld) -> None:
        here, there = extended(world)
        world.nothing_more()
        assert world.here.about(here) == []
        world.there.request(Alert(there))
        world.here.first(Delivered, here)
        world.nothing_more()
        assert world.here.about(here) == [Delivered(here)]

    def test_alerting_twice_is_nothing(self, world: SwitchWorld) -> None:
        here, there = extended(world)
        world.there.request(Alert(there), Alert(there))
        world.here.first(Delivered, here)
        world.nothing_more()
        assert len(world.here.all_of(Delivered, here)) == 1

    def test_answered_at_both_ends(self, world: SwitchWorld) -> None:
        here, there = answered(world)
        assert [type(report) for report in world.here.about(here)] == [Established]
        assert [type(report) for report in world.there.about(there)] == [Offered, Established]

    def test_the_far_city_does_not_answer_in_time(self, world: SwitchWorld) -> None:
        here, there = extended(world, ring_s=2.0)
        assert world.here.first(Cleared, here).cause is Cause.NO_ANSWER
        assert world.there.first(Cleared, there).cause is Cause.NORMAL

    def test_a_city_that_is_no_neighbour_cannot_be_reached(self, world: SwitchWorld) -> None:
        connection = make(world, city=CityId("nowhere"))
        assert world.here.first(Cleared, connection).cause is Cause.UNREACHABLE


class TestRefusal:
    @pytest.mark.parametrize(
        ("cause", "told"),
        [
            (Cause.REFUSED, Cause.REFUSED),
            (Cause.BUSY, Cause.BUSY),
            (Cause.REJECTED, Cause.REJECTED),
            (Cause.NO_ANSWER, Cause.NO_ANSWER),
            (Cause.UNREACHABLE, Cause.UNREACHABLE),
            (Cause.CONGESTION, Cause.CONGESTION),
            (Cause.CLEARED_BY_US, Cause.REJECTED),
        ],
    )
    def test_the_maker_learns_why(self, world: SwitchWorld, cause: Cause, told: Cause) -> None:
        """An unknown token is refused with a reason (A3), and the caller keeps the old place."""
        here, there = extended(world)
        world.there.request(Clear(there, cause))
        assert world.here.first(Cleared, here).cause is told
        assert world.there.first(Cleared, there).cause is Cause.CLEARED_BY_US
        world.nothing_more()
        assert world.here.about(here) == [Cleared(here, told)]

    def test_refused_after_alerting(self, world: SwitchWorld) -> None:
        """The seat rang and nobody answered: the serving side gives up first and says why (A9)."""
        here, there = extended(world)
        world.there.request(Alert(there))
        world.here.first(Delivered, here)
        world.there.request(Clear(there, Cause.NO_ANSWER))
        assert world.here.first(Cleared, here).cause is Cause.NO_ANSWER

    def test_a_city_whose_site_node_is_not_there_turns_the_leg_away(self, world: SwitchWorld) -> None:
        world.there.stop()
        here = make(world)
        assert world.here.first(Cleared, here).cause is Cause.CONGESTION
        world.there.make_switch()
        world.there.start()


class TestEnding:
    def test_the_maker_cancels(self, world: SwitchWorld) -> None:
        here, there = extended(world)
        world.here.request(Clear(here))
        assert world.here.first(Cleared, here).cause is Cause.CANCELLED
        assert world.there.first(Cleared, there).cause is Cause.NORMAL

    def test_answer_and_cancel_cross_on_the_way(self, world: SwitchWorld) -> None:
        """Whoever was first, both ends are gone, once, and the maker hears nothing after its ending."""
        here, there = extended(world)
        world.there.request(Answer(there))
        world.here.request(Clear(here))
        world.here.first(Cleared, here)
        assert world.there.first(Cleared, there).cause is Cause.NORMAL
        world.nothing_more()
        for city, connection in ((world.here, here), (world.there, there)):
            assert len(city.all_of(Cleared, connection)) == 1
            assert isinstance(city.about(connection)[-1], Cleared)

    @pytest.mark.parametrize("by_maker", [True, False])
    @pytest.mark.parametrize(
        ("cause", "told"),
        [
            (Cause.FINISHED, Cause.FINISHED),
            (Cause.TRANSFERRED, Cause.TRANSFERRED),
            (Cause.CLEARED_BY_US, Cause.NORMAL),
            (Cause.NORMAL, Cause.NORMAL),
        ],
    )
    def test_the_other_side_can_tell_finished_from_a_fault(
        self, world: SwitchWorld, by_maker: bool, cause: Cause, told: Cause
    ) -> None:
        """O4: only an explicit “finished” ends an answered contact; it crosses the trunk as what it is."""
        here, there = answered(world)
        near, own, far, other = (
            (world.here, here, world.there, there) if by_maker else (world.there, there, world.here, here)
        )
        near.request(Clear(own, cause))
        assert far.first(Cleared, other).cause is told
        assert near.first(Cleared, own).cause is Cause.CLEARED_BY_US
        world.nothing_more()
        assert len(near.all_of(Cleared, own)) == len(far.all_of(Cleared, other)) == 1


@pytest.mark.needs(Capability.JOIN)
class TestVoice:
    def test_a_caller_and_a_far_seat_hear_each_other(self, world: SwitchWorld) -> None:
        talk(world)

    def test_held_from_the_anchor(self, world: SwitchWorld) -> None:
        caller, phone, legs = talk(world)
        world.here.request(Part(legs["customer"], legs["here"]), Music(legs["customer"]))
        world.until(caller.hears_sound, what="music for the caller")
        world.until(phone.hears_nothing, what="silence at the far seat")
        world.here.request(Join(legs["customer"], legs["here"]))
        world.until(lambda: caller.hears(phone) and phone.hears(caller), what="both again")

    def test_the_far_seat_hangs_up_and_the_caller_stays(self, world: SwitchWorld) -> None:
        caller, phone, legs = talk(world)
        phone.hang_up()
        assert world.there.first(Cleared, legs["seat"]).cause is Cause.NORMAL
        world.there.request(Clear(legs["there"]))
        assert world.here.first(Cleared, legs["here"]).cause is Cause.NORMAL
        assert caller.in_call
        world.until(caller.hears_nothing, what="silence for the caller")

    def test_the_caller_hangs_up_and_the_leg_is_taken_down(self, world: SwitchWorld) -> None:
        caller, phone, legs = talk(world)
        caller.hang_up()
        assert world.here.first(Cleared, legs["customer"]).cause is Cause.NORMAL
        world.here.request(Clear(legs["here"], Cause.NORMAL))
        assert world.there.first(Cleared, legs["there"]).cause is Cause.NORMAL
        world.until(phone.hears_nothing, what="silence at the far seat")
        world.there.request(Clear(legs["seat"]))
        world.until(lambda: not phone.in_call, what="the far seat is free")

    def test_transferred_from_a_far_seat_to_one_here(self, world: SwitchWorld) -> None:
        """A star, never a chain (O1): the anchor makes the new leg and takes the old one down."""
        caller, phone, legs = talk(world)
        world.here.request(Part(legs["customer"], legs["here"]), Music(legs["customer"]))
        home = world.here.seat(SEAT)
        second = world.new_connection()
        world.here.request(Make(second, Seat(SEAT), Leg(CONTACT, 3, Role.SEAT), 20.0))
        world.until(lambda: home.ringing, what="the seat here rings")
        home.answer()
        world.here.first(Established, second)
        world.here.request(Clear(legs["here"], Cause.TRANSFERRED), Join(legs["customer"], second))
        assert world.there.first(Cleared, legs["there"]).cause is Cause.TRANSFERRED
        world.until(lambda: caller.hears(home) and home.hears(caller), what="caller and the seat here hear each other")
        assert not phone.hears(caller)
