"""What a city knows of its customers, over both forms of the store: facts for rules, the card, and who is found."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from dataset.calendar import midnight
from dataset.errors import Refused
from dataset.ids import CityId, ContactId, CustomerId, ReceiptId
from dataset.puts import LARGEST_BATCH, Put
from dataset.records.catalogue import EVERY
from dataset.records.contact import CONTACTS, PastContact
from dataset.records.customer import CUSTOMERS, CustomerKind
from dataset.records.line import LINES, Line, LineStatus
from dataset.records.money import BILLS, PAYMENTS, Bill
from dataset.records.tariff import TARIFFS, TariffItem, TariffUnit
from dataset.rows import Ending
from federation.core.work_item import Facts
from simulation.population.customers import Population
from simulation.population.material import material
from simulation.population.subscribers import Subscriber
from site_node.core.customer_card import CustomerCard, FoundCustomers
from site_node.core.self_records import LastBill, Price, Statement
from site_node.services.customers import MOST_FOUND, StoredCustomers
from tests.harness.sample_records import BILL, CUSTOMER, LINE, PAYMENT
from tests.harness.store_forms import Form, MemoryForm, SqliteForm, outcome, result

GUANGZHOU = CityId("guangzhou")
TODAY = date(2026, 11, 20)
AT = midnight(TODAY) + 9.5 * 3600


@lru_cache(maxsize=1)
def everybody() -> tuple[Subscriber, ...]:
    province = Population(material(), 5, 240, [GUANGZHOU], today=TODAY, months=5)
    return tuple(province.subscribers(GUANGZHOU))


class Desk:
    """Customers on record, and whoever asks for them."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.store = form.open(EVERY)
        self.customers = StoredCustomers(self.store, GUANGZHOU, "020", material().plan)

    def put(self, *puts: Put) -> None:
        for at in range(0, len(puts), LARGEST_BATCH):
            result(self.form, self.store.put(puts[at : at + LARGEST_BATCH]))

    def facts(self, line: str = "", customer: str = "", at: float = AT) -> Facts:
        return result(self.form, self.customers.facts(line, customer, at))

    def card(self, *, line: str = "", customer: str = "", unmasked: bool = False) -> CustomerCard:
        return result(self.form, self.customers.card(line=line, customer=customer, at=AT, unmasked=unmasked))

    def find(self, text: str) -> FoundCustomers:
        return result(self.form, self.customers.find(text))

    def found(self, text: str) -> set[str]:
        return {one.customer for one in self.find(text).customers}

    def refused(self, line: str = "", customer: str = "") -> tuple[int, str]:
        got = outcome(self.form, self.customers.card(line=line, customer=customer, at=AT))
        assert isinstance(got, Refused)
        return got.status, got.problems[0].slug


@pytest.fixture(params=[MemoryForm, SqliteForm])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    form: Form = request.param(tmp_path)
    yield form
    form.close()


@pytest.fixture
def desk(form: Form) -> Desk:
    return Desk(form)


@pytest.fixture
def full(desk: Desk) -> Desk:
    """With everybody on record."""
    desk.put(*(put for one in everybody() for put in one.records()))
    return desk


def overdue(one: Subscriber, today: date) -> int:
    """By the bills' own days and the months that payments name, without the fold that the records use."""
    late = {(bill.line, bill.month): bill.total_fen for bill in one.bills if bill.due_on < today}
    paid = sum(payment.fen for payment in one.payments if (payment.line, payment.months[0]) in late)
    return sum(late.values()) - paid


# ── facts ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("days", [0, 7, 60])
def test_what_is_overdue_is_bills_past_their_day_less_what_was_paid(full: Desk, days: int) -> None:
    today, owing = TODAY + timedelta(days), 0
    for one in everybody():
        facts = full.facts(customer=one.customer.id, at=midnight(today))
        assert facts.arrears_fen == overdue(one, today)
        assert full.facts(one.lines[0].number, one.customer.id, midnight(today)).arrears_fen == facts.arrears_fen
        owing += facts.arrears_fen > 0
    assert owing > 3


def test_a_line_has_its_service_its_features_and_what_comes_over_it(full: Desk) -> None:
    seen = Counter[str]()
    for one in everybody():
        for line in one.lines:
            used = [other for other in one.lines if other.status is not LineStatus.CEASED]
            expected = Counter[str]()
            for other in used:
                if other.number == line.number or other.over == line.number:
                    expected.update([other.service, *other.features])
            assert full.facts(line.number).services == dict(expected)
            seen.update(expected.keys())
        whole = Counter(code for line in used for code in (line.service, *line.features))
        assert full.facts(customer=one.customer.id).services == dict(whole)
    assert seen["install_line"] > seen["fibre_broadband"] > 0


