"""Records of every kind: kept as they are, found as they are asked for, refused when they make no sense."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import CityId, CustomerId, LineageId, NodeId, ReceiptId, attachment_id, customer_id, receipt_id
from dataset.keys import Key
from dataset.pages import ALL, Span
from dataset.puts import LARGEST_RECORD, Put, prepare
from dataset.records.article import current
from dataset.records.attachment import ATTACHMENT_PARTS, PART_BYTES, Attachment, content_of, digest, parts_of
from dataset.records.catalogue import EVERY
from dataset.records.customer import CUSTOMERS, Document, DocumentKind
from dataset.records.directory import DIRECTORY
from dataset.records.line import LINES
from dataset.records.money import BILLS, PAYMENTS, Bill, BillItem, Payment, account
from dataset.records.tariff import TARIFFS, tariffs_on
from dataset.tables import Record, Table
from federation.node.clock import VirtualClock
from federation.node.store_memory import MemoryRecords, MemoryStore
from tests.harness.sample_records import (
    ARTICLE,
    BILL,
    CONTACT,
    CUSTOMER,
    ENTRY,
    FAX,
    GZ,
    LINE,
    NUMBER,
    PAYMENT,
    SAMPLES,
    TARIFF,
    WHO,
)

SZ = CityId("shenzhen")


class Shelf:
    """A store of all tables that answers at once."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.store = MemoryStore(MemoryRecords(), NodeId("guangzhou"), EVERY, self.clock)

    def put(self, *puts: Put) -> None:
        done: list[Any] = []
        self.store.put(puts).addBoth(done.append)
        self.clock.advance(1.0)
        assert not isinstance(done[0], Exception), done

    def page(self, table: Table[Any], partition: Key, index: str | None, span: Span = ALL) -> list[Record]:
        got: list[Any] = []
        self.store.page(table, partition, span, index=index).addCallback(got.append)
        return list(got[0].records)

    def get(self, table: Table[Any], key: Key) -> Record | None:
        got: list[Any] = []
        self.store.get(table, key).addCallback(got.append)
        found: Record | None = got[0]
        return found


def refusals(put: Put) -> list[tuple[str, str]]:
    """Slug and field of everything that is wrong; both languages are there."""
    with pytest.raises(Refused) as refused:
        prepare(put)
    assert all(one.zh and one.en and one.zh != one.en for one in refused.value.problems)
    return [(one.slug, one.place.rpartition(" ")[2]) for one in refused.value.problems]


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_there_is_a_sample_of_every_table() -> None:
    assert {put.table.name for put in SAMPLES} == {table.name for table in EVERY}
    assert len({table.name for table in EVERY}) == len(EVERY)


@pytest.mark.parametrize("put", SAMPLES, ids=lambda put: put.table.name)
def test_record_is_kept_and_found_in_each_of_its_orders(put: Put) -> None:
    """What was put is what is read, by key and by every index that is declared for it."""
    shelf = Shelf()
    shelf.put(put)
    key = put.table.key_of(put.record)
    assert shelf.get(put.table, key) == put.record
    for index in put.table.indexes:
        values = [getattr(put.record, name) for name in index.partition]
        partition = tuple(value[0] if isinstance(value, tuple) else value for value in values)
        if None not in partition:  # else it stands in no part of that index
            assert put.record in shelf.page(put.table, partition, index.name), index.name


def test_ids_of_one_kind_have_one_length() -> None:
    for issue in (customer_id, receipt_id, attachment_id):
        ids = {issue(area, LineageId("7f3a9c21"), n) for area in ("020", "0755") for n in (1, 0xFFFFFF)}
        assert len(ids) == 4
        assert len({len(one) for one in ids}) == 1


# ── customers, lines, numbers ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("number", "masked"),
    [("440106198001011234", "440***********1234"), ("E12345678", "E******78"), ("12345", "*****"), ("1", "*")],
)
def test_masked_document_is_enough_to_compare_and_not_to_use(number: str, masked: str) -> None:
    """I10: what is shown without a reason."""
    assert Document(kind=DocumentKind.PASSPORT, number=number).masked == masked


