"""The page that describes the agent API names the very operations that the table has."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

import msgspec

from dataset.ids import CityId
from dataset.masking import masked, masked_address, masked_name
from federation.node.clock import VirtualClock
from federation.node.operations import OperationTable, page_of
from federation.node.province import load_province
from simulation.province import SimulatedProvince
from simulation.storage import MemoryStorage
from tests.harness.declared_answers import undeclared_in
from tests.harness.services import PROVINCE, offering

PAGE = (Path(__file__).parents[3] / "docs/agent-api.md").read_text(encoding="utf-8")


@cache
def table() -> OperationTable:
    """Of a city that has everything: records, and services that make work."""
    clock = VirtualClock()
    city = SimulatedProvince(
        *load_province(PROVINCE),
        clock,
        Random(1),
        storage=MemoryStorage(clock),
        with_records=True,
        offering=offering(),
    ).start_city(CityId("guangzhou"))
    return city.desk.door.table


def documented() -> dict[str, str]:
    """Operation → its row, and what stands above the table."""
    found: dict[str, str] = {}
    for section in PAGE.partition("## Operations")[2].partition("## State")[0].split("\n## "):
        above = section.partition("\n| op |")[0]
        for row in (line for line in section.splitlines() if line.startswith("| `")):
            found |= dict.fromkeys(re.findall(r"`(\w+)`", row.split("|")[1]), f"{above}\n{row}")
    return found


def test_the_page_and_the_table_name_the_same_operations() -> None:
    assert {operation.name for operation in table()} == set(documented()) - {"attach"}


def test_the_page_names_every_field_and_every_role() -> None:
    for operation in table():
        row = documented()[operation.name]
        for field in msgspec.structs.fields(operation.request):
            assert f"`{field.name}`" in row, (operation.name, field.name)
        for role in operation.roles - {"agent"}:
            assert role in row, (operation.name, role)


def test_every_operation_declares_its_answer() -> None:
    assert undeclared_in(table()) == []


def test_the_table_can_be_printed() -> None:
    page = page_of(table())
    assert "| `transfer` | `contact`, `to_skill`?, `to_agent`?, `note`? | agent | 盲转 | blind transfer |" in page


def test_numbers_are_masked_but_recognisable() -> None:
    assert masked("13812340001") == "138****0001"
    assert masked("+8613812340001") == "861****0001"
    assert masked("02088881234") == "020****1234"
    assert masked("8001234") == "8****34"
    assert masked("112") == "****2"
    assert masked("anonymous") == "anonymous"
    assert masked("") == "****"
    assert masked("sip:x@y") == "****"


def test_a_person_s_name_keeps_its_surname_and_an_address_its_street() -> None:
    names = ("王芳", "欧阳修", "欧阳震华", "欧阳", "阿依古丽·买买提", "John Smith", "𠮷田")
    assert [masked_name(name) for name in names] == ["王**", "欧阳**", "欧阳**", "欧**", "阿**", "J**", "𠮷**"]
    assert masked_address("广州市天河区体育西路123号天河苑3栋") == "广州市天河区体育西路***"
    assert masked_address("天河村") == "天河村"
