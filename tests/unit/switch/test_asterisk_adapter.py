"""The adapter against an Asterisk in memory: its quirks one by one, and every loss of the WebSocket."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from dataset.errors import Refused
from dataset.ids import CityId, ConnectionId, ContactId, Token
from site_node.core.telephony import (
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Digit,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Mark,
    Music,
    Offered,
    Outside,
    Play,
    Played,
    Prompt,
    Report,
    Role,
    Seat,
    Show,
    Shown,
    SwitchDown,
    SwitchUp,
    Trunk,
)
from site_node.ports import Capability
from site_node.switch.asterisk import AriLogin, AsteriskSwitch
from site_node.switch.asterisk.ari import FIRST_ANSWER_S, REFUSED_RETRY_S, REQUEST_TIMEOUT_S, SILENT_WATCHES, WATCH_S
from tests.unit.switch.fake_ari import FakeAri, shown

LOGIN = AriLogin("http://127.0.0.11:8088/ari", "yihaotong", "secret")
CALLER = ConnectionId("guangzhou-1795470721.3")
OTHER_CALLER = ConnectionId("guangzhou-1795470721.4")
SEAT = ConnectionId("7f3a9c21-000001")
LEG = Leg(ContactId("0020-7f3a9c21-000001"), 1, Role.SEAT)
CUSTOMER_LEG = Leg(LEG.contact, 1, Role.CUSTOMER, Token("8d21c0aa-00002f"))
TRUNK_LEG = Leg(LEG.contact, 2, Role.OUTBOUND, Token("8d21c0aa-00002f"))
PLEASE_WAIT = (Prompt("please-wait"),)


class City:
    """An adapter, its Asterisk, its clock, and what it reported."""

    def __init__(self, login: AriLogin = LOGIN) -> None:
        self.clock = Clock()
        self.ari = FakeAri(self.clock)
        self.reports: list[Report] = []
        self.switch = AsteriskSwitch(self.clock, login, endpoint=self.ari, jitter=lambda: 1.0)

    def start(self) -> City:
        self.switch.start(self.reports.append)
        self.clock.advance(0)
        return self

    def offered(self, channel: ConnectionId = CALLER) -> City:
        self.ari.event("StasisStart", channel, "Ring", args=["public", "10000", "13800000001"])
        return self

    def made(self, connection: ConnectionId = SEAT) -> City:
        """A seat that rings."""
        self.ari.answers["GET channels/"] = (200, {"value": "1"})
        self.switch.request(Make(connection, Seat("8001"), LEG, 20.0))
        self.ari.event("StasisStart", connection, "Down", args=["seat", "8001"])
        return self

    def run(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds * 10))


@pytest.fixture
def city() -> City:
    city = City().start()
    city.reports.clear()
    return city


class TestLogin:
    def test_the_login_travels_in_a_header_and_never_in_the_address(self, city: City) -> None:
        word = base64.b64encode(b"yihaotong:secret").decode()
        assert city.ari.headers["authorization"] == f"Basic {word}"
        assert "secret" not in repr(LOGIN)
        assert "secret" not in LOGIN.events_target

    def test_a_refused_password_is_said_and_tried_again_seldom(self) -> None:
        city = City()
        city.ari.refuse_status = 401
        city.start()
        assert len(city.reports) == 1
        assert isinstance(city.reports[0], SwitchDown)
        assert "ari-login-refused" in city.reports[0].reason
        city.run(REFUSED_RETRY_S - 1)
        assert city.ari.tries == 1
        city.ari.refuse_status = None
        city.run(2)
        assert city.reports[1:] == [SwitchUp(())]

    def test_an_address_without_ari_is_said(self) -> None:
        city = City()
        city.ari.refuse_status = 404
        city.start()
        assert isinstance(city.reports[0], SwitchDown)
        assert "ari-not-there" in city.reports[0].reason

    def test_a_wrong_address_is_refused_before_anything_starts(self) -> None:
        with pytest.raises(Refused) as refused:
            AriLogin("127.0.0.11:8088", "yihaotong", "secret")
        assert refused.value.problems[0].slug == "ari-address-wrong"

    def test_a_user_that_may_only_read_is_said(self) -> None:
        city = City()
        city.ari.answers["PUT "] = (403, {"message": "Write access denied"})
        city.start()
        assert isinstance(city.reports[0], SwitchDown)
        assert "ari-login-refused" in city.reports[0].reason


class TestLosses:
    def test_a_switch_that_is_not_there_is_reported_once_and_tried_for_ever(self) -> None:
        city = City()
        city.ari.down = True
        city.start()
        city.run(60)
        assert len(city.reports) == 1
        assert isinstance(city.reports[0], SwitchDown)
        assert 12 < city.ari.tries < 30, "back-off up to five seconds"
        city.ari.down = False
        city.run(6)
        assert city.reports[1:] == [SwitchUp(())]

    def test_what_the_switch_holds_is_known_again_after_a_loss(self, city: City) -> None:
        city.offered()
        city.reports.clear()
        city.ari.cut()
        assert [type(report) for report in city.reports] == [SwitchDown]
        city.ari.holds["channels"] = [shown(CALLER, "Up", "public,10000,13800000001")]
        city.run(1)
        held = HeldConnection(CALLER, True, True, None, None, "10000", "13800000001")
        assert city.reports[1:] == [SwitchUp((held,))]
        city.ari.event("StasisEnd", CALLER)
        assert city.reports[-1] == Cleared(CALLER, Cause.NORMAL)

    def test_nothing_is_asked_of_live_calls_when_the_node_stops_or_the_line_breaks(self, city: City) -> None:
        """The audio stays, whatever happens to the site node."""
        city.offered().made()
        city.switch.request(Answer(CALLER))
        city.ari.event("ChannelStateChange", CALLER)
        city.ari.event("ChannelStateChange", SEAT)
        city.switch.request(Join(CALLER, SEAT))
        before = len(city.ari.asked)
        city.ari.cut()
        city.ari.holds["channels"] = [shown(CALLER, "Up", "public,1,2"), shown(SEAT, "Up", "seat,8001")]
        city.run(1)
        stopped: list[object] = []
        city.switch.stop().addCallback(stopped.append)
        assert stopped == [None]
        assert [method for method, _, _, _ in city.ari.asked[before:]] == ["PUT", "GET", "GET", "GET"]
        assert not city.clock.getDelayedCalls()

    def test_a_request_that_is_never_answered_ends_the_websocket(self, city: City) -> None:
        city.offered()
        city.ari.by_hand = ("POST",)
        city.switch.request(Answer(CALLER))
        city.run(REQUEST_TIMEOUT_S + 2 * WATCH_S)
        assert any(isinstance(report, SwitchDown) for report in city.reports)
        assert city.reports[-1] == SwitchUp(())

    def test_a_login_that_is_never_answered_is_given_up_soon(self) -> None:
        """A WebSocket can lose its application to the good-bye of an older one."""
        city = City()
        city.ari.by_hand = ("PUT",)
        city.start()
        city.run(FIRST_ANSWER_S + 0.2)
        assert city.ari.tries == 2

    def test_a_frozen_switch_is_noticed(self, city: City) -> None:
        city.run(3 * WATCH_S)
        assert city.ari.pings
        assert city.reports == []
        city.ari.frozen = True
        city.run((SILENT_WATCHES + 2) * WATCH_S)
        assert isinstance(city.reports[0], SwitchDown)

    def test_a_call_that_comes_during_the_snapshot_is_offered_after_it(self) -> None:
        city = City()
        city.ari.by_hand = ("GET channels",)
        city.start()
        city.offered()
        assert city.reports == []
        city.ari.answer(200, [shown(CALLER, "Ring", "public,10000,13800000001")])
        assert city.reports == [SwitchUp(()), Offered(CALLER, "10000", "13800000001")]

    def test_a_leg_asked_for_while_the_switch_is_away_fails_at_once(self, city: City) -> None:
        city.ari.down = True
        city.ari.cut()
        city.reports.clear()
        city.switch.request(Make(SEAT, Seat("8001"), LEG, 20.0))
        assert city.reports == [], "no report inside a request"
        city.clock.advance(0)
        assert city.reports == [Cleared(SEAT, Cause.SWITCH_FAILED)]

    def test_malformed_messages_are_survived(self, city: City) -> None:
        city.ari.say("{")
        city.ari.say('{"type": "ChannelDtmfReceived", "digit": "5"}')
        city.ari.say('{"type": "RESTResponse", "request_id": "999", "status_code": 200}')
        city.offered()
        assert city.reports == [Offered(CALLER, "10000", "13800000001")]

    def test_a_second_program_for_the_same_city_is_not_fought_with(self, city: City) -> None:
        city.ari.event("ApplicationReplaced")
        assert city.reports == [SwitchDown("another program took the Stasis application")]
        city.run(REFUSED_RETRY_S - 1)
        assert city.ari.tries == 1
        city.run(2)
        assert city.reports[-1] == SwitchUp(())

    def test_nothing_is_reported_after_stop(self, city: City) -> None:
        city.switch.stop()
        city.switch.stop()
        city.run(10)
        assert city.reports == []
        assert city.ari.tries == 1


class TestMaking:
    def test_a_seat_is_counted_before_it_rings_and_dialled_only_once_it_has_started(self, city: City) -> None:
        city.ari.answers["GET channels/"] = (200, {"value": "1"})
        city.switch.request(Make(SEAT, Seat("8001"), LEG, 20.0, calling="13800000001"))
        assert city.ari.paths() == ["POST channels/create", f"GET channels/{SEAT}/variable"]
        city.ari.event("StasisStart", SEAT, "Down", args=["seat", "8001"])
        assert city.ari.paths()[2:] == [f"POST channels/{SEAT}/dial"]
        city.ari.event("ChannelStateChange", SEAT, "Ringing")
        city.ari.event("ChannelStateChange", SEAT, "Up")
        assert city.reports == [Delivered(SEAT), Established(SEAT)]
        assert not [call for call in city.clock.getDelayedCalls() if call.getTime() > 10], "the ring time is over"

    def test_the_leg_is_on_the_channel_from_birth(self, city: City) -> None:
        """O6."""
        city.made()
        _, _, query, body = next(one for one in city.ari.asked if one[1] == "channels/create")
        assert query["channelId"] == SEAT
        marks = {name: value for name, value in body["variables"].items() if name.startswith("YHT_")}
        assert marks == {"YHT_CONTACT": LEG.contact, "YHT_ATTEMPT": "1", "YHT_TOKEN": "", "YHT_ROLE": "seat"}

    def test_a_leg_to_another_city_carries_its_token(self, city: City) -> None:
        city.switch.request(Make(SEAT, Trunk(CityId("foshan"), "7701", Token("8d21c0aa-00002f")), TRUNK_LEG, 20.0))
        _, _, query, body = next(one for one in city.ari.asked if one[1] == "channels/create")
        assert query["endpoint"] == "PJSIP/7701@trunk-foshan"
        assert body["variables"]["PJSIP_HEADER(add,X-Yht-Token)"] == "8d21c0aa-00002f"
        assert body["variables"]["PJSIP_HEADER(add,X-Yht-Contact)"] == LEG.contact

    def test_a_customer_is_called_by_the_way_outside(self) -> None:
        city = City(replace(LOGIN, outside="outside")).start()
        city.switch.request(Make(SEAT, Outside("02081230001"), CUSTOMER_LEG, 45.0))
        _, _, query, body = next(one for one in city.ari.asked if one[1] == "channels/create")
        assert (query["endpoint"], query["appArgs"]) == ("PJSIP/02081230001@outside", "outside,02081230001")
        assert body["variables"]["YHT_ROLE"] == "customer"
        assert not [one for one in city.ari.asked if one[0] == "GET" and "variable" in one[1]], "no seat is counted"

    def test_without_a_way_outside_nobody_is_called(self, city: City) -> None:
        assert Capability.OUTSIDE not in city.switch.capabilities
        city.switch.request(Make(SEAT, Outside("02081230001"), CUSTOMER_LEG, 45.0))
        assert city.reports == [], "nobody expects a report inside a request"
        city.run(0.1)
        assert city.reports == [Cleared(SEAT, Cause.UNREACHABLE)]
        assert not [one for one in city.ari.asked if one[1] == "channels/create"]

    @pytest.mark.parametrize("answer", [(200, {"value": "2"}), (404, None), (200, {})])
    def test_a_seat_that_is_not_counted_free_is_busy(self, city: City, answer: tuple[int, object]) -> None:
        """A6: no count is no proof."""
        city.ari.answers["GET channels/"] = answer
        city.switch.request(Make(SEAT, Seat("8001"), LEG, 20.0))
        city.ari.event("StasisStart", SEAT, "Down", args=["seat", "8001"])
        city.ari.event("ChannelDestroyed", SEAT, "Down", cause=16)
        assert city.reports == [Cleared(SEAT, Cause.BUSY)]
        assert f"POST channels/{SEAT}/dial" not in city.ari.paths()

    def test_an_unregistered_seat_is_unreachable_without_any_event(self, city: City) -> None:
        city.ari.answers["POST channels/create"] = (500, {"error": "Allocation failed"})
        city.switch.request(Make(SEAT, Seat("8001"), LEG, 20.0))
        assert city.reports == [Cleared(SEAT, Cause.UNREACHABLE)]

    def test_an_up_after_the_ring_time_is_dead(self, city: City) -> None:
        """The DELETE is answered, and still an Up may come."""
        city.made()
        city.ari.event("ChannelStateChange", SEAT, "Ringing")
        city.run(20.5)
        assert city.ari.asked[-1] == ("DELETE", f"channels/{SEAT}", {"reason_code": "19"}, None)
        city.ari.event("ChannelStateChange", SEAT, "Up")
        city.ari.event("ChannelDestroyed", SEAT, "Up", cause=19)
        city.ari.event("ChannelDestroyed", SEAT, "Up", cause=16)
        assert city.reports == [Delivered(SEAT), Cleared(SEAT, Cause.NO_ANSWER)]

    def test_taken_back_before_it_was_created(self, city: City) -> None:
        city.ari.by_hand = ("POST channels/create",)
        city.switch.request(Make(SEAT, Seat("8001"), LEG, 20.0))
        city.switch.request(Clear(SEAT))
        city.ari.answer(200, {})
        city.ari.event("StasisStart", SEAT, "Down", args=["seat", "8001"])
        city.ari.event("ChannelDestroyed", SEAT, "Down", cause=16)
        assert city.reports == [Cleared(SEAT, Cause.CANCELLED)]
        assert f"POST channels/{SEAT}/dial" not in city.ari.paths()

    def test_a_channel_that_is_gone_already_is_cleared_once(self, city: City) -> None:
        city.made()
        city.ari.answers["DELETE"] = (404, None)
        city.switch.request(Clear(SEAT))
        city.ari.event("ChannelDestroyed", SEAT, "Down", cause=16)
        assert city.reports == [Cleared(SEAT, Cause.CANCELLED)]

    def test_a_channel_that_nobody_knows_is_hung_up(self, city: City) -> None:
        """A command of a dead process may be carried out after its successor's snapshot."""
        city.ari.event("StasisStart", "0ld0ld00-000001", "Down", args=["seat", "8001"])
        assert city.ari.asked[-1][:2] == ("DELETE", "channels/0ld0ld00-000001")
        assert city.reports == []


