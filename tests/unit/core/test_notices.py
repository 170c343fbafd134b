"""A caller of an area with a mass fault hears so before the queue, and has an agent all the same who wants one."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.ids import ConnectionId, ContactId
from dataset.rows import Ending
from site_node.core.contact import ContactState
from site_node.core.mass_faults import MASS_FAULT
from site_node.core.notices import KEY_WAIT_S, Word
from site_node.core.telephony import (
    Cause,
    Clear,
    Cleared,
    Digit,
    HeldConnection,
    Leg,
    Play,
    Played,
    Prompt,
    Role,
    SwitchDown,
    SwitchUp,
)
from tests.unit.core.core_alone import CoreAlone

SAID = (Prompt("mass-fault", 4),)


@pytest.fixture
def core() -> CoreAlone:
    """The first caller's line is in the area."""
    core = CoreAlone()
    core.ready()

    def of(calling: str, service: str) -> Word | None:
        return Word(MASS_FAULT, SAID) if (calling, service) == ("13800000001", "fault") else None

    core.site.anchor.notices.of = of
    return core


def leg(core: CoreAlone, which: ContactId) -> ConnectionId:
    return core.contact(which).connection


def ended(core: CoreAlone) -> list[tuple[Ending, str, str]]:
    return [(row.ending, row.cause, row.service) for row in core.rows if isinstance(row, rows.ContactEnded)]


def test_whoever_is_content_with_the_word_ends_without_an_agent(core: CoreAlone) -> None:
    """An agent is idle, and is not rung; no queue has counted the caller."""
    which = core.call()
    assert core.asked(Play) == [Play(leg(core, which), SAID, barge_in=True)]
    caller = leg(core, which)
    core.does(Played(caller, completed=True))
    core.now += KEY_WAIT_S
    core.expires("notice", which)
    assert core.asked(Clear) == [Clear(caller, Cause.NORMAL)]
    assert ended(core) == [(Ending.MENU, MASS_FAULT, "fault")]
    for kind in (rows.QueueEntered, rows.AttemptOpened, rows.MenuChosen):
        assert core.count(kind) == 0
    assert not [key for key in core.timers if which in key]


def test_hanging_up_during_the_word_is_the_same(core: CoreAlone) -> None:
    which = core.call()
    core.does(Cleared(leg(core, which), Cause.NORMAL))
    assert ended(core) == [(Ending.MENU, MASS_FAULT, "fault")]
    assert not [key for key in core.timers if which in key]


def test_a_line_that_breaks_during_the_word_failed(core: CoreAlone) -> None:
    core.does(Cleared(leg(core, core.call()), Cause.MEDIA_LOST))
    assert [ending for ending, _, _ in ended(core)] == [Ending.FAILED]


@pytest.mark.parametrize("spoken", [True, False])
def test_any_key_leads_on_to_an_agent_and_nothing_is_said_twice(core: CoreAlone, spoken: bool) -> None:
    """During the word or after it."""
    which = core.call()
    core.does(Played(leg(core, which), completed=spoken))
    core.does(Digit(leg(core, which), "7"))
    assert core.contact(which).state is ContactState.WAITING
    assert core.contact(which).home is not None, "the idle agent is rung"
    assert Play(leg(core, which), SAID, barge_in=True) not in core.asked(Play)
    assert core.count(rows.QueueEntered) == core.count(rows.MenuChosen) == 1
    assert not [key for key in core.timers if key[0] == "notice"]
    core.does(Cleared(leg(core, which), Cause.NORMAL))
    assert [(ending, cause) for ending, cause, _ in ended(core)] == [(Ending.ABANDONED, "customer")]


def test_others_hear_nothing_of_it(core: CoreAlone) -> None:
    core.call()
    which = core.call()
    assert core.contact(which).notice is None
    assert core.contact(which).state is ContactState.WAITING


def test_a_switch_that_says_no_end_of_the_word_keeps_nobody(core: CoreAlone) -> None:
    which = core.call()
    core.expires("notice", which)
    assert ended(core) == [(Ending.MENU, MASS_FAULT, "fault")]


def test_the_word_is_said_again_when_the_switch_was_away(core: CoreAlone) -> None:
    which = core.call()
    held = HeldConnection(leg(core, which), established=True, incoming=True, leg=Leg(which, 0, Role.CUSTOMER))
    core.does(SwitchDown("gone"))
    core.does(SwitchUp((held,)))
    assert core.asked(Play) == [Play(leg(core, which), SAID, barge_in=True)]


def test_keys_of_a_caller_in_talk_are_no_answer_to_a_word(core: CoreAlone) -> None:
    which = core.call()
    core.does(Digit(leg(core, which), "1"))
    core.does(Digit(leg(core, which), "1"))
    assert core.count(rows.MenuChosen) == 1
