"""More call than a city can bear (failure 27): who hears busy, who hears a word and is let go, who still comes in."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.ids import ConnectionId
from dataset.rows import Ending, Entered, Left
from federation.core.envelope import NotGranted
from site_node.core.admission import CITY_FULL, OWN_CITY_FIRST, QUEUE_FULL, Admission
from site_node.core.contact import ContactState
from site_node.core.telephony import Answer, Cause, Clear, Cleared, Offered, Play, Played, Prompt
from tests.unit.core.core_alone import FAULT, CoreAlone

TIGHT = Admission(most_calls=10, most_waiting_per_agent=2.0, most_waiting_always=1)


@pytest.fixture
def core() -> CoreAlone:
    return CoreAlone(admission=TIGHT)


def endings(core: CoreAlone) -> list[tuple[Ending, str]]:
    return [(row.ending, row.cause) for row in core.rows if isinstance(row, rows.ContactEnded)]


# ── the rule ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_tenth_of_the_switch_is_kept_for_higher_classes() -> None:
    assert [TIGHT.at_the_door(live, 0) for live in (8, 9)] == ["", CITY_FULL]
    assert [TIGHT.at_the_door(live, 1) for live in (9, 10)] == ["", CITY_FULL]


def test_as_many_may_wait_as_the_seats_can_get_to() -> None:
    """Two per agent staffed, and one where nobody is: another city may take that one."""
    assert [TIGHT.at_the_queue(before, staffed=3) for before in (5, 6)] == ["", QUEUE_FULL]
    assert [TIGHT.at_the_queue(before, staffed=0) for before in (0, 1)] == ["", QUEUE_FULL]


# ── the city ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_caller_behind_too_many_hears_so_and_is_let_go(core: CoreAlone) -> None:
    """On record as offered and closed by us, so that reports show the demand (I7); nobody is asked for it."""
    core.call()
    which = core.call()
    contact = core.contact(which)
    assert core.asked(Play)[-1] == Play(contact.connection, (Prompt("all-busy-sorry"),))
    assert not core.site.index.waits(which)
    core.does(Played(contact.connection, completed=True))
    assert core.asked(Clear) == [Clear(contact.connection, Cause.NORMAL)]
    assert endings(core) == [(Ending.CLOSED_BY_US, QUEUE_FULL)]
    assert [row.how for row in core.rows if isinstance(row, rows.QueueEntered) and row.contact == which] == [
        Entered.OFFERED
    ]
    assert [row.how for row in core.wrote(rows.QueueLeft)] == [Left.CLOSED]
    assert [row for row in core.rows if isinstance(row, rows.AttemptOpened) and row.contact == which] == []


def test_one_who_hangs_up_during_the_word_was_closed_by_us_all_the_same(core: CoreAlone) -> None:
    core.call()
    contact = core.contact(core.call())
    core.does(Cleared(contact.connection, Cause.NORMAL))
    assert endings(core) == [(Ending.CLOSED_BY_US, QUEUE_FULL)]


def test_the_word_may_never_be_over(core: CoreAlone) -> None:
    """A switch that does not say so keeps nobody."""
    core.call()
    which = core.call()
    core.expires("closing", which)
    assert endings(core) == [(Ending.CLOSED_BY_US, QUEUE_FULL)]
    assert not [key for key in core.timers if which in key]


def test_whoever_finds_an_idle_agent_is_never_turned_away(core: CoreAlone) -> None:
    core.ready()
    assert core.contact(core.call()).home is not None
    assert core.contact(core.call()).turned_away == ""
    assert core.contact(core.call()).turned_away == ""
    assert core.contact(core.call()).turned_away == QUEUE_FULL


def test_one_who_is_in_is_not_turned_away_when_sent_back_or_on() -> None:
    """The limit is for new callers: a caller whose agent is lost waits at the front, however many wait."""
    core = CoreAlone(admission=TIGHT)
    agent, which = core.talk()
    core.call()
    core.call()
    core.does(Cleared(core.lease(agent).seat or core.contact(which).connection, Cause.UNREACHABLE))
    assert (core.contact(which).state, core.contact(which).turned_away) == (ContactState.WAITING, "")
    assert core.site.index.ahead(which) == 0


def test_a_full_city_answers_busy_at_the_door_and_grants_nothing_to_others() -> None:
    core = CoreAlone(admission=Admission(most_calls=2, kept_for_higher=0.5))
    core.ready(1, FAULT)
    core.call("10000")
    core.hears(core.propose())
    assert [one.reason for one in core.sent(NotGranted)] == [OWN_CITY_FIRST] * len(core.sent(NotGranted)) != []
    core.does(Offered(ConnectionId("one too many"), "10000", "13800000099"))
    assert core.asked(Answer) == []
    assert [one.cause for one in core.asked(Clear)] == [Cause.BUSY]
    assert endings(core) == [(Ending.CLOSED_BY_US, CITY_FULL)]
    assert core.count(rows.ContactBorn) == 2
