"""What goes wrong between a site node and a real switch: refused logins, silent legs, broken lines, frozen switches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, ConnectionId, ContactId, Token
from site_node.core.telephony import (
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Established,
    Join,
    Leg,
    Make,
    Offered,
    Play,
    Prompt,
    Role,
    Seat,
    SwitchDown,
    SwitchUp,
    Trunk,
)
from site_node.switch.asterisk import AriLogin, AsteriskSwitch, check_login
from tests.contract.switch.asterisk_world import AsteriskCity, AsteriskWorld, RealCaller, RealSeat
from tests.contract.switch.world import CityWorld
from tests.harness.real_machines import require

RTP_TIMEOUT_S = 2
CUSTOMER = Leg(ContactId("0020-7f3a9c21-000001"), 0, Role.CUSTOMER)
AT_SEAT = Leg(CUSTOMER.contact, 1, Role.SEAT)
TOKEN = Token("8d21c0aa-00002f")


@pytest.fixture(scope="module")
def switches() -> Iterator[AsteriskWorld]:
    require("asterisk")
    world = AsteriskWorld(rtp_timeout_s=RTP_TIMEOUT_S)
    yield world
    world.close()


@pytest.fixture
def world(switches: AsteriskWorld) -> Iterator[AsteriskWorld]:
    switches.begin()
    yield switches
    switches.end()


def city(world: AsteriskWorld) -> AsteriskCity:
    assert isinstance(world.here, AsteriskCity)
    return world.here


def login(world: AsteriskWorld) -> AriLogin:
    spec = city(world).asterisk.spec
    return AriLogin(spec.ari_url, spec.ari_user, spec.ari_password, spec.application)


def ask(world: AsteriskWorld, login: AriLogin) -> object:
    """What the check before the start says."""
    checking = Deferred.fromCoroutine(check_login(world.driver.reactor, login))
    return world.driver.result_of(checking, 10.0)


class TestLogin:
    """A refused ARI password gives a clear error that names the place; nothing starts half."""

    def test_a_good_login_is_accepted(self, world: AsteriskWorld) -> None:
        assert ask(world, login(world))

    def test_a_refused_password_is_named(self, world: AsteriskWorld) -> None:
        wrong = replace(login(world), password="wrong")
        with pytest.raises(Refused) as refused:
            ask(world, wrong)
        problem = refused.value.problems[0]
        assert problem.slug == "ari-login-refused"
        assert problem.place == wrong.url
        assert "wrong" not in problem.text("zh") + problem.text("en")

    def test_an_address_that_is_not_ari_is_named(self, world: AsteriskWorld) -> None:
        wrong = replace(login(world), url=login(world).url.replace("/ari", "/telephony"))
        with pytest.raises(Refused) as refused:
            ask(world, wrong)
        assert refused.value.problems[0].slug == "ari-not-there"

    def test_a_switch_that_is_not_there_yet_is_no_mistake(self, world: AsteriskWorld) -> None:
        nobody = replace(login(world), url="http://127.0.255.254:8088/ari")
        assert ask(world, nobody) is False

    def test_a_password_that_is_refused_while_running_is_reported(self, world: AsteriskWorld) -> None:
        reports: list[object] = []
        switch = AsteriskSwitch(world.driver.reactor, replace(login(world), password="wrong"))
        switch.start(reports.append)
        world.until(lambda: bool(reports), what="a report")
        assert isinstance(reports[0], SwitchDown)
        assert "ari-login-refused" in reports[0].reason
        world.driver.result_of(switch.stop(), 5.0)


class TestSilence:
    """O5: a channel without media is no evidence of a call."""

    def test_a_seat_whose_telephone_lost_power(self, world: AsteriskWorld) -> None:
        phone, leg = world.here.seat("8001"), world.new_connection()
        assert isinstance(phone, RealSeat)
        world.here.request(Make(leg, Seat("8001"), AT_SEAT, 20.0))
        world.here.first(Delivered, leg)
        world.until(lambda: phone.ringing)
        phone.answer()
        world.here.first(Established, leg)
        assert phone.line is not None
        phone.line.voice.close()
        assert world.here.first(Cleared, leg, within=5.0 * RTP_TIMEOUT_S).cause is Cause.MEDIA_LOST

    def test_a_caller_without_media(self, world: AsteriskWorld) -> None:
        caller, customer = world.here.answered()
        assert isinstance(caller, RealCaller)
        assert caller.line is not None
        caller.line.voice.close()
        assert world.here.first(Cleared, customer, within=5.0 * RTP_TIMEOUT_S).cause is Cause.MEDIA_LOST

    def test_a_caller_who_holds_may_be_silent_for_longer_and_not_for_ever(self, world: AsteriskWorld) -> None:
        """Some telephones send nothing to whom they hold; one that has died meanwhile is given up all the same."""
        caller, customer = world.here.answered()
        assert isinstance(caller, RealCaller)
        assert caller.line is not None
        caller.line.hold()
        world.until(lambda: caller.line is not None and caller.line.holds, what="the switch is held")
        caller.line.voice.close()
        silent_since = world.now()
        assert world.here.first(Cleared, customer, within=15.0 * RTP_TIMEOUT_S).cause is Cause.MEDIA_LOST
        assert world.now() - silent_since > 2.0 * RTP_TIMEOUT_S

    def test_a_far_switch_that_froze(self, world: AsteriskWorld) -> None:
        """A silent trunk: the anchor gives the leg up by itself, and the far city learns the same when it thaws."""
        here, far = world.new_connection(), world.there
        assert isinstance(far, AsteriskCity)
        leg = Leg(CUSTOMER.contact, 2, Role.OUTBOUND, TOKEN)
        world.here.request(Make(here, Trunk(CityId("shenzhen"), "7701", TOKEN), leg, 20.0))
        there = far.first(Offered).connection
        far.request(Answer(there))
        world.here.first(Established, here)
        far.asterisk.suspend()
        try:
            assert world.here.first(Cleared, here, within=5.0 * RTP_TIMEOUT_S).cause is Cause.MEDIA_LOST
        finally:
            far.asterisk.resume()
        world.until(
            lambda: bool(far.all_of(Cleared, there)) or any(up != far.reports[0] for up in far.all_of(SwitchUp)),
            20.0,
            "the far city learns of it, by an ending or by a snapshot without the leg",
        )


class TestWebSocket:
    def test_a_frozen_switch_is_noticed_and_comes_back(self, world: AsteriskWorld) -> None:
        """It keeps its sockets and says nothing; when it goes on, what it shows is the truth, whichever came first.

        The call went silent meanwhile (O5). The switch may find that out before it is asked what it holds, or after:
        either it is not shown, or it is shown and its end is reported.
        """
        caller, customer = world.here.answered()
        city(world).asterisk.suspend()
        try:
            world.here.first(SwitchDown, within=30.0)
        finally:
            city(world).asterisk.resume()
        up = world.here.first(SwitchUp, within=30.0)
        if up.connections:
            assert [one.connection for one in up.connections] == [customer]
            caller.hang_up()
            world.here.first(Cleared, customer)
        world.until(lambda: caller.over, what="the caller's call is over")

    def test_talk_goes_on_while_the_websocket_is_broken(self, world: AsteriskWorld) -> None:
        caller, customer = world.here.answered()
        phone, leg = world.here.seat("8001"), world.new_connection()
        world.here.request(Make(leg, Seat("8001"), AT_SEAT, 20.0))
        world.until(lambda: phone.ringing)
        phone.answer()
        world.here.first(Established, leg)
        world.here.request(Join(customer, leg))
        world.until(lambda: caller.hears(phone) and phone.hears(caller), what="both hear each other")
        switch = world.here.switch
        assert isinstance(switch, AsteriskSwitch)
        switch._ari.drop("cut by the test")
        world.here.first(SwitchDown)
        up = world.here.first(SwitchUp)
        assert caller.hears(phone)
        assert phone.hears(caller)
        joined = {one.connection: one.joined_to for one in up.connections}
        assert joined == {customer: leg, leg: customer}


class TestRaces:
    """Whoever is first: one ending for every connection, nothing after it, and no call left at the switch."""

    ROUNDS = 30

    def one_ending(self, city: CityWorld, connection: ConnectionId) -> None:
        city.first(Cleared, connection)
        about = city.about(connection)
        assert [type(report) for report in about].count(Cleared) == 1, about
        assert isinstance(about[-1], Cleared), about

    def test_callers_who_hang_up_in_the_moment_of_the_answer(self, world: AsteriskWorld) -> None:
        """Asterisk answers 204 and the caller may be gone all the same."""
        connections = []
        for _ in range(self.ROUNDS):
            caller, connection = world.here.offered()
            world.here.request(Answer(connection), Play(connection, (Prompt("welcome"),)))
            caller.hang_up()
            connections.append(connection)
        for connection in connections:
            self.one_ending(world.here, connection)
        assert world.here.restart_node() == SwitchUp(())

    def test_seats_that_pick_up_while_we_take_the_call_back(self, world: AsteriskWorld) -> None:
        phone = world.here.seat("8001")
        for nth in range(self.ROUNDS):
            leg = world.new_connection()
            world.here.request(Make(leg, Seat("8001"), AT_SEAT, 20.0))
            world.until(lambda: phone.ringing, what=f"round {nth}: the seat rings")
            phone.answer()
            world.turn_until(lambda: False, 0.0005 * (nth % 5))
            world.here.request(Clear(leg))
            self.one_ending(world.here, leg)
            world.until(lambda: not phone.in_call, what=f"round {nth}: the phone is free")
        assert world.here.restart_node() == SwitchUp(())

    def test_a_leg_that_is_taken_back_at_every_moment_of_its_making(self, world: AsteriskWorld) -> None:
        for nth in range(self.ROUNDS):
            leg = world.new_connection()
            world.here.request(Make(leg, Seat("8001"), AT_SEAT, 20.0))
            world.turn_until(lambda: False, 0.0005 * (nth % 10))
            world.here.request(Clear(leg))
            self.one_ending(world.here, leg)
        world.nothing_more(0.2)
        assert world.here.restart_node() == SwitchUp(())

    def test_two_calls_that_race_to_one_seat(self, world: AsteriskWorld) -> None:
        """A6: at most one of them rings."""
        phone = world.here.seat("8001")
        assert isinstance(phone, RealSeat)
        for nth in range(self.ROUNDS):
            rings = phone.phone.rings
            one, other = world.new_connection(), world.new_connection()
            world.here.request(Make(one, Seat("8001"), AT_SEAT, 20.0), Make(other, Seat("8001"), AT_SEAT, 20.0))
            world.until(lambda: any(world.here.all_of(Cleared, leg) for leg in (one, other)), what=f"round {nth}")  # noqa: B023
            world.nothing_more(0.02)
            assert phone.phone.rings - rings <= 1
            world.here.request(Clear(one), Clear(other))
            for leg in (one, other):
                self.one_ending(world.here, leg)
            world.until(lambda: not phone.ringing, what=f"round {nth}: the phone is quiet")


def test_the_telephone_at_a_seat_shows_who_calls(world: AsteriskWorld) -> None:
    phone, leg = world.here.seat("8001"), world.new_connection()
    assert isinstance(phone, RealSeat)
    world.here.request(Make(leg, Seat("8001"), AT_SEAT, 20.0, calling="13800000009"))
    world.until(lambda: phone.ringing, what="the seat rings")
    assert phone.line is not None
    assert phone.line.calling == "13800000009"