def test_a_line_that_was_given_up_has_nothing_and_one_that_is_cut_off_keeps_all(desk: Desk) -> None:
    gone = structs.replace(LINE, number="02088886667", status=LineStatus.CEASED)
    ordered = structs.replace(LINE, number="02088886668", status=LineStatus.ORDERED)
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), Put(LINES, gone), Put(LINES, ordered))
    assert desk.facts(LINE.number).services == {"install_line": 1, "caller_id": 1, "forward_busy": 1}
    assert desk.facts(gone.number).services == desk.facts(ordered.number).services == {}


def test_several_of_a_kind_are_counted(desk: Desk) -> None:
    cards = [
        Line(city=GUANGZHOU, number=f"30000200000000{n}", customer=CUSTOMER.id, service="card_300", over=LINE.number)
        for n in range(3)
    ]
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), *(Put(LINES, card) for card in cards))
    assert desk.facts(LINE.number).services["card_300"] == 3


def test_a_payment_without_months_goes_to_the_oldest_and_only_late_bills_count(desk: Desk) -> None:
    later = structs.replace(BILL, month="2026-02", due_on=date(2026, 3, 20))
    part = structs.replace(PAYMENT, fen=500)
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), Put(BILLS, BILL), Put(BILLS, later), Put(PAYMENTS, part))
    assert desk.facts(LINE.number, at=midnight(date(2026, 2, 20))).arrears_fen == 0, "the last day is not over"
    assert desk.facts(LINE.number, at=midnight(date(2026, 2, 21))).arrears_fen == 1700
    assert desk.facts(LINE.number, at=midnight(date(2026, 3, 21))).arrears_fen == 3900


def test_nobody_owes_what_the_number_s_earlier_customer_left_or_has_what_that_one_paid(desk: Desk) -> None:
    before = CustomerId("440000")
    bill = structs.replace(BILL, month="2025-01", customer=before)
    payment = structs.replace(PAYMENT, receipt=ReceiptId("p0"), customer=before, fen=99_999)
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), Put(BILLS, BILL), Put(BILLS, bill), Put(PAYMENTS, payment))
    assert desk.facts(LINE.number).arrears_fen == BILL.total_fen


def test_of_what_is_not_on_record_nothing_is_had_and_nothing_owed(desk: Desk) -> None:
    """The rules say what that means: that a line has to be in use, or nothing."""
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), Put(BILLS, BILL))
    assert desk.facts() == desk.facts("02088880000") == desk.facts(customer="440002") == Facts()
    assert desk.facts("02088880000", CUSTOMER.id) == Facts(arrears_fen=BILL.total_fen)


def test_a_line_is_that_of_whoever_has_it_now(desk: Desk) -> None:
    """An order of the customer before goes on after the line has changed hands."""
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), Put(BILLS, BILL))
    assert desk.facts(LINE.number, "440000") == desk.facts(LINE.number)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_there_is_no_card_of_what_is_not_on_record(desk: Desk) -> None:
    desk.put(Put(LINES, LINE))
    assert desk.refused(line="02088880000") == (404, "line-unknown")
    assert desk.refused(customer="440002") == (404, "customer-unknown")
    assert desk.refused(line=LINE.number) == (404, "customer-unknown")
    assert desk.refused() == (404, "customer-unknown")


def test_a_store_that_is_closed_says_so(desk: Desk) -> None:
    result(desk.form, desk.store.stop())
    for asked in (
        desk.customers.facts(LINE.number, "", AT),
        desk.customers.card(line=LINE.number, at=AT),
        desk.customers.find("王"),
    ):
        got = outcome(desk.form, asked)
        assert isinstance(got, Refused)
        assert (got.status, got.problems[0].slug) == (503, "store-stopped")


def test_where_a_record_is_damaged_no_rule_is_looked_at_and_the_card_says_so(tmp_path: Path) -> None:
    """A payment that cannot be read would make a debtor of somebody who has paid."""
    desk = Desk(form := SqliteForm(tmp_path))
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), Put(BILLS, BILL), Put(PAYMENTS, PAYMENT))
    with closing(sqlite3.connect(form.path)) as file:
        file.execute("UPDATE records SET crc = crc + 1 WHERE instr(data, CAST('receipt' AS BLOB))")
        file.commit()
    got = outcome(form, desk.customers.facts(LINE.number, "", AT))
    assert isinstance(got, Refused)
    assert (got.status, got.problems[0].slug) == (503, "record-damaged")
    assert desk.card(line=LINE.number).unread == 1
    form.close()


