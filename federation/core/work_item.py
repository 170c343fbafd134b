"""A work item: an order, a fault report, a complaint, a question to be answered later (工单).

Pure. An item is the fold of its steps: ``check`` says whether a step may be taken now, ``apply`` takes one that may;
taking the same steps again gives the same item. Its service is that of the version it began with. Each item has one
ending (I1): nothing leads on from a state that ends it, and until then it always has a deadline, so that nothing waits
for ever. Times are seconds since 1970 (UTC); deadlines run by the province's calendar of work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from dataset.calendar import WorkCalendar, day_of
from dataset.ids import AgentId, CityId
from dataset.services.form import Value
from dataset.services.service import Service
from dataset.services.words import Role
from dataset.services.workflow import Ending, State
from dataset.work import (
    Acted,
    Actor,
    AnyStep,
    Assigned,
    Attached,
    CalledBack,
    DeadlinePassed,
    Later,
    Noted,
    Opened,
    Parked,
    Pressed,
    WorkItemId,
)
from federation.core.repeats import EarlierItem

SUPERVISORS: tuple[Role, ...] = ("supervisor", "site_admin", "province")
"""who may press for an item (督办), park it for others, and hand it to anybody"""
PRESSED = 0.25
"""the part of a state's time that is left at most once somebody presses for the item"""
AGAIN = 0.5
"""the part of a state's time after which a missed deadline is missed once more"""


# ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class FeeDue(msgspec.Struct, frozen=True, kw_only=True, tag="fee_due"):
    """An amount has become due."""

    code: str
    fen: int
    monthly: bool
    deposit: bool = False
    """given back when the service ends"""


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag="tell"):
    """The customer is to be told; a row behind the ``message`` port."""

    message: str


class Escalated(msgspec.Struct, frozen=True, kw_only=True, tag="escalated"):
    """``role`` in the owning city is to be told that the deadline was missed for the ``missed``-th time."""

    role: Role
    missed: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The one ending."""

    ending: Ending


Effect = FeeDue | Tell | Escalated | Ended


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """What an item has come to."""

    id: WorkItemId
    service: str
    owning: CityId
    customer: str
    line: str
    values: dict[str, Value]
    opened_by: Actor
    opened_at: float
    again_of: WorkItemId | None
    times_before: int = 0
    """how often the same was there before (``federation.core.repeats``)"""
    repeat_of: WorkItemId | None = None
    """the last of these"""
    ahead: bool = False
    """given out first for life, since it is back and its service says so"""
    state: str
    since: float
    """when it came into this state"""
    due_at: float | None
    """None once it has ended"""
    revision: int = 1
    """how many steps it has come"""
    missed: int = 0
    """deadlines missed in this state"""
    pressed: int = 0
    assignee: AgentId | None = None
    parked_until: float | None = None
    called_back: bool = False
    """the customer was reached since it came into this state"""
    ending: Ending | None = None
    files: int = 0
    """attached to it"""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the owning city's records say as a rule is looked at."""

    services: Mapping[str, int] = {}
    """services and features of the line: how many of each"""
    open_items: frozenset[str] = frozenset()
    """services of which the line has an item that has not ended"""
    arrears_fen: int = 0
    """overdue"""
    identity_checked: bool = False
    """in this contact"""
    earlier: tuple[EarlierItem, ...] = ()
    """items of the past that this one may be a repeat of"""


def deadline(state: State, calendar: WorkCalendar, start: float, part: float = 1.0) -> float | None:
    """When ``part`` of the time of ``state`` is over; None for a state that ends the item."""
    if state.within_s is None or state.ends is not None:
        return None
    return time_over(state, calendar, start, state.within_s * part)


def time_over(state: State, calendar: WorkCalendar, start: float, seconds: float) -> float:
    """When ``seconds`` from ``start`` on are over by the clock that ``state`` goes by."""
    return start + seconds if state.clock == "calendar" else calendar.after(start, seconds)


def opened(service: Service, calendar: WorkCalendar, step: Opened) -> WorkItem:
    """The item that ``step`` begins."""
    state = service.begins
    return WorkItem(
        id=step.item,
        service=step.service,
        owning=step.owning,
        customer=step.customer,
        line=step.line,
        values=dict(step.values),
        opened_by=step.by,
        opened_at=step.at,
        again_of=step.again_of,
        times_before=step.times_before,
        repeat_of=step.repeat_of,
        ahead=step.times_before > 0 and service.text.repeat is not None and service.text.repeat.press,
        state=state.id,
        since=step.at,
        due_at=deadline(state, calendar, step.at),
    )


