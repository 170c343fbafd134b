"""A copy of what is public: whatever happened at either end, and on the way, rounds make the copy like the original."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from dataset.ids import CityId, NodeId
from dataset.puts import Put
from dataset.records.catalogue import PUBLIC
from dataset.records.directory import DIRECTORY, DirectoryEntry
from federation.core.envelope import AnyMessage, CopyAsked, CopyTold
from federation.core.public_copy import LARGEST_PIECE_BYTES, MOST_COMPARED, told
from federation.node.clock import VirtualClock
from federation.node.public_copies import ANSWER_S, BYTES_PER_S, REST_S, PublicCopies
from federation.node.store_memory import MemoryRecords, MemoryStore
from tests.harness.sample_records import ENTRY

CITY = CityId("guangzhou")
OWNER, HUB = NodeId("guangzhou"), NodeId("hub")
Change = Callable[[AnyMessage], AnyMessage | None]


def entry(at: int, **changed: object) -> DirectoryEntry:
    return replace(ENTRY, number=f"0208{at:07}", **changed)


class Pair:
    """A city that publishes and a hub that copies; ``wire`` says what becomes of a message, None: it is lost."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.original, self.kept = MemoryRecords(), MemoryRecords()
        self.there = MemoryStore(self.original, OWNER, PUBLIC, self.clock)
        self.city = PublicCopies(OWNER, self.there, self.clock, self._to_hub, own=CITY, follows={})
        self.source: NodeId | None = OWNER
        self.said: list[AnyMessage] = []
        self.wire: Change = lambda message: message
        self.start_hub()

    def start_hub(self) -> None:
        self.here = MemoryStore(self.kept, HUB, PUBLIC, self.clock)
        self.hub = PublicCopies(
            HUB, self.here, self.clock, self._to_city, own=None, follows={CITY: lambda: self.source}
        )
        self.hub.start()

    def crash_hub(self) -> None:
        self.here.crash()
        self.hub.stop()

    def put(self, *entries: DirectoryEntry) -> None:
        for at in range(0, len(entries), 500):
            self.there.put([Put(DIRECTORY, one) for one in entries[at : at + 500]])
        self.clock.advance(0.1)

    def pass_s(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def entries(self, store: MemoryStore) -> dict[str, DirectoryEntry]:
        """Listed ones, without their revisions."""
        found: dict[str, DirectoryEntry] = {}
        for at in range(100):
            got: list[object] = []
            page = store.page(DIRECTORY, (CITY, f"{at:02}"), index="by_slice", limit=1_000)
            page.addCallback(lambda page: found.update({one.number: replace(one, revision=1) for one in page.records}))
            page.addBoth(got.append)
            self.clock.advance(0.0)
            assert got == [None]
        return found

    def alike(self) -> bool:
        return self.entries(self.here) == self.entries(self.there)

    def _to_city(self, to: NodeId, message: AnyMessage, budget_s: float) -> None:
        assert budget_s == ANSWER_S
        if to != OWNER:
            self.said.append(message)
            return
        self._carry(message, lambda one: self.city.heard(HUB, one) if isinstance(one, CopyAsked) else None)

    def _to_hub(self, to: NodeId, message: AnyMessage, budget_s: float) -> None:
        assert (to, budget_s) == (HUB, ANSWER_S)
        self._carry(message, lambda one: self.hub.heard(OWNER, one) if isinstance(one, CopyTold) else None)

    def _carry(self, message: AnyMessage, arrive: Callable[[AnyMessage], None]) -> None:
        self.said.append(message)
        carried = self.wire(message)
        if carried is not None:
            self.clock.call_later(0.01, arrive, carried)

    def answers(self) -> list[CopyTold]:
        return [one for one in self.said if isinstance(one, CopyTold)]


def test_everything_comes_over_in_small_pieces_at_a_pace() -> None:
    pair = Pair()
    pair.put(*(entry(at) for at in range(3 * MOST_COMPARED)))
    began = pair.clock.monotonic()
    assert pair.clock.run_until(lambda: pair.hub.as_of("directory", CITY) is not None, 600.0)
    assert pair.alike()
    sizes = [sum(map(len, one.records)) for one in pair.answers()]
    assert max(sizes) <= LARGEST_PIECE_BYTES
    assert pair.clock.monotonic() - began >= sum(sizes) / BYTES_PER_S - 1.0


def test_where_nothing_has_changed_a_round_says_little() -> None:
    pair = Pair()
    pair.put(*(entry(at) for at in range(2 * MOST_COMPARED + 1)))
    pair.clock.run_until(lambda: pair.hub.as_of("directory", CITY) is not None, 600.0)
    pair.said.clear()
    pair.pass_s(REST_S + 10.0)
    answers = [one for one in pair.answers() if one.as_of]
    assert (all(one.same for one in answers), sum(len(one.records) for one in answers)) == (True, 0)
    assert len(pair.said) <= 2 * 2 * 4, "three stretches and the tariffs, asked and told"


def test_what_is_added_behind_a_full_stretch_is_found() -> None:
    """The copy ends where a stretch ends, so it does not know that there is more."""
    pair = Pair()
    pair.put(*(entry(100 * at) for at in range(MOST_COMPARED)))
    pair.clock.run_until(lambda: pair.hub.as_of("directory", CITY) is not None, 600.0)
    pair.put(entry(99))
    pair.pass_s(REST_S + 10.0)
    assert pair.alike()


def test_the_copy_is_at_least_as_new_as_it_says() -> None:
    """What was there before that moment is in it."""
    pair = Pair()
    for at in count():
        pair.put(entry(at))
        before = pair.clock.wall()
        pair.pass_s(REST_S + 5.0)
        as_of = pair.hub.as_of("directory", CITY)
        if as_of is not None and as_of >= before:
            assert set(pair.entries(pair.here)) >= {entry(n).number for n in range(at + 1)}
        if at == 5:
            assert as_of is not None
            return


def test_a_round_goes_on_where_a_crash_broke_it_off() -> None:
    pair = Pair()
    pair.put(*(entry(at) for at in range(2 * MOST_COMPARED)))
    pair.pass_s(1.5)
    some = len(pair.entries(pair.here))
    assert 0 < some < 2 * MOST_COMPARED
    pair.crash_hub()
    pair.said.clear()
    pair.start_hub()
    pair.pass_s(0.5)
    first = next(one for one in pair.said if isinstance(one, CopyAsked) and one.table == "directory")
    assert first.since, "not from the beginning"
    pair.pass_s(60.0)
    assert pair.alike()


def test_a_city_that_is_silent_is_asked_again_after_a_rest() -> None:
    pair = Pair()
    pair.put(entry(1))
    pair.wire = lambda message: None
    pair.pass_s(120.0)
    assert pair.hub.as_of("directory", CITY) is None
    assert len(pair.said) <= 6
    pair.wire = lambda message: message
    pair.pass_s(REST_S + ANSWER_S * 2 + 5.0)
    assert pair.alike()


def test_nobody_is_asked_while_the_city_is_not_heard() -> None:
    pair = Pair()
    pair.source = None
    pair.pass_s(300.0)
    assert pair.said == []


def test_a_whole_copy_is_told_on_and_a_half_one_is_not() -> None:
    pair = Pair()
    pair.put(*(entry(at) for at in range(2 * MOST_COMPARED)))
    asked = CopyAsked(question="q", table="directory", city=CITY, since=(), before=(), mark="")
    answers: list[CopyTold] = []
    for _ in range(2):
        pair.said.clear()
        pair.hub.heard(NodeId("foshan"), asked)
        pair.pass_s(0.05)
        answers += (one for one in pair.answers() if one.question == "q")
        pair.clock.run_until(lambda: pair.hub.as_of("directory", CITY) is not None, 600.0)
    assert [(one.as_of, len(one.records) > 0) for one in answers] == [
        (None, False), (pair.hub.as_of("directory", CITY), True),
    ]  # fmt: skip


def test_an_answer_that_is_none_changes_nothing() -> None:
    """Of another city, unlisted, out of its stretch, or no record at all."""
    wrong = (
        replace(entry(7), city=CityId("shenzhen")),
        replace(entry(7), unlisted=True),
        replace(entry(7), deleted=True),
    )
    pair = Pair()
    pair.put(entry(1))
    pair.pass_s(30.0)
    before = pair.entries(pair.here)
    for answer in (*(Raw(told([one])[0]) for one in wrong), Raw(b"7"), Raw(b'{"city": 1}')):

        def lie(message: AnyMessage, answer: Raw = answer) -> AnyMessage:
            return replace(message, same=False, records=(answer,)) if isinstance(message, CopyTold) else message

        pair.wire = lie
        pair.pass_s(REST_S + 5.0)
        assert pair.entries(pair.here) == before


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_happens_they_are_alike_after_two_rounds(data: st.DataObject) -> None:
    """Entries come, change, become unlisted and come back; the copy is spoilt; messages are lost; the hub crashes."""
    pair = Pair()
    revisions: dict[int, int] = {}
    for _ in range(data.draw(st.integers(1, 8))):
        what = data.draw(st.sampled_from(("put", "unlist", "spoil", "lose", "crash", "wait")))
        at = data.draw(st.integers(0, 2))
        if what in ("put", "unlist"):
            revisions[at] = revisions.get(at, 0) + 1
            house = str(data.draw(st.integers(1, 3)))
            pair.put(entry(at, revision=revisions[at], house=house, unlisted=what == "unlist"))
        elif what == "spoil":
            pair.here.put([Put(DIRECTORY, entry(at, revision=data.draw(st.integers(1, 9)), house="spoilt"))])
        elif what == "lose":
            pair.wire = lambda message: None
        elif what == "crash":
            pair.crash_hub()
            pair.start_hub()
        pair.pass_s(data.draw(st.sampled_from((0.05, 0.3, 5.0, REST_S))))
        pair.wire = lambda message: message
    pair.pass_s(2 * (REST_S + ANSWER_S) + 10.0)
    pair.pass_s(REST_S + 10.0)
    assert pair.alike()
