"""One contract for every form of the store: what is answered is kept, whatever the order and however often it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.keys import Key
from dataset.pages import ALL, Span
from dataset.puts import LARGEST_BATCH, LARGEST_RECORD, Cursor, Outcome, Put, Written
from dataset.tables import Index, Record, Table
from federation.ports import Store
from tests.harness.store_forms import (
    ENTRIES,
    EVENTS,
    LONE,
    Entry,
    Event,
    Form,
    Kind,
    Lone,
    MemoryForm,
    SqliteForm,
    a_city,
    outcome,
    result,
)

R = TypeVar("R", bound=Record)
RARE = ("𠮷野家", "䶮", "㐂", "𪚥", "😀", "e\u0301", "\u0000零", "\U0010ffff")
"""CJK extensions A and B, emoji, a combining accent, NUL, the last code point"""
many_examples = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(params=[MemoryForm, SqliteForm])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    form: Form = request.param(tmp_path)
    yield form
    form.close()


@pytest.fixture
def store(form: Form) -> Store:
    return form.open()


def put(form: Form, store: Store, *records: Record, cursor: Cursor | None = None) -> Written:
    tables: dict[type[Record], Table[Any]] = {Entry: ENTRIES, Event: EVENTS, Lone: LONE}
    return result(form, store.put([Put(tables[type(one)], one) for one in records], cursor))


def pages(
    form: Form,
    store: Store,
    table: Table[R],
    partition: Key,
    span: Span = ALL,
    *,
    index: str | None = None,
    limit: int = 100,
) -> list[R]:
    """Everything, page by page; no page but the last is short."""
    found: list[R] = []
    token = None
    while True:
        page = result(form, store.page(table, partition, span, index=index, limit=limit, token=token))
        assert page.unread == 0
        found += page.records
        token = page.token
        if token is None:
            return found
        assert len(page.records) == limit


def slug(form: Form, deferred: Any) -> str:
    """Of the problem that a question was refused with; it has both languages and names its place."""
    refused = outcome(form, deferred)
    assert isinstance(refused, Refused), refused
    (problem,) = refused.problems
    assert problem.zh
    assert problem.en
    assert problem.place
    return problem.slug


# ── records ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_was_put_is_read_and_survives_the_process(form: Form, store: Store) -> None:
    one = Entry(city=a_city(), number="02088886666", owner="c1", names=("张三",), kind=Kind.SHOP, when=17.25, note="新")
    assert put(form, store, one).outcomes == (Outcome.WRITTEN,)
    assert result(form, store.get(ENTRIES, (one.city, one.number))) == one
    result(form, store.stop())
    again = form.open()
    assert result(form, again.get(ENTRIES, (one.city, one.number))) == one
    assert pages(form, again, ENTRIES, (one.city, "c1"), index="by_owner") == [one]


def test_what_was_never_put_is_nothing(form: Form, store: Store) -> None:
    """An empty partition is an empty page without a token; a missing key is None; an unknown work has no cursor."""
    city = a_city()
    page = result(form, store.page(ENTRIES, (city,)))
    assert (page.records, page.token, page.unread) == ((), None, 0)
    assert result(form, store.page(ENTRIES, (city,), index="by_name")).records == ()
    assert result(form, store.get(ENTRIES, (city, "1"))) is None
    assert result(form, store.cursor(f"work {city}")) is None
    assert result(form, store.put([])).outcomes == ()


def test_same_put_twice_changes_nothing(form: Form, store: Store) -> None:
    """Idempotent: whoever does not know whether a put was done puts it again."""
    one = Entry(city=a_city(), number="1", owner="c1", names=("a", "b"))
    put(form, store, one)
    assert put(form, store, one, one).outcomes == (Outcome.UNCHANGED, Outcome.UNCHANGED)
    assert pages(form, store, ENTRIES, (one.city,)) == [one]
    assert pages(form, store, ENTRIES, (one.city,), index="by_name") == [one, one]
    assert store.conflicts_found == 0


def test_higher_revision_stands_and_a_late_older_one_changes_nothing(form: Form, store: Store) -> None:
    first = Entry(city=a_city(), number="1", owner="c1", note="first")
    third = replace(first, revision=3, owner="c2", note="third")
    assert put(form, store, first, third).outcomes == (Outcome.WRITTEN, Outcome.WRITTEN)
    assert put(form, store, replace(first, revision=2, note="late")).outcomes == (Outcome.OLDER,)
    assert result(form, store.get(ENTRIES, (first.city, "1"))) == third
    assert pages(form, store, ENTRIES, (first.city, "c1"), index="by_owner") == []
    assert pages(form, store, ENTRIES, (first.city, "c2"), index="by_owner") == [third]


def test_two_contents_of_one_revision_are_both_kept_and_told(form: Form, store: Store) -> None:
    """Never silently lost: the put says which record it was, and both contents are there until a later one settles."""
    city = a_city()
    ours, theirs = (Entry(city=city, number="1", owner=owner, note="改") for owner in ("c1", "c2"))
    put(form, store, ours)
    written = put(form, store, Entry(city=city, number="0"), theirs)
    assert written.outcomes == (Outcome.WRITTEN, Outcome.CONFLICT)
    assert written.conflicts == (1,)
    assert store.conflicts_found == 1
    stands = result(form, store.get(ENTRIES, (city, "1")))
    (rival,) = [one for one in result(form, store.conflicts(ENTRIES)) if one.city == city]
    assert {one.owner for one in (stands, rival) if one} == {"c1", "c2"}
    settled = replace(ours, revision=2, note="合并")
    put(form, store, settled)
    assert result(form, store.get(ENTRIES, (city, "1"))) == settled
    assert [one for one in result(form, store.conflicts(ENTRIES)) if one.city == city] == []


def test_tombstone_hides_a_record_and_keeps_it_gone(form: Form, store: Store) -> None:
    one = Entry(city=a_city(), number="1", owner="c1", names=("a",))
    gone = replace(one, revision=2, deleted=True)
    put(form, store, one, gone, one)
    key = (one.city, "1")
    assert result(form, store.get(ENTRIES, key)) is None
    assert result(form, store.get(ENTRIES, key, tombstone=True)) == gone
    assert pages(form, store, ENTRIES, (one.city,)) == []
    assert pages(form, store, ENTRIES, (one.city,), index="by_name") == []
    back = replace(one, revision=3)
    put(form, store, back)
    assert pages(form, store, ENTRIES, (one.city,), index="by_name") == [back]


def test_record_without_clustering_key_is_alone(form: Form, store: Store) -> None:
    one = Lone(id=a_city(), note="x")
    put(form, store, one)
    assert result(form, store.get(LONE, (one.id,))) == one
    assert pages(form, store, LONE, (one.id,), limit=1) == [one]


# ── any order ───────────────────────────────────────────────────────────────────────────────────────────────────────
@st.composite
def revisions(draw: st.DrawFn) -> list[Entry]:
    """Some revisions of a few records, among them such as compete, tombstones and repetitions."""
    return draw(
        st.lists(
            st.builds(
                Entry,
                city=st.just("?"),
                number=st.sampled_from(["1", "2"]),
                revision=st.integers(1, 3),
                owner=st.sampled_from([None, "a", "b"]),
                names=st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple),
                hidden=st.booleans(),
                deleted=st.booleans(),
            ),
            min_size=1,
            max_size=8,
        )
    )


def everything(form: Form, store: Store, city: str) -> tuple[object, ...]:
    """All that anybody can see of one city, with the city's name taken out."""
    seen: list[list[Entry]] = [
        pages(form, store, ENTRIES, (city,)),
        pages(form, store, ENTRIES, (city,), index="by_name"),
        *(pages(form, store, ENTRIES, (city, owner), index="by_owner") for owner in ("a", "b")),
        [one for one in result(form, store.conflicts(ENTRIES, limit=10_000)) if one.city == city],
    ]
    kept = [result(form, store.get(ENTRIES, (city, number), tombstone=True)) for number in ("1", "2")]
    return (
        *(tuple(replace(one, city="?") for one in some) for some in seen),
        *(one and replace(one, city="?") for one in kept),
    )


