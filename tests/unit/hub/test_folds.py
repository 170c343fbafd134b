"""What the hub reads off rows of record: each contact's way, the day of each city, flows between cities."""

from __future__ import annotations

from itertools import count

import pytest

from dataset.ids import AgentId, CityId, ContactId, LineageId, SkillId, Token
from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    AttemptOpened,
    ContactBorn,
    ContactEnded,
    Ending,
    Entered,
    Evidence,
    Journalled,
    Left,
    LineageOpened,
    MenuChosen,
    QueueEntered,
    QueueLeft,
    SegmentClosed,
    SegmentOpened,
)
from provincial_hub.core.contacts import ContactFold
from provincial_hub.core.traffic import CityDay, Flow, Traffic, day_of

FOSHAN, GUANGZHOU = CityId("foshan"), CityId("guangzhou")
C = ContactId("0757-00000001-000001")
FAULT = SkillId("fault")
_sequence = count(1)


def row(value: AnyRow, *, node: str = "foshan", wall: float = 1000.0, lineage: str = "00000001") -> Journalled:
    return Journalled(
        node=node, lineage=LineageId(lineage), sequence=next(_sequence), wall=wall, mono=wall, boot="b", row=value
    )


def born(contact: ContactId = C) -> ContactBorn:
    return ContactBorn(
        contact=contact,
        city=FOSHAN,
        channel="voice",
        door="10000",
        calling="13900001234",
        connection="c",
        package="p@1",
    )


def entered(how: Entered = Entered.OFFERED, waited_s: float = 0.0, contact: ContactId = C) -> QueueEntered:
    return QueueEntered(contact=contact, skill=FAULT, service="fault", channel="voice", how=how, waited_s=waited_s)


def left(how: Left, waited_s: float = 4.0, within: bool = True) -> QueueLeft:
    return QueueLeft(
        contact=C, skill=FAULT, service="fault", channel="voice", how=how, waited_s=waited_s, within_target=within
    )


def answered(n: int, site: CityId, waited_s: float = 4.0) -> AttemptAnswered:
    return AttemptAnswered(
        contact=C,
        n=n,
        site=site,
        agent=AgentId(f"1001@{site}"),
        token=Token("t"),
        skill=FAULT,
        service="fault",
        channel="voice",
        waited_s=waited_s,
    )


def ended(ending: Ending = Ending.COMPLETED, evidence: Evidence = Evidence.SEEN, epoch: int = 0) -> ContactEnded:
    return ContactEnded(
        contact=C, city=FOSHAN, ending=ending, evidence=evidence, cause="customer", talked_s=60.0, epoch=epoch
    )


def test_a_contacts_way_across_cities() -> None:
    """Menu, queue, an agent elsewhere, transferred back home, ended: where it is shows at every step."""
    fold, states = ContactFold(), []
    way: list[AnyRow] = [
        born(),
        MenuChosen(contact=C, path=("1",), service="fault", skill=FAULT, priority=0),
        entered(),
        AttemptOpened(contact=C, n=1, skill=FAULT, scope="province"),
        answered(1, GUANGZHOU),
        left(Left.SENT_OUT),
        AttemptOpened(contact=C, n=2, skill=FAULT, scope="home"),
        answered(2, FOSHAN, 9.0),
        ended(),
    ]
    for value in way:
        seen = fold.apply(row(value), now=50.0)
        assert seen is not None
        states.append(seen.state)
    assert states == ["menu", "menu", *["waiting"] * 3, "talking", "transferring", "talking", "ended"]
    contact = fold.get(C)
    assert contact is not None
    assert contact.route == (FOSHAN, GUANGZHOU, FOSHAN)
    assert (contact.waited_s(99.0), contact.talked_s, contact.ending) == (4.0, 60.0, "completed")
    assert list(fold.live()) == []


def test_waiting_counts_on() -> None:
    fold = ContactFold()
    fold.apply(row(born()), now=10.0)
    fold.apply(row(entered(waited_s=3.0)), now=10.0)
    contact = fold.get(C)
    assert contact is not None
    assert contact.waited_s(15.0) == 8.0


def test_rows_of_two_cities_in_any_order() -> None:
    """The serving city's segment may come before anything of the anchor's."""
    rows = [
        row(born()),
        row(answered(1, GUANGZHOU)),
        row(
            SegmentOpened(
                contact=C, n=1, site=GUANGZHOU, anchor=FOSHAN, agent=AgentId("a"), token=Token("t"), skill=FAULT
            ),
            node="guangzhou",
        ),
        row(
            SegmentClosed(
                contact=C,
                n=1,
                site=GUANGZHOU,
                agent=AgentId("a"),
                talked_s=50.0,
                held_s=0.0,
                wrap_up_s=3.0,
                disposition="solved",
                notes="",
                ended_by="customer",
            ),
            node="guangzhou",
        ),
        row(ended()),
    ]
    folded = []
    for order in ((0, 1, 2, 3, 4), (2, 3, 0, 1, 4), (0, 2, 1, 4, 3)):
        fold = ContactFold()
        for at in order:
            fold.apply(rows[at], now=0.0)
        contact = fold.get(C)
        assert contact is not None
        folded.append((contact.state, contact.route, contact.attempts[1].segment, contact.attempts[1].talked_s))
    assert set(folded) == {("ended", (FOSHAN, GUANGZHOU), "closed", 50.0)}