# ── the card ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_card_of_a_line_is_that_of_its_customer_and_adds_up(full: Desk) -> None:
    for one in everybody()[:60]:
        card = full.card(line=one.lines[-1].number, unmasked=True)
        assert card == full.card(customer=one.customer.id, unmasked=True)
        assert (card.name, card.kind, card.address) == (one.customer.name, one.customer.kind, one.customer.address)
        assert {line.number: (line.service, line.features, line.status, line.tariff) for line in card.lines} == {
            line.number: (line.service, line.features, line.status, line.tariff) for line in one.lines
        }
        assert card.overdue_fen == overdue(one, TODAY) == sum(line.overdue_fen or 0 for line in card.lines)
        assert card.due_fen == sum(bill.total_fen for bill in one.bills) - sum(paid.fen for paid in one.payments)
        assert card.due_fen == sum(line.due_fen or 0 for line in card.lines)
        months = sorted({bill.month for bill in one.bills}, reverse=True)[:3]
        assert [bill.month for bill in card.bills] == months
        for bill in card.bills:
            assert bill.total_fen == sum(each.total_fen for each in one.bills if each.month == bill.month)
            assert bill.open_fen is not None
            assert bill.total_fen is not None
            assert 0 <= bill.open_fen <= bill.total_fen


def test_a_masked_card_tells_nothing_that_could_be_used(full: Desk) -> None:
    homes = [one for one in everybody() if one.customer.kind is CustomerKind.RESIDENTIAL]
    for one in homes[:40]:
        customer = one.customer
        card = full.card(customer=customer.id)
        text = msgspec.json.encode(structs.replace(card, customer=CustomerId(""))).decode()
        secrets = [customer.name, customer.address, *customer.contact_numbers, *(line.number for line in one.lines)]
        if customer.document is not None:
            secrets.append(customer.document.number)
        assert not [secret for secret in secrets if secret in text]
        assert card.masked
        assert card.name[0] == customer.name[0]


def test_a_company_s_name_and_address_are_nobody_s_secret_but_whom_to_ask_for_is(full: Desk) -> None:
    company = next(one.customer for one in everybody() if one.customer.kind is not CustomerKind.RESIDENTIAL)
    card = full.card(customer=company.id)
    assert (card.name, card.address) == (company.name, company.address)
    assert card.contact_name != company.contact_name


def test_the_last_contacts_are_shown_of_the_customer_and_of_the_number_each_once(desk: Desk) -> None:
    def contact(n: int, **who: str) -> Put:
        return Put(
            CONTACTS,
            PastContact(
                contact=ContactId(f"0020-7f3a9c21-{n:06x}"),
                city=GUANGZHOU,
                channel="voice",
                door="10000",
                began_at=1_770_000_000.0 + n,
                ended_at=1_770_000_100.0 + n,
                ending=Ending.COMPLETED,
                **who,  # type: ignore[arg-type]  # texts, all of them
            ),
        )

    known = {"customer": CUSTOMER.id, "customer_city": GUANGZHOU}
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE), *(contact(n, **known) for n in range(12)))
    desk.put(contact(20, calling=LINE.number), contact(21, calling=LINE.number, **known), contact(22, calling="110"))
    times = [one.began_at - 1_770_000_000.0 for one in desk.card(line=LINE.number).contacts]
    assert times == [21.0, 20.0, *(float(n) for n in range(11, 3, -1))]
    assert [one.began_at - 1_770_000_000.0 for one in desk.card(customer=CUSTOMER.id).contacts][:2] == [21.0, 11.0]


# ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_customer_is_found_by_whatever_it_says_of_itself(full: Desk) -> None:
    for one in everybody()[:40]:
        customer = one.customer
        numbers = [*(line.number for line in one.lines), *customer.contact_numbers]
        assert customer.document is not None
        for text in (*numbers, customer.id, customer.document.number, customer.document.number.lower()):
            assert full.found(text) == {customer.id}, text
        assert customer.id in full.found(customer.name)
        assert customer.id in full.found(customer.name[:4])


def test_a_number_is_found_as_people_write_it(desk: Desk) -> None:
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE))
    for text in ("88886666", "8888-6666", "020-88886666", "+86 20 8888 6666", "138 0000 0001", "+8613800000001"):
        assert desk.found(text) == {CUSTOMER.id}, text
    plain = StoredCustomers(desk.store, GUANGZHOU, "020")
    for text in ("88886666", "020 8888-6666", "13800000001"):
        assert [one.customer for one in result(desk.form, plain.find(text)).customers] == [CUSTOMER.id], text


