"""A province that takes in work: seats at its doors, the rows that they lead to, restarts."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from dataset.calendar import day_of
from dataset.ids import HUB, CityId, NodeId, agent_id
from dataset.rows import Journalled
from federation.core.work_book import WorkBook
from federation.node.door import Posted
from federation.node.memory_transport import ClientEnd, MemoryDoor
from federation.node.operations import refusal_in
from simulation.province import lead_of, password_of
from tests.harness.services import calendar, catalogue, offering
from tests.harness.work import NOW, form_for
from tests.province.three_cities import GUANGZHOU, STAFF, ThreeCities

INSTALL = catalogue().services["install_line"]
LINE = "02081230001"


class Seat:
    """Somebody at a seat page: a live connection to a city's door."""

    def __init__(self, province: WorkingProvince, city: CityId, number: int = 0) -> None:
        self.province = province
        self.pushed: list[dict[str, Any]] = []
        self.staff = str(int(STAFF[city]) + number)
        self.agent = agent_id(self.staff, city)
        door = MemoryDoor(province.sites[city].desk.door, province.time, delay_s=0.001)
        province.network.add_seat(city, str(8001 + number))
        login = province.result(door.login(self.staff, password_of(self.staff), str(8001 + number)))
        self.city, self.token = city, login["token"]
        self.live: ClientEnd = door.open()
        self.live.on_push(self.pushed.append)
        self.attached = province.result(self.live.send("attach", token=login["token"]))

    @classmethod
    def lead(cls, province: WorkingProvince, city: CityId) -> Seat:
        """The one who leads the city, without a seat."""
        seat = cls.__new__(cls)
        seat.province, seat.pushed, seat.staff, seat.city = province, [], lead_of(city), city
        door = MemoryDoor(province.sites[city].desk.door, province.time, delay_s=0.001)
        login = province.result(door.login(seat.staff, password_of(seat.staff)))
        seat.token = login["token"]
        seat.live = door.open()
        seat.live.on_push(seat.pushed.append)
        seat.attached = province.result(seat.live.send("attach", token=login["token"]))
        return seat

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """An operation and its answer. Raises ``Refused``."""
        return self.province.result(self.live.send(op, **fields))

    def upload(self, op: str, **fields: Any) -> Deferred[dict[str, Any]]:
        """A request that brings a file, as HTTP has it. Errbacks with ``Refused``."""

        def told(posted: Posted) -> dict[str, Any]:
            answer: dict[str, Any] = msgspec.json.decode(posted.body)
            if posted.status != 200:
                raise refusal_in(answer["problem"], posted.status)
            return answer

        return self.province.sites[self.city].desk.door.post_fields(op, fields, self.token).addCallback(told)

    def receipts(self) -> list[dict[str, Any]]:
        """Answers of other cities, as they were pushed."""
        return [one["receipt"] for one in self.pushed if one["push"] == "work"]

    def take_call(self, city: CityId, calling: str = LINE) -> str:
        """Be ready and answer a caller who comes in at ``city``; the contact."""
        self.ask("ready")
        self.province.pass_s(1.5)
        self.province.network.call(city, "112", calling)
        self.province.pass_s(3.0)
        contact = self._state()["calls"][0]["contact"]
        self.ask("answer", contact=contact)
        self.province.pass_s(1.0)
        return str(contact)

    def order(self, contact: str = "", *, checked: bool = True, line: str = LINE, **changed: Any) -> dict[str, Any]:
        """Hand in the form of a new line for a customer of 广州."""
        if contact and checked:
            self.ask("identity_checked", contact=contact, line=line)
        now = self.province.time.wall()
        values = {**form_for(INSTALL, ("contact_phone", "promised"), now=now), **changed}
        return self.ask("work_open", service="install_line", line=line, contact=contact, values=values)

    def _state(self) -> dict[str, Any]:
        states = [one["state"] for one in self.pushed if one["push"] == "state"]
        return dict(states[-1] if states else self.attached)


class WorkingProvince(ThreeCities):
    """Three cities that take in work; ``with_records``: and know something of their customers."""

    def __init__(self, seed: int = 1, *, with_records: bool = False) -> None:
        super().__init__(seed, offering=offering(), wall0=NOW, with_records=with_records)

    def result(self, asked: Any, within_s: float = 5.0) -> dict[str, Any]:
        """What ``asked`` comes to; raises what it fails with."""
        found: list[Any] = []
        asked.addBoth(found.append)
        for _ in range(int(within_s / 0.05)):
            if found:
                break
            self.pass_s(0.05)
        assert found, "no answer"
        failed = getattr(found[0], "value", None)
        if isinstance(failed, BaseException):
            raise failed
        answer: dict[str, Any] = found[0]
        return answer

    def seat_of(self, city: CityId, number: int = 0) -> Seat:
        return Seat(self, city, number)

    def written(self, node: str) -> list[Journalled]:
        return self.journal(NodeId(node)).rows_since(0.0)

    def hub_book(self) -> WorkBook:
        """What the hub's rows come to."""
        book = WorkBook(catalogue().versions.__getitem__, calendar())
        for row, _ in self.memory.disk(HUB).ledger.rows.values():
            book.add(row)
        return book

    def rest(self, seconds: float) -> None:
        """Long times pass with every node down: nothing beats meanwhile, and all go on where they were."""
        for city in list(self.sites):
            self.stop_city(city)
        self.stop_hub()
        self.pass_s(seconds)
        self.start_hub()
        for one in self.province.cities:
            self.start_city(one.id)
        self.pass_s(5.0)

    def restart_city(self, city: CityId) -> None:
        self.crash_city(city)
        self.pass_s(1.0)
        self.start_city(city)
        self.pass_s(3.0)


class Bureau:
    """Somebody of the province at the hub's console."""

    def __init__(self, province: WorkingProvince) -> None:
        assert province.hub is not None
        self._province = province
        door = MemoryDoor(province.hub.door, province.time)
        token = province.result(door.login("province", password_of("province")))["token"]
        self._live: ClientEnd = door.open()
        province.result(self._live.send("attach", token=token))

    def report(self, operation: str, first: str = "", last: str = "", city: str | None = None) -> dict[str, Any]:
        """A report of some days, of today when left out. Raises ``Refused``."""
        today = day_of(self._province.time.wall()).isoformat()
        asked = {"first": first or today, "last": last or first or today, **({} if city is None else {"city": city})}
        return self._province.result(self._live.send(operation, **asked))


def finish(province: WorkingProvince, item: str, satisfaction: int = 5) -> None:
    """The owning city does the work, and the customer says how satisfied they are."""
    office = province.seat_of(GUANGZHOU)
    office.ask("work_take", item=item)
    for action in ("confirm_plant", "send_crew", "installed_it"):
        assert office.ask("work_act", item=item, action=action)["state"] == "accepted"
    office.ask("work_called_back", item=item, reached=True, note="装机员当面确认")
    closed = office.ask("work_act", item=item, action="close", satisfaction=satisfaction)
    assert closed["state"] == "accepted"
