"""One running province for all rows of docs/failure-modes.md that real processes prove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from simulation.machines.machine import Machine
from simulation.machines.needs import FAKETIME
from simulation.machines.nodes import NodeProcess
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince, Shape, real_province
from tests.harness.real_witness import Witness
from tests.real.faults.scenes import all_well

SHORT_TIMES = """[times]
link_one_way = "500ms"
trunk_set_up = "1.5s"
journal_sync = "500ms"
proposal = "1.5s"
grant = "4s"
leg_serving = "2s"
leg_anchor = "4s"
ring_serving = "8s"
ring_anchor = "10s"
"""
"""A9 holds; the faults of one row wait less for each other."""
AGENTS = {"guangzhou": 5, "shenzhen": 5, "foshan": 5}


CLOCK_CITY = "foshan"
"""its node's wall clock can be set"""
DISK_CITY = "shenzhen"
"""its node's disk is small, and can be filled"""
DISK, RESERVE = "80m", "12MB"


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("asterisk", "rabbitmq", "sipp", "lines", "faketime")
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="package")
def province(folder: Path) -> Iterator[RealProvince]:
    (folder / "clock").write_text("+0s\n")
    of_its_own = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    shape = Shape(
        agents=AGENTS,
        wrap_up_s=60.0,
        lines=True,
        tables=SHORT_TIMES,
        environments={CLOCK_CITY: of_its_own},
        disks={DISK_CITY: DISK},
        settings={DISK_CITY: {"reserve": RESERVE}},
    )
    with real_province(folder / "province", shape, ReactorDriver()) as running:
        yield running


@pytest.fixture
def set_clock(folder: Path) -> Iterator[Callable[[int], None]]:
    """Set the wall clock of ``CLOCK_CITY``'s node so many seconds before or after the others'."""

    def put(seconds: int) -> None:
        (folder / "clock").write_text(f"{seconds:+d}s\n")

    yield put
    put(0)


@pytest.fixture(scope="package")
def witness(province: RealProvince) -> Iterator[Witness]:
    seen = Witness(province)
    yield seen
    print(seen.check_all())


@pytest.fixture(autouse=True)
def _each_for_itself(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test leaves behind is mended and put away, and what is wrong with its callers is said, before another
    begins. A module with a province of its own sees to itself.
    """
    if "province" not in request.fixturenames:
        yield
        return
    province: RealProvince = request.getfixturevalue("province")
    witness: Witness = request.getfixturevalue("witness")
    witness.begin()
    yield
    with ExitStack() as afterwards:
        afterwards.callback(witness.end)
        afterwards.callback(province.put_away)
        afterwards.callback(_mend, province)


@pytest.fixture
def people(province: RealProvince) -> Iterator[People]:
    everybody = People(province)
    try:
        yield everybody
    finally:
        try:
            _mend(province)
        finally:
            everybody.close()


def _mend(province: RealProvince) -> None:
    """Whatever a failed test left cut, paused or dead."""
    for line in province.lines.values():
        line.heal()
    machines: list[Machine | NodeProcess] = [*province.switches.values(), *province.nodes.values()]
    for machine in (province.broker, *machines):
        if machine.running():
            machine.resume()
        else:
            machine.start()
    province.wait(lambda: all_well(province), 40.0, "everything is well again")
