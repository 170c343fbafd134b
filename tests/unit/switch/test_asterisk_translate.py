"""Recorded events of Asterisk 22 become our reports (the recordings: tests/harness/record_ari.py)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from dataset.ids import CityId, ConnectionId, ContactId, Token
from site_node.core.telephony import (
    Cause,
    Cleared,
    Delivered,
    Digit,
    Established,
    HeldConnection,
    Leg,
    Offered,
    Played,
    Prompt,
    Report,
    Role,
)
from site_node.switch.asterisk.causes import cause_of, reason_code
from site_node.switch.asterisk.events import AriEvent, Channel, PlaybackBegan, PlaybackEnded, Started, event_from
from site_node.switch.asterisk.prompts import media_of, number_sounds
from site_node.switch.asterisk.snapshot import held_by, leg_from, variables_of
from site_node.switch.asterisk.translate import Kind, Known, Playback, offered, translate

RECORDED = Path(__file__).parent / "ari"


def recorded(name: str) -> list[AriEvent]:
    lines = (RECORDED / f"{name}.jsonl").read_text("utf-8").splitlines()
    events = [event_from(json.loads(line)) for line in lines]
    return [event for event in events if event is not None]


def replay(name: str, known: Known | None = None, *, playbacks: bool = False) -> list[Report]:
    """All reports of a recording; ``known`` is a leg that we made. With ``playbacks`` the leg plays what is played."""
    reports: list[Report] = []
    over = False
    for event in recorded(name):
        assert not over, f"{event} after the leg was cleared"
        if known is None:
            assert isinstance(event, Started)
            new = offered(event)
            assert new is not None
            known, report = new
            reports.append(report)
            continue
        if playbacks and isinstance(event, PlaybackBegan):
            known = dataclasses.replace(known, playbacks=(*known.playbacks, Playback(event.playback, barge_in=True)))
        after, more = translate(known, event)
        over, known = after is None, after or known
        reports.extend(more)
    return reports


def connection_of(name: str) -> ConnectionId:
    first = recorded(name)[0]
    assert isinstance(first, Started)
    return ConnectionId(first.channel.id)


def made(name: str, kind: Kind, ending: Cause | None = None) -> Known:
    return Known(connection_of(name), kind, ending=ending)


class TestCustomer:
    def test_a_call_from_its_first_ring_to_its_end(self) -> None:
        one = connection_of("customer")
        assert replay("customer", playbacks=True) == [
            Offered(one, called="112", calling="13800000001"),
            Established(one),
            Digit(one, "5"),
            Played(one, completed=True),
            Played(one, completed=True),
            Cleared(one, Cause.NORMAL),
        ]

    def test_a_playback_that_we_stopped_is_not_completed_whatever_asterisk_says(self) -> None:
        one = ConnectionId("guangzhou-1.1")
        playing = Known(one, Kind.PUBLIC, playbacks=(Playback("p", barge_in=True, began=True, stopped=True),))
        _, reports = translate(playing, PlaybackEnded("p", one, done=True))
        assert reports == (Played(one, completed=False),)

    def test_the_end_of_an_older_playback_with_the_same_id_is_not_ours(self) -> None:
        """A program that restarts uses the ids of its predecessor again."""
        one = ConnectionId("guangzhou-1.1")
        known = Known(one, Kind.PUBLIC, playbacks=(Playback("p", barge_in=False),))
        same, reports = translate(known, PlaybackEnded("p", one, done=True))
        assert (same, reports) == (known, ())
        began, _ = translate(known, PlaybackBegan("p", one))
        assert began is not None
        assert translate(began, PlaybackEnded("p", one, done=True))[1] == (Played(one, completed=True),)

    def test_a_sound_that_is_missing_ends_its_prompt(self) -> None:
        one = ConnectionId("guangzhou-1.1")
        known = Known(one, Kind.PUBLIC, playbacks=(Playback("p", barge_in=False),))
        assert translate(known, PlaybackEnded("p", one, done=False))[1] == (Played(one, completed=False),)

    def test_gives_up_before_the_answer(self) -> None:
        one = connection_of("customer_gives_up")
        assert replay("customer_gives_up")[1:] == [Cleared(one, Cause.NORMAL)]

    def test_is_sent_away(self) -> None:
        """After our hang-up nothing but the end is reported."""
        name = "customer_sent_away"
        known = Known(connection_of(name), Kind.PUBLIC, established=True, ending=Cause.CLEARED_BY_US)
        assert replay(name, known) == [Cleared(known.connection, Cause.CLEARED_BY_US)]

    def test_falls_silent(self) -> None:
        """O5: no media is no evidence; the flag of the RTP timeout is all that Asterisk tells of a leg that came in."""
        assert replay("caller_falls_silent")[-1] == Cleared(connection_of("caller_falls_silent"), Cause.MEDIA_LOST)


class TestSeat:
    def test_rings_answers_and_hangs_up(self) -> None:
        known = made("seat_answers", Kind.SEAT)
        one = known.connection
        assert replay("seat_answers", known) == [Delivered(one), Established(one), Cleared(one, Cause.NORMAL)]

    @pytest.mark.parametrize(
        ("name", "ending", "cause"),
        [
            ("seat_declines", None, Cause.REJECTED),
            ("seat_is_busy", None, Cause.BUSY),
            ("seat_does_not_answer", Cause.NO_ANSWER, Cause.NO_ANSWER),
            ("seat_falls_silent", None, Cause.MEDIA_LOST),
        ],
    )
    def test_ends(self, name: str, ending: Cause | None, cause: Cause) -> None:
        known = made(name, Kind.SEAT, ending)
        reports = replay(name, known)
        assert reports[-1] == Cleared(known.connection, cause)
        assert len([one for one in reports if isinstance(one, Cleared)]) == 1

    def test_an_up_after_our_hangup_is_dead(self) -> None:
        known = made("seat_answers", Kind.SEAT, Cause.CANCELLED)
        assert replay("seat_answers", known) == [Cleared(known.connection, Cause.CANCELLED)]


class TestBetweenCities:
    @pytest.mark.parametrize(
        ("name", "cause"),
        [
            ("finished_by_the_far_city", Cause.FINISHED),
            ("refused_by_the_far_city", Cause.REFUSED),
            ("far_city_falls_silent", Cause.MEDIA_LOST),
        ],
    )
    def test_the_anchor_learns_why(self, name: str, cause: Cause) -> None:
        known = made(name, Kind.CITY)
        assert replay(name, known)[-1] == Cleared(known.connection, cause)

    def test_the_serving_city_sees_number_token_origin_and_why_it_ended(self) -> None:
        name = "transferred_by_the_anchor"
        one = connection_of(name)
        assert replay(name) == [
            Offered(one, "7701", "13800000001", from_city=CityId("guangzhou"), token=Token("8d21c0aa-00002f")),
            Established(one),
            Cleared(one, Cause.TRANSFERRED),
        ]

    def test_a_leg_without_a_token_is_offered_without_one(self) -> None:
        channel = Channel("guangzhou-1.7", "Ring", "", ())
        new = offered(Started(channel, ("trunk", "foshan", "7701", "")))
        assert new is not None
        assert new[1].token is None

    def test_only_86_after_the_answer_is_finished(self) -> None:
        """O4: nothing that is not an explicit end may look like one."""
        finished = {
            (q850, answered)
            for q850 in range(128)
            for answered in (True, False)
            for incoming in (True, False)
            if cause_of(q850, None, established=answered, incoming=incoming, between_cities=True) is Cause.FINISHED
        }
        assert finished == {(86, True)}
        assert cause_of(None, None, established=True, incoming=True, between_cities=True) is Cause.NORMAL
        told = {cause for cause in Cause if reason_code(cause, established=True, incoming=True) == 86}
        assert told == {Cause.FINISHED}


class TestSnapshot:
    def held(self) -> dict[str, HeldConnection]:
        shown = json.loads((RECORDED / "snapshot.json").read_text("utf-8"))
        there = {"channel_ids": [channel["id"] for channel in shown["channels"]]}
        held = held_by("yihaotong", shown["channels"], shown["bridges"], there, leave_out=())
        return {one.shown.called + ("!" if one.shown.incoming else ""): one.shown for one in held}

    def test_a_talk_a_caller_and_a_leg_are_found_as_what_they_are(self) -> None:
        held = self.held()
        contact = ContactId("0020-7f3a9c21-000001")
        assert set(held) == {"112!", "8001", "10000!", "7702!"}
        customer, seat, waiting, remote = held["112!"], held["8001"], held["10000!"], held["7702!"]
        assert customer.leg == Leg(contact, 0, Role.CUSTOMER)
        assert seat.leg == Leg(contact, 1, Role.SEAT)
        assert (customer.joined_to, seat.joined_to) == (seat.connection, customer.connection)
        assert customer.established
        assert seat.established
        assert (waiting.leg, waiting.established, waiting.calling) == (None, False, "13800000006")
        assert remote.leg == Leg(ContactId("0755-8d21c0aa-000002"), 3, Role.INBOUND, Token("8d21c0aa-00002f"))
        assert remote.calling == "13900000000"

    def test_channels_that_are_not_ours_are_left_alone(self) -> None:
        transit = {"id": "x", "state": "Up", "dialplan": {"app_name": "Dial", "app_data": "PJSIP/7701@trunk-foshan"}}
        other = {"id": "y", "state": "Up", "dialplan": {"app_name": "Stasis", "app_data": "another,public,1,2"}}
        assert held_by("yihaotong", [transit, other], [], {"channel_ids": ["x", "y"]}, leave_out=()) == ()

    def test_what_came_in_and_has_left_the_application_has_ended(self) -> None:
        """It is listed until it is destroyed; its partner is alone. A channel that we made is there until then."""
        shown = json.loads((RECORDED / "snapshot.json").read_text("utf-8"))
        waiting = self.held()["10000!"].connection
        held = held_by("yihaotong", shown["channels"], shown["bridges"], {"channel_ids": [waiting]}, leave_out=())
        assert {one.shown.called for one in held} == {"10000", "8001"}
        assert all(one.shown.joined_to is None for one in held)

    @pytest.mark.parametrize("role", list(Role))
    def test_what_a_channel_remembers_is_what_was_marked(self, role: Role) -> None:
        leg = Leg(ContactId("0020-7f3a9c21-000001"), 7, role, Token("8d21c0aa-00002f"))
        assert leg_from(variables_of(leg)) == leg
        assert leg_from(variables_of(replace(leg, token=None))) == replace(leg, token=None)

    def test_a_mark_that_we_did_not_write_is_none(self) -> None:
        assert leg_from({}) is None
        assert leg_from({"YHT_CONTACT": "c", "YHT_ATTEMPT": "one", "YHT_ROLE": "seat"}) is None
        assert leg_from({"YHT_CONTACT": "c", "YHT_ATTEMPT": "1", "YHT_ROLE": "king"}) is None


class TestPrompts:
    @pytest.mark.parametrize(
        ("number", "words"),
        [(0, ["0"]), (7, ["7"]), (12, ["12"]), (20, ["20"]), (21, ["20", "1"]), (30, ["30"]), (99, ["90", "9"])],
    )
    def test_numbers_are_composed(self, number: int, words: list[str]) -> None:
        assert number_sounds(number) == tuple(f"sound:yht/number-{word}" for word in words)

    def test_a_number_out_of_range_is_said_as_the_nearest(self) -> None:
        assert number_sounds(250) == number_sounds(99)
        assert number_sounds(-1) == number_sounds(0)

    @pytest.mark.parametrize("sentence", ["queue-position", "mass-fault", "one-of-another-package"])
    def test_a_sentence_around_a_number(self, sentence: str) -> None:
        said = media_of((Prompt("please-wait"), Prompt(sentence, 37)))
        names = ("please-wait", sentence, "number-30", "number-7", f"{sentence}-after")
        assert said == ",".join(f"sound:yht/{name}" for name in names)
