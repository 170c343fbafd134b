"""A day's callers with the core deciding: who is served by whom and when, and who loses patience, comes out anew.

Callers arrive, use the menu, and talk as long as in the trace; how long they would have waited is drawn from an
exponential patience fitted to it, because nobody knows it of those who were answered. Every named server has one seat
and the kinds of calls that it served that day, and is there from its first service to its last except where it served
nobody for ``ABSENT_S``: a trace has no breaks, so shorter ones are not taken here, and the center is better staffed
than it was. Callers who hung up and are answered here talk as long as some other call of their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from statistics import fmean
from typing import Any

from dataset import rows
from federation.ports import Timer
from simulation.replay.forced import calling_of, course_of
from simulation.replay.stage import KEY, NOWHERE, PAUSE, Plan, Queue, SeatHand, SeatPlan, Stage
from simulation.replay.totals import Totals, totals_of_rows, totals_of_trace
from simulation.replay.trace import Outcome, TraceCall, calls_by_server
from site_node.switch.simulated import Caller, CallState, Sound

PATIENT_S = 7200.0
"""callers still there so long after the last server has left are not waited for"""
ABSENT_S = 600.0
"""a server who serves nobody for so long was away"""
WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Waits:
    """How callers waited, in seconds."""

    answered_s: float
    """mean of those who were answered, at once or later"""
    within: float
    """share of those who asked for an agent that was answered within ``WITHIN_S``"""


@dataclass(frozen=True, slots=True)
class FreeDay:
    """What was, and what came out."""

    day: date
    patience_s: float
    seats: int
    trace: Totals
    played: Totals
    trace_waits: Waits
    played_waits: Waits


def play_free(
    day: date,
    calls: tuple[TraceCall, ...],
    patience_s: float,
    seed: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> FreeDay:
    """Play one day with a mean patience in seconds. The same seed gives the same day."""
    kinds = sorted({(call.kind, call.priority == 2) for call in calls})
    queues = {kind: Queue(kind[0].lower(), str(1001 + at), priority=int(kind[1])) for at, kind in enumerate(kinds)}
    served = list(calls_by_server(calls))
    seats = tuple(SeatPlan(server, tuple(sorted({call.kind.lower() for call in theirs}))) for server, theirs in served)
    stage = Stage(Plan(day, seats, tuple(queues.values())))
    for hand, (_, theirs) in zip(stage.hands, served, strict=True):
        _Server(stage, hand, _present(theirs))
    talks = _talks(calls)
    for call in calls:
        source = Random(f"{seed}/{call.line}")
        door = NOWHERE if call.outcome is Outcome.PHANTOM else queues[call.kind, call.priority == 2].door
        _Customer(stage, call, door, source.expovariate(1.0 / patience_s), _talk_s(call, talks, source))
    end = max((course_of(call).ends for call in calls), default=0.0)
    stage.play(end + PATIENT_S, progress)
    played = stage.rows()
    stage.close()
    answered = [row.waited_s for _, row in played if isinstance(row, rows.AttemptAnswered)]
    asked = sum(isinstance(row, rows.QueueEntered) for _, row in played)
    return FreeDay(
        day=day,
        patience_s=patience_s,
        seats=len(seats),
        trace=totals_of_trace(calls),
        played=totals_of_rows((row for _, row in played), lambda door: door == NOWHERE),
        trace_waits=_waits_of_trace(calls),
        played_waits=_waits(answered, asked),
    )


class _Customer:
    """Calls, leaves the menu, waits as long as patience lasts, and talks as long as given."""

    def __init__(self, stage: Stage, call: TraceCall, door: str, patience_s: float, talk_s: float) -> None:
        self._stage = stage
        self._course = course_of(call)
        self._call = call
        self._door = door
        self._patience_s = patience_s
        self._talk_s = talk_s
        self._phone: Caller | None = None
        self._patience: Timer | None = None
        self._talking = False
        stage.at(self._course.arrives, self._arrive)

    def _arrive(self) -> None:
        self._phone = self._stage.call(self._door, calling_of(self._call))
        self._phone.on_change = self._changed
        if self._course.queues is None:
            self._stage.at(self._course.ends, self._hang_up)
        else:
            self._stage.at(self._course.queues, self._press)

    def _press(self) -> None:
        phone = self._phone
        if phone is not None and phone.state is CallState.IN_CALL and self._patience is None:
            self._patience = self._stage.clock.call_later(self._patience_s, self._hang_up)
            phone.press(KEY)

    def _changed(self) -> None:
        phone = self._phone
        if phone is None or phone.over:
            return
        if self._course.queues is not None and self._stage.now() >= self._course.queues:
            self._press()  # the center had not answered at the second of the key
        if phone.hears().sound is Sound.VOICE and not self._talking:
            self._talking = True
            if self._patience is not None and self._patience.active():
                self._patience.cancel()
            self._stage.clock.call_later(self._talk_s, self._hang_up)

    def _hang_up(self) -> None:
        if self._phone is not None:
            self._phone.hang_up()


class _Server:
    """Is there in the given stretches of time, answers at once, and is done with a call when the customer is."""

    def __init__(self, stage: Stage, hand: SeatHand, present: Sequence[tuple[float, float]]) -> None:
        self._hand = hand
        self._seen: set[tuple[str, int, str]] = set()
        hand.changed = self._changed
        for begin, end in present:
            stage.at(begin, hand.ask, "ready")
            stage.at(end, lambda: hand.ask("not_ready", reason=PAUSE))

    def _changed(self, state: dict[str, Any]) -> None:
        for call in state["calls"]:
            seen = (call["contact"], call["attempt"], call["state"])
            if seen in self._seen:
                continue
            self._seen.add(seen)
            if call["state"] == "alerting":
                self._hand.ask("answer", contact=call["contact"])
            elif call["state"] == "wrap_up":
                self._hand.ask("finish", contact=call["contact"])


def _present(calls: Sequence[TraceCall]) -> list[tuple[float, float]]:
    """When a server was there, from the calls it served, which are in order of their beginning."""
    stretches: list[tuple[float, float]] = []
    for call in calls:
        if call.service is None:
            continue
        begin, end = float(call.service.begin), float(call.service.end)
        if stretches and begin <= stretches[-1][1] + ABSENT_S:
            stretches[-1] = (stretches[-1][0], max(end, stretches[-1][1]))
        else:
            stretches.append((begin, end))
    return stretches


def _talks(calls: Sequence[TraceCall]) -> dict[str, list[int]]:
    talks: dict[str, list[int]] = {}
    for call in calls:
        if call.outcome is Outcome.AGENT and call.service is not None and call.server and call.service.length > 0:
            talks.setdefault(call.kind, []).append(call.service.length)
    return talks


def _talk_s(call: TraceCall, talks: dict[str, list[int]], source: Random) -> float:
    if call.outcome is Outcome.AGENT and call.service is not None:
        return float(max(call.service.length, 0))
    known = talks.get(call.kind) or [one for kind in talks.values() for one in kind]
    return float(source.choice(known)) if known else 0.0


def _waits_of_trace(calls: Sequence[TraceCall]) -> Waits:
    waited = [
        float(call.queue.length if call.queue is not None else 0) for call in calls if call.outcome is Outcome.AGENT
    ]
    gave_up = sum(call.outcome is Outcome.HANG and call.queue is not None for call in calls)
    return _waits(waited, len(waited) + gave_up)


def _waits(answered: Sequence[float], asked: int) -> Waits:
    within = sum(wait <= WITHIN_S for wait in answered)
    return Waits(fmean(answered) if answered else 0.0, within / asked if asked else 0.0)