def apply(service: Service, calendar: WorkCalendar, item: WorkItem, step: Later) -> tuple[WorkItem, tuple[Effect, ...]]:
    """Take a step that ``check`` has let through."""
    moved = msgspec.structs.replace(item, revision=item.revision + 1)
    match step:
        case Acted():
            return _acted(service, calendar, moved, step)
        case Assigned(to=to):
            return msgspec.structs.replace(moved, assignee=to, parked_until=None), ()
        case Parked(until=until):
            return msgspec.structs.replace(moved, parked_until=until), ()
        case CalledBack(reached=reached):
            return msgspec.structs.replace(moved, called_back=item.called_back or reached), ()
        case Pressed():
            return _pressed(service, calendar, moved, step), ()
        case DeadlinePassed():
            return _missed(service, calendar, moved, step)
        case Attached():
            return msgspec.structs.replace(moved, files=item.files + 1), ()
        case Noted():
            return moved, ()


def filled_in(item: WorkItem, step: Acted) -> dict[str, Value]:
    """The form of ``item`` as ``step`` leaves it."""
    return {name: value for name, value in {**item.values, **step.values}.items() if value is not None}


def _acted(
    service: Service, calendar: WorkCalendar, item: WorkItem, step: Acted
) -> tuple[WorkItem, tuple[Effect, ...]]:
    action = service.actions[step.action]
    state = service.states[action.to]
    values = filled_in(item, step)
    effects: list[Effect] = [
        FeeDue(code=fee.code, fen=fee.amount(values), monthly=fee.monthly, deposit=fee.deposit)
        for fee in service.fees_due(action.fees, values, day_of(step.at))
    ]
    effects += [Tell(message=message) for message in action.messages]
    if state.ends is not None:
        effects.append(Ended(ending=state.ends))
    moved = msgspec.structs.replace(
        item,
        values=values,
        state=state.id,
        since=step.at,
        due_at=deadline(state, calendar, step.at),
        missed=0,
        pressed=0,
        assignee=None,
        parked_until=None,
        called_back=False,
        ending=state.ends,
    )
    return moved, tuple(effects)


def _pressed(service: Service, calendar: WorkCalendar, item: WorkItem, step: Pressed) -> WorkItem:
    soon = deadline(service.states[item.state], calendar, step.at, PRESSED)
    due = item.due_at if soon is None or item.due_at is None else min(item.due_at, soon)
    return msgspec.structs.replace(item, pressed=item.pressed + 1, due_at=due, parked_until=None)


def _missed(
    service: Service, calendar: WorkCalendar, item: WorkItem, step: DeadlinePassed
) -> tuple[WorkItem, tuple[Effect, ...]]:
    state = service.states[item.state]
    missed = item.missed + 1
    told = state.escalate[min(missed, len(state.escalate)) - 1]
    moved = msgspec.structs.replace(
        item, missed=missed, due_at=deadline(state, calendar, step.at, AGAIN), assignee=None, parked_until=None
    )
    return moved, (Escalated(role=told, missed=missed),)


def follows(service: Service, item: WorkItem, step: Later) -> bool:
    """Whether ``step``, once checked, can still stand behind what is known of ``item`` by now.

    It can not when a row came back that its writer's disk had lost (J5), and that row led elsewhere, or ended the item:
    what was written first stands, and the later step is overtaken (I1: an ending is never written twice).
    """
    if item.ending is not None:
        return isinstance(step, Noted | Attached)
    if isinstance(step, Acted):
        action = service.actions.get(step.action)
        return action is not None and item.state in action.from_
    return True


def fold(service: Service, calendar: WorkCalendar, steps: Iterable[AnyStep]) -> tuple[WorkItem, tuple[AnyStep, ...]]:
    """The item after its recorded steps, and those of them that were overtaken.

    ``ValueError`` when the first does not open it.
    """
    item: WorkItem | None = None
    overtaken: list[AnyStep] = []
    for step in steps:
        if isinstance(step, Opened):
            if item is None:
                item = opened(service, calendar, step)
            else:
                overtaken.append(step)
        elif item is None:
            raise ValueError(f"the first step of a work item opens it, not {type(step).__name__}")
        elif follows(service, item, step):
            item, _ = apply(service, calendar, item, step)
        else:
            overtaken.append(step)
    if item is None:
        raise ValueError("a work item has one step at least")
    return item, tuple(overtaken)


def queue_order(item: WorkItem) -> tuple[int, float, str]:
    """The order in which waiting items are given out: pressed for or back again first, then by deadline."""
    return -(item.pressed + item.ahead), item.due_at if item.due_at is not None else float("inf"), item.id


def waits(item: WorkItem, now: float) -> bool:
    """Whether it waits for somebody to take it."""
    return item.ending is None and item.assignee is None and (item.parked_until is None or item.parked_until <= now)
