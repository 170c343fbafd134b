"""The same conversation over real HTTP and WebSocket and over memory: an agent cannot tell them apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dataset.errors import Refused
from federation.node.live import LiveLimits
from site_node.core import events
from tests.harness.city_desk import LI, PASSWORD, WANG
from tests.harness.door_clients import Form, Live, MemoryForm, NetworkForm, slug


@pytest.fixture(params=[MemoryForm, NetworkForm], ids=["memory", "network"])
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture(params=[MemoryForm, NetworkForm], ids=["memory", "network"])
def strict(request: pytest.FixtureRequest) -> Iterator[Form]:
    made = request.param(LiveLimits(attach_within_s=0.3, per_second=0.01, burst=5))
    yield made
    made.close()


def login(form: Form, user: str = "1001", seat: str = "8001") -> str:
    status, answer = form.post("login", {"user": user, "password": PASSWORD, **({"seat": seat} if seat else {})})
    assert status == 200, answer
    token: str = answer["token"]
    return token


def attached(form: Form, user: str = "1001", seat: str = "8001") -> Live:
    live = form.open()
    live.send("attach", token=login(form, user, seat))
    return live


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        call()
    return slug(caught.value)


def state(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = next(push["state"] for push in reversed(live.pushes) if push["push"] == "state")
    return found


# ── the conversation ────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_agent_serves_a_caller_from_login_to_logout(form: Form) -> None:
    status, answer = form.post("login", {"user": "1001", "password": PASSWORD, "seat": "8001"})
    assert status == 200
    assert (answer["agent"], answer["city"], answer["seat"], answer["roles"]) == (
        "1001@guangzhou",
        "guangzhou",
        "8001",
        ["agent"],
    )
    live = form.open()
    first = live.send("attach", token=answer["token"])
    assert (first["presence"], first["reason"], first["calls"]) == ("not_ready", "login", [])
    assert first["can_answer"] is True
    assert first["reasons"] == ["break", "meal", "training", "work"]
    assert live.send("ready") == {}
    contact = form.desk.city.ring(LI)
    form.wait(lambda: bool(live.pushes) and state(live)["presence"] == "alerting")
    (call,) = state(live)["calls"]
    assert (call["calling"], call["door"], call["path"], call["waited_s"]) == ("138****0001", "10000", ["1"], 3.2)
    assert live.send("answer", contact=contact) == {}
    live.send("hold", contact=contact)
    live.send("retrieve", contact=contact)
    live.send("note", contact=contact, text="线路已测")
    assert refused(lambda: live.send("finish", contact=contact)) == (409, "disposition-missing")
    live.send("disposition", contact=contact, code="solved")
    form.wait(lambda: state(live)["calls"][0]["disposition"] == "solved")
    assert state(live)["calls"][0]["notes"] == [{"by": "1001@guangzhou", "text": "线路已测"}]
    live.send("hang_up", contact=contact)
    assert refused(lambda: live.send("logout")) == (409, "wrong-state")
    live.send("finish", contact=contact)
    live.send("not_ready", reason="meal")
    form.wait(lambda: state(live)["reason"] == "meal")
    assert live.send("logout") == {}
    form.wait(lambda: live.closed != [])
    assert live.pushes[-1] == {"push": "logged_out", "reason": "logged_out"}
    assert form.desk.city.seat_view(LI) is None
    assert form.post("ready", {}, answer["token"])[0] == 401


def test_every_operation_can_be_posted_too(form: Form) -> None:
    token = login(form)
    assert form.post("ready", {}, token) == (200, {})
    contact = form.desk.city.ring(LI)
    assert form.post("answer", {"contact": contact}, token) == (200, {})
    assert form.post("transfer", {"contact": contact, "to_skill": "bill", "note": "帐单"}, token) == (200, {})
    (event,) = form.desk.city.did(events.TransferAsked)
    assert isinstance(event, events.TransferAsked)
    assert (event.to_skill, event.note) == ("bill", "帐单")
    assert form.post("logout", {}, token) == (200, {})


def test_a_transfer_is_answered_when_the_anchor_has_taken_the_caller_over(form: Form) -> None:
    live = attached(form)
    contact = form.desk.city.ring(LI)
    live.send("answer", contact=contact)
    live.send_text(json.dumps({"id": 77, "op": "transfer", "contact": contact, "to_agent": "2001@shenzhen"}))
    form.wait(lambda: len(form.desk.city.transfers) == 1)
    live.send("note", contact=contact, text="still here")  # other operations go on meanwhile
    assert not any(answer["re"] == 77 for answer in live.answers())
    form.desk.city.transfers.popitem()[1].callback(None)
    form.wait(lambda: any(answer == {"re": 77, "ok": {}} for answer in live.answers()))


def test_a_supervisor_without_a_seat_sees_the_city(form: Form) -> None:
    live = attached(form, "boss", "")
    answer = live.send("city")
    assert [queue["skill"] for queue in answer["queues"]] == ["fault"]
    assert refused(lambda: live.send("ready")) == (403, "not-your-role")


# ── wrong in every way ──────────────────────────────────────────────────────────────────────────────────────────────
BAD_FIELDS: list[tuple[str, Any, int, str, str]] = [
    ("ready", {"x": 1}, 400, "bad-request", "x"),
    ("answer", {}, 400, "bad-request", "contact"),
    ("answer", {"contact": 7}, 400, "bad-request", "contact"),
    ("answer", {"contact": ""}, 400, "bad-request", "contact"),
    ("answer", {"contact": "nobody"}, 404, "unknown-contact", "nobody"),
    ("not_ready", {"reason": "because"}, 400, "unknown-reason", "reason"),
    ("not_ready", {"reason": "connection_lost"}, 400, "unknown-reason", "reason"),
    ("transfer", {"contact": "c"}, 400, "transfer-target", "to_skill"),
    ("transfer", {"contact": "c", "to_skill": "a", "to_agent": "1@b"}, 400, "transfer-target", "to_agent"),
    ("transfer", {"contact": "c", "to_agent": "1001@guangzhou"}, 400, "transfer-target", "to_agent"),
    ("transfer", {"contact": "c", "to_agent": "<script>"}, 400, "bad-request", "to_agent"),
    ("transfer", {"contact": "c", "to_skill": "cooking"}, 404, "unknown-skill", "to_skill"),
    ("note", {"contact": "c", "text": "x" * 1001}, 400, "bad-request", "text"),
    ("disposition", {"contact": "c", "code": "nonsense"}, 400, "unknown-disposition", "code"),
    ("targets", {"text": None}, 400, "bad-request", "text"),
    ("city", {}, 403, "not-your-role", "city"),
    ("explode", {}, 404, "unknown-operation", "explode"),
    ("password", {"old": PASSWORD, "new": "short"}, 400, "password-weak", "new"),
    ("password", {"old": "wrong one", "new": "another good one"}, 401, "login-refused", "password"),
]


@pytest.mark.parametrize(("op", "fields", "status", "slug_", "place"), BAD_FIELDS)
def test_what_is_wrong_is_named_alike_on_both_ways(
    form: Form, op: str, fields: Any, status: int, slug_: str, place: str
) -> None:
    live = attached(form)
    token = login(form, "1002", "8002")
    with pytest.raises(Refused) as caught:
        live.send(op, **fields)
    problem = caught.value.problems[0]
    assert (caught.value.status, problem.slug, problem.place) == (status, slug_, place)
    if op == "transfer" and fields.get("to_agent") == "1001@guangzhou":
        fields = {**fields, "to_agent": "1002@guangzhou"}
    got, answer = form.post(op, fields, token)
    assert (got, answer["problem"]["slug"], answer["problem"]["place"]) == (status, slug_, place)
    assert answer["problem"]["zh"]
    assert answer["problem"]["en"]


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b'{"user": "1001"}', b"[" * 9000, b'{"a":' * 3000])
def test_a_login_that_is_no_login_is_refused(form: Form, body: bytes) -> None:
    status, answer = form.post("login", body)
    assert (status, answer["problem"]["slug"]) == (400, "bad-request")


@pytest.mark.parametrize(
    ("fields", "status", "slug_"),
    [
        ({"user": "1001", "password": "wrong", "seat": "8001"}, 401, "login-refused"),
        ({"user": "nobody", "password": PASSWORD, "seat": "8001"}, 401, "login-refused"),
        ({"user": "1001", "password": "", "seat": "8001"}, 400, "bad-request"),
        ({"user": "", "password": "x"}, 400, "bad-request"),
        ({"user": "1001", "password": PASSWORD}, 400, "seat-missing"),
        ({"user": "1001", "password": PASSWORD, "seat": "9999"}, 404, "seat-unknown"),
        ({"user": "1001", "password": PASSWORD, "seat": 8001}, 400, "bad-request"),
        ({"user": "1001", "password": PASSWORD, "admin": True}, 400, "bad-request"),
    ],
)
def test_whoever_cannot_show_who_they_are_stays_out(form: Form, fields: Any, status: int, slug_: str) -> None:
    got, answer = form.post("login", fields)
    assert (got, answer["problem"]["slug"]) == (status, slug_)
    assert form.desk.city.views == {}


def test_a_taken_seat_is_refused(form: Form) -> None:
    login(form)
    status, answer = form.post("login", {"user": "1002", "password": PASSWORD, "seat": "8001"})
    assert (status, answer["problem"]["slug"]) == (409, "seat-taken")


@pytest.mark.parametrize("token", [None, "", "00" * 32, "ä"])
def test_without_a_token_nothing_is_done(form: Form, token: str | None) -> None:
    status, answer = form.post("ready", {}, token)
    assert (status, answer["problem"]["slug"]) == (401, "not-logged-in")


@pytest.mark.parametrize(
    "text",
    [
        '{"id": 1, "op": "ready"}',
        '{"id": 1, "op": "attach"}',
        '{"id": 1, "op": "attach", "token": 7}',
        '{"id": 1, "op": "attach", "token": "00"}',
        '{"id": 1, "op": "attach", "token": "00", "more": 1}',
    ],
)
def test_a_connection_begins_with_a_token_or_ends(form: Form, text: str) -> None:
    live = form.open()
    live.send_text(text)
    form.wait(lambda: live.closed != [])
    assert live.closed == [4401]
    assert live.answers()[0]["problem"]["slug"] in ("attach-first", "not-logged-in")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "id"),
        ("[]", ""),
        ("nonsense", ""),
        ('{"op": "ready"}', "id"),
        ('{"id": "1", "op": "ready"}', "id"),
        ('{"id": true, "op": "ready"}', "id"),
        ('{"id": -1, "op": "ready"}', "id"),
        ('{"id": 1}', "op"),
        ('{"id": 1, "op": ["ready"]}', "op"),
    ],
)
def test_a_malformed_message_is_answered_and_the_connection_goes_on(form: Form, text: str, place: str) -> None:
    live = attached(form)
    before = len(live.answers())
    live.send_text(text)
    form.wait(lambda: len(live.answers()) > before)
    answer = live.answers()[-1]
    assert (answer["status"], answer["problem"]["slug"], answer["problem"]["place"]) == (400, "bad-request", place)
    assert live.send("ready") == {}


def test_a_message_that_is_too_large_ends_the_connection(form: Form) -> None:
    live = attached(form)
    live.send_text(json.dumps({"id": 9, "op": "note", "contact": "c", "text": "x" * 20_000}))
    form.wait(lambda: live.closed != [])
    assert live.closed == [1009]


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_second_login_takes_the_session_over(form: Form) -> None:
    first = attached(form)
    first.send("ready")
    second = attached(form)
    form.wait(lambda: first.closed != [])
    assert first.pushes[-1] == {"push": "taken_over"}
    second.send("not_ready", reason="work")
    form.wait(lambda: bool(second.pushes) and state(second)["reason"] == "work")
    assert len(form.desk.city.did(events.LoggedIn)) == 2
    assert form.desk.city.did(events.LoggedOut) == []


def test_a_second_connection_of_the_same_login_takes_over_too(form: Form) -> None:
    token = login(form)
    first, second = form.open(), form.open()
    first.send("attach", token=token)
    assert second.send("attach", token=token)["agent"] == "1001@guangzhou"
    form.wait(lambda: first.closed != [])
    assert first.pushes[-1] == {"push": "taken_over"}


def test_a_lost_connection_in_a_call_is_found_again(form: Form) -> None:
    token = login(form)
    live = form.open()
    live.send("attach", token=token)
    contact = form.desk.city.ring(LI)
    live.send("answer", contact=contact)
    live.close()
    again = form.open()
    assert again.send("attach", token=token)["calls"][0]["state"] == "talking"


def test_agents_hear_of_their_own_changes_only(form: Form) -> None:
    li, wang = attached(form), attached(form, "1002", "8002")
    form.desk.city.ring(WANG)
    form.wait(lambda: bool(wang.pushes))
    assert li.pushes == []


def test_after_a_changed_password_only_the_new_one_opens(form: Form) -> None:
    live = attached(form)
    assert live.send("password", old=PASSWORD, new="another good one") == {}
    status, _ = form.post("login", {"user": "1001", "password": PASSWORD, "seat": "8001"})
    assert status == 401
    status, _ = form.post("login", {"user": "1001", "password": "another good one", "seat": "8001"})
    assert status == 200


def test_five_wrong_passwords_lock_a_known_and_an_unknown_user_alike(form: Form) -> None:
    for user in ("1001", "ghost"):
        seen = []
        for _ in range(6):
            status, answer = form.post("login", {"user": user, "password": "guess", "seat": "8001"})
            seen.append((status, answer["problem"]["slug"]))
        assert seen == [(401, "login-refused")] * 5 + [(429, "login-locked")]
    status, _ = form.post("login", {"user": "1001", "password": PASSWORD, "seat": "8001"})
    assert status == 429


def test_strangers_who_say_nothing_are_shown_out(strict: Form) -> None:
    live = strict.open()
    strict.wait(lambda: live.closed != [])
    assert live.closed == [4401]


def test_too_many_requests_are_refused_and_the_connection_goes_on(strict: Form) -> None:
    live = attached(strict)
    for _ in range(4):
        live.send("targets")
    assert refused(lambda: live.send("targets")) == (429, "too-many-requests")
    assert live.closed == []


def test_every_call_is_counted_under_a_known_name(form: Form) -> None:
    live = attached(form)
    live.send("ready")
    refused(lambda: live.send("x" * 30))
    assert form.desk.observed == [("login", ""), ("ready", ""), ("unknown", "unknown-operation")]
