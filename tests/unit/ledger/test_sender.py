"""The sender as a machine: what it says, when, and how much at once."""

from __future__ import annotations

from dataset.ids import LineageId
from federation.core.envelope import LARGEST_BYTES, LedgerAck, LedgerHeads, LedgerHello, LedgerRows
from federation.core.ledger import (
    Acknowledged,
    Fetch,
    NameMissing,
    Say,
    Sender,
    SenderAct,
    SendingPace,
    batches,
)

NOW = LineageId("0000000b")
OLD = LineageId("0000000a")
PACE = SendingPace(batch_bytes=1_000, window_bytes=2_000, bytes_per_s=1_000.0, burst_bytes=5_000.0, fetch_rows=10)


def said(acts: list[SenderAct]) -> list[object]:
    return [act.message for act in acts if isinstance(act, Say)]


def fetch(acts: list[SenderAct]) -> Fetch:
    (found,) = [act for act in acts if isinstance(act, Fetch)]
    return found


def entries(first: int, last: int, size: int = 76) -> list[tuple[int, bytes]]:
    return [(number, b"x" * size) for number in range(first, last + 1)]


def opened(head: int, heads: dict[str, int], now: float = 0.0) -> tuple[Sender, list[SenderAct]]:
    sender = Sender(NOW, [(OLD, 7, 3), (NOW, head, 0)], PACE)
    (hello,) = said(sender.link_up(now))
    assert hello == LedgerHello(session="0000000b-000001", lineage=NOW, head=head)
    return sender, sender.heads(LedgerHeads(session="0000000b-000001", heads=heads), now)


def test_hello_is_repeated_until_answered() -> None:
    """J3: with a pause that doubles, and always the same session."""
    sender = Sender(NOW, [(NOW, 1, 0)], PACE)
    first = said(sender.link_up(0.0))
    moments = []
    for _ in range(5):
        assert sender.due is not None
        moments.append(sender.due)
        assert sender.tick(sender.due - 0.1) == []
        assert said(sender.tick(sender.due)) == first
    assert moments == [4.0, 12.0, 28.0, 58.0, 88.0]


def test_receivers_word_decides_where_to_go_on() -> None:
    """J5: forwards, backwards, and beyond what is held (J2)."""
    _, acts = opened(5, {OLD: 9, NOW: 2, "000000ff": 4})
    assert [act for act in acts if isinstance(act, NameMissing)] == [
        NameMissing(OLD, 9, 7),
        NameMissing(LineageId("000000ff"), 4, 0),
    ]
    assert [act for act in acts if isinstance(act, Acknowledged)] == [Acknowledged(OLD, 7), Acknowledged(NOW, 2)]
    assert (fetch(acts).lineage, fetch(acts).after) == (NOW, 2)
    _, acts = opened(0, {})
    assert [act for act in acts if isinstance(act, Acknowledged)] == [Acknowledged(OLD, 0)]
    assert (fetch(acts).lineage, fetch(acts).after) == (OLD, 0)


def test_missing_tail_is_named_once() -> None:
    """Each reconnect states the same heads; one row about it is enough."""
    sender, _ = opened(0, {"000000ff": 4})
    sender.link_down()
    sender.link_up(1.0)
    acts = sender.heads(LedgerHeads(session="0000000b-000002", heads={"000000ff": 4}), 1.0)
    assert [act for act in acts if isinstance(act, NameMissing)] == []


def test_window_bounds_what_is_on_the_way() -> None:
    """Not more than the window unacknowledged, and messages not larger than a batch."""
    sender, acts = opened(100, {OLD: 7})
    messages: list[LedgerRows] = []
    while any(isinstance(act, Fetch) for act in acts):
        want = fetch(acts)
        acts = sender.fetched(want.ticket, entries(want.after + 1, want.after + want.limit), 0.0)
        messages += [message for message in said(acts) if isinstance(message, LedgerRows)]
    assert [len(message.rows) for message in messages] == [10, 10]
    acts = sender.acknowledged(LedgerAck(session="0000000b-000001", lineage=NOW, number=10), 0.1)
    assert Acknowledged(NOW, 10) in acts
    assert fetch(acts).after == 20


def test_rate_bounds_a_backlog() -> None:
    """S4: after the burst a sender waits until the rate allows more."""
    sender, acts = opened(1_000, {OLD: 7})
    now, sent = 0.0, 0
    while now < 20.0:
        while any(isinstance(act, Fetch) for act in acts):
            want = fetch(acts)
            acts = sender.fetched(want.ticket, entries(want.after + 1, want.after + want.limit), now)
            sent += sum(len(message.rows) for message in said(acts) if isinstance(message, LedgerRows)) * 100
            last = want.after + want.limit
            acts += sender.acknowledged(LedgerAck(session="0000000b-000001", lineage=NOW, number=last), now)
        assert sender.due is not None
        now = max(sender.due, now)
        acts = sender.tick(now)
    assert 20_000 <= sent <= 27_000


def test_unanswered_rows_are_sent_again_from_the_last_acknowledgement() -> None:
    """S1: until the receiver's own acknowledgement, and with a pause that doubles."""
    sender, acts = opened(3, {OLD: 7})
    want = fetch(acts)
    sender.fetched(want.ticket, entries(1, 3), 0.0)
    assert sender.due == 4.0
    acts = sender.tick(4.0)
    again = fetch(acts)
    assert (again.lineage, again.after) == (NOW, 0)
    assert sender.fetched(want.ticket, entries(1, 3), 4.0) == [], "an older ticket's rows are not wanted any more"
    sender.fetched(again.ticket, entries(1, 3), 4.0)
    assert sender.due == 12.0
    sender.acknowledged(LedgerAck(session="0000000b-000001", lineage=NOW, number=3), 5.0)
    assert sender.waiting == 0
    assert sender.due is None


