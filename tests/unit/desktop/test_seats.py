"""Agents sit down, lose their connection, come back, and find everything as it is; roles hold everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import CityId
from federation.core.envelope import AgentPicture, CityPicture, SkillPicture
from federation.node.memory_transport import ClientEnd
from site_node.core import events
from site_node.services.seats import MOST_NOTES
from tests.harness.city_desk import LI, PASSWORD, WANG
from tests.harness.door_clients import MemoryForm, slug

GRACE_S, GONE_S = 60.0, 240.0


class Office:
    """A memory form with agents who come and go."""

    def __init__(self) -> None:
        self.form = MemoryForm()
        self.city = self.form.desk.city
        self.clock = self.form.clock

    def login(self, user: str = "1001", seat: str = "8001") -> str:
        answer = self.form.result(self.form.door.login(user, PASSWORD, seat))
        token: str = answer["token"]
        return token

    def attach(self, token: str) -> tuple[ClientEnd, dict[str, Any], list[dict[str, Any]]]:
        end = self.form.door.open()
        pushes: list[dict[str, Any]] = []
        end.on_push(pushes.append)
        return end, self.form.result(end.send("attach", token=token)), pushes

    def ask(self, end: ClientEnd, op: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.form.result(end.send(op, **fields))
        return answer

    def refused(self, end: ClientEnd, op: str, **fields: Any) -> tuple[int, str]:
        with pytest.raises(Refused) as caught:
            self.ask(end, op, **fields)
        return slug(caught.value)


@pytest.fixture
def office() -> Office:
    return Office()


# ── lost connections (failure-mode: browser dies in mid-call) ───────────────────────────────────────────────────────
def test_whoever_loses_the_connection_has_a_minute_then_is_not_ready_then_logged_out(office: Office) -> None:
    token = office.login()
    end, _, _ = office.attach(token)
    office.ask(end, "ready")
    end.close()
    office.clock.advance(GRACE_S - 1)
    assert office.city.of(LI).presence == "ready"
    office.clock.advance(2)
    assert (office.city.of(LI).presence, office.city.of(LI).reason) == ("not_ready", "connection_lost")
    office.clock.advance(GONE_S + 1)
    assert office.city.seat_view(LI) is None
    assert office.form.post("ready", {}, token)[0] == 401
    assert office.city.watchers() == 0


def test_back_within_the_minute_nothing_has_happened(office: Office) -> None:
    token = office.login()
    end, _, _ = office.attach(token)
    office.ask(end, "ready")
    end.close()
    office.clock.advance(GRACE_S - 1)
    _, state, _ = office.attach(token)
    office.clock.advance(10 * GRACE_S)
    assert state["presence"] == "ready"
    assert office.city.of(LI).presence == "ready"


def test_back_after_the_minute_the_agent_is_not_ready_and_says_so_when_ready_again(office: Office) -> None:
    token = office.login()
    end, _, _ = office.attach(token)
    office.ask(end, "ready")
    end.close()
    office.clock.advance(GRACE_S + 1)
    end, state, _ = office.attach(token)
    assert (state["presence"], state["reason"]) == ("not_ready", "connection_lost")
    assert {"code": "connection_lost", "zh": "坐席连接中断", "en": "Connection lost"} in state["reason_names"]
    office.ask(end, "ready")
    office.clock.advance(GONE_S + GRACE_S)
    assert office.city.of(LI).presence == "ready"


def test_a_pause_that_the_agent_asked_for_keeps_its_own_reason(office: Office) -> None:
    end, _, _ = office.attach(office.login())
    office.ask(end, "not_ready", reason="meal")
    end.close()
    office.clock.advance(GRACE_S + 1)
    assert office.city.of(LI).reason == "meal"


def test_in_a_call_the_call_goes_on_and_whoever_comes_back_finds_it(office: Office) -> None:
    token = office.login()
    end, _, _ = office.attach(token)
    contact = office.city.ring(LI)
    office.ask(end, "answer", contact=contact)
    end.close()
    office.clock.advance(GRACE_S + GONE_S + 2)
    assert office.city.call(LI, contact).state == "talking"
    end, state, _ = office.attach(token)
    assert state["calls"][0]["state"] == "talking"
    # Logging in again takes back the logout that waited for the end of the contact.
    assert isinstance(office.city.events[-1], events.LoggedIn)
    office.ask(end, "hang_up", contact=contact)


def test_in_a_call_nobody_came_back_to_the_agent_is_logged_out_at_its_end(office: Office) -> None:
    token = office.login()
    end, _, _ = office.attach(token)
    contact = office.city.ring(LI)
    office.ask(end, "answer", contact=contact)
    end.close()
    office.clock.advance(GRACE_S + GONE_S + 2)
    (forced,) = office.city.did(events.LoggedOut)
    assert forced == events.LoggedOut(LI, "connection_lost", forced=True)
    office.city.end_call(LI, contact)
    office.city.act(events.LoggedOut(LI))  # what the core does with a session that is leaving
    office.clock.advance(1)
    assert office.form.post("ready", {}, token)[0] == 401
    assert office.city.watchers() == 0


def test_calls_over_http_alone_are_a_sign_of_life(office: Office) -> None:
    token = office.login()
    for _ in range(5):
        office.clock.advance(GRACE_S - 5)
        assert office.form.post("ready", {}, token)[0] == 200
    office.clock.advance(GRACE_S + 1)
    assert office.city.of(LI).reason == "connection_lost"


def test_a_session_of_an_earlier_run_whose_agent_does_not_come_back_is_logged_out(office: Office) -> None:
    for agent, seat in ((LI, "8001"), (WANG, "8002")):
        office.city.act(events.LoggedIn(agent, "x", seat, (), False))
    office.form.desk.whole.start()
    end, _, _ = office.attach(office.login())
    office.clock.advance(GRACE_S + 1)
    assert office.city.seat_view(WANG) is not None
    office.clock.advance(GRACE_S)
    assert office.city.seat_view(WANG) is None
    assert office.city.seat_view(LI) is not None
    assert end.is_open


def test_an_expired_login_ends_the_connection_and_the_session_follows(office: Office) -> None:
    end, _, pushes = office.attach(office.login())
    for _ in range(16):
        office.clock.advance(3600.0)
        if end.is_open:
            office.ask(end, "targets")
    office.clock.advance(1.0)
    assert pushes[-1] == {"push": "logged_out", "reason": "expired"}
    assert not end.is_open
    office.clock.advance(GRACE_S + GONE_S + 1)
    assert office.city.seat_view(LI) is None


def test_a_takeover_on_another_seat_moves_the_agent(office: Office) -> None:
    office.attach(office.login(seat="8001"))
    _, state, _ = office.attach(office.login(seat="8002"))
    assert state["seat"] == "8002"
    assert len(office.city.views) == 1


# ── pushes ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_many_changes_at_one_moment_are_one_push(office: Office) -> None:
    _, _, pushes = office.attach(office.login())
    for at in range(10):
        office.city.ring(LI, waited_s=float(at))
    office.form.settle()
    assert len(pushes) == 1
    assert pushes[0]["state"]["calls"][0]["waited_s"] == 9.0


def test_a_slow_page_gets_its_answers_and_the_newest_state(office: Office) -> None:
    end, _, pushes = office.attach(office.login())
    end.slow(True)
    answers: list[Any] = []
    for at in range(5):
        office.city.ring(LI, waited_s=float(at))
        office.form.settle()
        end.send("targets", text="").addBoth(answers.append)
        office.form.settle()
    assert (pushes, answers) == ([], [])
    end.slow(False)
    office.form.settle()
    assert len(answers) == 5
    assert [push["state"]["calls"][0]["waited_s"] for push in pushes] == [4.0]


def test_the_state_has_exactly_the_documented_fields(office: Office) -> None:
    _, _, pushes = office.attach(office.login())
    office.city.ring(LI, notes=("1002@guangzhou: 您好: 第二", "odd"))
    office.form.settle()
    state = pushes[-1]["state"]
    assert set(state) == {
        *("at", "agent", "name", "city", "seat", "can_answer", "roles", "presence", "reason", "since_s", "skills"),
        *("reasons", "reason_names", "wrap_up_s", "island", "calls", "call_back"),
    }
    (call,) = state["calls"]
    assert set(call) == {
        *(
            "contact",
            "attempt",
            "state",
            "since_s",
            "anchor",
            "received",
            "confirmed",
            "calling",
            "outbound",
            "door",
            "path",
        ),
        *(
            "service",
            "skill",
            "waited_s",
            "talk_s",
            "hold_s",
            "identity",
            "notes",
            "handled_by",
            "disposition",
            "dispositions",
        ),
        *("wrap_up_left_s", "line"),
    }
    assert call["notes"] == [{"by": "1002@guangzhou", "text": "您好: 第二"}, {"by": "", "text": "odd"}]
    assert "13812340001" not in str(state)


# ── what may be done ────────────────────────────────────────────────────────────────────────────────────────────────
AGENT_OPS: dict[str, dict[str, Any]] = {
    "ready": {},
    "not_ready": {"reason": "meal"},
    "answer": {"contact": "c"},
    "hold": {"contact": "c"},
    "retrieve": {"contact": "c"},
    "transfer": {"contact": "c", "to_skill": "bill"},
    "note": {"contact": "c", "text": "x"},
    "disposition": {"contact": "c", "code": "solved"},
    "hang_up": {"contact": "c"},
    "finish": {"contact": "c"},
    "targets": {},
}


@pytest.mark.parametrize("user", ["boss", "audit"])
@pytest.mark.parametrize("op", [*AGENT_OPS, "city"])
def test_roles_are_checked_for_every_operation(office: Office, user: str, op: str) -> None:
    end, _, _ = office.attach(office.login(user, ""))
    if op == "city" and user == "boss":
        assert office.ask(end, op)["city"] == "guangzhou"
    else:
        assert office.refused(end, op, **AGENT_OPS.get(op, {})) == (403, "not-your-role")


def test_an_agent_does_not_see_the_whole_city(office: Office) -> None:
    end, _, _ = office.attach(office.login())
    assert office.refused(end, "city") == (403, "not-your-role")


@pytest.mark.parametrize("op", [op for op in AGENT_OPS if op != "targets"])
def test_a_supervising_agent_without_a_seat_cannot_act_at_one(office: Office, op: str) -> None:
    end, state, _ = office.attach(office.login("1003", ""))
    assert (state["presence"], state["seat"]) == ("offline", "")
    assert office.refused(end, op, **AGENT_OPS[op]) == (409, "no-seat")
    assert office.ask(end, "city")


def test_a_supervising_agent_with_a_seat_does_both(office: Office) -> None:
    end, state, _ = office.attach(office.login("1003", "8003"))
    assert state["roles"] == ["agent", "supervisor"]
    office.ask(end, "ready")
    answer = office.ask(end, "city")
    assert [(one["agent"], one["state"]) for one in answer["agents"]] == [("1003@guangzhou", "ready")]


def test_the_city_shows_contacts_with_masked_numbers(office: Office) -> None:
    office.attach(office.login())
    office.city.ring(LI)
    end, _, _ = office.attach(office.login("boss", ""))
    answer = office.ask(end, "city")
    assert answer["contacts"][0]["calling"] == "138****0001"
    assert answer["queues"][0]["zh"] == "障碍申告"


def test_a_supervisors_connection_ends_with_the_logout(office: Office) -> None:
    token = office.login("boss", "")
    end, _, pushes = office.attach(token)
    assert office.form.post("logout", {}, token)[0] == 200
    office.form.settle()
    assert pushes[-1]["push"] == "logged_out"
    assert not end.is_open


def test_notes_are_bounded_in_number_and_cannot_break_a_line(office: Office) -> None:
    end, _, _ = office.attach(office.login())
    contact = office.city.ring(LI)
    office.ask(end, "note", contact=contact, text="第一行\n1002@guangzhou: 冒充\x00\x1b[31m")
    assert office.city.call(LI, contact).notes == ("1001@guangzhou: 第一行 1002@guangzhou: 冒充 [31m",)
    office.city.ring(LI, notes=tuple(f"x: {at}" for at in range(MOST_NOTES)))
    assert office.refused(end, "note", contact=contact, text="one more") == (409, "too-many-notes")


def test_a_transfer_that_did_not_come_about_leaves_the_caller_with_the_agent(office: Office) -> None:
    from dataset.errors import Problem

    end, _, _ = office.attach(office.login())
    contact = office.city.ring(LI)
    office.ask(end, "answer", contact=contact)
    outcome: list[Any] = []
    end.send("transfer", contact=contact, to_agent="2001@shenzhen").addBoth(outcome.append)
    office.form.settle()
    assert outcome == []
    refusal = Refused(Problem("anchor-unreachable", "接入局没有应答", "the anchor did not answer"), status=503)
    office.city.transfers.popitem()[1].errback(refusal)
    office.form.settle()
    assert slug(outcome[0].value) == (503, "anchor-unreachable")
    assert office.city.call(LI, contact).state == "talking"


def test_two_transfers_are_two_requests(office: Office) -> None:
    end, _, _ = office.attach(office.login())
    contact = office.city.ring(LI)
    for _ in range(2):
        end.send("transfer", contact=contact, to_agent="2001@shenzhen").addErrback(lambda _: None)
    office.form.settle()
    assert len(office.city.transfers) == 2


# ── whom to transfer to ─────────────────────────────────────────────────────────────────────────────────────────────
def shenzhen() -> CityPicture:
    return CityPicture(
        city=CityId("shenzhen"),
        skills={
            "fault": SkillPicture(idle=2, staffed=3, expected_wait_s=4.04),
            "bill": SkillPicture(expected_wait_s=None),
        },
        agents=(
            AgentPicture(agent=_agent("2001@shenzhen"), name="王芳", state="talking", since_s=3.0, skills=()),
            AgentPicture(agent=_agent("2002@shenzhen"), name="曾敏", state="ready", since_s=3.0, skills=()),
            AgentPicture(agent=_agent("2003@shenzhen"), name="Li Lei", state="not_ready", skills=()),
        ),
    )


def _agent(text: str) -> Any:
    return text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("王芳", ["2001@shenzhen"]),
        ("芳", ["2001@shenzhen"]),
        ("wf", ["2001@shenzhen"]),
        ("WF", ["2001@shenzhen"]),
        ("wangfang", ["2001@shenzhen"]),
        ("zm", ["2002@shenzhen"]),
        ("cm", ["2002@shenzhen"]),  # 曾 has two readings
        ("2", ["2002@shenzhen", "2001@shenzhen", "2003@shenzhen"]),
        ("2002", ["2002@shenzhen"]),
        ("shenzhen", ["2002@shenzhen", "2001@shenzhen", "2003@shenzhen"]),
        ("lei", ["2003@shenzhen"]),
        ("nobody", []),
        ("  ", ["2002@shenzhen", "1002@guangzhou", "2001@shenzhen", "2003@shenzhen"]),
    ],
)
def test_people_of_the_province_are_found_by_name_number_and_initials(
    office: Office, text: str, found: list[str]
) -> None:
    office.city.others = {CityId("shenzhen"): (shenzhen(), 0.44)}
    end, _, _ = office.attach(office.login())
    other, _, _ = office.attach(office.login("1002", "8002"))
    office.ask(other, "ready")
    office.city.ring(_agent("1002@guangzhou"))
    answer = office.ask(end, "targets", text=text)
    assert [one["agent"] for one in answer["agents"]] == found
    for one in answer["agents"]:
        if one["agent"] == "2001@shenzhen":
            assert (one["presence"], one["since_s"], one["age_s"]) == ("talking", 3.4, 0.4)


def test_skills_show_the_shortest_wait_and_all_idle_seats_of_the_province(office: Office) -> None:
    office.city.others = {CityId("shenzhen"): (shenzhen(), 0.4)}
    end, _, _ = office.attach(office.login())
    office.ask(end, "ready")
    (fault,) = office.ask(end, "targets", text="障碍")["skills"]
    assert fault == {"skill": "fault", "zh": "障碍申告", "en": "Fault report", "expected_wait_s": 4.0, "idle": 3}
    (bill,) = office.ask(end, "targets", text="zfzd")["skills"]
    assert (bill["skill"], bill["expected_wait_s"], bill["idle"]) == ("bill", None, 0)


def test_stopping_leaves_no_timer_and_no_watcher(office: Office) -> None:
    end, _, _ = office.attach(office.login())
    office.login("1002", "8002")
    office.form.desk.whole.start()
    end.close()
    office.form.settle()
    office.form.close()
    assert office.clock.getDelayedCalls() == []
    assert office.city.watchers() == 0
