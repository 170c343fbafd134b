"""Intervals: the same rows in any order give the same bytes, and the sum of I7 holds, or says how far it does not."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.ids import CityId, ContactId, LineageId, SkillId
from dataset.intervals import IntervalFold, fold
from dataset.measures import EDGES_MS, Histogram, Interval, balance, bucket_of, histogram, total, written_out
from dataset.rows import (
    AnyRow,
    Ending,
    Entered,
    Evidence,
    Journalled,
    Left,
    LineageOpened,
    SegmentVoided,
    SelfServed,
    TailMissing,
)
from dataset.self_service import Outcome
from tests.harness.rows_of_record import (
    C1,
    C2,
    GUANGZHOU,
    SHENZHEN,
    Writing,
    answered,
    born,
    closed,
    confirmed,
    ended,
    entered,
    left,
    segment,
)

T0 = 1_000_000 // 900 * 900 + 900
"""a moment at which an interval begins"""


def only(rows: list[Journalled], city: CityId | None = None) -> Interval:
    (one,) = fold(rows).intervals(city=city)
    return one


def counts(interval: Interval) -> dict[str, int]:
    names = ("opening", "offered", "returned", *(left.value for left in Left), "closing", "received")
    return {name: getattr(interval, name) for name in names if getattr(interval, name)}


def test_contact_answered_at_home() -> None:
    gz = Writing("guangzhou", wall=T0)
    rows = gz.write(born(), entered(), left(), answered(), segment(), confirmed(), closed(), ended())
    one = only(rows)
    assert (one.city, one.skill, one.start, one.seconds) == ("guangzhou", "fault", T0, 900)
    assert counts(one) == {"offered": 1, "answered_here": 1}
    assert (one.within_target, one.handled, one.wrap_up_ms) == (1, 1, 5_000)
    assert (one.waiting.count, one.waiting.total_ms, one.talking.total_ms) == (1, 3_000, 60_000)
    assert balance(one) == 0


def test_who_was_told_by_self_service_counts_beside_the_sum_and_who_went_on_to_a_queue_in_it() -> None:
    """By service and by the skill of the agents who were not needed; other outcomes count nowhere."""
    gz = Writing("guangzhou", wall=T0)

    def served(contact: ContactId, outcome: Outcome) -> SelfServed:
        return SelfServed(contact=contact, service="fault", skill=SkillId("fault"), channel="voice", outcome=outcome)

    rows = gz.write(born(), served(C1, Outcome.TOLD), ended(ending=Ending.COMPLETED), born(C2))
    rows += gz.write(*(served(C2, outcome) for outcome in Outcome if outcome is not Outcome.TOLD))
    rows += gz.write(entered(C2))
    one = only(rows)
    assert (one.service, one.skill, one.self_served) == ("fault", "fault", 1)
    assert counts(one) == {"offered": 1, "closing": 1}
    assert balance(one) == 0
    assert total([one, one]).self_served == 2


def test_contact_waits_over_the_end_of_an_interval() -> None:
    """Opening and closing are the places that the rows leave open; an interval in which only waiting happened too."""
    gz = Writing("guangzhou")
    rows = [*gz.at(T0 + 890, born(), entered()), *gz.at(T0 + 1_900, left(how=Left.ABANDONED, waited_s=1_010.0))]
    assert [counts(one) for one in fold(rows).intervals()] == [
        {"offered": 1, "closing": 1},
        {"opening": 1, "closing": 1},
        {"opening": 1, "abandoned": 1},
    ]
    assert all(balance(one) == 0 for one in fold(rows).intervals())


def test_contact_answered_elsewhere_is_received_there_once() -> None:
    """Sent out at the anchor, received at the serving site, outside its queue's own sum; from either side's rows."""
    gz, sz = Writing("guangzhou", wall=T0), Writing("shenzhen", "0000000b", wall=T0 + 60)
    at_anchor = gz.write(born(), entered(), left(how=Left.SENT_OUT), answered(site=SHENZHEN))
    serving = sz.write(segment(site=SHENZHEN, anchor=GUANGZHOU), confirmed(), closed(site=SHENZHEN))
    for rows in (at_anchor, serving, [*at_anchor, *serving]):
        found = {one.city: counts(one) for one in fold(rows).intervals()}
        assert found.get(SHENZHEN) == {"received": 1}
        assert found.get(GUANGZHOU) in (None, {"offered": 1, "sent_out": 1})
    assert only(serving).talking.count == 1


def test_segment_counts_only_once_its_attempt_is_known_to_be_answered() -> None:
    """O3: unconfirmed it is nobody's, voided it never was; but the anchor's own word is final."""
    sz = Writing("shenzhen", wall=T0)
    opened, done = segment(site=SHENZHEN, anchor=GUANGZHOU), closed(site=SHENZHEN)
    assert fold(sz.write(opened, done)).intervals() == []
    voided = SegmentVoided(contact=C1, n=1, reason="no_answer")
    assert fold(sz.write(opened, done, voided)).intervals() == []
    gz = Writing("guangzhou", "0000000c", wall=T0)
    both = [*sz.write(opened, done, voided), *gz.write(answered(site=SHENZHEN))]
    assert only(both, SHENZHEN).received == 1


def test_returned_and_moved() -> None:
    """A caller who comes back counts again on both sides; a transfer to another queue leaves the first as moved."""
    gz = Writing("guangzhou", wall=T0)
    rows = gz.write(entered(), left(), entered(how=Entered.RETURNED), left(how=Left.MOVED), entered(C2))
    assert counts(only(rows)) == {"offered": 2, "returned": 1, "answered_here": 1, "moved": 1, "closing": 1}
    assert balance(only(rows)) == 0


@pytest.mark.parametrize(
    ("rows", "over"),
    [
        ([entered(), ended()], 1),
        ([left(), ended()], -1),
        ([entered(), entered(), left(), ended()], 1),
        ([entered(), left(), left(), ended()], -1),
        ([entered(), left(), ended()], 0),
    ],
)
def test_sum_that_does_not_hold_is_seen(rows: list[object], over: int) -> None:
    """I7 is a check that can fail: a row that is missing or one too many shows."""
    one = only(Writing("guangzhou", wall=T0).write(*rows))  # type: ignore[arg-type]
    assert balance(one) == over
    assert ("≠" in written_out(one)) == (over != 0)


def test_clock_set_back_keeps_the_sum() -> None:
    """Failure mode 11: rows are out of order in time, nobody is lost."""
    gz = Writing("guangzhou")
    rows = [*gz.at(T0 + 30, born(), entered()), *gz.at(T0 - 570, left(), ended())]
    assert [balance(one) for one in fold(rows).intervals()] == [0, 0]


def test_place_lost_with_its_journal_leaves_as_failed() -> None:
    """E3: computed, when a later run does not know the contact; it gives way to what is learned later."""
    gz, fresh = Writing("guangzhou", "0000000a"), Writing("guangzhou", "0000000b")
    opening = LineageOpened(node="guangzhou", previous=LineageId("0000000a"), previous_head=1)
    rows = [*gz.at(T0 + 1, born(), entered()), *fresh.at(T0 + 1_000, opening)]
    assert [counts(one) for one in fold(rows).intervals()] == [
        {"offered": 1, "closing": 1},
        {"opening": 1, "failed": 1},
    ]
    late = gz.at(T0 + 20, left(how=Left.ABANDONED), ended(ending=Ending.ABANDONED))
    assert [counts(one) for one in fold([*rows, *late]).intervals()] == [{"offered": 1, "abandoned": 1}]

    kept = LineageOpened(node="guangzhou", previous=None, previous_head=0, live_contacts=(C1,))
    rows = [*gz.at(T0 + 1, born(C1), entered(C1)), *fresh.at(T0 + 1_000, kept)]
    assert [counts(one) for one in fold(rows).intervals(end=T0 + 900)] == [{"offered": 1, "closing": 1}]


def test_order_of_runs_follows_their_links_before_their_clocks() -> None:
    """J2: a fresh journal whose clock is behind names the lineages it lost; so it still comes after them."""
    gz, fresh = Writing("guangzhou", "0000000a"), Writing("guangzhou", "0000000b")
    rows = [
        *gz.at(T0 + 1, LineageOpened(node="guangzhou", previous=None, previous_head=0), born(), entered()),
        *fresh.at(T0 - 500, LineageOpened(node="guangzhou", previous=None, previous_head=0)),
    ]
    assert [one.failed for one in fold(rows).intervals()] == [0]
    named = fresh.at(T0 - 400, TailMissing(receiver="hub", of=LineageId("0000000a"), stated=3, held=0))
    assert sum(one.failed for one in fold([*rows, *named]).intervals()) == 1


# ── any order ───────────────────────────────────────────────────────────────────────────────────────────────────────
def some_day(seed: int) -> list[Journalled]:
    """Contacts of two cities over three hours, honest for the most part, with late and odd rows."""
    random = Random(seed)
    cities = {
        name: [Writing(name, f"{name[:2].encode().hex()}000{run}") for run in range(2)]
        for name in ("guangzhou", "shenzhen")
    }
    rows: list[Journalled] = []
    for name, runs in cities.items():
        for run, writing in enumerate(runs):
            previous = runs[run - 1].lineage if run else None
            live = (ContactId(f"{name}-0003"),)
            rows += writing.at(
                T0 + 5_000.0 * run, LineageOpened(node=name, previous=previous, previous_head=9, live_contacts=live)
            )
    for number in range(random.randrange(1, 25)):
        name, other = random.sample(sorted(cities), 2)
        writing = cities[name][random.randrange(2)]
        contact = ContactId(f"{name}-{number:04d}")
        at = T0 + random.uniform(0, 9_000)
        site = CityId(random.choice([name, other]))
        how = Left.ANSWERED_HERE if site == name else Left.SENT_OUT
        steps: list[tuple[Writing, AnyRow]] = [
            (writing, born(contact)),
            (writing, entered(contact)),
            (writing, left(contact, how, random.uniform(0, 300))),
            (writing, answered(contact, site=site)),
            (cities[site][0], segment(contact, site=site, anchor=CityId(name))),
            (cities[site][0], confirmed(contact)),
            (cities[site][0], closed(contact, site=site, talked_s=random.expovariate(1 / 90))),
            (writing, ended(contact)),
        ]
        for node, row in steps[: random.choice([2, 3, 8, 8, 8, 8])]:
            at += random.expovariate(1 / 60)
            if random.random() > 0.03:
                rows += node.at(at, row)
            if random.random() < 0.03:
                # a journal restored from a backup may say a thing twice, in another run and at another time
                rows += cities[node.node][1].at(at + 500, row)
    return rows


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 100_000), shuffle=st.integers(0, 100_000))
def test_any_order_of_rows_gives_the_same_bytes(seed: int, shuffle: int) -> None:
    """I6: the hub's reports are byte-equal to those computed from all journals, delivered in any order."""
    rows = some_day(seed)
    expected = fold(rows).json()
    Random(shuffle).shuffle(rows)
    folded = IntervalFold()
    for row in rows:
        folded.add(row)
        if row.sequence % 7 == 0:
            folded.intervals()
    assert folded.json() == expected


