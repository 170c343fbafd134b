"""Rows for tests: short makers of whole rows, and ids that count instead of being drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec

from dataset.ids import AgentId, CityId, ContactId, LineageId, SkillId, Token
from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    AttemptOpened,
    AttemptWithdrawn,
    ContactBorn,
    ContactEnded,
    DataViewed,
    Ending,
    Entered,
    Evidence,
    Journalled,
    Left,
    QueueEntered,
    QueueLeft,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
    Viewed,
    Withdrawn,
    WorkRefused,
    WorkRequested,
    WorkStepped,
)
from dataset.work import Actor, AnyStep, Noted, Opened, RequestId, WorkItemId, item_of, request_id

GUANGZHOU = CityId("guangzhou")
SHENZHEN = CityId("shenzhen")
FAULT = SkillId("fault")
C1 = ContactId("0020-0000000a-000001")
C2 = ContactId("0020-0000000a-000002")
C3 = ContactId("0020-0000000a-000003")
R1, R2, R3 = (request_id("0020", LineageId("0000000a"), number) for number in (1, 2, 3))
W1, W2, W3 = item_of(R1), item_of(R2), item_of(R3)
BY = Actor(agent=AgentId("1001@guangzhou"), role="agent", city=GUANGZHOU)


def counting_lineages(first: int = 10) -> Callable[[], LineageId]:
    numbers = count(first)
    return lambda: LineageId(f"{next(numbers):08x}")


def born(contact: ContactId = C1, city: CityId = GUANGZHOU, calling: str = "13800000001") -> ContactBorn:
    return ContactBorn(
        contact=contact,
        city=city,
        channel="voice",
        door="10000",
        calling=calling,
        connection="x",
        package="yihaotong@1",
    )


def entered(contact: ContactId = C1, how: Entered = Entered.OFFERED, waited_s: float = 0.0) -> QueueEntered:
    return QueueEntered(contact=contact, skill=FAULT, service="fault", channel="voice", how=how, waited_s=waited_s)


def left(contact: ContactId = C1, how: Left = Left.ANSWERED_HERE, waited_s: float = 3.0) -> QueueLeft:
    return QueueLeft(
        contact=contact,
        skill=FAULT,
        service="fault",
        channel="voice",
        how=how,
        waited_s=waited_s,
        within_target=how in (Left.ANSWERED_HERE, Left.SENT_OUT) and waited_s <= 20,
    )


def opened(contact: ContactId = C1, n: int = 1) -> AttemptOpened:
    return AttemptOpened(contact=contact, n=n, skill=FAULT, scope="home")


def answered(contact: ContactId = C1, n: int = 1, site: CityId = GUANGZHOU, agent: str = "1001") -> AttemptAnswered:
    return AttemptAnswered(
        contact=contact,
        n=n,
        site=site,
        agent=AgentId(f"{agent}@{site}"),
        token=Token(f"0000000a-{n:06x}"),
        skill=FAULT,
        service="fault",
        channel="voice",
        waited_s=3.0,
    )


def withdrawn(contact: ContactId = C1, n: int = 1, reason: Withdrawn = Withdrawn.NO_ANSWER) -> AttemptWithdrawn:
    return AttemptWithdrawn(contact=contact, n=n, reason=reason)


def segment(
    contact: ContactId = C1, n: int = 1, site: CityId = GUANGZHOU, anchor: CityId = GUANGZHOU, agent: str = "1001"
) -> SegmentOpened:
    return SegmentOpened(
        contact=contact,
        n=n,
        site=site,
        anchor=anchor,
        agent=AgentId(f"{agent}@{site}"),
        token=Token(f"0000000a-{n:06x}"),
        skill=FAULT,
        service="fault",
        received=site != anchor,
    )


def confirmed(contact: ContactId = C1, n: int = 1) -> SegmentConfirmed:
    return SegmentConfirmed(contact=contact, n=n)


def closed(
    contact: ContactId = C1, n: int = 1, site: CityId = GUANGZHOU, talked_s: float = 60.0, agent: str = "1001"
) -> SegmentClosed:
    return SegmentClosed(
        contact=contact,
        n=n,
        site=site,
        agent=AgentId(f"{agent}@{site}"),
        talked_s=talked_s,
        held_s=0.0,
        wrap_up_s=5.0,
        disposition="solved",
        notes="",
        ended_by="agent",
    )


def ended(
    contact: ContactId = C1,
    ending: Ending = Ending.COMPLETED,
    evidence: Evidence = Evidence.SEEN,
    city: CityId = GUANGZHOU,
    **fields: object,
) -> ContactEnded:
    values: dict[str, object] = {"cause": "customer", "service": "fault", "skill": FAULT, "talked_s": 60.0, **fields}
    return ContactEnded(contact=contact, city=city, ending=ending, evidence=evidence, **values)  # type: ignore[arg-type]


def form(item: WorkItemId = W1) -> Opened:
    return Opened(at=0.0, item=item, service="complaint@1", owning=GUANGZHOU, customer="c1", values={}, by=BY)


def asked(request: RequestId = R1) -> WorkRequested:
    item = item_of(request)
    return WorkRequested(request=request, item=item, owning=GUANGZHOU, step=form(item))


def stepped(item: WorkItemId = W1, step: AnyStep | None = None, *, ended: bool = False) -> WorkStepped:
    """``step``: the opening of ``item`` unless given."""
    return WorkStepped(
        item=item, request=None, serving=GUANGZHOU, service="complaint@1", step=step or form(item), ended=ended
    )


def noted(item: WorkItemId = W1, note: str = "asked again", *, ended: bool = False) -> WorkStepped:
    return stepped(item, Noted(at=0.0, by=BY, note=note), ended=ended)


def refused(request: RequestId = R1) -> WorkRefused:
    return WorkRefused(item=item_of(request), request=request, serving=SHENZHEN, problems=())


class Writing:
    """A node that journals row after row in one lineage, without a journal."""

    def __init__(self, node: str, lineage: str = "0000000a", wall: float = 1_000_000.0) -> None:
        self.node = node
        self.lineage = LineageId(lineage)
        self.wall = wall
        self._sequence = 0

    def at(self, wall: float, *rows: AnyRow) -> list[Journalled]:
        self.wall = wall
        return list(self._write(rows))

    def write(self, *rows: AnyRow) -> list[Journalled]:
        return list(self._write(rows))

    def _write(self, rows: tuple[AnyRow, ...]) -> Iterator[Journalled]:
        for row in rows:
            self._sequence += 1
            yield Journalled(
                node=self.node,
                lineage=self.lineage,
                sequence=self._sequence,
                wall=self.wall,
                mono=self.wall,
                boot="boot",
                row=row,
            )


def viewed(customer: str = "K1", **given: Any) -> DataViewed:
    """1001 looks at the card of ``customer``."""
    return msgspec.structs.replace(
        DataViewed(
            agent=BY.agent,
            roles=("agent",),
            city=GUANGZHOU,
            operation="card",
            what=Viewed.CUSTOMER,
            id=customer,
            customers=(customer,),
        ),
        **given,
    )
