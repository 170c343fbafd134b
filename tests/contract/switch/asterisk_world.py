"""Two cities on real Asterisk with a trunk between them, telephones on the test's own reactor, real time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from dataset.ids import CityId
from simulation.machines.addresses import Slot, city_of, claimed_slot
from simulation.machines.asterisk import Asterisk, city_asterisk, trial_spec
from simulation.machines.asterisk_root import AsteriskRoot, asterisk_root
from simulation.machines.needs import lacking
from site_node.core.telephony import Clear, Cleared, SwitchUp
from site_node.ports import Switch
from site_node.switch.asterisk import AriLogin, AsteriskSwitch
from tests.contract.switch.world import (
    HERE,
    OTHER_SEAT,
    SEAT,
    THERE,
    CallerPhone,
    CityWorld,
    Phone,
    SeatPhone,
    ServicesMissing,
    SwitchWorld,
)
from tests.harness.driving import ReactorDriver
from tests.harness.sip_phone import Call, SipPhone

SEATS_TO_8009 = 9
FIRST_TONE_HZ = 1730.0
TONE_STEP_HZ = 70.0
"""Tones lie above music (below 600 Hz) and away from each other."""
TONES = 25


class _Hearing(Phone):
    def __init__(self, phone: SipPhone) -> None:
        self.phone = phone

    @property
    def line(self) -> Call | None:
        """The call that counts."""
        return self.phone.call

    @property
    def in_call(self) -> bool:
        return self.line is not None and self.line.state == "talking"

    @property
    def over(self) -> bool:
        return self.line is not None and self.line.over

    def hears(self, other: Phone) -> bool:
        assert isinstance(other, _Hearing)
        return self.line is not None and self.in_call and self.line.voice.hears_tone(other.phone.tone_hz)

    def hears_sound(self) -> bool:
        if self.line is None or not self.in_call or self.line.voice.silent:
            return False
        voice = self.line.voice
        return not any(voice.hears_tone(FIRST_TONE_HZ + TONE_STEP_HZ * nth) for nth in range(TONES))

    def hears_nothing(self) -> bool:
        return self.line is None or not self.in_call or self.line.voice.silent

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.hang_up()


class RealCaller(_Hearing, CallerPhone):
    def press(self, digits: str) -> None:
        if self.line is not None:
            self.line.voice.press(digits)


class RealSeat(_Hearing, SeatPhone):
    def __init__(self, phone: SipPhone) -> None:
        super().__init__(phone)
        self._rings_before = phone.rings

    @property
    def line(self) -> Call | None:
        """A seat's earlier calls do not count."""
        return self.phone.call if self.phone.rings > self._rings_before else None

    @property
    def ringing(self) -> bool:
        return self.line is not None and self.line.state == "ringing"

    def answer(self) -> None:
        if self.line is not None:
            self.line.answer()

    def reject(self) -> None:
        if self.line is not None:
            self.line.decline()


class AsteriskCity(CityWorld):
    def __init__(self, world: AsteriskWorld, city: CityId, asterisk: Asterisk) -> None:
        super().__init__(world, city)
        self._world = world
        self.asterisk = asterisk
        spec = asterisk.spec
        self._door = (spec.sip_address, spec.sip_port)
        self._login = AriLogin(spec.ari_url, spec.ari_user, spec.ari_password, spec.application, "outside")
        self._callers: list[SipPhone] = []
        self._seats = {extension: world.new_phone(self._door) for extension in (SEAT, OTHER_SEAT)}
        assert spec.outside is not None
        self._customer = world.new_phone(self._door, (spec.outside.address, spec.outside.port))
        self.register_seats()
        self.make_switch()

    def register_seats(self) -> None:
        """Let the seats' phones tell the switch where they are."""
        passwords = {seat.user: seat.password for seat in self.asterisk.spec.seats}
        for extension, phone in self._seats.items():
            phone.registered = False
            phone.register(extension, passwords[extension])
        self.world.until(lambda: all(phone.registered for phone in self._seats.values()), what="seats registered")

    @property
    def switch(self) -> Switch:
        return self._switch

    def make_switch(self) -> None:
        self._switch: Switch = AsteriskSwitch(self._world.driver.reactor, self._login)

    def call(self, called: str = "10000", calling: str = "13800000001") -> CallerPhone:
        phone = self._world.new_phone(self._door)
        self._callers.append(phone)
        phone.dial(called, calling)
        return RealCaller(phone)

    def seat(self, extension: str) -> SeatPhone:
        return RealSeat(self._seats[extension])

    def outside(self) -> SeatPhone:
        return RealSeat(self._customer)

    def kill_switch(self) -> None:
        self.asterisk.kill()

    def revive_switch(self) -> None:
        self.asterisk.start()
        self.register_seats()

    def hang_up_all(self) -> None:
        """Every phone of this city puts its receiver down."""
        for phone in (*self._callers, *self._seats.values(), self._customer):
            if phone.call is not None:
                phone.call.hang_up()

    def sweep(self) -> None:
        """Leave the switch without a call and the callers' phones closed."""
        held = self.restart_node().connections
        self.request(*[Clear(one.connection) for one in held])
        for one in held:
            self.first(Cleared, one.connection)
        for phone in self._callers:
            phone.close()
        self._callers.clear()

    def close(self) -> None:
        """Stop the adapter, the phones and the switch."""
        self.stop()
        for phone in (*self._callers, *self._seats.values(), self._customer):
            phone.close()
        self.asterisk.stop()