def test_of_many_the_first_are_shown_and_that_there_are_more(desk: Desk) -> None:
    names = [structs.replace(CUSTOMER, id=CustomerId(f"44{n:04d}"), name=f"王{n}") for n in range(MOST_FOUND + 1)]
    desk.put(*(Put(CUSTOMERS, one) for one in names))
    found = desk.find("王")
    assert (len(found.customers), found.more) == (MOST_FOUND, True)
    assert (len(desk.find("王1").customers), desk.find("王1").more) == (11, False)


@pytest.mark.parametrize("text", ["", "   ", "赵", "02012345678", "%", "\x00", "440106198001011235"])
def test_nobody_is_found_by_what_nobody_is(desk: Desk, text: str) -> None:
    desk.put(Put(CUSTOMERS, CUSTOMER), Put(LINES, LINE))
    assert desk.find(text) == FoundCustomers(customers=(), more=False)


def test_a_list_shows_no_whole_document(desk: Desk) -> None:
    desk.put(Put(CUSTOMERS, structs.replace(CUSTOMER, kind=CustomerKind.RESIDENTIAL)))
    [one] = desk.find("13800000001").customers
    assert (one.name, one.document and one.document.number) == ("𠮷**", "440***********1234")


def test_bills_of_more_than_a_page_are_all_counted(desk: Desk) -> None:
    """A customer of 120 lines has more bills in a year than a page holds."""
    bills: list[Bill] = []
    for n in range(120):
        number = f"0208888{n:04d}"
        bills += (
            structs.replace(BILL, line=number, month=f"2025-{month:02d}", due_on=date(2025, month, 28))
            for month in range(1, 13)
        )
    desk.put(Put(CUSTOMERS, CUSTOMER), *(Put(BILLS, bill) for bill in bills))
    assert desk.facts(customer=CUSTOMER.id).arrears_fen == 1440 * BILL.total_fen


# ── one line, and prices ────────────────────────────────────────────────────────────────────────────────────────────
def test_a_line_is_found_as_it_is_keyed_in_and_only_while_it_is_in_use(full: Desk) -> None:
    for one in everybody():
        for line in one.lines:
            if line.service != "install_line":
                continue
            expected = None if line.status is LineStatus.CEASED else line.number
            for typed in (line.number, line.number.removeprefix("020"), f"+86{line.number[1:]}"):
                found = result(full.form, full.customers.line(typed))
                assert (None if found is None else found.number) == expected, typed
    assert result(full.form, full.customers.line("0")) is None
    assert result(full.form, full.customers.line("138")) is None


def test_a_statement_is_that_of_the_line_alone(full: Desk) -> None:
    """Against the bills themselves and the months that payments name."""
    seen = 0
    for one in everybody():
        for line in one.lines:
            statement = result(full.form, full.customers.statement(line, AT))
            bills = {bill.month: bill for bill in one.bills if bill.line == line.number}
            paid = sum(payment.fen for payment in one.payments if payment.line == line.number)
            assert statement.due_fen - statement.credit_fen == sum(bill.total_fen for bill in bills.values()) - paid
            assert statement.overdue_fen <= statement.due_fen
            last = bills[max(bills)] if bills else None
            assert (statement.last is None) == (last is None)
            if last is not None and statement.last is not None:
                assert statement.last == LastBill(last.month, last.total_fen, last.due_on)
            seen += statement.due_fen > 0
    assert seen


def test_a_statement_holds_nothing_of_an_earlier_customer_of_the_number(desk: Desk) -> None:
    before = CustomerId("earlier")
    desk.put(Put(LINES, LINE), Put(BILLS, structs.replace(BILL, customer=before)))
    assert result(desk.form, desk.customers.statement(LINE, AT)) == Statement(0, 0, 0, None)


def test_prices_are_those_of_the_day_and_the_city_in_the_order_asked(desk: Desk) -> None:
    old = TariffItem(service="ddn", code="a", since=date(2020, 1, 1), zh="甲", en="a", fen=100, unit=TariffUnit.MONTH)
    here = structs.replace(old, city=GUANGZHOU, fen=90)
    later = structs.replace(old, since=TODAY + timedelta(1), city=GUANGZHOU, fen=80)
    other = structs.replace(old, code="b", fen=7, unit=TariffUnit.SECOND, per=6)
    elsewhere = structs.replace(old, code="c", city=CityId("shenzhen"))
    desk.put(*(Put(TARIFFS, one) for one in (old, here, later, other, elsewhere)))

    def prices(at: float) -> tuple[Price, ...]:
        return result(desk.form, desk.customers.prices("ddn", ("b", "c", "a", "none"), at))

    b = Price("b", 7, TariffUnit.SECOND, 6)
    assert prices(AT) == (b, Price("a", 90, TariffUnit.MONTH, 1))
    assert prices(midnight(TODAY + timedelta(1))) == (b, Price("a", 80, TariffUnit.MONTH, 1))
