"""The page that describes the console API names the very operations that the table has."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

from federation.node.clock import VirtualClock
from federation.node.operations import OperationTable
from federation.node.province import load_province
from simulation.province import SimulatedProvince
from simulation.storage import MemoryStorage
from tests.harness.declared_answers import undeclared_in
from tests.harness.services import PROVINCE

PAGE = (Path(__file__).parents[3] / "docs/console-api.md").read_text(encoding="utf-8")


@cache
def table() -> OperationTable:
    clock = VirtualClock()
    hub = SimulatedProvince(*load_province(PROVINCE), clock, Random(1), storage=MemoryStorage(clock)).start_hub()
    return hub.door.table


def test_the_page_and_the_table_name_the_same_operations() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named - {"login", "attach"} == {operation.name for operation in table()}


def test_every_operation_declares_its_answer() -> None:
    assert undeclared_in(table()) == []