def test_gap_is_filled_once_without_waiting() -> None:
    """Messages that overtook each other cost no timeout, and no storm."""
    sender, acts = opened(20, {OLD: 7})
    want = fetch(acts)
    acts = sender.fetched(want.ticket, entries(1, 10), 0.0)
    sender.fetched(fetch(acts).ticket, entries(11, 20), 0.0)
    gap = LedgerAck(session="0000000b-000001", lineage=NOW, number=0, again_from=1)
    again = fetch(sender.acknowledged(gap, 0.1))
    assert again.after == 0
    acts = sender.fetched(again.ticket, entries(1, 10), 0.1)
    sender.fetched(fetch(acts).ticket, entries(11, 20), 0.1)
    assert sender.acknowledged(gap, 0.2) == [], "every message behind the gap asks for it; once is enough"
    assert sender.due is not None
    again = fetch(sender.tick(sender.due))
    sender.fetched(again.ticket, entries(1, 10), 5.0)
    assert fetch(sender.acknowledged(gap, 5.1)).after == 0, "what the clock sent again may be asked for again"


def test_refusal_opens_the_next_session_and_old_ones_stay_silent() -> None:
    """J3: a receiver that lost its session gets a new one; answers to older sessions change nothing."""
    sender, _ = opened(3, {})
    (hello,) = said(sender.heads(LedgerHeads(session="", heads={}, refused="0000000b-000001"), 1.0))
    assert isinstance(hello, LedgerHello)
    assert hello.session == "0000000b-000002"
    assert sender.heads(LedgerHeads(session="", heads={}, refused="0000000b-000001"), 1.0) == []
    assert sender.heads(LedgerHeads(session="0000000b-000001", heads={NOW: 3}), 1.0) == []
    assert sender.acknowledged(LedgerAck(session="0000000b-000001", lineage=NOW, number=3), 1.0) == []
    assert sender.waiting == 7 + 3


def test_nothing_is_said_without_a_link() -> None:
    """B4: rows wait in the journal."""
    sender, _ = opened(3, {})
    sender.link_down()
    assert sender.grown(9, 1.0) == []
    assert sender.tick(100.0) == []
    assert sender.due is None
    assert sender.waiting == 7 + 9


def test_batches_name_numbers_that_are_gone() -> None:
    """J5: a message has no gap inside; the message after one says how far it reaches."""
    made = [message for message, _ in batches("s", NOW, 2, 12, [*entries(3, 4), *entries(8, 9), *entries(12, 12)], 999)]
    assert [
        ([one.number for one in message.rows], message.forgotten_from, message.forgotten_to) for message in made
    ] == [
        ([3, 4], 0, 0),
        ([8, 9], 5, 7),
        ([12], 10, 11),
    ]
    ((nothing, _),) = batches("s", NOW, 2, 12, [], 999)
    assert (nothing.rows, nothing.forgotten_from, nothing.forgotten_to) == ((), 3, 12)


def test_row_too_large_for_any_envelope_is_replaced_by_a_note_of_it() -> None:
    """S2: it would be refused for ever; so it is parked at the receiver, where totals name it."""
    ((message, size),) = batches("s", NOW, 0, 1, [(1, b"y" * (LARGEST_BYTES + 1))], 999)
    assert size < 2_000
    assert b"too_large" in bytes(message.rows[0].row)


def test_pace_of_a_thin_line_is_small_pieces_and_short_bursts() -> None:
    """S4: on a line of 512 kbit/s, half of which is the ledger's, no piece or burst stands in the way for long."""
    pace = SendingPace.at(256_000.0)
    line_bytes_per_s = 512_000 / 8
    assert pace.bytes_per_s == 32_000.0
    assert pace.batch_bytes / line_bytes_per_s <= 0.125
    assert pace.burst_bytes / line_bytes_per_s <= 0.125
    assert pace.window_bytes / pace.bytes_per_s >= 1.5, "the rate is reached with a second of way and commit"


def test_pace_has_a_floor_and_a_largest_piece() -> None:
    """A row always fits; a fast line does not make a receiver stand still over one message."""
    assert SendingPace.at(1_000.0).batch_bytes == 2_000
    assert SendingPace.at(1e9).batch_bytes == 8_000


def test_burst_is_sent_no_further_than_the_allowance() -> None:
    """S4: what was read and may not go yet is read again later, from where the line stands."""
    pace = SendingPace(batch_bytes=1_000, window_bytes=100_000, bytes_per_s=1_000.0, burst_bytes=2_000.0, fetch_rows=50)
    sender = Sender(NOW, [(NOW, 50, 0)], pace)
    hello = sender.link_up(0.0)[0]
    assert isinstance(hello, Say)
    assert isinstance(hello.message, LedgerHello)
    (fetch,) = sender.heads(LedgerHeads(session=hello.message.session, heads={}, refused=""), 0.0)
    assert isinstance(fetch, Fetch)
    acts = sender.fetched(fetch.ticket, [(number, b"x" * 476) for number in range(1, 51)], 0.0)
    sent = [act.message for act in acts if isinstance(act, Say)]
    assert [one.rows[-1].number for one in sent if isinstance(one, LedgerRows)] == [2, 4]
    assert sender.due is not None
    (again,) = sender.tick(sender.due + 0.001)
    assert isinstance(again, Fetch)
    assert again.after == 4
