"""A switch shows what it holds whenever it is asked, in order with everything else (I8)."""

from __future__ import annotations

import pytest

from dataset.ids import ContactId, Token
from site_node.core.telephony import (
    Clear,
    Cleared,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Mark,
    Part,
    Role,
    Seat,
    Show,
    Shown,
)
from site_node.ports import Capability
from tests.contract.switch.world import SEAT, CityWorld, SwitchWorld

pytestmark = pytest.mark.needs(Capability.SNAPSHOT)
CONTACT = ContactId("0020-00c0ffee-000001")


def shown(city: CityWorld, number: int) -> dict[str, HeldConnection]:
    """What the switch shows under this number."""
    city.request(Show(number))
    city.world.until(lambda: any(one.number == number for one in city.all_of(Shown)), what=f"Shown {number}")
    [answer] = [one for one in city.all_of(Shown) if one.number == number]
    return {one.connection: one for one in answer.connections}


def test_nothing_is_shown_where_nothing_is(world: SwitchWorld) -> None:
    assert shown(world.here, 1) == {}


def test_a_call_from_its_arrival_to_its_end(world: SwitchWorld) -> None:
    """Each look shows what was requested before it: answered, marked, joined, parted, gone."""
    city = world.here
    caller, leg = city.offered()
    fresh = shown(city, 1)[leg]
    assert (fresh.established, fresh.incoming, fresh.leg, fresh.called) == (False, True, None, "10000")
    city.request(Clear(leg))
    city.first(Cleared, leg)
    assert leg not in shown(city, 2)
    caller.hang_up()

    caller, leg = city.answered()
    phone = city.seat(SEAT)
    seat, token = city.new_connection(), Token("00c0ffee-000001")
    city.request(
        Mark(leg, Leg(CONTACT, 0, Role.CUSTOMER)),
        Make(seat, Seat(SEAT), Leg(CONTACT, 1, Role.SEAT, token), ring_s=20.0),
    )
    world.until(lambda: phone.ringing, what="the seat rings")
    held = shown(city, 3)
    assert held[leg].leg == Leg(CONTACT, 0, Role.CUSTOMER)
    assert (held[seat].leg, held[seat].established, held[seat].called) == (
        Leg(CONTACT, 1, Role.SEAT, token),
        False,
        SEAT,
    )
    phone.answer()
    city.first(Established, seat)
    city.request(Join(leg, seat))
    held = shown(city, 4)
    assert (held[leg].joined_to, held[seat].joined_to, held[seat].established) == (seat, leg, True)
    city.request(Part(leg, seat))
    assert shown(city, 5)[leg].joined_to is None
    city.request(Clear(seat), Clear(leg))
    city.first(Cleared, leg)
    city.first(Cleared, seat)
    assert shown(city, 6) == {}


def test_what_ends_while_a_new_node_takes_over_is_cleared_or_not_there(world: SwitchWorld) -> None:
    """Whoever is in the first snapshot is heard of to the end; whoever has gone before it is in no snapshot."""
    city = world.here
    for number in range(1, 11):
        caller, leg = city.answered()
        caller.hang_up()
        taken_over = [held.connection for held in city.restart_node().connections]
        assert set(taken_over) <= {leg}
        for one in taken_over:
            city.first(Cleared, one)
        assert shown(city, number) == {}
        assert len(city.reports) == len(taken_over) + 2, "SwitchUp, the end of whoever was there, Shown"


def test_looking_changes_nothing(world: SwitchWorld) -> None:
    """Who is shown goes on as before: the same reports, and voice where voice was."""
    city = world.here
    caller, leg = city.answered()
    for number in range(1, 4):
        assert leg in shown(city, number)
    caller.hang_up()
    city.first(Cleared, leg)
    assert len(city.all_of(Cleared, leg)) == 1
