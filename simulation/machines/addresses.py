"""Slots: whole provinces side by side on one machine's loopback (docs/asterisk.md, Addresses)."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simulation.machines.places import slot_dir
from simulation.machines.trouble import MachineTrouble

TEST_SLOTS = range(100, 200)


@dataclass(frozen=True, slots=True)
class City:
    """A city of the trial province; ``number`` gives its addresses."""

    id: str
    zh: str
    number: int


CITIES = (City("guangzhou", "广州", 1), City("shenzhen", "深圳", 2), City("foshan", "佛山", 3))


def city_of(city_id: str) -> City:
    """The city with this id."""
    for city in CITIES:
        if city.id == city_id:
            return city
    known = ", ".join(city.id for city in CITIES)
    raise MachineTrouble(
        "unknown-city", zh=f"没有这个城市，可用：{known}", en=f"no such city; known: {known}", place=city_id
    )


@dataclass(frozen=True, slots=True)
class Slot:
    """The loopback addresses of one province."""

    number: int

    def __post_init__(self) -> None:
        if not 0 <= self.number <= 255:
            raise MachineTrouble(
                "bad-slot", zh="槽位必须是 0 到 255", en="a slot is a number from 0 to 255", place=str(self.number)
            )

    def main(self, city: City) -> str:
        """Seats, public door, ARI and their RTP."""
        return f"127.0.{self.number}.{10 + city.number}"

    def trunk(self, city: City) -> str:
        """The trunk to the other cities and its RTP: no one else may send from here."""
        return f"127.0.{self.number}.{20 + city.number}"

    def gateway(self, city: City) -> str:
        """Where the city's calls to customers go out: whoever plays the public network listens here."""
        return f"127.0.{self.number}.{30 + city.number}"

    def outside(self, n: int) -> str:
        """The nth (0 to 99) address for callers and softphones."""
        return f"127.0.{self.number}.{100 + n}"

    @property
    def broker(self) -> str:
        """RabbitMQ's address."""
        return self.brokers[0]

    @property
    def brokers(self) -> tuple[str, str, str]:
        """The addresses of three brokers in a cluster; a single one has the first."""
        return (f"127.0.{self.number}.5", f"127.0.{self.number}.6", f"127.0.{self.number}.7")

    @property
    def consul(self) -> str:
        """Consul's address."""
        return f"127.0.{self.number}.6"


@contextmanager
def claimed_slot() -> Iterator[Slot]:
    """A slot nobody else uses, for the length of a test run."""
    for number in TEST_SLOTS:
        folder = slot_dir(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "claim").open("w") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield Slot(number)
            return
    raise MachineTrouble("no-free-slot", zh="没有空闲的测试槽位", en="no free slot for a test run")
