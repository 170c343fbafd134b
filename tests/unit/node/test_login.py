"""Whoever guesses gets nowhere and learns nothing; whoever is in, is in for a while and no longer."""

from __future__ import annotations

import random
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import AgentId, NodeId
from federation.node.clock import VirtualClock
from federation.node.login import CHEAP, Actor, Logins, LoginSettings, MemoryUsers, UserRecord
from tests.harness.door_clients import result

PASSWORD = "correct horse"
NODE = NodeId("guangzhou")
LI = UserRecord("1001", "李敏", frozenset({"agent"}), CHEAP.hash(PASSWORD), AgentId("1001@guangzhou"))
BROKEN = UserRecord("broken", "X", frozenset(), "not a hash")


class Slow:
    """A runner whose work is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Any]] = []

    def __call__(self, function: Any, *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, lambda: function(*args)))
        return done

    def work(self) -> None:
        while self.waiting:
            done, function = self.waiting.pop(0)
            done.callback(function())


class Place:
    def __init__(self, **settings: Any) -> None:
        self.clock = VirtualClock(1e9)
        self.users = MemoryUsers(LI, BROKEN)
        self.ended: list[tuple[str, str]] = []
        self.logins = Logins(
            NODE,
            self.users,
            self.clock,
            random.Random(1).randbytes,
            hasher=CHEAP,
            settings=LoginSettings(**settings),
        )
        self.logins.ended = lambda actor, reason: self.ended.append((actor.session, reason))

    def verify(self, user: str, password: str) -> Actor:
        fired: list[Any] = []
        Deferred.fromCoroutine(self.logins.verify(user, password)).addBoth(fired.append)
        actor = result(fired)
        assert isinstance(actor, Actor)
        return actor

    def refused(self, user: str, password: str) -> tuple[int, str]:
        with pytest.raises(Refused) as caught:
            self.verify(user, password)
        return caught.value.status, caught.value.problems[0].slug

    def change(self, actor: Actor, old: str, new: str) -> None:
        fired: list[Any] = []
        Deferred.fromCoroutine(self.logins.change_password(actor, old, new)).addBoth(fired.append)
        result(fired)


def test_the_right_password_says_who_it_is() -> None:
    actor = Place().verify("1001", PASSWORD)
    assert actor == Actor("1001", AgentId("1001@guangzhou"), "李敏", frozenset({"agent"}), NODE)


@pytest.mark.parametrize("user", ["1001", "ghost", "broken"])
def test_an_unknown_user_a_wrong_password_and_a_damaged_record_look_alike(user: str) -> None:
    place = Place()
    with pytest.raises(Refused) as caught:
        place.verify(user, "wrong")
    assert str(caught.value) == "[login-refused] password: user or password is wrong"
    assert caught.value.status == 401


@pytest.mark.parametrize("user", ["1001", "ghost"])
def test_a_lock_holds_for_its_time_against_the_right_password_too(user: str) -> None:
    place = Place(failures=3, lock_s=60.0)
    assert [place.refused(user, "wrong")[0] for _ in range(4)] == [401, 401, 401, 429]
    assert place.refused(user, PASSWORD) == (429, "login-locked")
    place.clock.advance(59.0)
    assert place.refused(user, PASSWORD) == (429, "login-locked")
    place.clock.advance(1.5)
    if user == "1001":
        assert place.verify(user, PASSWORD).user == "1001"
    else:
        assert place.refused(user, PASSWORD) == (401, "login-refused")


def test_a_success_forgets_earlier_failures() -> None:
    place = Place(failures=3)
    for _ in range(5):
        place.refused("1001", "wrong")
        place.refused("1001", "wrong")
        place.verify("1001", PASSWORD)


def test_hashing_waits_its_turn_and_a_flood_is_turned_away() -> None:
    clock, slow = VirtualClock(1e9), Slow()
    logins = Logins(NODE, MemoryUsers(LI), clock, random.Random(1).randbytes, hasher=CHEAP, runner=slow)
    fired: list[Any] = []
    for at in range(203):
        Deferred.fromCoroutine(logins.verify(f"user{at}", "x")).addBoth(fired.append)
    assert len(slow.waiting) == 2
    assert [failure.value.problems[0].slug for failure in fired] == ["login-busy"]
    while slow.waiting:
        slow.work()
    assert len(fired) == 203


def test_tokens_are_random_long_and_never_kept_as_they_are() -> None:
    place = Place()
    actor = place.verify("1001", PASSWORD)
    tokens = {place.logins.open(actor, alone=False)[0] for _ in range(50)}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {64}
    assert not any(token.encode() in repr(vars(place.logins)).encode() for token in tokens)


def test_a_session_ends_without_calls_and_lasts_with_them() -> None:
    place = Place(idle_s=100.0, life_s=350.0)
    token, actor = place.logins.open(place.verify("1001", PASSWORD), alone=True)
    for _ in range(3):
        place.clock.advance(90.0)
        assert place.logins.actor(token) == actor
    place.clock.advance(79.0)
    assert place.logins.holds(actor)
    place.clock.advance(1.5)  # 350 s: its life is over, calls or not
    assert place.ended == [(actor.session, "expired")]
    with pytest.raises(Refused):
        place.logins.actor(token)

    token, actor = place.logins.open(place.verify("1001", PASSWORD), alone=True)
    place.clock.advance(100.5)
    assert place.ended[1:] == [(actor.session, "expired")]


def test_a_second_login_of_an_agent_ends_the_first_one_of_others_does_not() -> None:
    place = Place()
    actor = place.verify("1001", PASSWORD)
    first, one = place.logins.open(actor, alone=True)
    second, two = place.logins.open(actor, alone=False)
    assert place.logins.actor(first) == one
    place.logins.open(actor, alone=True)
    assert place.ended == [(one.session, "taken_over"), (two.session, "taken_over")]
    for token in (first, second):
        with pytest.raises(Refused):
            place.logins.actor(token)


def test_a_changed_password_ends_the_other_sessions() -> None:
    place = Place()
    actor = place.verify("1001", PASSWORD)
    _, old = place.logins.open(actor, alone=False)
    token, here = place.logins.open(actor, alone=False)
    place.change(here, PASSWORD, "another good one")
    assert place.ended == [(old.session, "password")]
    assert place.logins.actor(token) == here
    assert place.refused("1001", PASSWORD) == (401, "login-refused")
    assert place.verify("1001", "another good one").user == "1001"


@pytest.mark.parametrize("new", ["", "short", PASSWORD, "x" * 257])
def test_a_weak_password_is_refused_before_anything_changes(new: str) -> None:
    place = Place()
    with pytest.raises(Refused) as caught:
        place.change(place.verify("1001", PASSWORD), PASSWORD, new)
    assert caught.value.problems[0].slug == "password-weak"
    assert place.verify("1001", PASSWORD)


def test_closing_twice_ends_once_and_stopping_leaves_no_timer() -> None:
    place = Place()
    actor = place.verify("1001", PASSWORD)
    _, one = place.logins.open(actor, alone=False)
    place.logins.open(actor, alone=False)
    place.logins.close(one)
    place.logins.close(one)
    assert place.ended == [(one.session, "logged_out")]
    place.logins.stop()
    assert place.clock.getDelayedCalls() == []
