"""A day exactly as it was: arrivals, answers and hang-ups at their seconds, through the real core.

The core routes by skill and takes the longest waiting, so each named server gets a seat and a queue of its own, and the
agent there is ready only for the moment in which the trace has an answer. Where the trace has a server serve two calls
at once, or take a later call before an earlier one, a second seat of that server takes it: the core itself never lets
one seat hold two contacts (I2). Calls that were served by nobody by name have seats of their own; those that were hung
up wait in a queue without agents; virtual calls hang up in a menu that leads nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dataset import rows
from dataset.rows import AnyRow
from simulation.replay.stage import KEY, NOWHERE, PAUSE, Plan, Queue, SeatHand, SeatPlan, Stage
from simulation.replay.totals import Totals, totals_of_rows, totals_of_trace
from simulation.replay.trace import Outcome, TraceCall
from site_node.switch.simulated import Caller, CallState

EXACT_S = 0.001


@dataclass(frozen=True, slots=True)
class Course:
    """When things happen to one call, in seconds after midnight: its line put in an order that can have been."""

    call: TraceCall
    arrives: float
    queues: float | None
    """presses the key; None: never leaves the menu"""
    answered: float | None
    ends: float


@dataclass
class Lane:
    """One seat and its own queue, served in the order of arrival."""

    server: str
    number: int
    courses: list[Course] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The server's name, with a number from the second seat on."""
        shown = self.server or "NO_SERVER"
        return shown if self.number == 1 else f"{shown} {self.number}"

    def fits(self, course: Course) -> bool:
        """Whether a call can follow here: enters the queue in a later second than the last one, is served after it."""
        last = self.courses[-1]
        return _of(last.queues) < _of(course.queues) and last.ends <= _of(course.answered)


@dataclass(frozen=True, slots=True)
class ForcedDay:
    """What came out. ``late`` counts answers and ends that were not at their second; ``worst_s`` by how much."""

    day: date
    expected: Totals
    played: Totals
    seats: int
    servers: int
    answers: int
    late: int
    worst_s: float

    @property
    def good(self) -> bool:
        """The totals are equal and every answer and end was at its second."""
        return self.expected == self.played and self.late == 0


def course_of(call: TraceCall) -> Course:
    """A call's moments. Where the line contradicts itself, the service counts most, then the end of the menu."""
    arrives = float(call.menu.begin)
    leaves_menu = float(max(call.menu.end, call.menu.begin))
    left = leaves_menu if call.queue is None else float(max(call.queue.end, call.menu.begin))
    match call.outcome:
        case Outcome.PHANTOM:
            return Course(call, arrives, None, None, max(left, leaves_menu))
        case Outcome.HANG if call.queue is None:
            return Course(call, arrives, None, None, leaves_menu)
        case Outcome.HANG:
            return Course(call, arrives, min(leaves_menu, left), None, left)
        case Outcome.AGENT:
            answered = left if call.service is None else float(max(call.service.begin, call.menu.begin))
            ends = answered if call.service is None else max(float(call.service.end), answered)
            return Course(call, arrives, min(leaves_menu, answered), answered, ends)


def lanes_of(courses: Iterable[Course]) -> list[Lane]:
    """Seats for the answered calls, as few as can be: by server, each call at the first seat of its server it fits."""
    served = [course for course in courses if course.answered is not None]
    lanes: dict[str, list[Lane]] = {}
    for course in sorted(served, key=lambda one: (_of(one.answered), one.ends, _of(one.queues), one.call.line)):
        server = course.call.server
        own = lanes.setdefault(server, [])
        lane = next((lane for lane in own if lane.fits(course)), None)
        if lane is None:
            lane = Lane(server, len(own) + 1)
            own.append(lane)
        lane.courses.append(course)
    return [lane for server in sorted(lanes) for lane in lanes[server]]


