"""Customers at the public door: answer, prompts, digits, music, and hanging up at every moment."""

from __future__ import annotations

from datetime import date

import pytest

from dataset import spoken
from dataset.ids import CityId, ConnectionId, ContactId
from site_node.core.telephony import (
    Answer,
    Cause,
    Clear,
    Cleared,
    Digit,
    Established,
    Leg,
    Mark,
    Music,
    Offered,
    Play,
    Played,
    Prompt,
    Report,
    Role,
    StopPlaying,
)
from site_node.ports import Capability
from tests.contract.switch.world import SwitchWorld

WELCOME = (Prompt("welcome"), Prompt("main-menu"))
LONG = (Prompt("main-menu"), Prompt("main-menu"), Prompt("main-menu"))


@pytest.mark.needs(Capability.ANSWER)
class TestAnswer:
    def test_a_call_is_offered_with_the_number_dialled_and_the_callers_own(self, world: SwitchWorld) -> None:
        """The number dialled decides the menu, the caller's number goes on the record."""
        world.here.call("112", "13800000007")
        offered = world.here.first(Offered)
        assert (offered.called, offered.calling) == ("112", "13800000007")
        assert offered.from_city is None
        assert offered.token is None

    def test_nothing_is_answered_before_we_say_so(self, world: SwitchWorld) -> None:
        """A contact is in the journal before its caller hears anything."""
        caller, connection = world.here.offered()
        world.nothing_more()
        assert not caller.in_call
        assert not world.here.all_of(Established, connection)

    def test_answering_connects_the_caller_in_silence(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        assert caller.hears_nothing()
        assert len(world.here.all_of(Established, connection)) == 1

    def test_answering_twice_is_nothing(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Answer(connection))
        world.nothing_more()
        assert caller.in_call
        assert len(world.here.all_of(Established, connection)) == 1

    def test_two_callers_are_two_connections(self, world: SwitchWorld) -> None:
        _, one = world.here.offered(calling="13800000001")
        _, other = world.here.offered(calling="13800000002")
        assert one != other
        assert len(one) == len(other)


class TestEnding:
    def test_the_caller_gives_up_before_we_answer(self, world: SwitchWorld) -> None:
        caller, connection = world.here.offered()
        caller.hang_up()
        assert world.here.first(Cleared, connection).cause is Cause.NORMAL
        world.here.request(Answer(connection))
        world.nothing_more()
        assert world.here.about(connection)[-1] == Cleared(connection, Cause.NORMAL)
        assert len(world.here.all_of(Cleared, connection)) == 1
        assert not world.here.all_of(Established, connection)

    def test_the_caller_hangs_up_while_our_answer_is_on_the_way(self, world: SwitchWorld) -> None:
        """Whoever comes first: one ending, and nothing after it."""
        caller, connection = world.here.offered()
        world.here.request(Answer(connection))
        caller.hang_up()
        world.here.first(Cleared, connection)
        world.nothing_more()
        assert [report for report in world.here.about(connection) if isinstance(report, Cleared)] == [
            Cleared(connection, Cause.NORMAL)
        ]
        assert isinstance(world.here.about(connection)[-1], Cleared)

    def test_the_caller_hangs_up_in_silence(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        caller.hang_up()
        assert world.here.first(Cleared, connection).cause is Cause.NORMAL

    def test_the_caller_hangs_up_in_a_prompt(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Play(connection, LONG))
        world.until(caller.hears_sound, what="the prompt")
        caller.hang_up()
        assert world.here.first(Cleared, connection).cause is Cause.NORMAL
        world.nothing_more()
        assert isinstance(world.here.about(connection)[-1], Cleared)
        assert Played(connection, completed=True) not in world.here.reports

    def test_the_caller_hangs_up_in_music(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Music(connection))
        world.until(caller.hears_sound, what="music")
        caller.hang_up()
        assert world.here.first(Cleared, connection).cause is Cause.NORMAL
        world.nothing_more()
        assert isinstance(world.here.about(connection)[-1], Cleared)

    @pytest.mark.parametrize("cause", list(Cause))
    def test_we_clear_before_the_answer(self, world: SwitchWorld, cause: Cause) -> None:
        caller, connection = world.here.offered()
        world.here.request(Clear(connection, cause))
        assert world.here.first(Cleared, connection).cause is Cause.CLEARED_BY_US
        world.until(lambda: caller.over, what="the caller's phone sees the end")
        assert not caller.in_call

    @pytest.mark.parametrize("cause", [Cause.CLEARED_BY_US, Cause.FINISHED, Cause.NORMAL, Cause.TRANSFERRED])
    def test_we_clear_in_a_call(self, world: SwitchWorld, cause: Cause) -> None:
        caller, connection = world.here.answered()
        world.here.request(Clear(connection, cause))
        assert world.here.first(Cleared, connection).cause is Cause.CLEARED_BY_US
        world.until(lambda: caller.over, what="the caller's phone sees the end")

    def test_clearing_twice_and_clearing_the_unknown_is_nothing(self, world: SwitchWorld) -> None:
        _, connection = world.here.answered()
        stranger = world.new_connection()
        world.here.request(Clear(stranger), Clear(connection), Clear(connection, Cause.FINISHED))
        world.here.first(Cleared, connection)
        world.here.request(Clear(connection))
        world.nothing_more()
        assert world.here.all_of(Cleared) == [Cleared(connection, Cause.CLEARED_BY_US)]

    def test_requests_for_a_dead_connection_are_nothing(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        _, other = world.here.answered(calling="13800000002")
        caller.hang_up()
        world.here.first(Cleared, connection)
        leg = Leg(ContactId("0020-7f3a9c21-000001"), 0, Role.CUSTOMER)
        so_far = list(world.here.reports)
        world.here.request(
            Answer(connection),
            Mark(connection, leg),
            Play(connection, WELCOME, barge_in=True),
            Music(connection),
            StopPlaying(connection),
            Clear(connection),
        )
        world.nothing_more()
        assert world.here.reports == so_far
        assert other


@pytest.mark.needs(Capability.PLAY)
class TestPrompts:
    def test_a_prompt_is_heard_to_its_end(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Play(connection, WELCOME))
        world.until(caller.hears_sound, what="the prompt")
        assert world.here.first(Played, connection, within=40.0).completed
        world.until(caller.hears_nothing, what="silence after the prompt")
        world.nothing_more()
        assert len(world.here.all_of(Played, connection)) == 1

    def test_a_prompt_with_a_number_in_it(self, world: SwitchWorld) -> None:
        """Position in the queue: a sentence around a number."""
        caller, connection = world.here.answered()
        world.here.request(Play(connection, (Prompt("queue-position", 37),)))
        world.until(caller.hears_sound, what="the prompt")
        assert world.here.first(Played, connection, within=40.0).completed

    def test_an_amount_is_said_with_all_its_pieces(self, world: SwitchWorld) -> None:
        """Self-service: one playback of as many recorded pieces as an amount and a day need."""
        caller, connection = world.here.answered()
        pieces = (*spoken.amount(1_234_567_805, "zh"), *spoken.day(date(2026, 11, 26), "zh"))
        world.here.request(Play(connection, tuple(Prompt(piece) for piece in pieces), barge_in=True))
        world.until(caller.hears_sound, what="the first pieces")
        assert world.here.first(Played, connection, within=60.0).completed
        world.until(caller.hears_nothing, what="silence after the last piece")
        assert len(world.here.all_of(Played, connection)) == 1

    def test_stopping_a_prompt(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Play(connection, LONG))
        world.until(caller.hears_sound, what="the prompt")
        world.here.request(StopPlaying(connection))
        assert not world.here.first(Played, connection).completed
        world.until(caller.hears_nothing, what="silence")

    def test_stopping_silence_is_nothing(self, world: SwitchWorld) -> None:
        _, connection = world.here.answered()
        world.here.request(StopPlaying(connection))
        world.nothing_more()
        assert not world.here.all_of(Played)

    def test_another_prompt_takes_the_place_of_the_first(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Play(connection, LONG))
        world.until(caller.hears_sound, what="the prompt")
        world.here.request(Play(connection, (Prompt("please-wait"),)))
        world.until(lambda: len(world.here.all_of(Played, connection)) == 2, 40.0, "both prompts end")
        assert [played.completed for played in world.here.all_of(Played, connection)] == [False, True]


@pytest.mark.needs(Capability.COLLECT)
class TestDigits:
    def test_every_digit_arrives_once_and_in_order(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        caller.press("1234567890*#")
        world.until(lambda: len(world.here.all_of(Digit, connection)) >= 12, 20.0, "twelve digits")
        world.nothing_more()
        assert "".join(digit.digit for digit in world.here.all_of(Digit, connection)) == "1234567890*#"

    def test_a_digit_barges_in(self, world: SwitchWorld) -> None:
        """Who knows the menu does not have to listen to it."""
        caller, connection = world.here.answered()
        world.here.request(Play(connection, LONG, barge_in=True))
        world.until(caller.hears_sound, what="the prompt")
        caller.press("5")
        assert world.here.first(Digit, connection).digit == "5"
        assert not world.here.first(Played, connection).completed
        kinds = [type(report) for report in world.here.about(connection) if isinstance(report, Digit | Played)]
        assert kinds == [Digit, Played]
        world.until(caller.hears_nothing, what="silence")

    def test_a_number_is_keyed_in_over_the_words_that_ask_for_it(self, world: SwitchWorld) -> None:
        """Self-service: the first key ends the words, and every key after it arrives, the # too."""
        caller, connection = world.here.answered()
        asking = (Prompt("self-number-is"), *(Prompt(piece) for piece in spoken.digits("02088886666", "zh")))
        world.here.request(Play(connection, (*asking, Prompt("self-ask-pin")), barge_in=True))
        world.until(caller.hears_sound, what="the words")
        caller.press("135790#")
        world.until(lambda: len(world.here.all_of(Digit, connection)) >= 7, 20.0, "seven keys")
        assert "".join(digit.digit for digit in world.here.all_of(Digit, connection)) == "135790#"
        assert [played.completed for played in world.here.all_of(Played, connection)] == [False]
        world.until(caller.hears_nothing, what="silence")

    def test_what_is_asked_for_as_a_key_is_reported_is_said_to_its_end(self, world: SwitchWorld) -> None:
        """A menu: the key ends the words before, and the next ones begin at once."""
        caller, connection = world.here.answered()

        def next_menu(report: Report) -> None:
            if isinstance(report, Digit):
                world.here.request(Play(connection, (Prompt("goodbye"),), barge_in=True))

        world.here.on_report = next_menu
        world.here.request(Play(connection, LONG, barge_in=True))
        world.until(caller.hears_sound, what="the prompt")
        caller.press("5")
        world.until(lambda: len(world.here.all_of(Played, connection)) == 2, 20.0, "both are over")
        assert [played.completed for played in world.here.all_of(Played, connection)] == [False, True]

    def test_a_digit_without_barge_in_leaves_the_prompt_alone(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Play(connection, (Prompt("main-menu"),), barge_in=False))
        world.until(caller.hears_sound, what="the prompt")
        caller.press("5")
        world.here.first(Digit, connection)
        assert not world.here.all_of(Played, connection)
        assert world.here.first(Played, connection, within=40.0).completed

    def test_digits_in_silence_and_in_music(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        caller.press("1")
        world.here.first(Digit, connection)
        world.here.request(Music(connection))
        world.until(caller.hears_sound, what="music")
        caller.press("2")
        world.until(lambda: len(world.here.all_of(Digit, connection)) == 2, what="the second digit")
        assert caller.hears_sound()


@pytest.mark.needs(Capability.MUSIC)
class TestMusic:
    def test_music_until_stopped(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Music(connection), Music(connection))
        world.until(caller.hears_sound, what="music")
        world.here.request(StopPlaying(connection))
        world.until(caller.hears_nothing, what="silence")
        assert not world.here.all_of(Played)

    def test_an_announcement_ends_music_and_leaves_silence(self, world: SwitchWorld) -> None:
        """Waiting: music, then the position, then we ask for music again."""
        caller, connection = world.here.answered()
        world.here.request(Music(connection))
        world.until(caller.hears_sound, what="music")
        world.here.request(Play(connection, (Prompt("queue-position", 3),)))
        assert world.here.first(Played, connection, within=40.0).completed
        world.until(caller.hears_nothing, what="silence")
        world.here.request(Music(connection))
        world.until(caller.hears_sound, what="music again")

    def test_music_ends_a_prompt(self, world: SwitchWorld) -> None:
        caller, connection = world.here.answered()
        world.here.request(Play(connection, LONG))
        world.until(caller.hears_sound, what="the prompt")
        world.here.request(Music(connection))
        assert not world.here.first(Played, connection).completed
        world.until(caller.hears_sound, what="music")


def test_a_reported_connection_id_fits_the_pattern_of_ids(world: SwitchWorld) -> None:
    """Ids are ids, not city names or numbers that could clash with the ones we choose."""
    _, connection = world.here.offered()
    assert connection != ConnectionId(str(CityId("guangzhou")))
    assert len(connection) >= 8