class TestSound:
    def answered(self, city: City) -> None:
        city.offered()
        city.switch.request(Answer(CALLER))
        city.ari.event("ChannelStateChange", CALLER)
        city.reports.clear()
        city.ari.asked = city.ari.asked[:1]

    def ended(self, city: City, playback: str) -> None:
        about = {"id": playback, "target_uri": f"channel:{CALLER}", "state": "done"}
        city.ari.event("PlaybackFinished", playback=about)

    def test_a_prompt_is_stopped_before_the_leg_is_joined(self, city: City) -> None:
        """``addChannel`` waits for a playback to end, and everything else with it."""
        self.answered(city)
        city.made()
        city.ari.event("ChannelStateChange", SEAT, "Up")
        city.switch.request(Play(CALLER, PLEASE_WAIT))
        city.switch.request(Join(CALLER, SEAT))
        paths = [path for path in city.ari.paths() if "playbacks" in path or "bridges" in path]
        assert paths[0] == f"DELETE playbacks/{CALLER}.say1"
        assert paths[1].startswith("POST bridges/join-")
        assert paths[2].endswith("/addChannel")
        self.ended(city, f"{CALLER}.say1")
        assert city.reports[-1] == Played(CALLER, completed=False)

    def test_an_adopted_leg_is_quietened_of_what_a_dead_process_played(self, city: City) -> None:
        city.ari.holds["channels"] = [shown(CALLER, "Up", "public,1,2"), shown(SEAT, "Up", "seat,8001")]
        city.ari.cut()
        city.run(1)
        city.switch.request(Join(CALLER, SEAT))
        asked = [f"{method} {uri}" for method, uri, _, _ in city.ari.asked]
        bridge = next(at for at, path in enumerate(asked) if path.startswith("POST bridges"))
        for leg in (CALLER, SEAT):
            for turn in range(4):
                assert f"DELETE playbacks/{leg}.say{turn}" in asked[:bridge]
            assert f"DELETE channels/{leg}/moh" in asked[:bridge]

    def test_barge_in(self, city: City) -> None:
        self.answered(city)
        city.switch.request(Play(CALLER, PLEASE_WAIT, barge_in=True))
        city.ari.event("ChannelDtmfReceived", CALLER, digit="5", duration_ms=120)
        assert city.reports == [Digit(CALLER, "5")]
        assert city.ari.paths()[-1] == f"DELETE playbacks/{CALLER}.say1"
        self.ended(city, f"{CALLER}.say1")
        city.ari.event("ChannelDtmfReceived", CALLER, digit="D", duration_ms=120)
        assert city.reports[1:] == [Played(CALLER, completed=False)]

    def test_a_playback_that_asterisk_refuses_has_ended(self, city: City) -> None:
        self.answered(city)
        city.ari.answers["POST channels"] = (409, {"message": "Channel not in Stasis application"})
        city.switch.request(Play(CALLER, PLEASE_WAIT))
        assert city.reports == [Played(CALLER, completed=False)]

    def test_music_is_ended_by_a_prompt(self, city: City) -> None:
        self.answered(city)
        city.switch.request(Music(CALLER))
        city.switch.request(Play(CALLER, PLEASE_WAIT))
        assert city.ari.paths() == [
            f"POST channels/{CALLER}/moh",
            f"DELETE channels/{CALLER}/moh",
            f"POST channels/{CALLER}/play/{CALLER}.say1",
        ]

    def test_requests_for_a_leg_that_is_going_are_nothing(self, city: City) -> None:
        self.answered(city)
        city.switch.request(Clear(CALLER))
        asked = len(city.ari.asked)
        for request in (Answer(CALLER), Mark(CALLER, LEG), Music(CALLER), Play(CALLER, PLEASE_WAIT), Clear(CALLER)):
            city.switch.request(request)
        assert len(city.ari.asked) == asked

    def test_the_partner_of_a_cleared_leg_is_alone(self, city: City) -> None:
        self.answered(city)
        city.made()
        city.ari.event("ChannelStateChange", SEAT, "Up")
        city.switch.request(Join(CALLER, SEAT))
        city.ari.event("StasisEnd", CALLER)
        (method, uri, query, _), deleted = city.ari.asked[-2:]
        assert (method, uri.rpartition("/")[2], query) == ("POST", "removeChannel", {"channel": SEAT})
        assert deleted[0] == "DELETE"


