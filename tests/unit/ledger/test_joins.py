"""One record for one contact: by evidence, and the same in whatever order its rows come (E1, E3)."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.ids import CityId, ContactId, LineageId, SkillId
from dataset.rows import (
    Ending,
    Evidence,
    Journalled,
    Left,
    LineageOpened,
    MenuChosen,
    SegmentVoided,
    TransferAsked,
    Withdrawn,
)
from federation.core.joins import ContactRecord, SegmentState, contact_record, standing
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
    opened,
    segment,
    withdrawn,
)

A, B, C = (LineageId(f"0000000{letter}") for letter in "abc")


def record(rows: list[Journalled], *, contact: ContactId = C1, lost: tuple[CityId, ...] = ()) -> ContactRecord:
    return contact_record(contact, rows, standing(rows, lost))


def opening(previous: LineageId | None, *live: ContactId) -> LineageOpened:
    return LineageOpened(node="guangzhou", previous=previous, previous_head=5, live_contacts=live)


def a_day_out() -> list[Journalled]:
    """A caller answered elsewhere after nobody at home took the call, transferred back home, and done."""
    gz, sz = Writing("guangzhou", wall=100.0), Writing("shenzhen", B, wall=130.0)
    menu = MenuChosen(contact=C1, path=("1",), service="fault", skill=SkillId("fault"), priority=5)
    return [
        *gz.at(100.0, opening(None), born(), menu, entered(), opened(n=1)),
        *gz.at(120.0, withdrawn(n=1), opened(n=2)),
        *gz.at(130.0, answered(n=2, site=SHENZHEN, agent="2001"), left(how=Left.SENT_OUT)),
        *sz.at(130.5, segment(n=2, site=SHENZHEN, anchor=GUANGZHOU, agent="2001"), confirmed(n=2)),
        *gz.at(190.0, TransferAsked(contact=C1, by=answered(site=SHENZHEN).agent), opened(n=3)),
        *sz.at(191.0, closed(n=2, site=SHENZHEN, talked_s=60.0, agent="2001")),
        *gz.at(195.0, answered(n=3), segment(n=3), confirmed(n=3)),
        *gz.at(220.0, ended(answers=2, talked_s=85.0), closed(n=3, talked_s=25.0)),
    ]


def test_whole_way_of_a_contact() -> None:
    """Who opens the contact at the province reads where it went and who had it."""
    whole = record(a_day_out())
    assert (whole.city, whole.state, whole.route) == (GUANGZHOU, "ended", (GUANGZHOU, SHENZHEN, GUANGZHOU))
    assert [(one.n, one.outcome, one.site) for one in whole.attempts] == [
        (1, "no_answer", None),
        (2, "answered", SHENZHEN),
        (3, "answered", GUANGZHOU),
    ]
    assert [(one.n, one.site, one.state, one.talked_s) for one in whole.segments] == [
        (2, SHENZHEN, SegmentState.CONFIRMED, 60.0),
        (3, GUANGZHOU, SegmentState.CONFIRMED, 25.0),
    ]
    assert whole.ending is not None
    assert (whole.ending.ending, whole.ending.computed, whole.ending.others) == (Ending.COMPLETED, False, 0)
    assert (whole.transfers, whole.path, whole.born_at) == (1, ("1",), 100.0)


def test_states_on_the_way() -> None:
    gz = Writing("guangzhou")
    rows = gz.write(born())
    assert record(rows).state == "menu"
    rows += gz.write(entered())
    assert record(rows).state == "waiting"
    rows += gz.write(opened(), answered(), left())
    assert record(rows).state == "talking"
    assert record(rows, contact=C2).city is None


def test_segments_are_judged_by_the_anchor() -> None:
    """O3: the anchor's outcome is the truth; before it comes the segment is unconfirmed."""
    gz, sz = Writing("guangzhou", A), Writing("shenzhen", B)
    serving = sz.write(segment(site=SHENZHEN, anchor=GUANGZHOU), closed(site=SHENZHEN))

    def state(*rows: list[Journalled]) -> SegmentState:
        (one,) = record([row for part in rows for row in part]).segments
        return one.state

    assert state(serving) is SegmentState.UNCONFIRMED
    assert state(serving, sz.write(confirmed())) is SegmentState.CONFIRMED
    assert state(serving, gz.write(answered(site=SHENZHEN))) is SegmentState.CONFIRMED
    assert state(serving, gz.write(withdrawn())) is SegmentState.VOIDED
    assert state(serving, sz.write(SegmentVoided(contact=C1, n=1, reason="no_answer"))) is SegmentState.VOIDED
    assert state(gz.write(answered(site=SHENZHEN))) is SegmentState.REPORTED
    both = [gz.write(answered(site=SHENZHEN)), gz.write(withdrawn(reason=Withdrawn.RESTART))]
    assert state(serving, *both) is SegmentState.CONFIRMED
    assert state(serving, *both[::-1]) is SegmentState.CONFIRMED


