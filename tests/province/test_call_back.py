"""A customer is called back from the seat before an item is closed, and the switch says whether anybody answered."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import HUB, CityId, ContactId, CustomerId, NodeId
from dataset.intervals import IntervalFold
from dataset.puts import Put
from dataset.records.contact import CONTACTS, PastContact
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.rows import VOICE_OUT, CallBackEnded, ContactBorn, ContactEnded, WorkRequested, WorkStepped
from dataset.work import CallBackOutcome, CalledBack, RequestId, WorkItemId
from federation.core.work_book import Accepted, WorkBook
from provincial_hub.services.views import row_view
from simulation.ledger_check import CallerLine, LedgerCheck
from site_node.switch.simulated.phones import OutsidePhone
from tests.harness.mutations import MUTATIONS
from tests.harness.work import form_for
from tests.province.test_work_records import page, put
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import INSTALL, LINE, Seat, WorkingProvince

MOBILE = "13900000077"


class CallingSeat(Seat):
    """A seat whose agent calls customers."""

    def __init__(self, province: WorkingProvince, city: CityId, number: int = 0) -> None:
        super().__init__(province, city, number)
        self.city = city

    def call_back(self, item: str) -> str:
        """Press 回访 and pick up the own telephone; the contact."""
        asked = self.ask("work_call_back", item=item)
        self.province.pass_s(1.0)
        contact = str(asked["contact"])
        self.ask("answer", contact=contact)
        self.province.pass_s(1.0)
        return contact

    def call(self) -> dict[str, Any]:
        """How the call goes, as the page is told."""
        return dict(self._state()["call_back"])

    def takes_an_order(self, *, customer: str = "", **changed: Any) -> dict[str, Any]:
        """A caller orders a line; the receipt, once the caller has gone."""
        contact = self.take_call(self.city)
        self.ask("identity_checked", contact=contact, line=LINE)
        now = self.province.time.wall()
        values = {**form_for(INSTALL, ("contact_phone", "promised"), now=now), **changed}
        about = {"service": "install_line", "line": LINE, "customer": customer, "contact": contact}
        receipt = self.ask("work_open", **about, values=values)
        self.done(contact)
        return receipt

    def done(self, contact: str) -> None:
        """Finish, wrap-up included."""
        self.ask("disposition", contact=contact, code="solved")
        self.ask("finish", contact=contact)
        self.province.pass_s(1.0)


@pytest.fixture
def province() -> WorkingProvince:
    return WorkingProvince()


def installed(office: CallingSeat) -> str:
    """An item of 广州 in the state before the last: the line is there, and the customer has to be called."""
    item = str(office.takes_an_order()["item"])
    for action in ("confirm_plant", "send_crew", "installed_it"):
        assert office.ask("work_act", item=item, action=action)["state"] == "accepted"
    return item


def telephone(province: WorkingProvince, item: str, city: CityId = GUANGZHOU) -> OutsidePhone:
    """The customer's, by the number that ``city`` calls."""
    work = province.sites[city].running.work
    assert work is not None
    found = work.desk.book.item(item)  # type: ignore[arg-type]  # names are plain strings
    assert found is not None
    return province.network.telephone(str(found.values["contact_phone"]))


def slug_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.problems[0].slug


def steps(seat: Seat, item: str) -> list[dict[str, Any]]:
    return [one for one in seat.ask("work_item", item=item)["item"]["steps"] if one["step"] == "called_back"]


def balanced(province: WorkingProvince) -> None:
    """Nothing lost, doubled or of nobody, and every sum holds, with the call among the rows."""
    province.pass_s(10.0)
    check = LedgerCheck(
        callers=[CallerLine(LINE, True, True)],
        journals={city: province.written(city) for city in (GUANGZHOU, SHENZHEN, FOSHAN)},
        hub=[row for row, _ in province.memory.disk(HUB).ledger.rows.values()],
    )
    found = check.findings()
    assert found.passed, found.text()