def test_customer_is_found_by_any_of_its_numbers_and_by_the_beginning_of_its_name() -> None:
    shelf = Shelf()
    other = replace(CUSTOMER, id=CustomerId("2"), name="𠮷野", document=None, contact_numbers=("13800000001",))
    shelf.put(Put(CUSTOMERS, CUSTOMER), Put(CUSTOMERS, other))
    assert shelf.page(CUSTOMERS, (GZ, "13800000001"), "by_contact_number") == [other, CUSTOMER]
    assert shelf.page(CUSTOMERS, (GZ, NUMBER), "by_contact_number") == [CUSTOMER]
    assert shelf.page(CUSTOMERS, (GZ, "𠮷"), "by_name", Span(begins="𠮷田")) == [CUSTOMER]
    assert shelf.page(CUSTOMERS, (GZ, "440106198001011234"), "by_document") == [CUSTOMER]


def test_wrong_fields_are_named_with_the_accepted_form() -> None:
    """All at once, each in both languages."""
    bad = replace(LINE, number="8888-6666", service="Fixed Line", features=("caller_id", "?"))
    assert refusals(Put(LINES, bad)) == [
        ("record-form", "number"),
        ("record-form", "service"),
        ("record-form", "features"),
    ]
    with pytest.raises(Refused) as refused:
        prepare(Put(LINES, replace(LINE, status="gone")))
    assert "ordered | active | suspended | ceased" in refused.value.problems[0].en
    assert refusals(Put(LINES, replace(LINE, ceased_on=date(1990, 1, 1)))) == [("line-days", "ceased_on")]
    assert refusals(Put(LINES, replace(LINE, number=NUMBER + "\n"))) == [("record-form", "number")]


def test_where_to_call_back_may_be_abroad_or_behind_an_exchange() -> None:
    """Canonical texts of the number plan; a line of the operator is a number of its own."""
    far = replace(CUSTOMER, contact_numbers=("+85223456789", "075526123456-8001"))
    assert prepare(Put(CUSTOMERS, far)).revision == 1
    bad = replace(CUSTOMER, contact_numbers=("+", "0755 2612 3456"))
    assert refusals(Put(CUSTOMERS, bad)) == [("record-form", "contact_numbers")]
    assert refusals(Put(LINES, replace(LINE, number="+85223456789"))) == [("record-form", "number")]


# ── 114 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_directory_answers_by_name_initials_address_and_trade() -> None:
    shelf = Shelf()
    second = replace(
        ENTRY, number="02011112222", name="天河书店", aliases=(), initials=("thsd",), category="shop", house="99"
    )
    shelf.put(Put(DIRECTORY, ENTRY), Put(DIRECTORY, second))
    assert shelf.page(DIRECTORY, (GZ, "天"), "by_name", Span(begins="天河")) == [second, ENTRY]
    assert shelf.page(DIRECTORY, (GZ, "单"), "by_name", Span(begins="单县𠮷")) == [ENTRY]
    assert shelf.page(DIRECTORY, (GZ, "s"), "by_initials", Span(begins="sx")) == [ENTRY]
    assert shelf.page(DIRECTORY, (GZ, "d"), "by_initials", Span(begins="dxj")) == [ENTRY]
    assert shelf.page(DIRECTORY, (GZ, "天河"), "by_address", Span(prefix=("体育西路",))) == [ENTRY, second]
    assert shelf.page(DIRECTORY, (GZ, "天河"), "by_address", Span(prefix=("体育西路", "99"))) == [second]
    assert shelf.page(DIRECTORY, (GZ, "shop"), "by_category", Span(prefix=("天河",))) == [second]


def test_unlisted_number_is_kept_and_found_by_nothing_but_itself() -> None:
    shelf = Shelf()
    hidden = replace(ENTRY, revision=2, unlisted=True)
    shelf.put(Put(DIRECTORY, ENTRY), Put(DIRECTORY, hidden))
    assert shelf.get(DIRECTORY, (GZ, NUMBER)) == hidden
    for partition, index in (((GZ, "单"), "by_name"), ((GZ, "s"), "by_initials"), ((GZ, "天河"), "by_address")):
        assert shelf.page(DIRECTORY, partition, index) == []


