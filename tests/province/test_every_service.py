"""Every service from end to end: asked for in one city, done in the owning one, its progress heard in a third."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from dataset.errors import Refused
from dataset.ids import CustomerId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.services.form import Value
from dataset.services.service import Service
from dataset.services.workflow import OPEN, Action
from simulation.province import STAFF_ROLES
from tests.harness.services import catalogue
from tests.harness.work import form_for, mark_for
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import Seat, WorkingProvince

AIMS = ("done", "answered", "unfounded")
WORKING = [service for service in catalogue() if service.makes_work]
ANSWERED_AT_ONCE = [service for service in catalogue() if not service.makes_work]


@pytest.fixture(scope="module")
def province() -> WorkingProvince:
    return WorkingProvince(with_records=True)


def words_at(service: Service, actions: tuple[str, ...]) -> dict[str, str] | None:
    """What fields have to hold so that all these actions may be taken; None where no form allows them all."""
    wanted: dict[str, set[str]] = {}
    for rule in service.text.rules:
        if rule.kind == "field_is" and rule.field is not None and set(rule.at) & set(actions):
            wanted[rule.field] = wanted.get(rule.field, set(rule.is_)) & set(rule.is_)
    if not all(wanted.values()):
        return None
    return {field: min(words) for field, words in wanted.items()}


def ways(service: Service) -> Iterator[tuple[Action, ...]]:
    """Ways through the work to an ending that was aimed at, the best ending first, then the shorter way."""
    for aim in AIMS:
        found: deque[tuple[str, tuple[Action, ...]]] = deque([(service.begins.id, ())])
        while found:
            state, way = found.popleft()
            if service.states[state].ends == aim:
                yield way
            elif len(way) < len(service.states):
                for action in service.possible(state):
                    if all(action.to not in (one.to, service.begins.id) for one in way):
                        found.append((action.to, (*way, action)))


def way_and_form(service: Service, now: float) -> tuple[tuple[Action, ...], dict[str, Value]]:
    """The first way that a form allows, with that form."""
    for way in ways(service):
        told = words_at(service, (OPEN, *(action.id for action in way)))
        if told is not None:
            needed = tuple(name for action in way for name in action.needs)
            return way, form_for(service, needed, now, OPEN, told)
    raise AssertionError(f"{service.id} cannot be done by any form")


def has_line(province: WorkingProvince, service: Service, number: str) -> None:
    """A customer with a line that has what the rules of ``service`` want it to have."""
    wanted = {rule.values[0] for rule in service.text.rules if rule.kind == "line_has_service"}
    who = CustomerId(f"44{number[-5:]}")
    line = Line(
        city=GUANGZHOU,
        number=number,
        customer=who,
        service="install_line" if not wanted or "install_line" in wanted else min(wanted),
        features=tuple(sorted(wanted - {"install_line"})),
    )
    records = province.sites[GUANGZHOU].records
    assert records is not None
    customer = Customer(city=GUANGZHOU, id=who, name="陈志强", contact_numbers=("13900000002",))
    province.result(records.put([Put(CUSTOMERS, customer), Put(LINES, line)]).addCallback(lambda _: {}))


def acts(province: WorkingProvince, service: Service, item: str, number: str, action: Action) -> None:
    """The owning city takes one action as soon as it may be taken, with the customer on the line where it has to be."""
    office = province.seat_of(GUANGZHOU)
    if action.not_before_s is not None:
        opened = office.ask("work_item", item=item)["item"]
        state = service.states[opened["state"]]
        work = province.sites[GUANGZHOU].running.work
        assert work is not None
        until = work.desk.calendar.after(opened["since"], action.not_before_s)
        wait = action.not_before_s if state.clock == "calendar" else until - opened["since"]
        province.rest(max(0.0, opened["since"] + wait - province.time.wall()) + 1.0)
        office = province.seat_of(GUANGZHOU)
    if action.after_call_back:
        office.ask("work_called_back", item=item, reached=True, note="当面确认")
    contact = ""
    if any(rule.kind == "identity_checked" and action.id in rule.at for rule in service.text.rules):
        contact = office.take_call(GUANGZHOU, number)
        office.ask("identity_checked", contact=contact, line=number)
    if not STAFF_ROLES & set(action.roles):
        office = Seat.lead(province, GUANGZHOU)
    note = "已核实" if action.note_required else ""
    about = {"item": item, "action": action.id, "note": note, "contact": contact, "satisfaction": mark_for(action)}
    assert office.ask("work_act", **about)["state"] == "accepted"
    if contact:
        leave(office, contact)


def leave(seat: Seat, contact: str) -> None:
    """The call is over, and so is what comes after it."""
    seat.ask("disposition", contact=contact, code="solved")
    seat.ask("finish", contact=contact)
    seat.province.pass_s(1.0)


@pytest.mark.parametrize("service", WORKING, ids=lambda service: service.id)
def test_a_service_is_done_for_another_citys_customer(province: WorkingProvince, service: Service) -> None:
    number = f"0208123{WORKING.index(service):04d}"
    has_line(province, service, number)
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN, number)
    seat.ask("identity_checked", contact=contact, line=number)
    way, form = way_and_form(service, province.time.wall())
    values = form | ({service.line_field: number} if service.line_field in form else {})
    about = {"service": service.id, "owning": "guangzhou", "customer": f"44{number[-5:]}", "line": number}
    receipt = seat.ask("work_open", **about, contact=contact, values=values)
    leave(seat, contact)
    province.pass_s(1.0)
    assert seat.ask("work_request", request=receipt["request"]) == {**receipt, "state": "accepted"}
    third = province.seat_of(FOSHAN)
    heard = third.ask("work_items", line=number)["items"]
    assert [(one["item"], one["state"]) for one in heard] == [(receipt["item"], service.begins.id)]
    for action in way:
        acts(province, service, receipt["item"], number, action)
    province.pass_s(2.0)
    ending = service.states[way[-1].to].ends
    assert ending in AIMS
    for city in (SHENZHEN, FOSHAN):
        shown = province.seat_of(city).ask("work_item", item=receipt["item"])["item"]
        assert (shown["ends"], shown["zh"]) == (ending, service.text.zh)
    [settled] = [one for one in province.hub_book().settlements() if one.request == receipt["request"]]
    assert settled.handling_fen == service.handling_fen


@pytest.mark.parametrize("service", ANSWERED_AT_ONCE, ids=lambda service: service.id)
def test_an_enquiry_is_answered_at_once_and_makes_no_work(province: WorkingProvince, service: Service) -> None:
    seat = province.seat_of(SHENZHEN)
    assert seat.ask("service", service=service.id)["service"]["zh"] == service.text.zh
    with pytest.raises(Refused) as refused:
        seat.ask("work_open", service=service.id, line="", values={})
    assert refused.value.problems[0].slug == "work-none"
