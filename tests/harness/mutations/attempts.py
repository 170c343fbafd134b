"""Attempts and leases (A1-A9)."""

from __future__ import annotations

import dataclasses
from typing import Any

from msgspec.structs import replace

import federation.core.overflow as overflow
import site_node.assembly
from dataset.ids import AgentId, CityId, Token, token
from dataset.rows import Withdrawn
from federation.core.attempt import Attempt
from federation.core.envelope import Granted, Propose, Release
from federation.core.lease import Lease, LeaseState, NumberPool
from site_node.core.agent import AGENT_MOVES, AgentMove, Presence
from site_node.core.contact import Contact
from site_node.core.routing import Routing
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.telephony import Make, Offered
from site_node.switch.simulated.exchange import Exchange
from site_node.switch.simulated.phones import RingingPhone
from tests.harness.mutations.registry import Real, breaks


# ── A1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A1",
    shows="two remote attempts of one contact open at once: an attempt_opened while the one before has no outcome; in "
    "the end an attempt without outcome",
    needs="the hub going and coming while contacts are open to the province",
)
def two_attempts_are_open(real: Real) -> None:
    """When another hub, or none, is to be asked, a contact is opened anew without withdrawing what is open."""

    def follow(original: Any, self: Routing, *, new_reign: bool) -> None:
        vars(self)["forgets"] = True
        try:
            original(self, new_reign=new_reign)
        finally:
            del vars(self)["forgets"]

    def withdraw(original: Any, self: Routing, contact: Contact, reason: Withdrawn) -> None:
        if "forgets" in vars(self):
            self._contacts.change(contact.id, remote=None)
        else:
            original(self, contact, reason)

    real.around(Routing, "follow", follow)
    real.around(Routing, "withdraw_remote", withdraw)


@breaks(
    "A1",
    shows="two seats ring for one caller; an attempt without outcome, or both a home and a far attempt taken",
    needs="agents at home who become idle while the contact is open to the province",
)
def home_win_leaves_the_attempt_open(real: Real) -> None:
    """A home agent gets the caller while the attempt to the province stays open."""

    def withdraw(original: Any, self: Routing, contact: Contact, reason: Withdrawn) -> None:
        if reason is not Withdrawn.HOME_WON:
            original(self, contact, reason)

    real.around(Routing, "withdraw_remote", withdraw)


@breaks(
    "A1",
    shows="a leg for an attempt that was withdrawn: a far seat rings for a caller who is served already",
    needs="grants that come after their attempt was withdrawn (delays, late proposals)",
)
def stale_grant_is_taken(real: Real) -> None:
    """Whatever grant arrives for a live contact is taken, whether its attempt is open or not."""

    def granted(original: Any, self: Routing, message: Granted) -> None:
        contact = self._contacts.get(message.contact)
        if contact is not None:
            self._take(contact, Attempt(message.n), message)

    real.around(Routing, "granted", granted)


# ── A2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A2",
    shows="two live leases on one slot (I2); a second grant of an agent before the first ended; one agent in two talks",
    needs="two contacts that want one agent within the time of a leg's set-up",
)
def slot_is_granted_twice(real: Real) -> None:
    """Whoever looks 示闲 is granted, although the slot is promised already."""

    def choose(original: Any, self: Serving, message: Propose) -> tuple[AgentId | None, str]:
        agent, reason = original(self, message)
        if agent is None and reason in ("agent_busy", "nobody_idle"):
            for session in self._sessions.all():
                skilled = message.agent is None and message.context.skill in session.skills
                wanted = skilled or message.agent == session.agent
                if session.presence is Presence.READY and wanted:
                    return session.agent, ""
        return agent, reason

    real.move(AGENT_MOVES, Presence.ALERTING, AgentMove.RING, Presence.ALERTING)
    real.around(Serving, "_choose", choose)


# ── A3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A3",
    shows="no leg_refused where legs come late; a seat that rings with a leg of another contact than its lease's: "
    "caller and agent of different contacts joined",
    needs="legs that come after their lease expired, while another one waits at the same city",
)
def token_is_not_checked(real: Real) -> None:
    """A leg from a trunk claims the lease that waits, whatever token it carries."""

    def offered(original: Any, self: Serving, report: Offered, sender: CityId) -> None:
        waiting = next((one for one in self.all() if one.state is LeaseState.GRANTED and one.number), None)
        if waiting is not None and report.token != waiting.token:
            report = replace(report, token=waiting.token, called=waiting.number)
            sender = waiting.anchor
        original(self, report, sender)

    real.around(Serving, "leg_offered", offered)


@breaks(
    "A3",
    shows="one token in segments or answers of two attempts; a late leg joined to another contact's agent",
    needs="legs that come after their lease expired and the slot was leased again to the same city",
)
def token_is_used_again(real: Real) -> None:
    """A token, and its number, are free for the next lease as soon as theirs is over."""

    def next_token(original: Any, self: Serving) -> Token:
        return next(made for n in range(1, 1_000) if (made := token(self._rules.lineage, n)) not in self._leases)

    def give_back(original: Any, self: NumberPool, number: str, now: float) -> None:
        if self._tokens.pop(number, None) is not None:
            self._free.appendleft(number)

    real.around(Serving, "_next_token", next_token)
    real.around(NumberPool, "give_back", give_back)


