"""Audio is measured, not assumed: a tone sent at one end is found by FFT in what the other end's telephone heard.

The switch port is driven directly; the telephones are baresip, with its own codecs and jitter buffer, as an independent
witness beside the telephones of the contract test.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset.ids import CityId, ConnectionId, ContactId, Token
from simulation.machines.baresip import Softphone
from site_node.core.telephony import (
    Alert,
    Answer,
    Clear,
    Cleared,
    Established,
    Join,
    Leg,
    Make,
    Music,
    Offered,
    Part,
    Report,
    Request,
    Role,
    Seat,
    SwitchUp,
    Trunk,
)
from site_node.switch.asterisk import AriLogin, AsteriskSwitch
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import Switches, require, three_switches

CALLER_HZ, SEAT_HZ, OTHER_SEAT_HZ, FAR_SEAT_HZ = 1700.0, 1000.0, 2200.0, 1300.0
TONES = (CALLER_HZ, SEAT_HZ, OTHER_SEAT_HZ, FAR_SEAT_HZ)
SENT_LEVEL = 0.3
WINDOW_S = 0.5
STANDSTILL_S = 0.35
AUDIBLE_WITHIN_S = 3.0
"""A silent leg stays silent for its own age (the trap is 6 s and more below): sound within this is sound at once."""
CONTACT = ContactId("0020-7f3a9c21-000001")
TOKEN = Token("8d21c0aa-00002f")


class Ear:
    """What a telephone hears now. baresip records nothing while no RTP comes: a file that stands still is silence."""

    def __init__(self, phone: Softphone) -> None:
        self.phone = phone
        self.name = phone.spec.name
        self.tone = phone.spec.tone
        self._length = 0
        self._grew_at = 0.0

    def levels(self) -> dict[float, float]:
        """Amplitude of each known tone in the last half second heard, by FFT."""
        sound = self.phone.heard()
        if len(sound.samples) != self._length:
            self._length, self._grew_at = len(sound.samples), time.monotonic()
        samples = np.asarray(sound.part(-WINDOW_S, WINDOW_S).samples, dtype=np.float64) / 32768.0
        if len(samples) < sound.rate * WINDOW_S or time.monotonic() - self._grew_at > STANDSTILL_S:
            return dict.fromkeys(TONES, 0.0)
        window = np.hanning(len(samples))
        spectrum = np.abs(np.fft.rfft(samples * window)) * 2 / window.sum()
        frequencies = np.fft.rfftfreq(len(samples), 1 / sound.rate)
        return {tone: float(spectrum[np.abs(frequencies - tone) <= 8].max()) for tone in TONES}

    def hears(self, other: Ear) -> bool:
        """It hears the other's tone as loud as it was sent (within 3 dB), and no other."""
        found = self.levels()
        rest = [level for tone, level in found.items() if tone != other.tone]
        return found[other.tone] > 0.7 * SENT_LEVEL and max(rest) < 0.02

    def hears_nobody(self) -> bool:
        return max(self.levels().values()) < 0.02


class Port:
    """The switch port of one city."""

    def __init__(self, driver: ReactorDriver, switches: Switches, city: str) -> None:
        spec = switches[city].spec
        self.driver = driver
        self.reports: list[Report] = []
        login = AriLogin(spec.ari_url, spec.ari_user, spec.ari_password, spec.application)
        self.switch = AsteriskSwitch(driver.reactor, login)
        self.switch.start(self.reports.append)
        self.wait(SwitchUp)

    def request(self, *requests: Request) -> None:
        for one in requests:
            self.switch.request(one)

    def wait(self, kind: type[Any], connection: ConnectionId | None = None) -> Any:
        def found() -> list[Report]:
            return [
                report
                for report in self.reports
                if isinstance(report, kind) and (connection is None or getattr(report, "connection", "") == connection)
            ]

        assert self.driver.until(lambda: bool(found()), 10.0), (kind, connection, self.reports)
        return found()[-1]


