"""Every operation that shows a customer's data leaves a row; whoever adds an operation says here whether it is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from msgspec import inspect
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import HUB, CustomerId, NodeId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer, Document, DocumentKind
from dataset.records.directory import DIRECTORY, DirectoryEntry
from dataset.records.line import LINES, Line
from dataset.rows import DataViewed
from tests.harness.roles import actor, decided
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.test_views_on_record import Watched
from tests.province.three_cities import FOSHAN, GUANGZHOU
from tests.province.working_province import LINE

WHO = CustomerId("440001")
DOCUMENT = "440106199001011234"
PERSONAL = {
    *("calling", "line", "lines", "customer", "customers", "number", "contact_numbers", "values", "document"),
    *("bills", "due_fen", "address", "rows"),
}
"""names of fields of answers that hold something of a customer"""


class Asked(NamedTuple):
    """An operation that shows a customer's data, as this page asks it. ``{item}``, ``{contact}``: what there is."""

    fields: dict[str, Any]
    role: str = "supervisor"


ON_RECORD: dict[tuple[str, str], Asked] = {
    ("city", "work_attachment"): Asked({"attachment": "{attachment}", "reason": "复核"}),
    ("city", "work_attachments"): Asked({"item": "{item}"}),
    ("city", "card"): Asked({"line": LINE}),
    ("city", "customers"): Asked({"text": LINE}),
    ("city", "directory"): Asked({"text": LINE}),
    ("city", "line_test"): Asked({"line": LINE}),
    ("city", "progress"): Asked({"line": LINE}),
    ("city", "repeats"): Asked({"line": LINE}),
    ("city", "statement"): Asked({"line": LINE, "reason": "帐单有误"}),
    ("city", "work_item"): Asked({"item": "{item}"}),
    ("city", "work_items"): Asked({"line": LINE}),
    ("other", "card"): Asked({"line": LINE}),
    ("other", "customers"): Asked({"text": LINE}),
    ("other", "directory"): Asked({"text": LINE}),
    ("other", "line_test"): Asked({"line": LINE}),
    ("other", "progress"): Asked({"line": LINE}),
    ("other", "progress_here"): Asked({"document": DOCUMENT}),
    ("other", "repeats"): Asked({"line": LINE}),
    ("other", "repeats_here"): Asked({"document": DOCUMENT}),
    ("other", "statement"): Asked({"line": LINE, "reason": "帐单有误"}),
    ("other", "work_attachment"): Asked({"attachment": "{attachment}", "reason": "复核"}),
    ("other", "work_attachments"): Asked({"item": "{item}"}),
    ("other", "work_item"): Asked({"item": "{item}", "owning": GUANGZHOU}),
    ("other", "work_items"): Asked({"line": LINE}),
    ("hub", "contact"): Asked({"contact": "{contact}"}, "province"),
    ("hub", "contacts"): Asked({}, "province"),
}
MASKED_WHILE_LIVE = {("city", "city"), ("hub", "province"), ("city", "work_call_back")}
"""pictures of this moment, renewed all the time: of contacts that go on, numbers masked"""
TO_THE_CALLER = {("other", "self_service")}
"""told to whoever keys in a PIN, whom no role is; ``identity_checked`` of the city that asks says so"""
PUBLIC = {("city", "service"), ("city", "services"), ("city", "targets"), ("hub", "parked"), ("hub", "services_report")}
"""words of the province about itself, and numbers of rows, whose names a customer's data has too"""
NOT_OF_CUSTOMERS = {
    *(("city", name) for name in ("answer", "disposition", "finish", "hang_up", "hold", "note", "not_ready", "ready")),
    *(("city", name) for name in ("retrieve", "transfer", "logout", "password", "ping", "identity_checked")),
    ("city", "identity_of"),
    *(("city", name) for name in ("article", "article_search", "article_vote", "articles", "articles_expiring")),
    *(("city", name) for name in ("articles_judged", "knowledge_missing")),
    *(("city", f"mass_fault{name}") for name in ("s", "_clear", "_confirm", "_declare", "_reject")),
    *(("city", f"work_{name}") for name in ("act", "called_back", "give_back", "hand_over", "note", "open", "park")),
    *(("city", f"work_{name}") for name in ("attach", "press", "request", "take")),
    ("city", "versions"),
    ("other", "mass_faults"),
    ("city", "tariffs"),
    ("other", "tariffs"),
    *(("hub", name) for name in ("day", "declare_lost", "intervals", "logout", "password", "ping")),
    *(("hub", name) for name in ("knowledge_report", "settle", "settlement")),
}