@many_examples
@given(puts=revisions(), data=st.data())
def test_state_is_that_of_the_set_whatever_the_order(form: Form, puts: list[Entry], data: st.DataObject) -> None:
    """The same revisions in another order, in other batches and some twice, leave the same records, index entries and
    conflicts; and what stands is what the rule says.
    """
    store = _shared(form)
    seen = []
    for order in (puts, data.draw(st.permutations([*puts, *puts[:2]]))):
        city = a_city()
        rest = [replace(one, city=city) for one in order]
        while rest:
            size = data.draw(st.integers(1, 4))
            put(form, store, *rest[:size])
            rest = rest[size:]
        seen.append(everything(form, store, city))
    assert seen[0] == seen[1]
    for place, number in ((-2, "1"), (-1, "2")):
        stands = seen[0][place]
        given_ = [one for one in puts if one.number == number]
        if not given_:
            assert stands is None
            continue
        assert isinstance(stands, Entry)
        assert stands in given_
        assert stands.revision == max(one.revision for one in given_)
        rivals = seen[0][-3]
        assert isinstance(rivals, tuple)
        competing = {one for one in given_ if one.revision == stands.revision} - {stands}
        assert {one for one in rivals if one.number == number} == competing


_stores: dict[int, Store] = {}


def _shared(form: Form) -> Store:
    """One store for all examples of a test."""
    if id(form) not in _stores:
        _stores.clear()
        _stores[id(form)] = form.open()
    return _stores[id(form)]