class AsteriskWorld(SwitchWorld):
    form = "asterisk"
    capabilities = AsteriskSwitch.capabilities
    features = frozenset({"kill_switch"})

    def __init__(self, rtp_timeout_s: int | None = None) -> None:
        """``rtp_timeout_s``: how soon the switches give up a silent leg, of whatever kind (rule O5), and a caller
        who holds us after three times that.
        """
        super().__init__()
        self._rtp_timeout_s = rtp_timeout_s
        self._machines = ExitStack()
        self._run = secrets.token_hex(4)
        self._phones = 0
        self.driver = ReactorDriver()
        root = asterisk_root()
        self._slot: Slot = self._machines.enter_context(claimed_slot())
        self.here = self._city(root, HERE)
        self.there = self._city(root, THERE)
        for side in (self.here, self.there):
            side.start()

    def _city(self, root: AsteriskRoot, city_id: CityId) -> AsteriskCity:
        city = city_of(city_id)
        spec = trial_spec(self._slot, city, seats=SEATS_TO_8009)
        if self._rtp_timeout_s is not None:
            timeout = self._rtp_timeout_s
            spec = replace(
                spec,
                public_rtp_timeout=timeout,
                public_rtp_timeout_hold=3 * timeout,
                seat_rtp_timeout=timeout,
                trunk_rtp_timeout=timeout,
            )
        asterisk = city_asterisk(root, self._slot, city, spec=spec)
        asterisk.remove()
        asterisk.start()
        self._machines.callback(asterisk.stop)
        return AsteriskCity(self, city_id, asterisk)

    def new_phone(self, door: tuple[str, int], at: tuple[str, int] | None = None) -> SipPhone:
        """A phone outside with a tone of its own, ``at`` an address and port or anywhere."""
        tone = FIRST_TONE_HZ + TONE_STEP_HZ * (self._phones % TONES)
        self._phones += 1
        address, port = at if at is not None else (self._slot.outside(50), 0)
        return SipPhone(self.driver.reactor, address, tone).open(door, port)

    def now(self) -> float:
        return time.monotonic()

    def turn_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self.driver.until(condition, within_s)

    def run_id(self) -> str:
        return self._run

    def begin(self) -> None:
        for side in (self.here, self.there):
            assert isinstance(side.reports[0], SwitchUp)
            side.begin_anew()

    def end(self) -> None:
        sides = [side for side in (self.here, self.there) if isinstance(side, AsteriskCity)]
        for side in sides:
            if not side.asterisk.running():
                side.revive_switch()
            side.hang_up_all()
        for side in sides:
            side.sweep()

    def close(self) -> None:
        for side in (self.here, self.there):
            if isinstance(side, AsteriskCity):
                side.close()
        self._machines.close()


def open_world() -> SwitchWorld:
    """Two real switches; refused where this machine cannot run them."""
    reasons = lacking("asterisk")
    if reasons:
        raise ServicesMissing("; ".join(reasons))
    return AsteriskWorld()
