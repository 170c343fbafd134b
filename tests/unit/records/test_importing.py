"""Rows as records by a mapping that is data: what is wrong with either is said where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.importing import Binding, parse_mapping
from dataset.number_plan import parse_plan
from dataset.records.catalogue import EVERY
from dataset.records.customer import Customer, DocumentKind
from dataset.records.directory import DirectoryEntry, spelled
from dataset.records.money import Bill

TABLES = {table.name: table for table in EVERY}
CONF = Path(__file__).resolve().parents[3] / "conf" / "number_plan.toml"
PLAN = parse_plan(CONF.read_bytes(), CONF.name)

DIRECTORY = """
table = "directory"
home = "020"
[constants]
city = "guangzhou"
[[column]]
name = "电话"
field = "number"
as = "number"
required = true
[[column]]
name = "名称"
field = "name"
[[column]]
name = "别名"
field = "aliases"
separator = "、"
[[column]]
name = "行业"
field = "category"
values = { "餐饮" = "restaurant", "医院" = "hospital" }
[[column]]
name = "保密"
field = "unlisted"
as = "yes_no"
"""
CUSTOMERS = """
table = "customers"
[constants]
city = "guangzhou"
[[column]]
name = "客户号"
field = "id"
[[column]]
name = "姓名"
field = "name"
[[column]]
name = "身份证"
field = "document.number"
with = { kind = "resident_id" }
"""
BILLS = """
table = "bills"
[constants]
city = "guangzhou"
[[column]]
name = "号码"
field = "line"
[[column]]
name = "客户"
field = "customer"
[[column]]
name = "账期"
field = "month"
as = "month"
[[column]]
name = "月租"
field = "items.fen"
as = "yuan"
with = { code = "monthly_rent", zh = "月租费", en = "Monthly rent" }
[[column]]
name = "通话"
field = "items.fen"
as = "yuan"
with = { code = "calls", zh = "通话费", en = "Calls" }
[[column]]
name = "合计"
field = "total_fen"
as = "yuan"
[[column]]
name = "缴费期限"
field = "due_on"
as = "day"
"""


def bound(text: str, header: str) -> Binding:
    mapping = parse_mapping(text.encode(), "m.toml", TABLES, PLAN, {"directory": spelled})
    return mapping.bind(header.split(","), "x.csv")


def wrong(binding: Binding, row: str) -> list[tuple[str, str]]:
    """Slug and column of everything that is wrong."""
    with pytest.raises(Refused) as refused:
        binding.record(row.split(","), 1)
    assert all(one.zh and one.en for one in refused.value.problems)
    return [(one.slug, one.place) for one in refused.value.problems]


def test_row_of_a_directory_becomes_an_entry_with_its_spelling() -> None:
    """Numbers as people write them, several names in a cell, rare characters, columns in any order and more of them."""
    binding = bound(DIRECTORY, "名称,备注,电话,别名,行业,保密")
    entry = binding.record(["𠮷野家 ", "-", "8888 6666", "天河分店、 广州分店、", "餐饮", "否"], 7)
    assert isinstance(entry, DirectoryEntry)
    assert (entry.number, entry.name, entry.category, entry.revision) == ("02088886666", "𠮷野家", "restaurant", 7)
    assert entry.aliases == ("天河分店", "广州分店")
    assert "gzfd" in entry.initials
    person = binding.record(["单雄信", "", "020-88886667", "", "", "是"], 1)
    assert isinstance(person, DirectoryEntry)
    assert (person.pinyin, person.initials, person.unlisted) == ("shanxiongxin", ("sxx",), True)


def test_parts_and_lists_of_parts_are_filled() -> None:
    customer = bound(CUSTOMERS, "客户号,姓名,身份证").record(["1", "王芳", "440106198001011234"], 1)
    assert isinstance(customer, Customer)
    assert customer.document is not None
    assert customer.document.kind is DocumentKind.RESIDENT_ID
    none = bound(CUSTOMERS, "客户号,姓名,身份证").record(["1", "王芳", ""], 1)
    assert isinstance(none, Customer)
    assert none.document is None
    bill = bound(BILLS, "号码,客户,账期,月租,通话,合计,缴费期限").record(
        ["02088886666", "1", "202601", "25", "0.30", "¥25.30", "2026年2月20日"], 1
    )
    assert isinstance(bill, Bill)
    assert [(item.code, item.fen) for item in bill.items] == [("monthly_rent", 2500), ("calls", 30)]
    assert (bill.total_fen, bill.month) == (2530, "2026-01")


def test_wrong_rows_say_every_column_that_is_wrong() -> None:
    binding = bound(DIRECTORY, "电话,名称,别名,行业,保密")
    assert wrong(binding, ",X,,,") == [("import-value", "电话")]
    assert wrong(binding, "88886666,X,,超市,也许") == [("import-value", "行业"), ("import-value", "保密")]
    (place,) = {place for _, place in wrong(binding, "88,X,,,")}
    assert place == "电话"
    assert wrong(binding, "88886666,,,,") == [("import-value", "名称")]
    assert wrong(binding, "88886666,X") == [("import-cells", "")]
    assert wrong(binding, "88886666,X,,,,more") == [("import-cells", "")]
    bills = bound(BILLS, "号码,客户,账期,月租,通话,合计,缴费期限")
    assert wrong(bills, "02088886666,1,202601,25,0.30,25.31,20260220") == [("bill-sum", "合计")]
    assert wrong(bills, "8888-6666,1,202613,x,,25,20260230") == [
        ("import-value", "账期"),
        ("import-value", "月租"),
        ("import-value", "缴费期限"),
    ]
    assert wrong(bills, "8888-6666,1,202601,25,,25,20260220") == [("import-value", "号码")]


def test_column_that_is_not_there_or_twice_is_named() -> None:
    with pytest.raises(Refused) as refused:
        bound(CUSTOMERS, "客户号,姓 名,身份证,身份证")
    assert [(one.slug, one.place) for one in refused.value.problems] == [("import-column", "x.csv:1")] * 2
    assert "姓 名" in refused.value.problems[0].zh


@pytest.mark.parametrize(
    ("old", "new", "slug", "line"),
    [
        ('table = "customers"', 'table = "customer"', "import-table", 2),
        ('field = "name"', 'field = "nmae"', "import-field", 10),
        ('field = "document.number"', 'field = "document.no"', "import-field", 13),
        ('field = "document.number"', 'field = "document"', "import-field", 13),
        ('field = "name"', 'field = "name.first"', "import-field", 10),
        ('field = "name"', 'field = "contact_numbers"', "import-separator", 8),
        ('city = "guangzhou"', 'town = "guangzhou"', "import-field", 4),
        ('field = "name"', 'field = "name"\nas = "euro"', "setting-form", 11),
        ('field = "name"', 'field = "address"', "import-field", 0),
    ],
)
def test_wrong_mapping_is_refused_by_line(old: str, new: str, slug: str, line: int) -> None:
    text = CUSTOMERS.replace(old, new)
    assert text != CUSTOMERS
    with pytest.raises(Refused) as refused:
        parse_mapping(text.encode(), "m.toml", TABLES)
    assert (refused.value.problems[0].slug, refused.value.problems[0].place) == (
        slug,
        f"m.toml:{line}" if line else "m.toml",
    )


def test_numbers_are_read_by_a_plan_or_not_at_all() -> None:
    with pytest.raises(Refused) as refused:
        parse_mapping(DIRECTORY.encode(), "m.toml", TABLES)
    assert [one.slug for one in refused.value.problems] == ["import-plan"]