def test_ending_is_chosen_by_evidence_then_by_the_order_of_runs() -> None:
    """E1: what was seen beats what was inferred, whichever is newer; among equals the later run, the later row."""
    old, new = Writing("guangzhou", A), Writing("guangzhou", B)
    seen = old.write(opening(None), born(), ended(C1, Ending.COMPLETED, Evidence.SEEN))
    inferred = new.at(2_000_000.0, opening(A, C1), ended(C1, Ending.FAILED, Evidence.INFERRED))
    best = record([*inferred, *seen]).ending
    assert best is not None
    assert (best.ending, best.others) == (Ending.COMPLETED, 1)
    later = new.write(ended(C1, Ending.ABANDONED, Evidence.SEEN))
    best = record([*later, *inferred, *seen]).ending
    assert best is not None
    assert (best.ending, best.others) == (Ending.ABANDONED, 2)
    moved = old.write(ended(C1, Ending.CLOSED_BY_US, Evidence.SEEN, epoch=1))
    best = record([*later, *inferred, *seen, *moved]).ending
    assert best is not None
    assert best.ending is Ending.CLOSED_BY_US


def test_later_run_has_the_last_word_whatever_its_name() -> None:
    """Lineage ids are random: only their links say which run came later."""
    first, second = Writing("guangzhou", C, 100.0), Writing("guangzhou", A, 100.0)

    def menu(service: str) -> MenuChosen:
        return MenuChosen(contact=C1, path=(), service=service, skill=SkillId(service), priority=5)

    rows = [*first.write(opening(None), born(), menu("fault")), *second.write(opening(C, C1), menu("bill"))]
    assert record(rows).service == "bill"


def test_contact_that_a_later_run_does_not_know_is_lost_with_its_journal() -> None:
    """E3: computed, and gone again as soon as anything better is known."""
    old, new = Writing("guangzhou", A, 100.0), Writing("guangzhou", B, 200.0)
    rows = [*old.write(opening(None), born(), entered()), *new.write(opening(A))]
    lost = record(rows).ending
    assert lost is not None
    assert (lost.ending, lost.evidence, lost.cause, lost.at) == (
        Ending.FAILED,
        Evidence.PROVISIONAL,
        "lost_with_journal",
        200.0,
    )
    assert lost.computed
    better = record([*rows, *old.write(ended(C1, Ending.ABANDONED, Evidence.INFERRED))]).ending
    assert better is not None
    assert (better.ending, better.computed) == (Ending.ABANDONED, False)
    known = [*old.write(born(C2)), *new.write(opening(A, C2))]
    assert record(known, contact=C2).ending is None


def test_contact_of_a_city_declared_lost() -> None:
    """E3: stands until the city rejoins, and only for what no row ended."""
    gz = Writing("guangzhou", wall=300.0)
    rows = gz.write(opening(None), born(), entered())
    lost = record(rows, lost=(GUANGZHOU,)).ending
    assert lost is not None
    assert (lost.cause, lost.at, lost.computed) == ("site_lost", 300.0, True)
    assert record(rows, lost=(SHENZHEN,)).ending is None
    assert record(rows).ending is None


@settings(max_examples=200, deadline=None)
@given(order=st.integers(0, 1_000_000), drop=st.sets(st.integers(0, 40), max_size=6), twice=st.booleans())
def test_any_order_gives_the_same_record(order: int, drop: set[int], twice: bool) -> None:
    """I6: with any rows still missing, with some doubled."""
    old, new = Writing("guangzhou", A, 90.0), Writing("guangzhou", C, 300.0)
    rows = [
        *a_day_out(),
        *old.write(ended(C1, Ending.FAILED, Evidence.INFERRED)),
        *new.write(opening(A), ended(C1, Ending.ABANDONED, Evidence.INFERRED)),
    ]
    # three writers of one lineage would repeat sequences: give each row its own
    rows = [_with_sequence(row, place) for place, row in enumerate(rows) if place not in drop]
    expected = record(rows)
    shuffled = rows * 2 if twice else list(rows)
    Random(order).shuffle(shuffled)
    assert record(shuffled) == expected


def _with_sequence(row: Journalled, sequence: int) -> Journalled:
    return msgspec.structs.replace(row, sequence=sequence)
