"""Simulated agents, against a door that plays a city's part by the letter of docs/agent-api.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from dataset.errors import Problem, Refused
from federation.node.clock import VirtualClock
from simulation.population.draws import constant
from simulation.population.staff import Manners, Place, Staff

SURE = Manners(
    reaction_s=constant(3.0),
    misses=0.0,
    handling_s=constant(100.0),
    holds=0.0,
    hold_s=constant(20.0),
    notes=0.0,
    transfers=0.0,
    to_agent=1.0,
    wrap_up_s=constant(10.0),
    breaks=0.0,
    break_s=constant(300.0),
    back_after_miss_s=constant(20.0),
    command_answers=1.0,
)


class FakeSeat:
    """A city's side for one agent: entrance, live connection and the phone, with a log of what was asked when."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[float, str, dict[str, Any]]] = []
        self.refuse: dict[str, str] = {}
        self.push: Callable[[dict[str, Any]], None] = lambda push: None
        self.gone: Callable[[int, str], None] = lambda code, reason: None
        self.picked_up: list[float] = []
        self.open_connections = 0
        self.state: dict[str, Any] = {
            "agent": "1001@guangzhou",
            "presence": "not_ready",
            "reason": "login",
            "reasons": ["break", "meal"],
            "can_answer": True,
            "calls": [],
        }
        self.targets: dict[str, Any] = {
            "skills": [{"skill": "fault"}, {"skill": "bill"}],
            "agents": [
                {"agent": "1001@guangzhou", "presence": "ready"},
                {"agent": "2001@shenzhen", "presence": "ready"},
                {"agent": "2002@shenzhen", "presence": "talking"},
            ],
        }

    # ── Entrance ──
    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        self.asked.append((self.clock.monotonic(), "login", {"user": user, "seat": seat}))
        return self.answer("login", {"token": "t"})

    def open(self) -> FakeSeat:
        self.open_connections += 1
        return self

    # ── SeatDoor ──
    def send(self, op: str, **fields: Any) -> Deferred[dict[str, Any]]:
        self.asked.append((self.clock.monotonic(), op, fields))
        if op == "attach":
            return self.answer(op, self.state)
        if op == "targets":
            return self.answer(op, self.targets)
        return self.answer(op, {})

    def answer(self, op: str, answer: dict[str, Any]) -> Deferred[dict[str, Any]]:
        if op in self.refuse:
            return fail(Refused(Problem(self.refuse[op], "", ""), status=409))
        return succeed(answer)

    def on_push(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self.push = callback

    def on_close(self, callback: Callable[[int, str], None]) -> None:
        self.gone = callback

    def close(self) -> None:
        self.open_connections -= 1

    # ── DeskPhone ──
    def pick_up(self) -> None:
        self.picked_up.append(self.clock.monotonic())

    # ── the city ──
    def show(self, presence: str, call: str | None = None, attempt: int = 1, **more: Any) -> None:
        calls = []
        if call is not None:
            calls = [
                {
                    "contact": call,
                    "attempt": attempt,
                    "state": presence,
                    "skill": "fault",
                    "handled_by": [],
                    "outbound": False,
                    "dispositions": [{"code": "solved"}],
                }
            ]
        self.state = {**self.state, "presence": presence, "calls": calls, **more}
        self.push({"push": "state", "state": self.state})

    def since(self, moment: float) -> list[tuple[float, str]]:
        return [(at, op) for at, op, _ in self.asked if at >= moment]

    def fields(self, op: str) -> dict[str, Any]:
        return next(fields for _, asked, fields in reversed(self.asked) if asked == op)


class _Phone:
    def __init__(self, seat: FakeSeat) -> None:
        self.answer = seat.pick_up


def seated(manners: Manners = SURE) -> tuple[VirtualClock, FakeSeat, Staff]:
    """One agent who has logged in and is ready, at 10 s."""
    clock = VirtualClock()
    seat = FakeSeat(clock)
    staff = Staff(clock, Random(3), [Place("1001", "p", "8001", seat, _Phone(seat))], manners)
    staff.arrive()
    clock.advance(5)
    seat.show("ready", reason="")
    clock.advance(5)
    return clock, seat, staff


def test_they_log_in_and_are_ready() -> None:
    _, seat, _ = seated()
    assert [op for _, op, _ in seat.asked] == ["login", "attach", "ready"]
    assert seat.fields("login") == {"user": "1001", "seat": "8001"}
    assert seat.fields("attach") == {"token": "t"}


def test_a_whole_call() -> None:
    """Ring, answer, talk, disposition, hang up, wrap up, finish: each once, at human times."""
    clock, seat, staff = seated()
    seat.show("alerting", "c1")
    clock.advance(10)
    seat.show("talking", "c1")
    seat.show("talking", "c1")
    clock.advance(100)
    seat.show("wrap_up", "c1")
    clock.advance(50)
    assert seat.since(10.0) == [
        (13.0, "answer"),
        (120.0, "disposition"),
        (120.0, "hang_up"),
        (130.0, "finish"),
    ]
    assert seat.fields("finish") == {"contact": "c1"}
    assert seat.fields("disposition") == {"contact": "c1", "code": "solved"}
    assert staff.counts == {"rings": 1, "talks": 1}


def test_a_seat_that_cannot_be_answered_on_the_screen_is_answered_at_the_phone() -> None:
    clock, seat, _ = seated()
    seat.show("alerting", "c1", can_answer=False)
    clock.advance(10)
    assert seat.picked_up == [13.0]
    assert "answer" not in [op for _, op, _ in seat.asked]


def test_a_caller_who_leaves_first_is_forgotten() -> None:
    clock, seat, _ = seated()
    seat.show("alerting", "c1")
    clock.advance(2)
    seat.show("ready")
    clock.advance(100)
    assert seat.since(10.0) == []


def test_the_customer_hangs_up_before_the_agent_would() -> None:
    clock, seat, _ = seated()
    seat.show("alerting", "c1")
    seat.show("talking", "c1")
    clock.advance(50)
    seat.show("wrap_up", "c1")
    clock.advance(200)
    assert seat.since(10.0) == [(70.0, "disposition"), (70.0, "finish")]


def test_the_same_contact_again_is_a_call_of_its_own() -> None:
    clock, seat, _ = seated()
    seat.show("alerting", "c1", attempt=1)
    clock.advance(2)
    seat.show("alerting", "c1", attempt=2)
    clock.advance(10)
    assert seat.since(10.0) == [(15.0, "answer")]


def test_hold_and_retrieve() -> None:
    clock, seat, _ = seated(replace(SURE, holds=1.0))
    seat.show("talking", "c1")
    clock.run_until(lambda: seat.asked[-1][1] == "hold", 100)
    held_at = clock.monotonic()
    seat.show("held", "c1")
    clock.advance(20)
    assert seat.since(held_at) == [(held_at, "hold"), (held_at + 20, "retrieve")]
    seat.show("talking", "c1")
    clock.advance_to(200)
    assert (110.0, "hang_up") in seat.since(held_at)
    assert [op for _, op, _ in seat.asked].count("hold") == 1


def test_a_note() -> None:
    clock, seat, staff = seated(replace(SURE, notes=1.0))
    seat.show("talking", "c1")
    clock.advance(99)
    assert seat.fields("note")["contact"] == "c1"
    assert staff.counts["notes"] == 1


def test_a_transfer_to_an_agent_elsewhere() -> None:
    clock, seat, _ = seated(replace(SURE, transfers=1.0))
    seat.show("talking", "c1")
    clock.advance(90)
    asked = seat.fields("transfer")
    assert asked["contact"] == "c1"
    assert asked["to_agent"] == "2001@shenzhen"
    seat.show("wrap_up", "c1")
    clock.advance(100)
    assert "hang_up" not in [op for _, op, _ in seat.asked]
    assert seat.asked[-1][1] == "finish"


def test_a_transfer_to_a_skill_never_the_same_one() -> None:
    clock, seat, _ = seated(replace(SURE, transfers=1.0, to_agent=0.0))
    seat.show("talking", "c1")
    clock.advance(90)
    assert seat.fields("transfer")["to_skill"] == "bill"


def test_a_transfer_that_nobody_takes_leaves_the_caller_with_the_agent() -> None:
    clock, seat, staff = seated(replace(SURE, transfers=1.0))
    seat.refuse["transfer"] = "anchor-unreachable"
    seat.show("talking", "c1")
    clock.advance(99)
    assert seat.asked[-1][1] == "hang_up"
    assert staff.counts["refused transfer: anchor-unreachable"] == 1


def test_a_missed_ring_and_back_after_a_while() -> None:
    clock, seat, staff = seated(replace(SURE, misses=1.0))
    seat.show("alerting", "c1")
    clock.advance(20)
    seat.show("not_ready", reason="no_answer")
    clock.advance(30)
    assert seat.since(10.0) == [(50.0, "ready")]
    assert staff.counts["missed"] == 1


def test_a_break_after_a_contact() -> None:
    clock, seat, _ = seated(replace(SURE, breaks=1.0))
    seat.show("talking", "c1")
    seat.show("wrap_up", "c1")
    clock.advance(10)
    assert [op for _, op in seat.since(10.0)] == ["disposition", "not_ready", "finish"]
    seat.show("not_ready", reason=seat.fields("not_ready")["reason"])
    clock.advance(299)
    assert seat.asked[-1][1] == "finish"
    clock.advance(1)
    assert seat.asked[-1][1] == "ready"


def test_being_too_late_is_counted_and_no_accident() -> None:
    clock, seat, staff = seated()
    seat.refuse["hang_up"] = "wrong-state"
    seat.show("talking", "c1")
    clock.advance(100)
    assert staff.counts["refused hang_up: wrong-state"] == 1


def test_a_refused_login_is_tried_again() -> None:
    clock = VirtualClock()
    seat = FakeSeat(clock)
    seat.refuse["login"] = "login-failed"
    staff = Staff(clock, Random(3), [Place("1001", "p", "8001", seat)], SURE)
    staff.arrive()
    clock.advance(7)
    del seat.refuse["login"]
    clock.advance(5)
    assert [op for _, op, _ in seat.asked] == ["login", "login", "login", "attach", "ready"]
    assert staff.counts["refused login: login-failed"] == 2


def test_a_lost_connection_is_made_again() -> None:
    clock, seat, staff = seated()
    seat.show("talking", "c1")
    seat.gone(1006, "")
    clock.advance(5)
    assert [op for _, op in seat.since(10.0)] == ["login", "attach"]
    assert staff.counts["connection_lost"] == 1
    clock.advance(100)
    assert seat.asked[-1][1] == "hang_up"


def test_whose_seat_is_taken_over_stays_away() -> None:
    clock, seat, _ = seated()
    seat.push({"push": "taken_over"})
    seat.gone(4401, "taken over")
    clock.advance(100)
    assert seat.since(10.0) == []


def test_going_home_waits_for_the_end_of_the_contact() -> None:
    clock, seat, staff = seated()
    seat.show("talking", "c1")
    staff.go_home()
    assert seat.asked[-1][1] == "not_ready"
    clock.advance(50)
    seat.show("wrap_up", "c1")
    clock.advance(10)
    seat.show("not_ready", reason="break")
    clock.advance(1000)
    assert [op for _, op in seat.since(60.0)] == ["disposition", "finish", "logout"]
    assert seat.open_connections == 0


def test_going_home_at_once_when_idle() -> None:
    clock, seat, staff = seated()
    staff.go_home()
    clock.advance(100)
    assert [op for _, op in seat.since(10.0)] == ["logout"]
    assert seat.open_connections == 0
