"""Telephones of ``yht up``: whose seat is whose, and what a person at the terminal is told of a call."""

from __future__ import annotations

import pytest

from simulation.calling import caller_pattern, told
from simulation.machines.asterisk import trial_seats
from simulation.machines.network import OUTCOMES
from simulation.machines.places import conf_dir
from simulation.machines.sipp import Seen
from simulation.machines.telephones import contacts_in, to_register

OWN = "127.0.0.171:5070"
SHOWN = """
  Contact:  <Aor/ContactUri..............................> <Hash....> <Status> <RTT(ms)..>
==========================================================================================

  Contact:  8001/sip:8001@127.0.0.171:5070                 4d2e8a6f5c Avail         0.412
  Contact:  8002/sip:8002@192.168.1.7:62011;ob             77aa0b1c2d Avail        12.031
  Contact:  8003/sip:8003@192.168.1.8:5060;transport=UDP   0c1d2e3f4a Unavail         nan
  Contact:  8004/sip:8004@127.0.0.171:5070                 9c1d2e3f4a NonQual         nan
  Contact:  trunk-foshan/sip:127.0.0.23:5060               1a2b3c4d5e Avail         0.300

Objects found: 5
"""


def test_a_telephone_that_answers_is_where_it_said() -> None:
    assert contacts_in(SHOWN) == {"8001": OWN, "8002": "192.168.1.7:62011", "8004": OWN}


def test_a_softphone_of_somebody_is_left_its_seat_and_an_empty_seat_gets_its_own_again() -> None:
    seats = trial_seats(5)
    found = contacts_in(SHOWN)
    assert [seat.user for seat in to_register(seats, found, OWN, renew=False)] == ["8003", "8005"]
    assert [seat.user for seat in to_register(seats, found, OWN, renew=True)] == ["8001", "8003", "8004", "8005"]


def test_each_outcome_has_digits_of_its_own_and_a_place_in_the_scenario() -> None:
    scenario = (conf_dir() / "sipp" / "network.xml.in").read_text("utf-8")
    assert len({one.digits for one in OUTCOMES}) == len(OUTCOMES)
    assert all(f'test="{one.word}"' in scenario for one in OUTCOMES)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("dialled", "dialled"),
        ("refused-486", "refused (SIP 486)"),
        ("released", "the center has hung up"),
    ],
)
def test_what_happened_to_a_call_is_told(what: str, words: str) -> None:
    assert told(Seen(what, "1@x", 0.0)).endswith(words)


def test_what_is_said_already_is_not_told_again() -> None:
    assert told(Seen("refused", "1@x", 0.0)) == ""
    assert told(Seen("answered-late", "1@x", 0.0)) == ""


def test_several_callers_have_numbers_of_their_own() -> None:
    assert caller_pattern("13800138000", 1) == "13800138000"
    assert caller_pattern("13800138000", 3) == "1380013800[call_number]"