def test_the_stronger_ending_stays() -> None:
    """E1, in either order."""
    inferred, seen = ended(Ending.FAILED, Evidence.INFERRED), ended(Ending.COMPLETED, Evidence.SEEN)
    for first, second in ((inferred, seen), (seen, inferred)):
        fold = ContactFold()
        for value in (born(), first, second):
            fold.apply(row(value), now=0.0)
        contact = fold.get(C)
        assert contact is not None
        assert contact.ending == "completed"


def test_a_contact_lost_with_its_journal_is_shown_and_gives_way() -> None:
    """E3: computed from the later run's opening; any ending on record is better; late rows of old runs too."""
    fold = ContactFold()
    fold.apply(row(born(), wall=1000.0), now=0.0)
    later = LineageOpened(node="foshan", previous=None, previous_head=0)
    fold.apply(row(later, lineage="00000002", wall=2000.0), now=0.0)
    contact = fold.get(C)
    assert contact is not None
    assert (contact.state, contact.ending) == ("ended", "failed")
    other = ContactId("0757-00000001-000002")
    fold.apply(row(born(other), wall=1001.0), now=0.0)
    late = fold.get(other)
    assert late is not None
    assert late.ending == "failed"
    assert list(fold.live()) == []
    fold.apply(row(ended()), now=0.0)
    assert contact.ending == "completed"


def test_a_later_run_that_lists_its_live_contacts_keeps_them() -> None:
    fold = ContactFold()
    fold.apply(row(born()), now=0.0)
    later = LineageOpened(node="foshan", previous=LineageId("00000001"), previous_head=1, live_contacts=(C,))
    fold.apply(row(later, lineage="00000002", wall=2000.0), now=0.0)
    assert [contact.contact for contact in fold.live()] == [C]


def test_latest_first_and_old_ones_go() -> None:
    fold = ContactFold(ended_kept=2)
    ids = [ContactId(f"0757-00000001-{at:06x}") for at in range(5)]
    for contact in ids:
        fold.apply(row(born(contact)), now=0.0)
        fold.apply(
            row(
                ContactEnded(contact=contact, city=FOSHAN, ending=Ending.MENU, evidence=Evidence.SEEN, cause="customer")
            ),
            now=0.0,
        )
    assert [one.contact for one in fold.latest(10)] == [ids[4], ids[3]]
    assert [one.contact for one in fold.latest(1)] == [ids[4]]
    assert fold.latest(10, GUANGZHOU) == []
    assert fold.get(ids[0]) is None


def test_days_flows_and_service_level() -> None:
    traffic = Traffic()
    for value in (entered(), answered(1, GUANGZHOU), left(Left.SENT_OUT)):
        traffic.apply(row(value, wall=1000.0))
    assert traffic.today(FOSHAN, 1000.0) == CityDay(offered=1, sent_out=1, within_target=1)
    assert traffic.today(GUANGZHOU, 1000.0) == CityDay(received=1)
    assert traffic.service_level(FOSHAN, 1000.0) == 1.0
    assert traffic.service_level(GUANGZHOU, 1000.0) is None
    assert traffic.flows(1100.0) == [Flow(FOSHAN, GUANGZHOU, up=1, last_15_min=1)]
    traffic.apply(row(entered(Entered.RETURNED), wall=1200.0))
    assert traffic.flows(1200.0) == [Flow(FOSHAN, GUANGZHOU, up=0, last_15_min=1)]
    assert traffic.today(FOSHAN, 1200.0).offered == 1, "returned is not offered again"
    traffic.apply(row(left(Left.ABANDONED, within=False), wall=1300.0))
    assert traffic.service_level(FOSHAN, 1300.0) == 0.5
    assert traffic.flows(5000.0) == []


@pytest.mark.parametrize(("wall", "day"), [(0.0, 0), (57_599.0, 0), (57_600.0, 1)])
def test_a_day_is_shanghais(wall: float, day: int) -> None:
    assert day_of(wall) == day


def test_what_no_figure_needs_is_forgotten() -> None:
    traffic = Traffic()
    for wall in (1000.0, 200_000.0, 400_000.0):
        traffic.apply(row(entered(), wall=wall))
        traffic.apply(row(answered(1, GUANGZHOU), wall=wall))
    traffic.forget_before(400_000.0)
    assert traffic.today(FOSHAN, 1000.0).offered == 0
    assert traffic.today(FOSHAN, 400_000.0).offered == 1
    assert traffic.flows(400_000.0) == [Flow(FOSHAN, GUANGZHOU, up=1, last_15_min=1)]


def test_late_rows_of_contacts_long_gone_leave_no_ghosts() -> None:
    fold = ContactFold(ended_kept=2)
    for at in range(5):
        fold.apply(row(AttemptOpened(contact=ContactId(f"c{at}"), n=1, skill=FAULT, scope="home")), now=0.0)
    assert [fold.get(ContactId(f"c{at}")) is not None for at in range(5)] == [False, False, False, True, True]
    fold.apply(row(born(ContactId("c4"))), now=0.0)
    assert [contact.contact for contact in fold.live()] == [ContactId("c4")]