def test_an_item_is_closed_after_a_call_that_was_answered(province: WorkingProvince) -> None:
    """The whole way: not before the call, not after one that nobody answered, and after one that was."""
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    with pytest.raises(Refused) as too_early:
        office.ask("work_act", item=item, action="close", satisfaction=5)
    assert slug_of(too_early) == "work-call-back"

    contact = office.call_back(item)
    assert phone.ringing
    assert office.call()["state"] == "delivered"
    phone.reject()
    province.pass_s(1.0)
    assert office.call()["outcome"] == "refused"
    office.done(contact)
    with pytest.raises(Refused) as not_reached:
        office.ask("work_act", item=item, action="close", satisfaction=5)
    assert slug_of(not_reached) == "work-call-back"

    contact = office.call_back(item)
    phone.answer()
    province.pass_s(12.0)
    assert office.call()["state"] == "established"
    assert "*" in office.call()["number"]
    phone.hang_up()
    province.pass_s(1.0)
    office.done(contact)
    told = steps(office, item)
    assert [(one["how"], one["outcome"], one["reached"]) for one in told] == [
        ("call", "refused", False),
        ("call", "reached", True),
    ]
    assert told[1]["contact"] == contact
    assert told[1]["talked_s"] == pytest.approx(12.0, abs=1.5)
    assert office.ask("work_act", item=item, action="close", satisfaction=5)["state"] == "accepted"
    balanced(province)


def test_two_agents_of_a_city_do_not_call_about_one_item_at_once(province: WorkingProvince) -> None:
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    contact = office.call_back(item)
    other = CallingSeat(province, GUANGZHOU, 1)
    with pytest.raises(Refused) as refused:
        other.ask("work_call_back", item=item)
    assert slug_of(refused) == "call-back-under-way"
    assert refused.value.problems[0].place == item
    assert office.staff in refused.value.problems[0].en
    phone.answer()
    province.pass_s(1.0)
    phone.hang_up()
    province.pass_s(1.0)
    office.done(contact)
    assert other.call_back(item) != contact
    assert phone.ringing


def answered_twice(province: WorkingProvince) -> None:
    """*Callback answered twice* (federation.md): two cities call about one item while their line is down, the
    customer answers both, and the owning city dies before it has answered the other's step.
    """
    away, office = CallingSeat(province, SHENZHEN), CallingSeat(province, GUANGZHOU)
    item = str(away.takes_an_order()["item"])
    province.pass_s(3.0)
    for action in ("confirm_plant", "send_crew", "installed_it"):
        assert office.ask("work_act", item=item, action=action)["state"] == "accepted"
    province.pass_s(3.0)
    province.wires.cut([NodeId(SHENZHEN)])
    phone = telephone(province, item)
    calls = []
    for seat in (office, away):
        calls.append(seat.call_back(item))
        phone.answer()
        province.pass_s(4.0)
        phone.hang_up()
        province.pass_s(1.0)
        seat.done(calls[-1])
    province.crash_city(GUANGZHOU)
    province.wires.cut([NodeId(SHENZHEN)], restore=True)
    province.pass_s(1.0)
    for _ in range(2):
        province.start_city(GUANGZHOU)
        province.pass_s(20.0)
        province.crash_city(GUANGZHOU)
    province.start_city(GUANGZHOU)
    province.pass_s(20.0)
    again = CallingSeat(province, GUANGZHOU)
    assert again.ask("work_act", item=item, action="close", satisfaction=5)["state"] == "accepted"
    with pytest.raises(Refused):
        again.ask("work_call_back", item=item)
    province.pass_s(10.0)
    for book in (work_book(province, GUANGZHOU), work_book(province, SHENZHEN), province.hub_book()):
        told = [step for step in book.steps(WorkItemId(item)) if isinstance(step, CalledBack)]
        assert sorted(str(step.by.contact) for step in told) == sorted(calls)
        assert all(step.reached for step in told)
    for city, contact in zip((GUANGZHOU, SHENZHEN), calls, strict=True):
        ends = [one.row for one in province.written(city) if getattr(one.row, "contact", "") == contact]
        assert sum(isinstance(row, ContactEnded) for row in ends) == 1
    answers = [str(row.row.request) for row in province.written(GUANGZHOU) if isinstance(row.row, WorkStepped)]
    assert len(answers) == len(set(answers)), "a request is answered once"


