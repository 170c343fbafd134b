"""A city takes calls without hub and broker, joins by one command, and the province has its whole history (B5)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from dataset.intervals import fold
from dataset.measures import balance
from dataset.rows import ContactEnded, Ending, Journalled
from provincial_hub.services.intervals import interval_view
from simulation.machines.addresses import claimed_slot
from simulation.machines.nodes import NodeProcess
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince, Shape

CITY = "foshan"
PASSWORD = "amqp-foshan"


class LoneCity:
    """Foshan's node with a configuration of its own that has no ``[link]``; broker and hub are there, and off."""

    def __init__(self, province: RealProvince) -> None:
        self.province = province
        self.config = province.folder / "foshan.toml"
        listen = province.nodes[CITY].listen
        self.config.write_text(
            f'# 佛山 · ours\ncity = "foshan"\nprovince = "province.toml"\ndata = "foshan"\n'
            f'[switch]\nurl = "{province.switches[CITY].spec.ari_url}"\npassword = "ari-foshan"\n'
            f'[http]\nlisten = "{listen[0]}"\nport = {listen[1]}\n',
            encoding="utf-8",
        )
        self.node = province.nodes[CITY] = NodeProcess(
            "site_node",
            self.config,
            province.folder / CITY,
            listen=listen,
            environment={"YHT_LINK_PASSWORD": PASSWORD},
        )

    def join(self, *words: str, password: str = PASSWORD) -> tuple[int, str]:
        """``python -m site_node join``, to its end."""
        address = f"{self.province.slot.broker}:5672"
        said = self.province.folder / "join.log"
        with said.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "site_node", "join", "--config", str(self.config), "--address", address, *words],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "YHT_LINK_PASSWORD": password},
            )
            try:  # telephones and agents live on meanwhile
                self.province.wait(lambda: process.poll() is not None, 90.0, f"join {words} ends")
            finally:
                process.kill()
        return process.returncode, said.read_text("utf-8")


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[LoneCity]:
    require("asterisk", "rabbitmq")
    with claimed_slot() as slot:
        province = RealProvince(slot, tmp_path, Shape(agents={CITY: 2}, wrap_up_s=60.0), ReactorDriver())
        city = LoneCity(province)
        switch = province.switches[CITY]
        switch.remove()
        province.broker.remove()
        try:
            switch.start()
            city.node.start()
            yield city
        finally:
            for node in province.nodes.values():
                if node.running():
                    node.stop()
            province.broker.stop()
            switch.stop()


def for_hubs(rows: list[Journalled]) -> set[tuple[str, str, int]]:
    return {(row.node, row.lineage, row.sequence) for row in rows}


def test_a_lone_city_joins_and_the_province_has_its_history(lone: LoneCity) -> None:
    """B5, I6: calls before anybody else was there; every refusal leaves the file alone; a caller talks on while the
    node takes up the link; the hub's figures equal the fold of the city's own journal, byte for byte.
    """
    province, people = lone.province, People(lone.province)
    try:
        province.wait(lambda: bool((lone.node.health() or {}).get("switch_up")), 20.0, "the city sees its switch")
        assert (lone.node.health() or {})["alone"] is True
        agent = people.agent(CITY)
        for number in ("13800000001", "13800000002"):
            caller = people.caller(CITY, number)
            agent.answer()
            people.hear_each_other(caller, agent)
            caller.hang_up()
            agent.wrap_up()
        assert agent.state["island"]["alone"]
        before = lone.config.read_bytes()

        status, said = lone.join()
        assert (status, "[broker-unreachable]" in said) == (1, True), said
        province.broker.start()
        status, said = lone.join(password="a wrong one")
        assert (status, "[broker-refused]" in said) == (1, True), said
        status, said = lone.join()
        assert (status, "[hub-not-heard]" in said) == (1, True), said
        hub = province.nodes["hub"].start()
        province.wait(lambda: bool((hub.health() or {}).get("record_read")), 20.0, "the hub has read its record")
        status, said = lone.join("--dry-run")
        assert status == 0, said
        assert "[link]" in said
        assert lone.config.read_bytes() == before

        talking = people.caller(CITY, "13800000003")
        agent.answer()
        status, said = lone.join("--no-wait")
        assert status == 0, said
        assert "rows of" in said
        assert lone.config.read_bytes().startswith(before)
        assert PASSWORD not in lone.config.read_text("utf-8")
        assert "[already-joined]" in lone.join()[1]
        lone.node.stop()
        lone.node.start()
        province.wait(lambda: bool((lone.node.health() or {}).get("hub_seen")), 20.0, "the city hears the hub")
        status, said = lone.join("--watch")
        assert (status, "every row is acknowledged" in said) == (0, True), said
        people.hear_each_other(talking, agent)
        talking.hang_up()
        province.wait(lambda: len(endings(province)) == 3, 30.0, "the third call has ended at the hub")
        province.wait(lambda: settled(province), 20.0, "all rows are at the hub")

        assert [one.ending for one in endings(province)] == [Ending.COMPLETED] * 3
        own = province.journal(CITY)
        assert for_hubs(own) == for_hubs(province.hub_ledger()), "gaplessly and once"
        begin, end = min(row.wall for row in own) - 900.0, max(row.wall for row in own) + 900.0
        answer = province.console("intervals", **{"from": begin, "to": end})
        told = [{name: value for name, value in one.items() if name != "revision"} for one in answer["intervals"]]
        Random(1).shuffle(own)
        found = fold(own).intervals(begin, end)
        assert [balance(one) for one in found] == [0] * len(found)
        assert msgspec.json.encode(told) == msgspec.json.encode([interval_view(one) for one in found])
    finally:
        people.close()


def endings(province: RealProvince) -> list[ContactEnded]:
    return [row.row for row in province.hub_ledger() if isinstance(row.row, ContactEnded)]


def settled(province: RealProvince) -> bool:
    """Nothing waits at the city, and the books hold still."""
    waiting = (province.nodes[CITY].health() or {}).get("rows_waiting", {"?": 1})
    return not any(waiting.values()) and len(province.journal(CITY)) == len(province.hub_ledger())