# ── tariffs ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_tariff_is_that_of_the_day_and_of_the_city() -> None:
    """A new price is a row of its own; both prices can be asked for, before and after."""
    dearer = replace(TARIFF, since=date(2026, 7, 1), fen=30)
    cheap = replace(TARIFF, city=SZ, fen=10, until=date(2026, 3, 31))
    ended = replace(TARIFF, code="telegram", until=date(2026, 1, 31))
    items = [dearer, cheap, TARIFF, ended]
    for shown in (items, items[::-1]):
        for day, city, fen in (
            (date(2026, 1, 1), GZ, 22),
            (date(2026, 6, 30), GZ, 22),
            (date(2026, 7, 1), GZ, 30),
            (date(2026, 3, 31), SZ, 10),
            (date(2026, 4, 1), SZ, 22),
        ):
            assert tariffs_on(shown, day, city)["local_call"].fen == fen
        assert "telegram" in tariffs_on(shown, date(2026, 1, 31), GZ)
        assert "telegram" not in tariffs_on(shown, date(2026, 2, 1), GZ)
        assert tariffs_on(shown, date(2025, 12, 31), GZ) == {}
    assert refusals(Put(TARIFFS, replace(TARIFF, until=date(2025, 1, 1)))) == [("tariff-days", "until")]
    assert refusals(Put(TARIFFS, replace(TARIFF, fen=-1))) == [("record-form", "fen")]


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_bill_that_does_not_add_up_is_not_kept() -> None:
    """I4: to the cent."""
    assert refusals(Put(BILLS, replace(BILL, total_fen=2201))) == [("bill-sum", "total_fen")]
    assert refusals(Put(BILLS, replace(BILL, month="2026-13"))) == [("record-form", "month")]
    assert refusals(Put(PAYMENTS, replace(PAYMENT, fen=-1))) == [("record-form", "fen")]
    assert refusals(Put(PAYMENTS, replace(PAYMENT, fen=22.0))) == [("record-form", "fen")]


def test_open_bills_of_a_customer_are_found_until_they_are_settled() -> None:
    shelf = Shelf()
    other = replace(BILL, line="02011112222", due_on=date(2026, 1, 31))
    shelf.put(Put(BILLS, BILL), Put(BILLS, other))
    assert shelf.page(BILLS, (GZ, WHO), "open_by_customer") == [other, BILL]
    shelf.put(Put(BILLS, replace(BILL, revision=2, settled_on=date(2026, 2, 1))))
    assert shelf.page(BILLS, (GZ, WHO), "open_by_customer") == [other]
    assert len(shelf.page(BILLS, (GZ, WHO), "by_customer")) == 2


def bill(month: int, fen: int) -> Bill:
    items = (BillItem(code="all", zh="合计", en="All", fen=fen),)
    name = f"2026-{month:02}"
    return replace(BILL, month=name, items=items, total_fen=fen, due_on=date(2026, month, 28))


def paid(n: int, fen: int, *months: int) -> Payment:
    return replace(
        PAYMENT, receipt=ReceiptId(f"p{n}"), fen=fen, at=float(n), months=tuple(f"2026-{m:02}" for m in months)
    )


def test_payment_goes_to_the_bills_it_names_and_then_to_the_oldest() -> None:
    bills = [bill(1, 1_000), bill(2, 2_000), bill(3, 500)]
    found = account(bills, [paid(1, 600, 2)], date(2026, 3, 1))
    assert found.open_fen == {"2026-01": 1_000, "2026-02": 1_400, "2026-03": 500}
    assert found.overdue_fen == 2_400
    found = account(bills, [paid(1, 600, 2), paid(2, 2_500)], date(2026, 2, 28))
    assert found.open_fen == {"2026-03": 400}
    assert (found.overdue_fen, found.credit_fen) == (0, 0)
    assert account(bills, [paid(1, 4_000)], date(2026, 9, 1)).credit_fen == 500
    assert account([bill(1, -300), bill(2, 200)], [], date(2026, 9, 1)).credit_fen == 100


