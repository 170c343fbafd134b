"""Cities declared lost: what follows is computed, in any order of the facts, and gives way to anything better (E3)."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.ids import CityId, LineageId
from dataset.intervals import IntervalFold, Unconfirmed, fold
from dataset.measures import Interval, balance
from dataset.rows import (
    Ending,
    Evidence,
    Journalled,
    Left,
    LineageOpened,
    Origin,
    SegmentVoided,
    SiteDeclaredLost,
    SiteRejoined,
)
from dataset.standing import LostSites
from federation.core.joins import SegmentState, contact_record, standing
from provincial_hub.core.contacts import ContactFold
from tests.harness.rows_of_record import (
    C1,
    C2,
    FAULT,
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
    withdrawn,
)

T0 = 1_000_000 // 900 * 900 + 900
LATER = T0 + 86_400


def lost(city: CityId = GUANGZHOU, reason: str = "fire") -> SiteDeclaredLost:
    return SiteDeclaredLost(city=city, by="bureau", reason=reason)


def back(*ends: Journalled, city: CityId = GUANGZHOU) -> SiteRejoined:
    return SiteRejoined(city=city, ends=tuple(one.origin for one in ends))


def hub(name: str = "hub", lineage: str = "000000f1", wall: float = LATER) -> Writing:
    return Writing(name, lineage, wall)


def test_a_declaration_stands_until_somebody_who_knows_of_it_ends_it() -> None:
    """E3, two hubs that did not hear each other, and whose clocks are hours apart."""
    first, second = hub(), hub("hub2", "000000f2", LATER - 9_000)
    (mine,), (theirs,) = first.write(lost()), second.write(lost(reason="flood"))
    facts = LostSites()
    for row in (mine, theirs):
        assert facts.add(row)
    assert facts.cities() == {GUANGZHOU}
    facts.add(first.write(back(mine))[0])
    assert [one.reason for one in facts.standing()] == ["flood"], "nobody has ended what hub2 said"
    facts.add(first.write(back(theirs))[0])
    assert facts.cities() == frozenset()
    facts.add(second.write(lost(reason="again"))[0])
    assert facts.of(GUANGZHOU) is not None


def test_only_hubs_declare() -> None:
    """A city's word about another city is no standing fact."""
    facts = LostSites()
    (row,) = Writing("shenzhen", "0000000b").write(lost())
    assert not facts.add(row)
    assert facts.cities() == frozenset()


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(("hub", "hub2")), st.booleans(), st.integers(-5, 5)), max_size=8),
    heard=st.lists(st.booleans(), min_size=8, max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_two_hubs_facts_give_the_same_in_any_order(
    steps: list[tuple[str, bool, int]], heard: list[bool], order: Random
) -> None:
    """E3, I6: declared and ended by either hub, each knowing of the other's facts or not, on clocks that jump."""
    writers = {"hub": hub(), "hub2": hub("hub2", "000000f2")}
    known: dict[str, LostSites] = {name: LostSites() for name in writers}
    rows: list[Journalled] = []
    for (name, declares, jump), hears in zip(steps, heard, strict=False):
        writer = writers[name]
        if hears:
            for row in rows:
                known[name].add(row)
        ends: tuple[Origin, ...] = tuple(one.origin for one in known[name].standing())
        (row,) = writer.at(writer.wall + jump, lost() if declares else SiteRejoined(city=GUANGZHOU, ends=ends))
        known[name].add(row)
        rows.append(row)
    whole = LostSites()
    for row in rows:
        whole.add(row)
    shuffled = rows * 2
    order.shuffle(shuffled)
    other = LostSites()
    for row in shuffled:
        other.add(row)
    assert other.standing() == whole.standing()
    for name, facts in known.items():  # once both have heard everything, one end is enough
        for row in rows:
            facts.add(row)
        (row,) = writers[name].write(SiteRejoined(city=GUANGZHOU, ends=tuple(one.origin for one in facts.standing())))
        facts.add(row)
        assert facts.cities() == frozenset()


def test_open_contacts_of_a_lost_city_end_as_site_lost_at_its_last_row() -> None:
    """E3: computed, not written; gone when the city is back, better when any ending is on record."""
    gz = Writing("guangzhou", wall=T0)
    (fact,) = hub().write(lost())
    rows = [*gz.write(born(), entered()), *gz.at(T0 + 400, born(C2)), fact]
    record = contact_record(C1, rows, standing(rows))
    assert record.ending is not None
    assert (record.ending.ending, record.ending.cause, record.ending.at) == (Ending.FAILED, "site_lost", T0 + 400)
    assert record.ending.computed
    rejoined = [*rows, *hub("hub2", "000000f2").write(back(fact))]
    assert contact_record(C1, rejoined, standing(rejoined)).ending is None
    late = [*rows, *gz.write(ended(C1, Ending.ABANDONED, Evidence.INFERRED))]
    better = contact_record(C1, late, standing(late)).ending
    assert better is not None
    assert (better.ending, better.computed) == (Ending.ABANDONED, False)


def test_a_lost_city_that_comes_back_with_an_empty_journal_has_lost_its_contacts_with_it() -> None:
    """E3, J2: rejoined, but the new run knows nothing of them; then the old journal is found and says better."""
    gz, new = Writing("guangzhou", wall=T0), Writing("guangzhou", "0000000b", LATER + 60)
    (fact,) = hub().write(lost())
    opening = LineageOpened(node="guangzhou", previous=None, previous_head=0)
    rows = [*gz.write(born(), entered()), fact, *new.write(opening), *hub("hub2", "000000f2").write(back(fact))]
    record = contact_record(C1, rows, standing(rows))
    assert record.ending is not None
    assert (record.ending.cause, record.ending.at) == ("lost_with_journal", LATER + 60)
    (one, *_) = fold(rows).intervals(city=GUANGZHOU)
    assert (one.offered, one.closing) == (1, 1), "it waits in the books until the run opens that does not know it"
    assert fold(rows).intervals(city=GUANGZHOU)[-1].failed == 1


def test_places_in_queues_of_a_lost_city_leave_as_failed() -> None:
    """I7 with E3: in the interval of the city's last row; every sum holds, before and after."""
    gz = Writing("guangzhou", wall=T0)
    (fact,) = hub().write(lost())
    rows = [*gz.at(T0 + 890, born(), entered()), *gz.at(T0 + 950, born(C2), entered(C2))]

    def told(*more: Journalled) -> list[tuple[int, int, int, int]]:
        found = fold([*rows, *more]).intervals()
        assert [balance(one) for one in found] == [0] * len(found)
        return [(one.opening, one.offered, one.failed, one.closing) for one in found]

    assert told() == [(0, 1, 0, 1), (1, 1, 0, 2)]
    assert told(fact) == [(0, 1, 0, 1), (1, 1, 2, 0)]
    assert told(fact, *hub("hub2", "000000f2").write(back(fact))) == told()
    left_after_all = gz.at(T0 + 960, left(how=Left.ABANDONED), ended(C1, Ending.ABANDONED))
    assert told(fact, *left_after_all) == [(0, 1, 0, 1), (1, 1, 1, 0)]


def test_segments_served_for_a_lost_city_are_named_as_unknown() -> None:
    """O3, E3: the anchor's word will not come, so they count nowhere and are named, until it comes after all."""
    gz, sz = Writing("guangzhou", wall=T0), Writing("shenzhen", "0000000b", T0 + 30)
    at_anchor = gz.write(born(), entered())
    serving = sz.write(segment(site=SHENZHEN, anchor=GUANGZHOU), closed(site=SHENZHEN))
    (fact,) = hub().write(lost())
    rows = [*at_anchor, *serving, fact]
    unknown = [Unconfirmed(SHENZHEN, GUANGZHOU, C1, 1, T0)]

    def told(*more: Journalled) -> tuple[list[Unconfirmed], SegmentState, bool, int]:
        folded = fold([*rows, *more])
        (one,) = contact_record(C1, [*rows, *more], standing([*rows, *more])).segments
        received = sum(interval.received for interval in folded.intervals(city=SHENZHEN))
        return folded.unconfirmed(T0, T0 + 900), one.state, one.anchor_lost, received

    withdrawal = msgspec.structs.replace(withdrawn(), site=SHENZHEN)
    assert fold([*at_anchor, *serving]).unconfirmed() == [], "its word may still come"
    assert told() == (unknown, SegmentState.UNCONFIRMED, True, 0)
    assert told(*gz.write(answered(site=SHENZHEN))) == ([], SegmentState.CONFIRMED, False, 1)
    assert told(*gz.write(withdrawal)) == ([], SegmentState.VOIDED, False, 0)
    assert told(*sz.write(SegmentVoided(contact=C1, n=1, reason="restart"))) == ([], SegmentState.VOIDED, False, 0)
    assert fold(rows).unconfirmed(city=GUANGZHOU) == []
    assert fold(rows).unconfirmed(T0 + 900) == fold(rows).unconfirmed(None, T0) == []
    new = Writing("guangzhou", "0000000c", LATER + 60)
    emptied = [*new.write(LineageOpened(node="guangzhou", previous=None, previous_head=0))]
    emptied += hub("hub2", "000000f2").write(back(fact))
    assert told(*emptied) == (unknown, SegmentState.UNCONFIRMED, True, 0), "back, without what it knew"


def test_a_contact_that_only_its_serving_city_knows_ends_with_its_lost_anchor() -> None:
    """I1: the anchor died before its rows left it; the segment elsewhere shows that there was a contact."""
    sz = Writing("shenzhen", "0000000b", T0 + 30)
    (fact,) = hub().write(lost())
    rows = [*sz.write(segment(site=SHENZHEN, anchor=GUANGZHOU), closed(site=SHENZHEN)), fact]
    record = contact_record(C1, rows, standing(rows))
    assert record.ending is not None
    assert (record.city, record.ending.cause, record.ending.at) == (GUANGZHOU, "site_lost", T0 + 30)


def test_the_screens_fold_follows() -> None:
    """E3 on the console: shown as failed while the declaration stands, live again afterwards, in either order."""
    gz = Writing("guangzhou", wall=T0)
    rows = gz.write(born(), entered())
    (fact,) = hub().write(lost())
    (end,) = hub("hub2", "000000f2").write(back(fact))
    for order in ([*rows, fact], [fact, *rows]):
        folded = ContactFold()
        for row in order:
            folded.apply(row, now=0.0)
        contact = folded.get(C1)
        assert contact is not None
        assert (contact.state, contact.ending, list(folded.live())) == ("ended", "failed", [])
        folded.apply(end, now=0.0)
        assert (contact.state, contact.ending) == ("waiting", None)
        assert [one.contact for one in folded.live()] == [C1]
        folded.apply(gz.write(ended(C1, Ending.COMPLETED))[0], now=0.0)
        assert contact.ending == "completed"


@settings(max_examples=200, deadline=None)
@given(order=st.randoms(use_true_random=False), drop=st.sets(st.integers(0, 20), max_size=5), twice=st.booleans())
def test_I6_lost_and_rejoined_cities_in_any_order(order: Random, drop: set[int], twice: bool) -> None:  # noqa: N802
    """I6, E3: with any rows missing; standing facts, both cities' rows and late endings in any order of arrival."""
    gz, sz = Writing("guangzhou", wall=T0), Writing("shenzhen", "0000000b", T0 + 30)
    one, two = hub(), hub("hub2", "000000f2", T0 - 500)
    declared = [*one.write(lost()), *two.write(lost()), *one.write(lost(SHENZHEN))]
    rows = [
        *gz.write(born(), entered(), born(C2), entered(C2)),
        *sz.write(segment(site=SHENZHEN, anchor=GUANGZHOU), closed(site=SHENZHEN), confirmed()),
        *gz.at(T0 + 1_000, left(how=Left.SENT_OUT), answered(site=SHENZHEN)),
        *declared,
        *one.write(back(declared[0], declared[2])),
        *two.write(back(declared[0], city=SHENZHEN)),
        *gz.at(T0 + 2_000, ended(C1)),
        *Writing("guangzhou", "0000000c", LATER).write(
            LineageOpened(node="guangzhou", previous=LineageId("0000000a"), previous_head=9, live_contacts=(C2,))
        ),
    ]
    rows = [row for place, row in enumerate(rows) if place not in drop]
    shuffled = rows * 2 if twice else list(rows)
    order.shuffle(shuffled)
    once, seen = IntervalFold(), set[Origin]()
    for row in shuffled:
        if row.origin not in seen:  # I3: the store gives each row once
            once.add(row)
        seen.add(row.origin)
    assert once.json() == fold(rows).json()
    assert once.unconfirmed() == fold(rows).unconfirmed()
    for contact in (C1, C2):
        assert contact_record(contact, shuffled, standing(shuffled)) == contact_record(contact, rows, standing(rows))


def test_totals_name_a_queue() -> None:
    """The interval that the segment would count in is that of the serving city's queue."""
    sz = Writing("shenzhen", "0000000b", T0 + 30)
    rows = [*sz.write(segment(site=SHENZHEN, anchor=GUANGZHOU)), *hub().write(lost())]
    (named,) = fold(rows).unconfirmed()
    assert (named.site, named.start) == (SHENZHEN, T0)
    confirmed_one = fold([*rows, *sz.write(confirmed())]).intervals()
    assert [(one.city, one.start, one.skill) for one in confirmed_one] == [(SHENZHEN, T0, FAULT)]
    assert isinstance(confirmed_one[0], Interval)