class Unpacked(IntervalFold):
    """Keeps every contact as it is, finished or not."""

    def _look_whether_finished(self, contact: ContactId, known: object) -> None:
        assert contact in self._contacts


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 100_000), shuffle=st.integers(0, 100_000))
def test_finished_contacts_are_put_away_and_late_rows_find_them_as_they_were(seed: int, shuffle: int) -> None:
    rows = some_day(seed)
    Random(shuffle).shuffle(rows)
    put_away, kept = IntervalFold(), Unpacked()
    for row in rows:
        put_away.add(row)
        kept.add(row)
        if row.sequence % 5 == 0:
            assert put_away.unconfirmed() == kept.unconfirmed()
    assert put_away.json() == kept.json()


def test_a_finished_contact_is_small() -> None:
    """A hub has those of four days (S4: bounded memory)."""
    folded = IntervalFold()

    def take_in(first: int, count: int) -> None:
        for number in range(first, first + count):
            contact = ContactId(f"0020-0000000a-{number:06x}")
            gz = Writing("guangzhou", wall=T0 + number)
            rows = (born(contact), entered(contact), left(contact), answered(contact), segment(contact))
            for row in gz.write(*rows, confirmed(contact), closed(contact), ended(contact)):
                folded.add(row)

    take_in(0, 500)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    take_in(500, 2_000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 50 < (after - before) / 2_000 < 500


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_totals_keep_the_sum(seed: int) -> None:
    """What is balanced stays so when merged over time and queues, and what is not adds up to the same difference."""
    intervals = fold(some_day(seed)).intervals()
    if intervals:
        whole = total(intervals)
        assert balance(whole) == sum(balance(one) for one in intervals)
        assert whole.waiting.count == whole.answered_here + whole.sent_out
        assert whole.opening == 0


def test_forgetting_changes_nothing_later() -> None:
    """A hub that runs for months keeps what coming intervals need, and not more."""
    rows = sorted(some_day(4), key=lambda row: row.wall)
    whole, pruned = IntervalFold(), IntervalFold()
    for row in rows:
        whole.add(row)
        pruned.add(row)
        pruned.forget_before(row.wall - 1_800)
    last = rows[-1].wall - 1_800
    later = T0 + (int(last - T0) // 900 + 1) * 900
    assert pruned.intervals(begin=later) == whole.intervals(begin=later)


# ── measures ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_histograms_merge_and_tell_quantiles() -> None:
    """Buckets are the same everywhere, so that merging loses nothing more."""
    one = histogram({bucket_of(ms): 1 for ms in (100, 3_000, 700_000)}, 703_100)
    both = one.merged(histogram({bucket_of(3_000): 2}, 6_000))
    assert (both.count, both.total_ms) == (5, 709_100)
    assert one.merged(Histogram()) == one
    median = both.quantile_s(0.5)
    assert median is not None
    assert 3.0 <= median <= 3.0 * 1.2
    assert Histogram().quantile_s(0.5) is None
    assert bucket_of(EDGES_MS[-1] + 1) == len(EDGES_MS)
    assert histogram({len(EDGES_MS): 1}, 1).quantile_s(1.0) == EDGES_MS[-1] / 1000


def test_sum_is_written_out_in_both_languages() -> None:
    """Every report prints the sum."""
    one = only(Writing("guangzhou", wall=T0).write(entered(), left(), entered(C2)))
    assert written_out(one) == (
        "期初等待 0 + 进入 2 + 退回 0 = "
        "本局接听 1 + 异地接听 0 + 放弃 0 + 短时放弃 0 + 转走 0 + 我方结束 0 + 故障 0 + 期末等待 1"
    )
    assert written_out(one, "en").startswith("waiting at start 0 + offered 2 + returned 0 = answered here 1 + ")


def test_total_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no intervals"):
        total([])


def test_evidence_words_are_those_of_the_rows() -> None:
    """The ending's evidence plays no part in the intervals: any ending closes the contact's place."""
    gz = Writing("guangzhou", wall=T0)
    rows = gz.write(entered(), left(how=Left.FAILED), ended(ending=Ending.FAILED, evidence=Evidence.INFERRED))
    assert counts(only(rows)) == {"offered": 1, "failed": 1}
