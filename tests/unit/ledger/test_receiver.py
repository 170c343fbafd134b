"""The receiver as a machine: sessions, gaps, duplicates, and acknowledgements only after the commit."""

from __future__ import annotations

import msgspec

from dataset.ids import LineageId, NodeId
from dataset.rows import ROW_BYTES, Journalled, LegRefused
from federation.core.envelope import LedgerAck, LedgerHeads, LedgerHello, LedgerRow, LedgerRows
from federation.core.ledger import Batch, Commit, Receiver, ReceiverAct, Say

NOW = LineageId("0000000b")
OLD = LineageId("0000000a")
GZ = NodeId("guangzhou")
FIRST = "0000000b-000001"


def rows(session: str, *numbers: int, lineage: LineageId = NOW, forgotten: tuple[int, int] = (0, 0)) -> LedgerRows:
    return LedgerRows(
        session=session,
        lineage=lineage,
        rows=tuple(LedgerRow(number=number, row=msgspec.Raw(data(number))) for number in numbers),
        forgotten_from=forgotten[0],
        forgotten_to=forgotten[1],
    )


def data(number: int) -> bytes:
    row = LegRefused(from_city="x", reason="missing")
    return ROW_BYTES.encode(Journalled(node=GZ, lineage=NOW, sequence=number, wall=1.0, mono=1.0, boot="b", row=row))


def hello(session: str) -> LedgerHello:
    return LedgerHello(session=session, lineage=LineageId(session[:8]), head=9)


def batch(acts: list[ReceiverAct]) -> Batch:
    (act,) = acts
    assert isinstance(act, Commit)
    return act.batch


def said(acts: list[ReceiverAct]) -> object:
    (act,) = acts
    assert isinstance(act, Say)
    return act.message


def test_heads_are_stated_only_when_no_commit_is_under_way() -> None:
    """J3: otherwise the sender would go on before rows that are about to be written."""
    receiver = Receiver(GZ, {NOW: 2, OLD: 5})
    assert said(receiver.hello(hello(FIRST))) == LedgerHeads(session=FIRST, heads={NOW: 2, OLD: 5})
    writing = batch(receiver.rows(rows(FIRST, 3, 4)))
    assert receiver.hello(hello("0000000b-000002")) == []
    assert said(receiver.rows(rows(FIRST, 5))) == LedgerHeads(session="0000000b-000002", heads={}, refused=FIRST)
    assert said(receiver.committed(writing)) == LedgerHeads(session="0000000b-000002", heads={NOW: 4, OLD: 5})


def test_acknowledgement_follows_the_commit() -> None:
    """S1: what is acknowledged is on disk."""
    receiver = Receiver(GZ, {})
    receiver.hello(hello(FIRST))
    first, second = batch(receiver.rows(rows(FIRST, 1, 2))), batch(receiver.rows(rows(FIRST, 3)))
    assert (first.cursor, second.cursor) == (2, 3)
    assert said(receiver.rows(rows(FIRST, 1, 2))) == LedgerAck(session=FIRST, lineage=NOW, number=0)
    assert said(receiver.committed(first)) == LedgerAck(session=FIRST, lineage=NOW, number=2)
    assert said(receiver.committed(second)) == LedgerAck(session=FIRST, lineage=NOW, number=3)


def test_duplicates_are_dropped_and_gaps_asked_for() -> None:
    """I3: gaplessly and once."""
    receiver = Receiver(GZ, {NOW: 4})
    receiver.hello(hello(FIRST))
    assert [entry.number for entry in batch(receiver.rows(rows(FIRST, 3, 4, 5))).entries] == [5]
    assert said(receiver.rows(rows(FIRST, 8, 9))) == LedgerAck(session=FIRST, lineage=NOW, number=4, again_from=6)
    assert (receiver.counts.duplicates, receiver.counts.gaps) == (2, 1)


def test_forgotten_numbers_become_a_hole() -> None:
    """J5: the cursor goes on over what nobody has any more; a note that is no news changes nothing."""
    receiver = Receiver(GZ, {NOW: 4})
    receiver.hello(hello(FIRST))
    found = batch(receiver.rows(rows(FIRST, 10, forgotten=(5, 9))))
    assert (found.hole, found.cursor, [entry.number for entry in found.entries]) == ((5, 9), 10, [10])
    assert batch(receiver.rows(rows(FIRST, forgotten=(11, 12)))).hole == (11, 12)
    assert isinstance(said(receiver.rows(rows(FIRST, forgotten=(11, 12)))), LedgerAck)


def test_note_of_forgotten_numbers_that_overtook_rows_skips_none_of_them() -> None:
    """A hole is only what the sender says it does not have."""
    receiver = Receiver(GZ, {NOW: 2})
    receiver.hello(hello(FIRST))
    overtaking = rows(FIRST, 10, forgotten=(5, 9))
    assert said(receiver.rows(overtaking)) == LedgerAck(session=FIRST, lineage=NOW, number=2, again_from=3)
    assert said(receiver.rows(rows(FIRST, forgotten=(5, 9)))) == LedgerAck(
        session=FIRST, lineage=NOW, number=2, again_from=3
    )
    receiver.rows(rows(FIRST, 3, 4))
    assert batch(receiver.rows(overtaking)).hole == (5, 9)


def test_late_hello_of_the_same_run_is_ignored() -> None:
    """Only the newest session of a run counts."""
    receiver = Receiver(GZ, {})
    receiver.hello(hello("0000000b-000002"))
    assert receiver.hello(hello(FIRST)) == []
    assert isinstance(said(receiver.rows(rows(FIRST, 1))), LedgerHeads)
    assert batch(receiver.rows(rows("0000000b-000002", 1))).cursor == 1


def test_late_hello_of_a_dead_run_is_undone_by_the_refusal() -> None:
    """It cannot be told from a new one; the live sender hears that its rows were refused, and opens anew."""
    receiver = Receiver(GZ, {})
    receiver.hello(hello(FIRST))
    receiver.hello(hello("0000000a-000009"))
    refusal = said(receiver.rows(rows(FIRST, 1)))
    assert refusal == LedgerHeads(session="0000000a-000009", heads={}, refused=FIRST)
    assert said(receiver.hello(hello("0000000b-000002"))) == LedgerHeads(session="0000000b-000002", heads={})
    assert batch(receiver.rows(rows("0000000b-000002", 1))).cursor == 1


def test_repeated_hello_is_answered_again_in_mid_stream() -> None:
    """Its first answer may have been lost, or the hello doubled; rows on the way stay valid."""
    receiver = Receiver(GZ, {})
    receiver.hello(hello(FIRST))
    writing = batch(receiver.rows(rows(FIRST, 1)))
    assert said(receiver.hello(hello(FIRST))) == LedgerHeads(session=FIRST, heads={})
    assert batch(receiver.rows(rows(FIRST, 2))).cursor == 2
    assert said(receiver.committed(writing)) == LedgerAck(session=FIRST, lineage=NOW, number=1)
