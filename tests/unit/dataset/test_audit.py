"""Whatever is done to a chain of audit rows afterwards shows (I10)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.audit import Chain, Kept, check, linked
from dataset.ids import LineageId
from dataset.rows import ROW_BYTES, ROW_FROM_BYTES, AnyRow, Journalled, LineageOpened, TailMissing
from tests.harness.rows_of_record import viewed

NODE = "guangzhou"
RUNS = [LineageId(f"0000000{run}") for run in range(1, 9)]


class Node:
    """Writes the journal of a city: runs one after another, each of audit rows."""

    def __init__(self) -> None:
        self.rows: list[Kept] = []
        self.head = ""
        self.run: LineageId | None = None
        self.sequence = self.number = 0

    def open(self) -> None:
        before = self.run
        self.run = LineageId(f"{int(before or '0', 16) + 1:08x}")
        self.sequence = self.number = 0
        self.write(LineageOpened(node=NODE, previous=before, previous_head=0, audit=self.head))

    def write(self, row: AnyRow) -> None:
        one = self._next(row)
        self.rows.append(Kept(one.lineage, one.sequence, ROW_BYTES.encode(one)))

    def view(self, reason: str = "") -> None:
        self.number += 1
        one, data, self.head = linked(self._next(viewed(reason=reason)), self.number, self.head)
        self.rows.append(Kept(one.lineage, one.sequence, data))

    def _next(self, row: AnyRow) -> Journalled:
        assert self.run is not None
        self.sequence += 1
        wall = 1_000.0 + len(self.rows)
        return Journalled(node=NODE, lineage=self.run, sequence=self.sequence, wall=wall, mono=0.0, boot="b", row=row)

    @property
    def audit(self) -> list[int]:
        """Places of the audit rows."""
        return [place for place, kept in enumerate(self.rows) if b'"data_viewed"' in kept.data]


def row_of(kept: Kept) -> Any:
    return ROW_FROM_BYTES.decode(kept.data).row


def whys(chain: Chain) -> set[str]:
    return {one.why for one in chain.breaks}


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """Up to four runs, some without any look."""
    node = Node()
    for looks in draw(st.lists(st.lists(st.text(max_size=8), max_size=5), min_size=1, max_size=4)):
        node.open()
        for reason in looks:
            node.view(reason)
    while len(node.audit) < 2:
        node.view()
    return node


@given(nodes(), st.randoms())
def test_a_chain_as_it_was_written_is_whole_in_whatever_order_it_comes(node: Node, order: Any) -> None:
    rows = list(node.rows)
    order.shuffle(rows)
    chain = check(NODE, rows)
    assert (chain.whole, chain.rows, chain.head) == (True, len(node.audit), node.head)


@given(nodes(), st.data())
def test_any_change_of_any_byte_is_found(node: Node, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(node.audit))
    old = node.rows[place].data
    at = data.draw(st.integers(0, len(old) - 1))
    new = bytearray(old)
    new[at] ^= data.draw(st.integers(1, 255))
    node.rows[place] = node.rows[place]._replace(data=bytes(new))
    assert not check(NODE, node.rows).whole


@given(nodes(), st.data())
def test_any_row_that_was_taken_out_is_missed(node: Node, data: st.DataObject) -> None:
    """The very last one is missed by its hash: whoever has it, such as a hub, sees another one."""
    place = data.draw(st.sampled_from(node.audit))
    last = place == node.audit[-1]
    del node.rows[place]
    chain = check(NODE, node.rows)
    assert not chain.whole or (last and chain.head != node.head)


@given(nodes(), st.data())
def test_a_row_that_was_put_in_later_is_found_however_well_it_is_made(node: Node, data: st.DataObject) -> None:
    """Forged with a hash of its own, behind any row, in any place but the end of all."""
    after = data.draw(st.sampled_from(node.audit[:-1]))
    kept = node.rows[after]
    row = row_of(kept)
    one = Journalled(
        node=NODE, lineage=kept.lineage, sequence=kept.sequence, wall=1.0, mono=0.0, boot="b", row=viewed("K9")
    )
    _, forged, _ = linked(one, row.number + data.draw(st.integers(0, 1)), row.hash)
    node.rows.insert(after + 1, Kept(kept.lineage, kept.sequence, forged))
    assert not check(NODE, node.rows).whole


@given(nodes(), st.data())
def test_two_rows_that_changed_places_are_found(node: Node, data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(list(pairwise(node.audit))))
    first, second = node.rows[one], node.rows[other]
    node.rows[one], node.rows[other] = first._replace(data=second.data), second._replace(data=first.data)
    assert not check(NODE, node.rows).whole


def three_runs() -> Node:
    node = Node()
    for _ in range(3):
        node.open()
        node.view("a")
        node.view("b")
        node.view("c")
    return node


@pytest.mark.parametrize(
    ("gone", "why"),
    [([2], "missing"), ([3], "cut"), ([1, 2, 3], "cut"), ([4], "missing"), ([4, 5, 6, 7], "cut")],
)
def test_a_break_is_named_by_what_it_is(gone: list[int], why: str) -> None:
    """Rows 0 to 3 are the first run, its opening in front."""
    node = three_runs()
    node.rows = [kept for place, kept in enumerate(node.rows) if place not in gone]
    assert why in whys(check(NODE, node.rows))


def test_a_break_says_where() -> None:
    node = three_runs()
    changed = node.rows[6]
    node.rows[6] = changed._replace(data=changed.data.replace(b'"reason":"b"', b'"reason":"x"'))
    [found] = check(NODE, node.rows).breaks
    assert (found.lineage, found.number, found.sequence, found.why) == (RUNS[1], 2, 3, "changed")
    del node.rows[6]
    [found] = check(NODE, node.rows).breaks
    assert (found.lineage, found.number, found.upto, found.why) == (RUNS[1], 2, 2, "missing")


def test_a_rewritten_history_does_not_fit_what_the_next_run_states() -> None:
    """A city that writes its last run anew, hash by hash, is found out by whoever has the rows as they were."""
    honest = Node()
    honest.open()
    honest.view("a")
    honest.view("b")
    forged = Node()
    forged.open()
    forged.view("a")
    forged.view("something else")
    assert check(NODE, forged.rows).whole, "by itself"
    forged.open()
    assert whys(check(NODE, [*honest.rows, forged.rows[-1]])) == {"cut"}


def test_a_tail_that_was_lost_with_the_disk_is_no_break_where_the_node_says_so() -> None:
    """J2: restored from a backup, the node goes on from where that ends; what it lost is on record at the hub."""
    node = Node()
    node.open()
    node.view("a")
    backup = node.head
    node.view("lost")
    first = node.run
    assert first is not None
    node.head = backup
    node.open()
    assert whys(check(NODE, node.rows)) == {"cut"}, "nobody says why"
    node.write(TailMissing(receiver="hub", of=first, stated=3, held=2))
    node.view("after")
    chain = check(NODE, node.rows)
    assert (chain.whole, chain.lost, chain.rows) == (True, (first,), 3)


def test_a_text_that_looks_like_a_hash_is_none() -> None:
    node = Node()
    node.open()
    node.view('"hash":""')
    node.view('","hash":"' + "0" * 64 + '"')
    assert check(NODE, node.rows).whole