def test_a_call_back_that_is_answered_twice(province: WorkingProvince) -> None:
    """Two calls, two endings, two steps on record, one closing: the same at both cities and at the hub."""
    answered_twice(province)


def test_a_call_back_that_is_answered_twice_shows_when_answers_are_not_looked_up() -> None:
    """The rule that keeps it: a request that has an answer on record is not answered again (I1)."""
    with (
        MUTATIONS["requests_are_answered_whenever_they_are_seen"].in_force(),
        pytest.raises(AssertionError, match="answered once"),
    ):
        answered_twice(WorkingProvince())


def work_book(province: WorkingProvince, city: CityId) -> WorkBook:
    """What ``city`` knows of items."""
    work = province.sites[city].running.work
    assert work is not None
    return work.desk.book


def test_a_word_without_a_call_has_to_say_how(province: WorkingProvince) -> None:
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    with pytest.raises(Refused):
        office.ask("work_called_back", item=item, reached=True, note=" ")
    office.ask("work_called_back", item=item, reached=True, note="装机员当面确认")
    [told] = steps(office, item)
    assert (told["how"], told["outcome"], told["contact"], told["note"]) == ("other", None, None, "装机员当面确认")


def test_another_citys_customer_is_called_and_its_step_waits_for_the_line(province: WorkingProvince) -> None:
    """异地受理: the call is ours, the step is the owning city's, however long the line is down."""
    seat = CallingSeat(province, SHENZHEN)
    receipt = seat.takes_an_order()
    assert receipt["owning"] == GUANGZHOU
    province.pass_s(3.0)
    item = str(receipt["item"])
    phone = telephone(province, item, SHENZHEN)
    province.wires.cut([NodeId(SHENZHEN)])
    contact = seat.call_back(item)
    phone.answer()
    province.pass_s(5.0)
    phone.hang_up()
    province.pass_s(2.0)
    request = RequestId(f"cb-{contact}")
    assert [row.row.request for row in province.written(SHENZHEN) if isinstance(row.row, WorkRequested)][-1] == request
    assert seat.ask("work_request", request=request)["state"] == "pending"
    province.wires.cut([NodeId(SHENZHEN)], restore=True)
    province.pass_s(20.0)
    assert seat.ask("work_request", request=request)["state"] == "accepted"
    assert request in [one["request"] for one in seat.receipts()], "the page is told"


def test_the_step_of_a_call_outlives_the_node(province: WorkingProvince) -> None:
    """The node dies in the talk, and the customer hangs up meanwhile: reached by what is on record, and told once."""
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    contact = office.call_back(item)
    phone.answer()
    province.pass_s(2.0)
    province.crash_city(GUANGZHOU)
    phone.hang_up()
    province.pass_s(1.0)
    province.start_city(GUANGZHOU)
    province.pass_s(5.0)
    for _ in range(2):
        province.restart_city(GUANGZHOU)
    work = province.sites[GUANGZHOU].running.work
    assert work is not None
    assert isinstance(work.desk.book.answer(RequestId(f"cb-{contact}")), Accepted)
    again = Seat(province, GUANGZHOU)
    assert [one["outcome"] for one in steps(again, item)] == ["reached"]
    written = [row.row for row in province.written(GUANGZHOU) if getattr(row.row, "contact", "") == contact]
    assert sum(isinstance(row, ContactEnded) for row in written) == 1
    assert [row.outcome for row in written if isinstance(row, CallBackEnded)] == [CallBackOutcome.REACHED]


def test_a_call_goes_on_over_a_restart(province: WorkingProvince) -> None:
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    contact = office.call_back(item)
    phone.answer()
    province.pass_s(2.0)
    province.restart_city(GUANGZHOU)
    [call] = province.sites[GUANGZHOU].running.site.call_backs.all()
    assert call.id == contact
    assert phone.hears().voice is province.network.seat(GUANGZHOU, "8001")
    province.network.seat(GUANGZHOU, "8001").hang_up()
    province.pass_s(3.0)
    assert not phone.busy
    again = Seat(province, GUANGZHOU)
    assert [one["outcome"] for one in steps(again, item)] == ["reached"]