# ── indexes ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_index_follows_its_record(form: Form, store: Store) -> None:
    """A look-up by another field needs no second write, and never shows what the record was before."""
    city = a_city()
    one = Entry(city=city, number="1", owner="c1", names=("旧名", "别名"))
    put(form, store, one, Entry(city=city, number="2", owner="c1", kind=Kind.SHOP), Entry(city=city, number="3"))
    assert [each.number for each in pages(form, store, ENTRIES, (city, "c1"), index="by_owner")] == ["1", "2"]
    moved = replace(one, revision=2, owner="c2", names=("新名", "别名"))
    put(form, store, moved)
    assert [each.number for each in pages(form, store, ENTRIES, (city, "c1"), index="by_owner")] == ["2"]
    assert pages(form, store, ENTRIES, (city, "c2"), index="by_owner") == [moved]
    for name, expected in (("旧名", []), ("新名", [moved]), ("别名", [moved])):
        assert pages(form, store, ENTRIES, (city,), Span(prefix=(name,)), index="by_name") == expected
    hidden = replace(moved, revision=3, hidden=True)
    put(form, store, hidden)
    assert pages(form, store, ENTRIES, (city,), index="by_name") == []
    assert pages(form, store, ENTRIES, (city, "c2"), index="by_owner") == [hidden]


def test_enum_in_a_key_is_its_word(form: Form, store: Store) -> None:
    city = a_city()
    shops = [Entry(city=city, number=str(n), owner="c", kind=Kind.SHOP, when=-n) for n in range(3)]
    put(form, store, *shops, Entry(city=city, number="9", owner="c"))
    found = pages(form, store, ENTRIES, (city, "c"), Span(prefix=("shop",)), index="by_owner")
    assert [one.number for one in found] == ["2", "1", "0"]
    assert pages(form, store, ENTRIES, (city, "c"), Span(prefix=(Kind.SHOP,)), index="by_owner") == found


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_texts_are_ordered_by_code_point_and_rare_characters_kept(form: Form, store: Store) -> None:
    city = a_city()
    entries = [Entry(city=city, number=text, names=(text,), note=text) for text in (*RARE, "", "a", "a\u0000", "ab")]
    put(form, store, *entries)
    in_order = sorted(entries, key=lambda one: [ord(sign) for sign in one.number])
    assert pages(form, store, ENTRIES, (city,), limit=3) == in_order
    assert pages(form, store, ENTRIES, (city,), Span(backwards=True), limit=3) == in_order[::-1]
    for text in RARE:
        assert result(form, store.get(ENTRIES, (city, text))) == Entry(city=city, number=text, names=(text,), note=text)
        starting = Span(begins=text[0])
        assert {one.number for one in pages(form, store, ENTRIES, (city,), starting, index="by_name")} == {
            one.number for one in entries if one.number.startswith(text[0])
        }


