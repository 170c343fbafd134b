"""Calls through Asterisk and a site node, SIPp at both ends, against the same pair of SIPp through Asterisk alone.

    python -m bench.asterisk_calls [--rates 10,20,40,80] [--calls N] [--talk S]

A call is: the caller's INVITE to door 112, the contact in the journal, the menu, an idle agent, the ring, the seat's
answer after 10 ms, talk, the caller's BYE, wrap-up of no length. Set-up is from the INVITE leaving the caller to the
ACK at the seat, both by SIPp's own clock. Alone, Asterisk does ``Dial(PJSIP/8001)`` instead. Calls come at a fixed
rate, whether or not earlier ones are through; a rate is held when every call reached a seat, and 99 of 100 within
a second. The city stands alone (no broker), agents are logged in over WebSocket, all rows are synced to disk.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.output import say
from dataset.ids import CityId
from federation.node.province import load_province
from simulation.machines.addresses import CITIES, Slot, claimed_slot
from simulation.machines.asterisk import Asterisk, city_asterisk, trial_spec
from simulation.machines.asterisk_root import asterisk_root
from simulation.machines.needs import lacking
from simulation.machines.nodes import NodeProcess
from simulation.machines.sipp import AnsweringSeats, Callers, Sipp, start_callers, start_seats
from simulation.province import password_of
from simulation.up import NodeFile, make_users
from tests.harness.driving import ReactorDriver
from tests.harness.network_entrance import NetworkEntrance, NetworkSeat
from tests.harness.real_province import Shape

CITY = CITIES[0]
NEEDS = ("asterisk", "sipp")
DOOR, ALONE = "112", "9000"
RING_S = 0.01
HELD_WITHIN_S = 1.0
CLEAR_S = 30.0


@dataclass
class House:
    """One switch, one city's node, and an agent at each of its seats."""

    driver: ReactorDriver
    switch: Asterisk
    node: NodeProcess
    phones: Sipp
    doors: list[NetworkSeat]

    def wait(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """Turn the reactor until it is so."""
        if not self.driver.until(condition, within_s):
            raise TimeoutError(f"not within {within_s:g} s: {what}")

    def close(self) -> None:
        """Take it down."""
        for door in self.doors:
            door.close()
        self.node.stop()
        self.phones.stop()
        self.switch.stop()
        self.driver.close()


def open_house(slot: Slot, folder: Path, seats: int) -> House:
    """Start everything, and wait until every agent is ready."""
    driver = ReactorDriver()
    province_file = folder / "province.toml"
    province_file.write_text(Shape(agents={CITY.id: seats}, wrap_up_s=0.0).text(), "utf-8")
    province, package = load_province(province_file)
    spec = trial_spec(slot, CITY, seats=seats)
    switch = city_asterisk(asterisk_root(), slot, CITY, spec=spec)
    switch.remove()
    switch.start()
    switch.cli(f"dialplan add extension {ALONE},1,Dial,PJSIP/8001 into from-public")
    file = folder / f"{CITY.id}.toml"
    file.write_text(
        f'city = "{CITY.id}"\nprovince = "province.toml"\ndata = "data"\n'
        f'[switch]\nurl = "{spec.ari_url}"\npassword = "{spec.ari_password}"\n',
        "utf-8",
    )
    listen = (f"127.0.{slot.number}.1", 8081)
    make_users(NodeFile(file, CityId(CITY.id), province_file, folder / "data", listen), province, package)
    node = NodeProcess("site_node", file, folder / "data", listen=listen).start()
    telephones = AnsweringSeats("seats", switch, spec.seats, slot.outside(50), ring=RING_S)
    house = House(driver, switch, node, start_seats(telephones, folder / "seats"), [])
    entrance = NetworkEntrance(driver.reactor, node.address)
    for agent in province.agents_of(CityId(CITY.id), package):
        login = driver.result_of(entrance.login(agent.staff, password_of(agent.staff), agent.seat), 10.0)
        door = entrance.open()
        house.doors.append(door)
        driver.result_of(door.send("attach", token=login["token"]), 10.0)
        driver.result_of(door.send("ready"), 10.0)
    return house


def run(house: House, slot: Slot, folder: Path, number: str, rate: float, calls: int, talk_s: float) -> dict[str, Any]:
    """One rate: calls that reached a seat, how many per second, and their set-up time."""
    spec = house.switch.spec
    prefix = f"13{'1' if number == DOOR else '2'}{int(rate):03d}"
    callers = start_callers(
        Callers(
            name=f"callers-{prefix}",
            door=f"{spec.sip_address}:{spec.sip_port}",
            address=slot.outside(60),
            number=number,
            caller=f"{prefix}[call_number]",
            calls=calls,
            rate=rate,
            patience=10.0,
            talk=talk_s,
        ),
        folder / f"callers-{prefix}",
    )
    house.wait(lambda: not callers.process.alive(), calls / rate + CLEAR_S, "all calls are over")
    house.wait(lambda: (house.node.health() or {}).get("contacts_live") == 0, CLEAR_S, "no contact is left")
    dialled = {
        f"{prefix}{seen.call.partition('-')[0]}": seen.at for seen in callers.result().seen if seen.what == "dialled"
    }
    answered = _answers(house.phones, prefix)
    setups = sorted(at - dialled[caller] for caller, at in answered.items())
    lasted = max(answered.values(), default=0.0) - min(answered.values(), default=0.0)
    share = setups[len(setups) * 99 // 100] if setups else float("inf")
    return {
        "offered_per_s": rate,
        "calls": len(dialled),
        "reached_a_seat": len(answered),
        "calls_per_s": round((len(answered) - 1) / lasted, 1) if lasted else 0.0,
        "setup_p50_ms": round(1000 * setups[len(setups) // 2], 1) if setups else None,
        "setup_p99_ms": round(1000 * share, 1) if setups else None,
        "held": len(answered) == calls and share < HELD_WITHIN_S,
    }


def _answers(phones: Sipp, prefix: str) -> dict[str, float]:
    """When a seat had answered each caller, by number."""
    number_of: dict[str, str] = {}
    answers: dict[str, float] = {}
    for seen in phones.result().seen:
        if seen.what == "offered":
            number_of[seen.call] = seen.number
        elif seen.what == "answered" and number_of[seen.call].startswith(prefix):
            answers.setdefault(number_of[seen.call], seen.at)
    return answers


def climb(house: House, slot: Slot, folder: Path, number: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One rate after the other, up to the first that is not held."""
    steps: list[dict[str, Any]] = []
    for rate in arguments.rates:
        # at least five seconds at each rate, so that calls overlap as they will
        calls = max(arguments.calls, int(5 * rate))
        steps.append(run(house, slot, folder, number, rate, calls, arguments.talk))
        if not steps[-1]["held"]:
            break
    return steps


def best(steps: Sequence[dict[str, Any]]) -> float:
    """The highest rate that was held."""
    return max((float(step["offered_per_s"]) for step in steps if step["held"]), default=0.0)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both ways through the one switch."""
    seats = int(max(arguments.rates) * (arguments.talk + 1.0)) + 10
    with tempfile.TemporaryDirectory() as name, claimed_slot() as slot:
        folder = Path(name)
        house = open_house(slot, folder, seats)
        try:
            ours = climb(house, slot, folder, DOOR, arguments)
            alone = climb(house, slot, folder, ALONE, arguments)
        finally:
            house.close()
    first, peer = ours[0], alone[0]
    return {
        "bench": "asterisk_calls",
        "agents": seats,
        "talk_s": arguments.talk,
        "yihaotong": ours,
        "asterisk_alone": alone,
        "held_per_s": {"yihaotong": best(ours), "asterisk_alone": best(alone)},
        "setup_p50_ratio": round(first["setup_p50_ms"] / peer["setup_p50_ms"], 2) if first["setup_p50_ms"] else None,
    }


def rates(text: str) -> list[float]:
    """``5,10,20``."""
    return [float(one) for one in text.split(",")]


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=rates, default=[10.0, 20.0, 40.0, 80.0], help="calls offered per second")
    parser.add_argument("--calls", type=int, default=60, help="calls per rate at least")
    parser.add_argument("--talk", type=float, default=1.0, help="seconds until the caller hangs up")
    arguments = parser.parse_args()
    reasons = lacking(*NEEDS)
    found = {"bench": "asterisk_calls", "missing": reasons} if reasons else measure(arguments)
    say(found)


if __name__ == "__main__":
    main()