def play_forced(
    day: date, calls: tuple[TraceCall, ...], progress: Callable[[float], None] = lambda share: None
) -> ForcedDay:
    """Play one day. Raises ``Refused`` if the agent API refuses anything, which it should not."""
    courses = [course_of(call) for call in calls]
    lanes = lanes_of(courses)
    queues = [Queue(f"seat{at:03d}", str(1001 + at)) for at in range(len(lanes))]
    unserved = Queue("nobody", "902")
    seats = tuple(SeatPlan(lane.name, (queue.skill,)) for lane, queue in zip(lanes, queues, strict=True))
    stage = Stage(Plan(day, seats, (unserved, *queues)))
    doors = {one.call.line: NOWHERE if one.call.outcome is Outcome.PHANTOM else unserved.door for one in courses}
    for lane, queue, hand in zip(lanes, queues, stage.hands, strict=True):
        doors.update({course.call.line: queue.door for course in lane.courses})
        _Server(stage, hand, lane)
    for course in sorted(courses, key=lambda one: (one.arrives, _of(one.queues), one.call.line)):
        _Customer(stage, course, doors[course.call.line])
    stage.play(max((course.ends for course in courses), default=0.0) + 10.0, progress)
    played = stage.rows()
    stage.close()
    return _compare(day, courses, lanes, played, unserved_is_other=NOWHERE)


class _Customer:
    """Calls, presses and hangs up at the given seconds."""

    def __init__(self, stage: Stage, course: Course, door: str) -> None:
        self._stage = stage
        self._course = course
        self._door = door
        self._phone: Caller | None = None
        stage.at(course.arrives, self._call)

    def _call(self) -> None:
        course = self._course
        self._phone = self._stage.call(self._door, calling_of(course.call))
        if course.queues is not None:
            self._stage.at(course.queues, self._press)
        if course.answered is None:
            self._stage.at(course.ends, self._hang_up)

    def _press(self) -> None:
        phone = self._phone
        if phone is not None:
            if phone.state is CallState.IN_CALL:
                phone.on_change = None
                phone.press(KEY)
            else:
                phone.on_change = self._press  # the center has not answered yet, in this very second

    def _hang_up(self) -> None:
        if self._phone is not None:
            self._phone.hang_up()


class _Server:
    """Is ready at the second of an answer, answers, finishes at the second of the end, and is 示忙 in between."""

    def __init__(self, stage: Stage, hand: SeatHand, lane: Lane) -> None:
        self._stage = stage
        self._hand = hand
        self._waiting = list(reversed(lane.courses))
        self._stages_seen: set[tuple[str, str]] = set()
        hand.changed = self._changed
        for course in lane.courses:
            stage.at(_of(course.answered), hand.ask, "ready")

    def _changed(self, state: dict[str, Any]) -> None:
        for call in state["calls"]:
            seen = (call["contact"], call["state"])
            if seen in self._stages_seen:
                continue
            self._stages_seen.add(seen)
            if call["state"] == "alerting":
                self._hand.ask("answer", contact=call["contact"])
                self._hand.ask("not_ready", reason=PAUSE)
            elif call["state"] == "talking":
                course = self._waiting.pop()
                self._stage.at(course.ends, self._finish, call["contact"])

    def _finish(self, contact: str) -> None:
        self._hand.ask("finish", contact=contact)


def calling_of(call: TraceCall) -> str:
    """The calling number that a line gets, so that its contact is known again among the rows."""
    return f"1{call.line:08d}"


def _compare(
    day: date,
    courses: list[Course],
    lanes: list[Lane],
    played: list[tuple[float, AnyRow]],
    *,
    unserved_is_other: str,
) -> ForcedDay:
    lines = {
        row.contact: int(row.calling[1:])
        for _, row in played
        if isinstance(row, rows.ContactBorn) and row.calling[1:].isdecimal()
    }
    planned = {course.call.line: course for course in courses}
    answered = {lines[row.contact]: at for at, row in played if isinstance(row, rows.AttemptAnswered)}
    ended = {lines[row.contact]: at for at, row in played if isinstance(row, rows.ContactEnded)}
    off = [*_off(answered, {line: one.answered for line, one in planned.items()})]
    off += _off(ended, {line: one.ends for line, one in planned.items()})
    return ForcedDay(
        day=day,
        expected=totals_of_trace(course.call for course in courses),
        played=totals_of_rows((row for _, row in played), lambda door: door == unserved_is_other),
        seats=len(lanes),
        servers=len({lane.server for lane in lanes if lane.server}),
        answers=len(answered),
        late=sum(one > EXACT_S for one in off),
        worst_s=max(off, default=0.0),
    )


def _off(seen: Mapping[int, float], wanted: Mapping[int, float | None]) -> list[float]:
    """By how much each moment was missed; one that should not be, or is missing, is for ever."""
    return [
        abs(seen[line] - moment) if moment is not None and line in seen else float("inf")
        for line, moment in wanted.items()
        if (moment is not None) or line in seen
    ]


def _of(moment: float | None) -> float:
    return 0.0 if moment is None else moment
