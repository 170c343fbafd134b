"""What a city decides about its own rows that came back from a hub (J5, E2, I1)."""

from __future__ import annotations

import msgspec

from dataset import rows
from dataset.rows import AnyRow, Ending, Entered, Evidence, Journalled, Left, Withdrawn
from site_node.core import events
from tests.harness.rows_of_record import (
    C1,
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
from tests.unit.core.core_alone import CoreAlone


def told(*groups: tuple[float, tuple[AnyRow, ...]]) -> list[AnyRow]:
    """What a fresh core writes about rows that Guangzhou wrote at these moments."""
    core = CoreAlone()
    writing = Writing(GUANGZHOU, "000000ff")
    found = [one for wall, these in groups for one in writing.at(wall, *these)]
    core.does(events.RowsReturned(tuple(found)))
    return core.rows


def test_caller_who_waited_ends_as_failed_with_place_and_attempt() -> None:
    """I7, O2: the place leaves as failed, the attempt is withdrawn, and the ending counts up to the last evidence."""
    written = {type(row): row for row in told((100.0, (born(), entered())), (130.0, (opened(),)))}
    assert list(written) == [rows.AttemptWithdrawn, rows.QueueLeft, rows.ContactEnded]
    assert written[rows.AttemptWithdrawn] == rows.AttemptWithdrawn(contact=C1, n=1, reason=Withdrawn.RESTART)
    place = written[rows.QueueLeft]
    assert isinstance(place, rows.QueueLeft)
    assert (place.how, place.waited_s) == (Left.FAILED, 30.0)
    end = written[rows.ContactEnded]
    assert isinstance(end, rows.ContactEnded)
    assert (end.ending, end.evidence, end.cause) == (Ending.FAILED, Evidence.INFERRED, "journal_lost")
    assert (end.waited_s, end.talked_s, end.lasted_s, end.answers) == (30.0, 0.0, 30.0, 0)


def test_caller_in_talk_ends_with_the_talk_as_far_as_it_is_known() -> None:
    """E2: answered, and the last word of it is a minute later."""
    talk = (segment(), answered(), left(), confirmed())
    note = rows.TransferAsked(contact=C1, by=answered().agent)
    close, end = told((100.0, (born(), entered(), opened())), (104.0, talk), (164.0, (note,)))
    assert isinstance(close, rows.SegmentClosed)
    assert (close.talked_s, close.ended_by) == (60.0, "journal_lost")
    assert isinstance(end, rows.ContactEnded)
    assert (end.talked_s, end.lasted_s, end.answers, end.serving) == (60.0, 64.0, 1, GUANGZHOU)


def test_talks_before_the_last_are_counted_too() -> None:
    """O4: a talk that did not last, a return to the queue, another wait."""
    first = (segment(), answered(), left(), confirmed())
    back = (closed(), entered(how=Entered.RETURNED, waited_s=4.0))
    again = (130.0, (opened(n=2),))
    place, end = told((100.0, (born(), entered(), opened())), (104.0, first), (124.0, back), again)[-2:]
    assert isinstance(place, rows.QueueLeft)
    assert place.waited_s == 6.0
    assert isinstance(end, rows.ContactEnded)
    assert (end.talked_s, end.answers) == (20.0, 1)


def test_what_is_whole_is_left_alone() -> None:
    """Ended contacts, closed segments: nothing is written twice, however often rows come back."""
    whole = (born(), entered(), opened(), segment(), answered(), left(), confirmed(), ended(), closed())
    assert told((100.0, whole)) == []


def test_segment_of_another_citys_contact_follows_the_anchors_word() -> None:
    """O3: the outcome on record decides; without one the segment is closed and its outcome waited for."""
    served = segment(site=GUANGZHOU, anchor=SHENZHEN)
    for outcome, kinds in (
        (answered(), [rows.SegmentConfirmed, rows.SegmentClosed]),
        (withdrawn(), [rows.SegmentVoided]),
        (None, [rows.SegmentClosed]),
    ):
        core = CoreAlone()
        found: list[Journalled] = Writing(SHENZHEN, "000000ee").at(100.0, *([outcome] if outcome else []))
        found += Writing(GUANGZHOU, "000000ff").at(101.0, served)
        core.does(events.RowsReturned(tuple(found)))
        assert [type(row) for row in core.rows] == kinds
    core.does(events.OutcomeApplied(answered()))
    assert core.rows[-1] == confirmed(), "the outcome that came later confirms it"


def test_contact_that_is_live_here_is_left_to_its_own_end() -> None:
    """Its leg is there, or the switch has yet to say so: this run knows better than rows of the past."""
    core = CoreAlone()
    contact = core.call()
    row = msgspec.structs.replace(born(), contact=contact)
    before = list(core.rows)
    core.does(events.RowsReturned(tuple(Writing(GUANGZHOU, "000000ff").at(100.0, row))))
    assert core.rows == before
