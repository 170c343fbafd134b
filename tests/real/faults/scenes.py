"""What several rows have in common: looking at journals, and holding an attempt at one of its steps."""

from __future__ import annotations

import re
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from dataset.rows import AnyRow, AttemptAnswered, ContactBorn, Decision, Journalled, QueueEntered
from tests.harness.real_people import People, SeatedAgent
from tests.harness.real_province import RealProvince
from tests.harness.real_witness import in_thread


def journalled(province: RealProvince, at: str, number: str) -> list[Journalled]:
    """All rows about one caller's contact in the journal of ``at``; the contact is looked up at every city."""
    born = {
        row.row.contact
        for city in province.switches
        for row in province.journal(city)
        if isinstance(row.row, ContactBorn) and row.row.calling == number
    }
    return [row for row in province.journal(at) if getattr(row.row, "contact", None) in born]


def rows_at(province: RealProvince, at: str, number: str) -> list[AnyRow]:
    """As ``journalled``, the rows alone."""
    return [row.row for row in journalled(province, at, number)]


def chosen(province: RealProvince, at: str, number: str, choice: str) -> bool:
    """Whether ``at`` has such a decision about the caller on record."""
    return any(isinstance(row, Decision) and row.choice == choice for row in rows_at(province, at, number))


@dataclass(frozen=True)
class Waited:
    """How one caller came to the first answer."""

    wall_s: float
    """between the rows of entering the queue and of the answer"""
    on_record_s: float
    places: int
    """entries into the queue before it"""
    answers: int

    @property
    def place_kept(self) -> bool:
        """The waiting was counted from the first entry on."""
        return abs(self.wall_s - self.on_record_s) < 1.0


def waited(province: RealProvince, at: str, number: str) -> Waited:
    """By the anchor's own journal."""
    rows = journalled(province, at, number)
    answers = [row for row in rows if isinstance(row.row, AttemptAnswered)]
    entries = [row for row in rows if isinstance(row.row, QueueEntered)]
    assert isinstance(answers[0].row, AttemptAnswered)
    before = [row for row in entries if row.sequence < answers[0].sequence or row.lineage != answers[0].lineage]
    return Waited(answers[0].wall - entries[0].wall, answers[0].row.waited_s, len(before), len(answers))


def metric(province: RealProvince, node: str, line: str) -> float:
    """The value of one line of ``/metrics``, 0 when it is not there."""
    with urllib.request.urlopen(f"{province.nodes[node].address}/metrics", timeout=3.0) as answer:
        found = re.search(rf"(?m)^{re.escape(line)} (\S+)$", answer.read().decode())
    return float(found[1]) if found else 0.0


def beats_heard(province: RealProvince, city: str, beats: int = 2) -> None:
    """Wait until the hub has heard so many beats of a city from now on: it knows then who is idle there."""
    line = f'yht_hub_messages_total{{kind="beat",sender="{city}"}}'
    before = metric(province, "hub", line)
    province.wait(lambda: metric(province, "hub", line) >= before + beats, 8.0, f"beats of {city} are heard")


def all_well(province: RealProvince) -> bool:
    """Every city and the hub hear each other, every switch is there, and reaches the others over its trunks."""
    hub = province.nodes["hub"].health() or {}
    cities = [province.nodes[city].health() or {} for city in province.switches]
    return (
        all(hub.get("cities", {"": False}).values())
        and all(one.get("hub_seen") and one.get("switch_up") for one in cities)
        and all(
            switch.trunk_online(peer)
            for city, switch in province.switches.items()
            for peer in province.switches
            if peer != city
        )
    )


def in_order(province: RealProvince) -> bool:
    """Whether the hub wrote the rows of each run of each city in the order of their sequence (I3)."""
    written: dict[str, list[int]] = defaultdict(list)
    for row in province.hub_ledger():
        written[row.lineage].append(row.sequence)
    return all(sequence == sorted(sequence) for sequence in written.values())


def site_dies(province: RealProvince, city: str) -> None:
    """Node and switch, kill -9."""

    def kill() -> None:
        province.nodes[city].kill()
        province.switches[city].kill()

    in_thread(province, kill)


def site_returns(province: RealProvince, people: People, city: str, agent: SeatedAgent | None = None) -> None:
    """Both are started again; ``agent`` registers and logs in again, and finishes what was left."""

    def start() -> None:
        province.switches[city].start()
        province.nodes[city].start()

    in_thread(province, start)
    province.wait(lambda: all_well(province), 30.0, f"{city} is back")
    if agent is not None:
        agent.phone.lose_line()
        agent.lost.clear()
        agent.register()
        agent.attach()
        if agent.presence == "wrap_up":
            agent.wrap_up()


def until(people: People, condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """As ``People.wait``, longer."""
    people.wait(condition, what, within_s)