MONTHS = st.integers(1, 12)


@given(
    st.lists(st.tuples(MONTHS, st.integers(-5_000, 5_000)), max_size=6, unique_by=lambda one: one[0]),
    st.lists(st.tuples(st.integers(0, 9_000), st.lists(MONTHS, max_size=2)), max_size=5),
    st.randoms(),
)
def test_no_fen_is_lost_or_made(
    bills: list[tuple[int, int]], payments: list[tuple[int, list[int]]], random: Any
) -> None:
    """I4: billed less paid is open less credit, whatever the order in which records are read."""
    given_bills = [bill(*one) for one in bills]
    given_payments = [paid(n, fen, *months) for n, (fen, months) in enumerate(payments)]
    today = date(2026, 6, 15)
    found = account(given_bills, given_payments, today)
    owed = sum(fen for _, fen in bills) - sum(fen for fen, _ in payments)
    assert sum(found.open_fen.values()) - found.credit_fen == owed
    assert all(fen > 0 for fen in found.open_fen.values())
    assert not (found.open_fen and found.credit_fen)
    assert 0 <= found.overdue_fen <= sum(found.open_fen.values())
    random.shuffle(given_bills)
    random.shuffle(given_payments)
    assert account(given_bills, given_payments, today) == found


# ── attachments ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES - 1])
def test_content_of_any_size_comes_back_whole(size: int) -> None:
    content = bytes(n * 7 % 256 for n in range(min(size, 2_000))) * (size // 2_000 + 1)
    content = content[:size]
    about = Attachment(
        id=FAX,
        city=GZ,
        kind="fax",
        name="x",
        media_type="image/tiff",
        size=size,
        sha256=digest(content),
        parts=0,
        at=0.0,
    )
    parts = parts_of(FAX, content)
    assert content_of(about, parts[::-1]) == content
    for part in parts:
        assert len(prepare(Put(ATTACHMENT_PARTS, part)).data) <= LARGEST_RECORD
    if parts:
        for wrong in (parts[:-1], [replace(parts[0], content=b"?" + parts[0].content[1:]), *parts[1:]]):
            with pytest.raises(Refused, match="attachment-damaged"):
                content_of(about, wrong)


# ── knowledge ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_article_shown_is_the_latest_version_that_holds() -> None:
    draft = replace(ARTICLE, version=4, published=False)
    later = replace(ARTICLE, version=3, valid_from=date(2026, 6, 1))
    old = replace(ARTICLE, version=1)
    versions = [draft, old, later, ARTICLE]
    assert current(versions, date(2026, 5, 31)) == ARTICLE
    assert current(versions, date(2026, 6, 1)) == later
    assert current(versions, date(2027, 1, 1)) is None
    assert current([replace(ARTICLE, deleted=True)], date(2026, 5, 1)) is None


def test_article_says_first_what_is_different_here() -> None:
    assert ARTICLE.body("zh", GZ) == "广州免手续费。\n\n请带身份证。"
    assert ARTICLE.body("en", GZ) == "广州免手续费。\n\nBring a document of identity."
    assert ARTICLE.body("en", SZ) == "Bring a document of identity."
    assert replace(ARTICLE, en_title="", en_body="").title("en") == "装机须知"
    assert replace(ARTICLE, en_body="").body("en") == "请带身份证。"


def test_nothing_is_published_unapproved_or_for_no_day() -> None:
    table = next(table for table in EVERY if table.name == "articles")
    bad = replace(ARTICLE, approved_by="", expires_on=date(2025, 1, 1))
    assert refusals(Put(table, bad)) == [("article-days", "expires_on"), ("article-unapproved", "approved_by")]


def test_day_of_a_contact_is_that_of_china() -> None:
    contact = next(put.record for put in SAMPLES if put.table.name == "contacts")
    shelf = Shelf()
    table = next(table for table in EVERY if table.name == "contacts")
    late = replace(contact, contact=CONTACT, began_at=1_767_197_000.0)  # 2025-12-31 16:03 UTC
    shelf.put(Put(table, late))
    assert shelf.page(table, (GZ, "2026-01-01"), "by_day") == [late]
