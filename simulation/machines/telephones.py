"""Telephones for the seats of a trial: they answer by themselves, and give way to anybody's own softphone."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from simulation.machines.asterisk import Asterisk, Seat
from simulation.machines.sipp import SECONDS_TO_END, AnsweringSeats, Sipp, register_seats, start_seats

RING_S = 2.0
"""Long enough for a person at the page to see that it rings."""
RENEWED_EVERY_S = 1800.0
"""A registration is good for an hour."""
RARELY_S = 3600
CONTACT = re.compile(r"Contact: +([^/\s]+)/sip:[^@\s]*@([0-9.]+:[0-9]+)\S* +\S+ +(\w+)")
"""seat, address, and what is known of it: Avail, Unavail, NonQual"""


def contacts_in(shown: str) -> dict[str, str]:
    """Where each seat's telephone is, out of what ``pjsip show contacts`` prints: by seat, ``host:port``. One that does
    not answer any more is none.
    """
    return {found[1]: found[2] for found in CONTACT.finditer(shown) if found[3] != "Unavail"}


def to_register(seats: Sequence[Seat], contacts: Mapping[str, str], own: str, *, renew: bool) -> list[Seat]:
    """The seats that have no telephone, and those with the one at ``own`` where their registration is due again."""
    return [seat for seat in seats if seat.user not in contacts or (renew and contacts[seat.user] == own)]


class SeatTelephones:
    """The telephones of one city's seats."""

    def __init__(self, switch: Asterisk, seats: Sequence[Seat], address: str, speech: Path, directory: Path) -> None:
        self._seats = AnsweringSeats(
            f"seats-{switch.spec.city}", switch, seats, address, ring=RING_S, speech=speech, statistics_s=RARELY_S
        )
        self._directory = directory
        self._renewed_at = 0.0
        self._sipp: Sipp | None = None

    def start(self) -> SeatTelephones:
        """Start and register them, and wait until they can be rung."""
        self._sipp = start_seats(self._seats, self._directory)
        self._renewed_at = time.monotonic()
        return self

    def look(self) -> None:
        """Register again where that is due, and where somebody's own telephone has gone. Raises ``MachineTrouble``."""
        switch = self._seats.switch
        renew = time.monotonic() - self._renewed_at > RENEWED_EVERY_S
        if not renew and all(switch.seat_online(seat.user) for seat in self._seats.seats):
            return
        own = f"{self._seats.address}:{self._seats.port}"
        due = to_register(self._seats.seats, contacts_in(switch.cli("pjsip show contacts")), own, renew=renew)
        if due:
            register_seats(replace(self._seats, seats=due), self._directory / "register")
        if renew:
            self._renewed_at = time.monotonic()

    def stop(self) -> None:
        """Put them away."""
        if self._sipp is not None:
            self._sipp.process.stop(SECONDS_TO_END)