class Scene:
    """A customer of 广州 in the directory, with a fault report; a call that the hub knows of."""

    def __init__(self) -> None:
        self.province = province = Watched(with_records=True)
        records = province.sites[GUANGZHOU].records
        assert records is not None
        document = Document(kind=DocumentKind.RESIDENT_ID, number=DOCUMENT)
        puts = [
            Put(CUSTOMERS, Customer(city=GUANGZHOU, id=WHO, name="陈志强", document=document)),
            Put(LINES, Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line")),
            Put(DIRECTORY, DirectoryEntry(city=GUANGZHOU, number=LINE, name="陈志强")),
        ]
        province.result(records.put(puts).addCallback(lambda _: {}))
        self.seat = province.seat_of(GUANGZHOU)
        self.contact = self.seat.take_call(GUANGZHOU)
        values = form_for(catalogue().services["fault"], now=province.time.wall()) | {"line": LINE}
        self.item = self.seat.ask("work_open", service="fault", values=values, customer=WHO)["item"]
        text = {"name": "a.txt", "media_type": "text/plain", "content": "YQ=="}
        self.attachment = self.seat.ask("work_attach", item=self.item, **text)["attachment"]["attachment"]
        self.seat.ask("work_act", item=self.item, action="withdraw", note="用户撤回")
        self.seat.ask("work_open", service="fault", values=values, customer=WHO, again_of=self.item)
        province.pass_s(3.0)

    def ask(self, door: str, operation: str, asked: Asked, *, role: str = "") -> list[DataViewed]:
        """Ask it in the first role that may; the rows that it left."""
        known = {"{item}": self.item, "{contact}": self.contact, "{attachment}": self.attachment}
        fields = {name: known.get(value, value) for name, value in asked.fields.items()}
        assert self.province.hub is not None
        city = self.province.sites[GUANGZHOU]
        table, node = {
            "city": (city.desk.door.table, GUANGZHOU),
            "other": (city.running.lookups.table, FOSHAN),
            "hub": (self.province.hub.door.table, HUB),
        }[door]
        before = len(self.rows(door))
        call = table.call(actor(role or asked.role, NodeId(node)), operation, fields)
        try:
            self.province.result(Deferred.fromCoroutine(call), within_s=30.0)
        finally:
            self.province.pass_s(0.2)
        return self.rows(door)[before:]

    def rows(self, door: str) -> list[DataViewed]:
        written = self.province.written(HUB if door == "hub" else GUANGZHOU)
        return [one.row for one in written if isinstance(one.row, DataViewed)]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def test_every_operation_is_said_to_show_a_customers_data_or_not_to() -> None:
    said = [*ON_RECORD, *MASKED_WHILE_LIVE, *TO_THE_CALLER, *PUBLIC, *NOT_OF_CUSTOMERS]
    assert len(said) == len(set(said)), "one of them twice"
    assert {(one.door, one.operation) for one in decided()} == set(said)


@pytest.mark.parametrize(("door", "operation"), sorted(NOT_OF_CUSTOMERS))
def test_what_shows_no_customers_data_has_no_field_for_any(scene: Scene, door: str, operation: str) -> None:
    assert answer_names(scene, door, operation) & PERSONAL == set()


@pytest.mark.parametrize(("door", "operation"), sorted(ON_RECORD))
def test_what_shows_a_customers_data_leaves_a_row(scene: Scene, door: str, operation: str) -> None:
    """Who, in which role, from where, what was asked; of a list which items, and never the data itself."""
    asked = ON_RECORD[door, operation]
    [found] = scene.ask(door, operation, asked)
    node = {"city": GUANGZHOU, "other": FOSHAN, "hub": HUB}[door]
    assert (found.operation, found.roles, found.city, found.refused) == (operation, (asked.role,), node, "")
    assert found.id
    assert "陈志强" not in str(found)
    if operation in ("work_items", "repeats", "repeats_here"):
        assert scene.item in found.listed
        assert found.customers == (WHO,)
    if door == "hub":
        assert scene.contact in found.listed


@pytest.mark.parametrize(("door", "operation"), [("city", "work_items"), ("city", "work_item"), ("city", "card")])
def test_a_look_that_is_refused_is_on_record(scene: Scene, door: str, operation: str) -> None:
    before = len(scene.rows(door))
    with pytest.raises(Refused):
        scene.ask(door, operation, ON_RECORD[door, operation], role="auditor")
    [found] = scene.rows(door)[before:]
    assert (found.operation, found.refused, found.listed, found.customers) == (operation, "not-your-role", (), ())


def test_a_list_that_a_page_renews_is_one_look_until_it_shows_something_else() -> None:
    """The page asks every 15 s by itself; what it shows anew, asks otherwise, or shows after ten minutes, is a look."""
    scene = Scene()
    waiting = Asked({"waiting": True}, "site_admin")
    assert len(scene.ask("city", "work_items", waiting)) == 1
    assert len(scene.ask("city", "work_items", waiting)) == 0
    assert len(scene.ask("city", "work_items", Asked({"mine": True}, "site_admin"))) == 1
    assert len(scene.ask("city", "work_items", waiting)) == 1
    values = form_for(catalogue().services["fault"], now=scene.province.time.wall()) | {"line": "02081230009"}
    item = scene.seat.ask("work_open", service="fault", values=values)["item"]
    [found] = scene.ask("city", "work_items", waiting)
    assert item in found.listed
    scene.province.pass_s(601.0)
    assert len(scene.ask("city", "work_items", waiting)) == 1


# ── names of fields ─────────────────────────────────────────────────────────────────────────────────────────────────
def answer_names(scene: Scene, door: str, operation: str) -> set[str]:
    assert scene.province.hub is not None
    city = scene.province.sites[GUANGZHOU]
    tables = {"city": city.desk.door.table, "other": city.running.lookups.table, "hub": scene.province.hub.door.table}
    [found] = [one for one in tables[door] if one.name == operation]
    assert found.outcomes is not None
    return set(_names(inspect.type_info(found.outcomes.answer), set()))


def _names(of: inspect.Type, seen: set[object]) -> Iterator[str]:
    """Names of all fields within a type."""
    match of:
        case inspect.StructType(cls=cls, fields=fields):
            if cls not in seen:
                seen.add(cls)
                for field in fields:
                    yield field.encode_name
                    yield from _names(field.type, seen)
        case inspect.ListType(item_type=one) | inspect.VarTupleType(item_type=one):
            yield from _names(one, seen)
        case inspect.DictType(value_type=one):
            yield from _names(one, seen)
        case inspect.UnionType(types=types):
            for one in types:
                yield from _names(one, seen)
        case _:
            pass
