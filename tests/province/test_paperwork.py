"""Simulated staff hand in forms and clerks do the work, through the agent API alone, in three cities at once."""

from __future__ import annotations

from collections import Counter
from random import Random

from dataset.ids import CityId
from dataset.work import Acted
from federation.node.memory_transport import MemoryDoor
from simulation.population.clerks import Clerk, Diligence
from simulation.population.staff import Manners, Place, Staff
from simulation.province import clerk_of, password_of
from tests.province.three_cities import GUANGZHOU, SHENZHEN, STAFF
from tests.province.working_province import WorkingProvince

CITIES = (GUANGZHOU, SHENZHEN)


def seated(province: WorkingProvince, city: CityId, number: int) -> Place:
    seat, staff = str(8001 + number), str(int(STAFF[city]) + number)
    province.network.add_seat(city, seat)
    entrance = MemoryDoor(province.sites[city].desk.door, province.time, delay_s=0.001)
    return Place(staff, password_of(staff), seat, entrance, province.network.seat(city, seat))


def test_what_callers_want_is_handed_in_and_done() -> None:
    province = WorkingProvince(with_records=True)
    manners = Manners(forms=1.0, misses=0.0, transfers=0.0, breaks=0.0, handling_s=lambda rng: 40.0)
    floors = [
        Staff(province.time, Random(7), [seated(province, city, number) for number in range(2)], manners)
        for city in CITIES
    ]
    clerks = []
    for city in CITIES:
        entrance = MemoryDoor(province.sites[city].desk.door, province.time, delay_s=0.001)
        clerk = clerk_of(city)
        clerks.append(Clerk(province.time, Random(11), clerk, password_of(clerk), entrance, Diligence()))
    for floor in floors:
        floor.arrive()
    for one in clerks:
        one.arrive()
    province.pass_s(10.0)
    for nth in range(24):
        # customers of either city call in either one
        province.network.call(CITIES[nth % 2], "112", f"{('020', '0755')[nth // 2 % 2]}8123{nth:04d}")
        province.pass_s(30.0)
    province.pass_s(3_000.0)
    book = province.hub_book()
    items = list(book)
    asked = sum((Counter(floor.counts) for floor in floors), Counter[str]())
    steps = sum((one.counts for one in clerks), Counter[str]())
    assert asked["forms accepted"] + asked["forms pending"] >= 12, asked
    assert len(items) >= 12
    assert sum(item.ending is not None for item in items) >= 6, steps
    assert {item.owning for item in items} == set(CITIES)
    assert book.settlements(), "some of it was another city's"
    assert all((item.ending is None) == (item.due_at is not None) for item in items)
    assert not asked["broken"]
    taken = [passage.row.step for item in items for passage in book.history(item.id)]
    marks = [step.satisfaction for step in taken if isinstance(step, Acted) and step.satisfaction is not None]
    assert len(set(marks)) > 1, "customers are asked how satisfied they are, and do not all say the same"
    assert not [slug for slug in steps if slug.startswith("satisfaction-")], steps