# ── what it holds now ───────────────────────────────────────────────────────────────────────────────────────────────
def test_what_the_switch_holds_is_shown_when_asked_for(city: City) -> None:
    """I8: under the number asked, with the same words as at the beginning."""
    city.offered()
    city.ari.holds["channels"] = [shown(CALLER, "Up", "public,10000,13800000001")]
    city.switch.request(Show(7))
    city.clock.advance(0)
    [answer] = [report for report in city.reports if isinstance(report, Shown)]
    assert answer.number == 7
    assert [(one.connection, one.established) for one in answer.connections] == [(CALLER, True)]


def test_what_was_reported_cleared_is_not_shown_while_the_switch_still_lists_it(city: City) -> None:
    """Cleared is the last of a connection: before the look, and while the look is under way."""
    for channel in (CALLER, OTHER_CALLER):
        city.offered(channel)
    city.ari.holds["channels"] = [shown(one, "Up", "public,10000,1380000000") for one in (CALLER, OTHER_CALLER)]
    city.ari.event("StasisEnd", CALLER)
    city.ari.left = {CALLER}
    city.ari.by_hand = ("GET bridges",)
    city.switch.request(Show(7))
    city.ari.by_hand = ("GET applications",)
    city.ari.answer(200, [])
    city.ari.event("StasisEnd", OTHER_CALLER)
    city.ari.answer(200, {"channel_ids": [OTHER_CALLER]})
    assert city.reports[-3:] == [Cleared(CALLER, Cause.NORMAL), Cleared(OTHER_CALLER, Cause.NORMAL), Shown(7, ())]
    city.ari.by_hand = ()
    asked = len(city.ari.asked)
    city.switch.request(Clear(CALLER))
    assert len(city.ari.asked) == asked


