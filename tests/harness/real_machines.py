"""Three real switches for a test module, or a skip with its reason (a failure where REQUIRE_SERVICES=1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulation.machines.addresses import CITIES, Slot, claimed_slot
from simulation.machines.asterisk import Asterisk, city_asterisk
from simulation.machines.asterisk_root import asterisk_root
from simulation.machines.baresip import PhoneSpec, Softphone
from simulation.machines.needs import lacking
from tests.harness.wan import lacking_lines


def require(*names: str) -> None:
    """Skip, or fail where services are required, unless all of these are there. ``lines``: tests.harness.wan."""
    reasons = lacking(*(name for name in names if name != "lines"))
    if "lines" in names:
        reasons += lacking_lines()
    if reasons and os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail("; ".join(reasons), pytrace=False)
    if reasons:
        pytest.skip("; ".join(reasons))


@dataclass(frozen=True, slots=True)
class Switches:
    """The switches of one slot by city id, and addresses for telephones."""

    slot: Slot
    by_city: dict[str, Asterisk]

    def __getitem__(self, city: str) -> Asterisk:
        return self.by_city[city]

    def seat_phone(self, city: str, seat: str, folder: Path, *, nth: int, tone: float = 0.0) -> Softphone:
        """A seat's telephone at its own address (``nth`` from 0 to 99), not started."""
        spec = self.by_city[city].spec
        known = {one.user: one.password for one in spec.seats}
        phone = PhoneSpec(
            name=f"{city}-{seat}",
            user=seat,
            registrar=f"{spec.sip_address}:{spec.sip_port}",
            address=self.slot.outside(nth),
            password=known[seat],
            tone=tone,
        )
        return Softphone(phone, folder / phone.name)

    def caller_phone(self, city: str, number: str, folder: Path, *, nth: int, tone: float = 0.0) -> Softphone:
        """A caller's telephone at one city's public door, not started."""
        spec = self.by_city[city].spec
        phone = PhoneSpec(
            name=f"caller-{number}",
            user=number,
            registrar=f"{spec.sip_address}:{spec.sip_port}",
            address=self.slot.outside(nth),
            tone=tone,
        )
        return Softphone(phone, folder / phone.name)


@contextmanager
def three_switches() -> Iterator[Switches]:
    """The three cities' switches in a slot of their own, fresh, stopped at the end."""
    require("asterisk")
    root = asterisk_root()
    with claimed_slot() as slot:
        switches = {city.id: city_asterisk(root, slot, city) for city in CITIES}
        try:
            for switch in switches.values():
                switch.remove()
                switch.start()
            yield Switches(slot, switches)
        finally:
            for switch in switches.values():
                switch.stop()
