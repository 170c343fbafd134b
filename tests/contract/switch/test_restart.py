"""A site node that restarts finds the calls its switch holds (O6), and a switch that dies says so."""

from __future__ import annotations

import pytest

from dataset.ids import ConnectionId, ContactId, Token
from site_node.core.telephony import (
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Mark,
    Music,
    Offered,
    Part,
    Play,
    Played,
    Prompt,
    Role,
    Seat,
    SwitchDown,
    SwitchUp,
    Trunk,
)
from site_node.ports import Capability
from tests.contract.switch.world import DOOR, NUMBER_OUT_OF_THE_POOL, SEAT, THERE, SwitchWorld

CONTACT = ContactId("0020-7f3a9c21-000001")
TOKEN = Token("8d21c0aa-00002f")
CUSTOMER = Leg(CONTACT, 0, Role.CUSTOMER)
AT_SEAT = Leg(CONTACT, 1, Role.SEAT)


def by_id(up: SwitchUp) -> dict[ConnectionId, HeldConnection]:
    return {held.connection: held for held in up.connections}


@pytest.mark.needs(Capability.SNAPSHOT)
class TestAdoption:
    def test_an_idle_switch_has_nothing_to_adopt(self, world: SwitchWorld) -> None:
        assert world.here.restart_node() == SwitchUp(())

    def test_talk_goes_on_without_the_node_and_is_found_again(self, world: SwitchWorld) -> None:
        """The audio stays, the call is adopted."""
        caller, customer = world.here.answered(DOOR, "13800000005")
        world.here.request(Mark(customer, CUSTOMER))
        phone = world.here.seat(SEAT)
        seat = world.new_connection()
        world.here.request(Make(seat, Seat(SEAT), AT_SEAT, 20.0))
        world.until(lambda: phone.ringing, what="the seat rings")
        phone.answer()
        world.here.first(Established, seat)
        world.here.request(Join(customer, seat))
        world.until(lambda: caller.hears(phone) and phone.hears(caller), what="both hear each other")

        world.here.stop()
        world.nothing_more()
        assert caller.hears(phone)
        assert phone.hears(caller)
        world.here.reports = []
        world.here.make_switch()
        world.here.start()

        first = world.here.reports[0]
        assert isinstance(first, SwitchUp)
        held = by_id(first)
        assert set(held) == {customer, seat}
        assert held[customer].leg == CUSTOMER
        assert (held[customer].established, held[customer].incoming) == (True, True)
        assert (held[customer].called, held[customer].calling) == (DOOR, "13800000005")
        assert held[seat].leg == AT_SEAT
        assert (held[seat].established, held[seat].incoming) == (True, False)
        assert held[customer].joined_to == seat
        assert held[seat].joined_to == customer
        assert caller.hears(phone)
        assert phone.hears(caller)

        world.here.request(Part(customer, seat), Music(customer))
        world.until(caller.hears_sound, what="an adopted call can be held")
        world.here.request(Join(customer, seat))
        world.until(lambda: caller.hears(phone) and phone.hears(caller), what="and retrieved")
        caller.hang_up()
        assert world.here.first(Cleared, customer).cause is Cause.NORMAL
        world.here.request(Clear(seat))
        assert world.here.first(Cleared, seat).cause is Cause.CLEARED_BY_US

    def test_a_waiting_caller_is_found_with_the_mark(self, world: SwitchWorld) -> None:
        caller, customer = world.here.answered("112", "13800000006")
        world.here.request(Mark(customer, CUSTOMER), Music(customer))
        world.until(caller.hears_sound, what="music")
        held = by_id(world.here.restart_node())
        assert held[customer].leg == CUSTOMER
        assert held[customer].joined_to is None
        assert held[customer].called == "112"
        world.here.request(Play(customer, (Prompt("please-wait"),)))
        assert world.here.first(Played, customer, within=40.0).completed

    def test_a_marked_leg_keeps_its_last_mark(self, world: SwitchWorld) -> None:
        _, customer = world.here.answered()
        later = Leg(CONTACT, 4, Role.CUSTOMER)
        world.here.request(Mark(customer, CUSTOMER), Mark(customer, later))
        assert by_id(world.here.restart_node())[customer].leg == later

    def test_a_caller_nobody_has_answered_is_found_without_a_mark(self, world: SwitchWorld) -> None:
        _, customer = world.here.offered()
        held = by_id(world.here.restart_node())
        assert held[customer].leg is None
        assert (held[customer].established, held[customer].incoming) == (False, True)
        assert not world.here.all_of(Offered)
        world.here.request(Answer(customer))
        world.here.first(Established, customer)

    def test_a_ringing_seat_is_found_and_can_still_answer(self, world: SwitchWorld) -> None:
        """A5: a slot is not free because its node has restarted."""
        phone = world.here.seat(SEAT)
        seat = world.new_connection()
        world.here.request(Make(seat, Seat(SEAT), AT_SEAT, 60.0))
        world.here.first(Delivered, seat)
        world.until(lambda: phone.ringing, what="the seat rings")
        held = by_id(world.here.restart_node())
        assert held[seat].leg == AT_SEAT
        assert (held[seat].established, held[seat].incoming) == (False, False)
        phone.answer()
        world.here.first(Established, seat)

    def test_both_ends_of_a_leg_between_cities_are_found(self, world: SwitchWorld) -> None:
        outbound = Leg(CONTACT, 2, Role.OUTBOUND, TOKEN)
        inbound = Leg(CONTACT, 2, Role.INBOUND, TOKEN)
        here = world.new_connection()
        world.here.request(Make(here, Trunk(THERE, NUMBER_OUT_OF_THE_POOL, TOKEN), outbound, 20.0))
        there = world.there.first(Offered).connection
        world.there.request(Mark(there, inbound), Answer(there))
        world.here.first(Established, here)
        world.there.first(Established, there)
        found_here = by_id(world.here.restart_node())
        found_there = by_id(world.there.restart_node())
        assert found_here[here].leg == outbound
        assert not found_here[here].incoming
        assert found_there[there].leg == inbound
        assert found_there[there].incoming
        assert found_there[there].called == NUMBER_OUT_OF_THE_POOL
        world.there.request(Clear(there, Cause.FINISHED))
        assert world.here.first(Cleared, here).cause is Cause.FINISHED

    def test_who_left_in_the_meantime_is_not_in_the_snapshot(self, world: SwitchWorld) -> None:
        caller, customer = world.here.answered()
        _, other = world.here.answered(calling="13800000002")
        world.here.stop()
        caller.hang_up()
        world.nothing_more()
        world.here.reports = []
        world.here.make_switch()
        world.here.start()
        first = world.here.reports[0]
        assert isinstance(first, SwitchUp)
        assert set(by_id(first)) == {other}
        world.nothing_more()
        assert not world.here.about(customer)

    def test_nothing_is_reported_after_stop(self, world: SwitchWorld) -> None:
        caller, _ = world.here.answered()
        world.here.stop()
        so_far = list(world.here.reports)
        caller.hang_up()
        world.nothing_more()
        assert world.here.reports == so_far
        world.here.make_switch()
        world.here.start()

    def test_stopping_twice_is_nothing(self, world: SwitchWorld) -> None:
        world.here.stop()
        world.here.stop()
        world.here.make_switch()
        world.here.start()

    def test_a_call_that_comes_while_no_node_is_there_is_turned_away(self, world: SwitchWorld) -> None:
        world.here.stop()
        caller = world.here.call()
        world.until(lambda: caller.over, what="the switch turns the caller away")
        world.here.reports = []
        world.here.make_switch()
        world.here.start()
        assert world.here.reports == [SwitchUp(())]


@pytest.mark.needs("kill_switch")
class TestDeath:
    def test_a_dead_switch_is_reported_and_comes_back_empty(self, world: SwitchWorld) -> None:
        """What it held is unknown until it is up again; then it is gone."""
        caller, _customer = world.here.answered()
        world.here.kill_switch()
        world.here.first(SwitchDown, within=30.0)
        world.until(lambda: caller.over, 60.0, "the caller's phone notices")
        world.here.reports.clear()
        world.here.revive_switch()
        assert world.here.first(SwitchUp, within=60.0) == SwitchUp(())
        world.here.answered()

    def test_a_node_that_starts_before_its_switch_waits_for_it(self, world: SwitchWorld) -> None:
        world.here.stop()
        world.here.kill_switch()
        world.here.reports = []
        world.here.make_switch()
        world.here.switch.start(world.here.reports.append)
        world.here.first(SwitchDown, within=30.0)
        world.here.revive_switch()
        assert world.here.first(SwitchUp, within=60.0) == SwitchUp(())
        world.here.answered()