def test_what_ended_while_nobody_looked_is_not_taken_over(city: City) -> None:
    """No event would ever tell that it is gone."""
    city.ari.holds["channels"] = [shown(CALLER, "Up", "public,10000,1380000000")]
    city.ari.left = {CALLER}
    city.ari.cut()
    city.run(1)
    assert city.reports[-1] == SwitchUp(())


def test_a_switch_that_refuses_to_show_says_nothing(city: City) -> None:
    """A5: what is not shown is no evidence of anything."""
    city.ari.by_hand = ("GET channels",)
    city.switch.request(Show(1))
    city.ari.answer(503)
    city.clock.advance(0)
    assert not [report for report in city.reports if isinstance(report, Shown)]


def test_a_channel_of_which_no_event_told_can_be_dealt_with_once_it_was_shown(city: City) -> None:
    """An event was lost: the core asks for what it saw, and the adapter knows it from there."""
    city.switch.request(Clear(CALLER))
    assert not [one for one in city.ari.asked if one[0] == "DELETE"]
    city.ari.holds["channels"] = [shown(CALLER, "Up", "public,10000,13800000001")]
    city.switch.request(Show(1))
    city.clock.advance(0)
    city.switch.request(Clear(CALLER))
    assert ("DELETE", f"channels/{CALLER}") in [one[:2] for one in city.ari.asked]