VALUES = st.tuples(
    st.sampled_from([-1e300, -2.5, -0.0, 0.0, 1e-300, 1.5, 1_700_000_000.25, 1e300]),
    st.sampled_from([-(1 << 63), -256, -1, 0, 1, 255, 256, (1 << 63) - 1]),
)


@many_examples
@given(keys=st.lists(VALUES, max_size=12), data=st.data())
def test_pages_are_the_stretch_asked_for(form: Form, keys: list[tuple[float, int]], data: st.DataObject) -> None:
    """Held against a list in memory: any limits together, both directions, any size of page."""
    store = _shared(form)
    city = a_city()
    events = [Event(city=city, number="1", when=when, n=n) for when, n in keys]
    put(form, store, *events, Event(city=city, number="2", when=0.0, n=0))
    some = st.one_of(st.just(()), VALUES, VALUES.map(lambda key: key[:1]))
    prefix, since, before = data.draw(some), data.draw(some), data.draw(some)
    backwards, limit = data.draw(st.booleans()), data.draw(st.integers(1, 4))
    found = pages(
        form,
        store,
        EVENTS,
        (city, "1"),
        Span(prefix=prefix, since=since, before=before, backwards=backwards),
        limit=limit,
    )
    expected = sorted(
        key
        for key in {(when + 0.0, n) for when, n in keys}
        if key[: len(prefix)] == prefix and key[: len(since)] >= since and (not before or key[: len(before)] < before)
    )
    assert [(one.when, one.n) for one in found] == (expected[::-1] if backwards else expected)


def test_paging_goes_on_while_others_write(form: Form, store: Store) -> None:
    """What stands from the first page to the last is shown once; records that come and go meanwhile move nothing."""
    city = a_city()
    standing = [Entry(city=city, number=f"{n:03}", names=(f"n{n:03}",)) for n in range(0, 60, 2)]
    put(form, store, *standing)
    for index in (None, "by_name"):
        seen: Counter[str] = Counter()
        token = None
        for turn in range(1, 100):
            page = result(form, store.page(ENTRIES, (city,), index=index, limit=4, token=token))
            seen.update(one.number for one in page.records)
            here = page.records[-1].number
            new = Entry(city=city, number=f"{int(here) + 1:03}", names=(f"n{here}x",), revision=10 * turn)
            put(form, store, new, replace(page.records[0], revision=10 * turn, note="changed"))
            put(form, store, replace(new, revision=10 * turn + 1, deleted=turn % 2 == 0))
            token = page.token
            if token is None:
                break
        assert token is None
        assert {number: seen[number] for number in (one.number for one in standing)} == dict.fromkeys(
            (one.number for one in standing), 1
        )
        assert max(seen.values()) == 1