@pytest.mark.parametrize("answered", [False, True])
def test_a_switch_that_dies_ends_the_call_and_frees_the_seat(province: WorkingProvince, answered: bool) -> None:
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    contact = office.call_back(item)
    if answered:
        phone.answer()
        province.pass_s(1.0)
    exchange = province.network.city(GUANGZHOU)
    exchange.fail()
    province.pass_s(1.0)
    exchange.recover()
    province.pass_s(3.0)
    assert office.call()["outcome"] == ("reached" if answered else "failed")
    office.done(contact)
    assert [one["reached"] for one in steps(office, item)] == [answered]
    assert office.call_back(item) != contact


def test_an_agent_who_leaves_ends_with_the_call(province: WorkingProvince) -> None:
    """下线 is refused in the call; a lost connection ends the session with it."""
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    office.call_back(item)
    phone.answer()
    province.pass_s(1.0)
    with pytest.raises(Refused) as refused:
        office.ask("logout")
    assert slug_of(refused) == "wrong-state"
    office.live.close()
    province.pass_s(400.0)
    phone.hang_up()
    province.pass_s(30.0)
    assert province.sites[GUANGZHOU].running.site.sessions.all() == []


def test_callers_are_not_counted_with_those_who_are_called(province: WorkingProvince) -> None:
    """A call-back has no place in a queue, and its talk is under a channel of its own."""
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    phone = telephone(province, item)
    contact = ContactId(office.call_back(item))
    phone.answer()
    province.pass_s(3.0)
    phone.hang_up()
    province.pass_s(1.0)
    office.done(contact)
    province.pass_s(5.0)
    fold = IntervalFold()
    for row, _ in province.memory.disk(HUB).ledger.rows.values():
        fold.add(row)
    by_channel = {one.channel: one for one in fold.intervals()}
    assert by_channel["voice_out"].handled == 1
    assert (by_channel["voice"].offered, by_channel["voice"].handled) == (1, 1), "the caller who ordered"
    assert not by_channel["voice_out"].offered
    _, born = [row.row for row in province.written(GUANGZHOU) if isinstance(row.row, ContactBorn)]
    assert (born.contact, born.calling) == (contact, phone.number)


def test_the_call_is_on_the_customers_card_whatever_number_was_called() -> None:
    """The item says whose call it was: the number called is the mobile one in its form, and no line of this city."""
    province = WorkingProvince(with_records=True)
    who = CustomerId("440001")
    put(province, Put(CUSTOMERS, Customer(city=GUANGZHOU, id=who, name="陈志强")))
    put(province, Put(LINES, Line(city=GUANGZHOU, number=LINE, customer=who, service="adsl")))
    office = CallingSeat(province, GUANGZHOU)
    item = str(office.takes_an_order(contact_phone=MOBILE, customer=who)["item"])
    contact = office.call_back(item)
    office.done(contact)
    province.pass_s(3.0)
    found: list[PastContact] = page(province, CONTACTS, (GUANGZHOU, who), "by_customer")
    [called] = [one for one in found if one.channel == VOICE_OUT]
    assert (called.contact, called.calling, called.line, called.work_items) == (contact, MOBILE, LINE, (item,))


def test_the_hub_shows_the_call_with_masked_numbers(province: WorkingProvince) -> None:
    office = CallingSeat(province, GUANGZHOU)
    item = installed(office)
    number = telephone(province, item).number
    contact = office.call_back(item)
    province.pass_s(3.0)
    rows = [row for row, _ in province.memory.disk(HUB).ledger.rows.values()]
    [born] = [row for row in rows if isinstance(row.row, ContactBorn) and row.row.contact == contact]
    shown = row_view(born)
    assert number not in str(shown)
    assert LINE not in str(shown)
    assert shown["call_back"]["item"] == item


def test_an_item_that_is_not_known_here_calls_nobody(province: WorkingProvince) -> None:
    office = Seat(province, GUANGZHOU)
    with pytest.raises(Refused) as refused:
        office.ask("work_call_back", item="w-0020-00000000-000001")
    assert slug_of(refused) == "work-unknown"