class Province:
    """Two ports and four telephones, each with its own tone."""

    def __init__(self, switches: Switches, folder: Path) -> None:
        self.driver = ReactorDriver()
        self.home = Port(self.driver, switches, "guangzhou")
        self.far = Port(self.driver, switches, "shenzhen")
        self.run = secrets.token_hex(4)
        self.made = 0
        spec = switches["guangzhou"].spec
        self.door = f"sip:10000@{spec.sip_address}:{spec.sip_port}"
        phones = (
            switches.caller_phone("guangzhou", "13800000001", folder, nth=1, tone=CALLER_HZ),
            switches.seat_phone("guangzhou", "8001", folder, nth=2, tone=SEAT_HZ),
            switches.seat_phone("guangzhou", "8002", folder, nth=3, tone=OTHER_SEAT_HZ),
            switches.seat_phone("shenzhen", "8001", folder, nth=4, tone=FAR_SEAT_HZ),
        )
        self.caller, self.seat, self.other_seat, self.far_seat = (Ear(phone.start()) for phone in phones)

    def until(self, what: str, ears: Sequence[Ear], condition: Callable[[], bool]) -> None:
        """Look ten times a second, while the reactor turns."""
        end = time.monotonic() + AUDIBLE_WITHIN_S
        while not condition():
            seen = {ear.name: ear.levels() for ear in ears}
            assert time.monotonic() < end, f"not within {AUDIBLE_WITHIN_S:g} s: {what}; heard {seen}"
            self.driver.until(lambda: False, 0.1)

    def hear_each_other(self, one: Ear, other: Ear) -> None:
        what = f"{one.name} and {other.name} hear each other"
        self.until(what, (one, other), lambda: one.hears(other) and other.hears(one))

    def new_connection(self) -> ConnectionId:
        self.made += 1
        return ConnectionId(f"{self.run}-{self.made:06x}")

    def call(self) -> ConnectionId:
        """The caller dials, and is answered."""
        self.home.reports.clear()
        self.far.reports.clear()
        self.caller.phone.dial(self.door)
        customer: ConnectionId = self.home.wait(Offered).connection
        self.home.request(Answer(customer))
        self.home.wait(Established, customer)
        return customer

    def ring(self, port: Port, extension: str, ear: Ear) -> ConnectionId:
        """A seat rings and picks up."""
        leg, phone = self.new_connection(), ear.phone
        mark = phone.mark()
        port.request(Make(leg, Seat(extension), Leg(CONTACT, 1, Role.SEAT), 20.0))
        rung = self.driver.until(lambda: any(e.get("type") == "CALL_INCOMING" for e in phone.events[mark:]), 10.0)
        assert rung, port.reports
        phone.accept()
        port.wait(Established, leg)
        return leg

    def extend(self) -> tuple[ConnectionId, ConnectionId]:
        """A leg to the far city with the seat there joined to it; the two ids here and there of the leg, answered."""
        here = self.new_connection()
        leg = Leg(CONTACT, 2, Role.OUTBOUND, TOKEN)
        self.home.request(Make(here, Trunk(CityId("shenzhen"), "7701", TOKEN), leg, 25.0))
        there = self.far.wait(Offered).connection
        self.far.request(Alert(there))
        seat = self.ring(self.far, "8001", self.far_seat)
        self.far.request(Join(there, seat), Answer(there))
        self.home.wait(Established, here)
        return here, seat

    def end(self, port: Port, *connections: ConnectionId) -> None:
        port.request(*[Clear(one) for one in connections])
        for one in connections:
            port.wait(Cleared, one)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    require("asterisk", "baresip")
    with three_switches() as switches:
        province = Province(switches, tmp_path_factory.mktemp("phones"))
        yield province
        for ear in (province.caller, province.seat, province.other_seat, province.far_seat):
            ear.phone.stop()
        for port in (province.home, province.far):
            province.driver.result_of(port.switch.stop(), 5.0)


def test_a_caller_and_a_seat_at_home_hear_each_other_and_hold_is_silent(province: Province) -> None:
    customer = province.call()
    seat = province.ring(province.home, "8001", province.seat)
    province.home.request(Join(customer, seat))
    province.hear_each_other(province.caller, province.seat)
    province.home.request(Part(customer, seat), Music(customer))
    province.until("the seat hears nothing on hold", [province.seat], province.seat.hears_nobody)
    province.home.request(Join(customer, seat))
    province.hear_each_other(province.caller, province.seat)
    province.end(province.home, customer, seat)


def test_a_caller_and_a_seat_in_another_city_hear_each_other(province: Province) -> None:
    customer = province.call()
    here, seat = province.extend()
    province.home.request(Join(customer, here))
    province.hear_each_other(province.caller, province.far_seat)
    province.end(province.home, customer, here)
    province.end(province.far, seat)


def test_audio_is_there_at_once_after_every_change_of_partner(province: Province) -> None:
    """The trap of RTP: a leg that is bridged to a second partner can be silent for as long as its own age.

    So the legs grow old first, and each new partner is younger than the leg, or older.
    """
    customer = province.call()
    seat = province.ring(province.home, "8001", province.seat)
    province.home.request(Join(customer, seat))
    province.hear_each_other(province.caller, province.seat)
    province.driver.until(lambda: False, 2 * AUDIBLE_WITHIN_S)

    other = province.ring(province.home, "8002", province.other_seat)
    province.home.request(Join(customer, other))
    province.hear_each_other(province.caller, province.other_seat)
    province.until("the first seat hears nothing", [province.seat], province.seat.hears_nobody)

    here, far_seat = province.extend()
    province.home.request(Join(customer, here))
    province.hear_each_other(province.caller, province.far_seat)

    province.home.request(Join(customer, seat))
    province.hear_each_other(province.caller, province.seat)
    province.home.request(Join(customer, here))
    province.hear_each_other(province.caller, province.far_seat)
    province.home.request(Join(here, other))
    province.hear_each_other(province.far_seat, province.other_seat)

    province.end(province.home, customer, seat, other, here)
    province.end(province.far, far_seat)