def test_token_of_another_question_is_refused(form: Form, store: Store) -> None:
    """A page token says where one question goes on; with another question it would show the wrong thing silently."""
    city, other = a_city(), a_city()
    put(form, store, *(Entry(city=where, number=str(n), names=("x",)) for n in range(4) for where in (city, other)))
    put(form, store, *(Event(city=city, number="1", when=1.0, n=n) for n in range(4)))
    page = result(form, store.page(ENTRIES, (city,), limit=2))
    token = page.token
    assert token is not None
    assert [one.number for one in result(form, store.page(ENTRIES, (city,), token=token)).records] == ["2", "3"]
    asked: Sequence[Any] = [
        store.page(EVENTS, (city, "1"), token=token),
        store.page(ENTRIES, (other,), token=token),
        store.page(ENTRIES, (city,), token=token, index="by_name"),
        store.page(ENTRIES, (city,), Span(backwards=True), token=token),
        store.page(ENTRIES, (city,), Span(since=("1",)), token=token),
        *(store.page(ENTRIES, (city,), token=bad) for bad in ("", "?", "第二页", "AAAA", token[:-4], token[4:])),
    ]
    assert [slug(form, one) for one in asked] == ["page-token"] * len(asked)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_size_of_a_page_has_limits(form: Form, store: Store, limit: int) -> None:
    """No question brings a whole city into memory."""
    assert slug(form, store.page(ENTRIES, ("x",), limit=limit)) == "page-size"


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (Entry(city="?", number="1", note="长" * (LARGEST_RECORD // 3 + 1)), "record-too-large"),
        (Entry(city="?", number="1" * 1_001), "key-too-long"),
        (Entry(city="?", number="1", names=("x" * 1_001,)), "key-too-long"),
        (Entry(city="?", number="1", note="\ud800"), "record-form"),
        (Entry(city="?", number="\ud800"), "record-form"),
        (Entry(city="?", number="1", note=5), "record-form"),  # type: ignore[arg-type]
        (Entry(city="?", number="1", note=object()), "record-form"),  # type: ignore[arg-type]
        (Entry(city="?", number=5), "record-form"),  # type: ignore[arg-type]
        (Event(city="?", number="1", when=1.0, n=1 << 63), "key-form"),
        (Event(city="?", number="1", when=float("nan"), n=1), "record-form"),
        (Event(city="?", number="1", when=float("inf"), n=1), "record-form"),
        (Entry(city="?", number="1", revision=0), "record-revision"),
        (Entry(city="?", number="1", revision=1 << 63), "record-revision"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_record_that_cannot_be_kept_is_refused_with_its_batch(
    form: Form, store: Store, bad: Entry | Event, expected: str
) -> None:
    """Nothing of the put is written, and the sentence says which record, and what would be accepted."""
    city = a_city()
    table: Table[Any] = ENTRIES if isinstance(bad, Entry) else EVENTS
    good = Put(ENTRIES, Entry(city=city, number="0"))
    work = Cursor(f"work {city}", "1")
    assert slug(form, store.put([good, Put(table, replace(bad, city=city))], work)) == expected
    assert pages(form, store, ENTRIES, (city,)) == []
    assert result(form, store.cursor(work.name)) is None


def test_largest_record_is_kept(form: Form, store: Store) -> None:
    room = LARGEST_RECORD - 100
    one = Entry(city=a_city(), number="1", note="x" * room)
    put(form, store, one)
    assert result(form, store.get(ENTRIES, (one.city, "1"))) == one


def test_put_of_too_many_records_is_refused(form: Form, store: Store) -> None:
    one = Put(LONE, Lone(id=a_city()))
    assert slug(form, store.put([one] * (LARGEST_BATCH + 1))) == "batch-too-large"
    assert result(form, store.get(LONE, (one.record.id,))) is None  # type: ignore[attr-defined]


def test_questions_that_do_not_fit_the_table_are_refused(form: Form, store: Store) -> None:
    """A key too few, too many, or of another kind is a mistake of the asker, never an empty answer."""
    asked: Sequence[Any] = [
        store.get(ENTRIES, ("x",)),
        store.get(ENTRIES, ("x", "1", "2")),
        store.get(ENTRIES, ("x", 1)),
        store.get(EVENTS, ("x", "1", "now", 1)),
        store.page(ENTRIES, ()),
        store.page(ENTRIES, ("x",), Span(prefix=("1", "2"))),
        store.page(ENTRIES, ("x",), Span(since=(1,))),
        store.page(EVENTS, ("x", "1"), Span(begins="1")),
        store.page(ENTRIES, ("x",), Span(begins="\ud800")),
    ]
    assert [slug(form, one) for one in asked] == ["key-form"] * len(asked)
    foreign = Table("foreign", Lone, ("id",))
    assert slug(form, store.get(foreign, ("1",))) == "table-unknown"
    assert slug(form, store.put([Put(foreign, Lone(id="1"))])) == "table-unknown"
    assert slug(form, store.page(foreign, ("1",))) == "table-unknown"
    assert slug(form, store.conflicts(foreign)) == "table-unknown"


def test_declaration_that_cannot_be_a_key_is_a_mistake_at_once() -> None:
    with pytest.raises(TypeError, match="many values"):
        Table("wrong", Entry, ("city",), ("names",))
    with pytest.raises(KeyError):
        Table("wrong", Entry, ("town",))
    with pytest.raises(KeyError):
        Table("wrong", Entry, ("city",), indexes=(Index("x", ("town",)),))


# ── cursors ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_cursor_says_how_far_a_work_has_come(form: Form, store: Store) -> None:
    work, other = a_city(), a_city()
    put(form, store, Lone(id=work), cursor=Cursor(work, "行 1"))
    put(form, store, cursor=Cursor(other, "7"))
    put(form, store, Lone(id=other), cursor=Cursor(work, "行 2"))
    assert result(form, store.cursor(work)) == "行 2"
    assert result(form, store.cursor(other)) == "7"
    result(form, store.stop())
    assert result(form, form.open().cursor(work)) == "行 2"


def test_no_moment_shows_a_cursor_without_its_records(form: Form, store: Store) -> None:
    """Cursor last: looked at again and again while puts are under way, from outside and in their order."""
    work = a_city()
    done: list[Written] = []

    def look() -> int:
        seen = int(result(form, store.cursor(work)) or 0)
        assert len(pages(form, store, EVENTS, (work, "1"), limit=1_000)) >= 5 * seen
        return seen

    for n in range(1, 41):
        batch = [Put(EVENTS, Event(city=work, number="1", when=float(n), n=k)) for k in range(5)]
        store.put(batch, Cursor(work, str(n))).addCallback(done.append)
        if isinstance(form, MemoryForm):
            form.clock.advance(0.002)
        assert look() <= n
    form.wait(lambda: len(done) == 40)
    assert look() == 40


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_stop_writes_what_was_given_and_then_refuses(form: Form, store: Store) -> None:
    city = a_city()
    given_ = [store.put([Put(ENTRIES, Entry(city=city, number=str(n)))], Cursor(city, str(n))) for n in range(20)]
    stopping = store.stop()
    assert [outcome(form, one).outcomes for one in given_] == [(Outcome.WRITTEN,)] * 20
    result(form, stopping)
    asked: Sequence[Any] = [
        store.put([Put(LONE, Lone(id=city))]),
        store.get(LONE, (city,)),
        store.page(ENTRIES, (city,)),
        store.cursor(city),
        store.conflicts(LONE),
    ]
    assert [slug(form, one) for one in asked] == ["store-stopped"] * len(asked)
    again = form.open()
    assert len(pages(form, again, ENTRIES, (city,))) == 20
    assert result(form, again.cursor(city)) == "19"


# ── the memory form ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_simulated_crash_comes_before_between_and_after(tmp_path: Path) -> None:
    """The simulated store is as honest as the least of the real ones: a crash may leave records without their cursor,
    never a cursor without its records, and nothing that was not committed.
    """
    seen = set()
    for steps in range(1, 14):
        form = MemoryForm(tmp_path)
        store = form.open()
        done: list[Written] = []
        store.put([Put(LONE, Lone(id="1")), Put(LONE, Lone(id="2"))], Cursor("work", "1")).addCallback(done.append)
        form.clock.advance(0.001 * steps)
        store.crash()
        form.clock.advance(1.0)
        again = form.open()
        records = [result(form, again.get(LONE, (one,))) for one in ("1", "2")]
        cursor = result(form, again.cursor("work"))
        assert (records[0] is None) == (records[1] is None)
        assert cursor is None or records[0] is not None
        assert cursor is not None or not done
        seen.add((records[0] is not None, cursor is not None, bool(done)))
    assert seen == {(False, False, False), (True, False, False), (True, True, True)}