@breaks(
    "A3",
    shows="one token in segments or answers of two attempts, of two lineages of one city",
    needs="restarts of cities that serve others",
)
def tokens_begin_anew_with_each_run(real: Real) -> None:
    """A token is the city's name and a counter, without anything of the run that issued it."""

    def next_token(original: Any, self: Serving) -> Token:
        return token("00000000", self._tokens_issued + 1)  # type: ignore[arg-type]  # no lineage: the mistake itself

    real.around(Serving, "_next_token", next_token)


@breaks(
    "A3",
    shows="a slot held for an attempt whose grant or leg never came: an agent 示闲 who gets nobody for minutes",
    needs="grants or releases that are lost",
)
def lease_has_no_time_to_live(real: Real) -> None:
    """A lease waits for its leg for ever."""
    real.without(Serving, "lease_expired")


# ── A4 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _free(serving: Serving, lease: Lease) -> None:
    """Give the slot back while the seat's channel is still there."""
    serving._forget(lease)
    session = replace(serving._sessions.of(lease.agent), lease=None)
    if session.presence is Presence.ALERTING:
        serving._sessions.move(session, AgentMove.UNRING)
    else:
        serving._sessions.keep(session)
    serving._sessions.settle(lease.agent)


@breaks(
    "A4",
    found=True,
    shows="an agent 示闲, or a slot granted, while the switch has a live channel at that seat; seat_busy misses",
    needs="doubled grants and late releases while legs are under way",
)
def release_frees_a_claimed_lease(real: Real) -> None:
    """``release`` gives the slot back although the leg is here and the seat rings."""

    def released(original: Any, self: Serving, message: Release) -> None:
        lease = self.lease(message.token)
        if lease is not None and lease.state is LeaseState.RINGING:
            _free(self, lease)
        else:
            original(self, message)

    real.around(Serving, "released", released)


@breaks(
    "A4",
    found=True,
    shows="an agent 示闲, or a slot granted, while the switch has a live channel at that seat; seat_busy misses",
    needs="seats that ring longer than a lease lives (6 s)",
)
def timer_frees_a_ringing_seat(real: Real) -> None:
    """A seat that has not answered in the lease's time is given back by the timer."""

    def offered(original: Any, self: Serving, report: Offered, sender: CityId) -> None:
        original(self, report, sender)
        which = self._by_connection.get(report.connection)
        if which is not None:
            self._step.start_timer("lease", which, after_s=self._rules.grant_s)

    def expired(original: Any, self: Serving, which: Token) -> None:
        lease = self.lease(which)
        if lease is not None and lease.state is LeaseState.RINGING:
            _free(self, lease)
        else:
            original(self, which)

    real.around(Serving, "leg_offered", offered)
    real.around(Serving, "lease_expired", expired)


# ── A5 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A5",
    found=True,
    shows="a grant or home attempt while the city's switch is away, or before it has shown its channels; a seat rung "
    "that has a channel already",
    needs="switches that cannot be reached while agents are, or become, 示闲",
)
def slot_is_assignable_without_its_switch(real: Real) -> None:
    """A slot counts as free at login and while the switch is away, instead of unverified."""

    def begin(original: Any, self: Sessions, *args: Any) -> None:
        original(self, *args)
        self.switch_up = True

    real.around(Sessions, "__init__", begin)
    real.without(Sessions, "unverify")


# ── A6 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A6",
    shows="two channels at one seat at once: a phone whose call was taken from it by a second one",
    needs="another guard down as well (A4, A5), or an orphan that rings: alone it cannot be seen in the records",
)
def seat_takes_a_second_call(real: Real) -> None:
    """The switch rings a seat that has a call already."""

    def make(original: Any, self: Exchange, request: Make, phone: RingingPhone | None, called: str) -> None:
        if phone is not None and phone.registered and phone.busy:
            self.far_alerting(phone.ring(self._made(request, phone, called, request.leg)))
        else:
            original(self, request, phone, called)

    real.around(Exchange, "_make_to_phone", make)


# ── A7 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A7",
    shows="dozens of attempts of one contact within a minute, each a moment after the last one's end",
    needs="a city that refuses every leg, or cities where nobody is idle, for some time",
)
def attempts_follow_without_a_pause(real: Real) -> None:
    """A contact that could not be placed is opened again at once."""
    real.everywhere(overflow, "pause_before_next", lambda original, *args: 0.0)


# ── A9 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "A9",
    found=True,
    shows="attempts withdrawn as timed_out by the anchor although the line was whole and the site had the seat's "
    "no_answer to say; 200 OK and CANCEL cross, so segments are voided after an answer",
    needs="seats that do not answer, or only in the last second before the ring time is over",
)
def both_sides_ring_equally_long(real: Real) -> None:
    """One ring time for serving site and anchor."""

    def rules_of(original: Any, *args: Any) -> Rules:
        rules: Rules = original(*args)
        return dataclasses.replace(rules, ring_serving_s=rules.ring_anchor_s)

    real.everywhere(site_node.assembly, "rules_of", rules_of)
