"""Ownership (O1-O6): commits, outcomes, "finished", adoption."""

from __future__ import annotations

from collections import deque
from typing import Any

from dataset.ids import CityId, ConnectionId
from dataset.rows import AnyRow, AttemptAnswered, Ending, Withdrawn
from federation.core.attempt import Attempt
from federation.core.lease import Lease
from site_node.core.adoption import Adoption, _Past
from site_node.core.anchor import Anchor
from site_node.core.commands import Ask, Command, Send
from site_node.core.contact import Contact, ContactState
from site_node.core.routing import Routing
from site_node.core.serving import Serving
from site_node.core.step import Step
from site_node.core.telephony import Answer, Cause, Clear, HeldConnection, Join
from site_node.shell.running import RunningCity
from site_node.switch.simulated.exchange import Exchange
from site_node.switch.simulated.trunks import TrunkEnd
from tests.harness.mutations.registry import Real, breaks


def _ahead_of_the_journal(real: Real, early: type | tuple[type, ...]) -> None:
    """Effects of these commands do not wait for the rows decided before them."""

    def carry_out(original: Any, self: RunningCity, commands: list[Command]) -> None:
        for command in commands:
            if _is(command, early):
                self._effect(command)()  # type: ignore[arg-type]  # Ask and Send only
        original(self, [command for command in commands if not _is(command, early)])

    real.around(RunningCity, "_carry_out", carry_out)


def _is(command: Command, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(command, kinds) or (isinstance(command, Ask) and isinstance(command.request, kinds))


def _writing(step: Step, keep: Any) -> Any:
    """``step.write`` for the rows that ``keep`` names, nothing for others."""
    write = step.write

    def selective(row: AnyRow, *receivers: CityId) -> None:
        if keep(row):
            write(row, *receivers)

    return selective


# ── J1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "J1",
    shows="a caller who was answered and is on no record: after a crash between answer and sync, a call that only the "
    "caller's own log has",
    needs="crashes of an anchor's node while its journal syncs, or a slow sync and a look at the caller",
)
def caller_is_answered_before_birth_is_synced(real: Real) -> None:
    """The call is answered at once instead of after the contact's birth is on disk."""
    _ahead_of_the_journal(real, Answer)


# ── O2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "O2",
    shows="after a crash of the anchor between 200 OK and sync: two connections joined whose attempt has no answer on "
    "record; a caller heard an agent, and the contact has no attempt_answered",
    needs="crashes of an anchor's node while its journal syncs",
)
def audio_is_bridged_before_the_journal(real: Real) -> None:
    """The bridge is asked for at once instead of after the answer's row is synced."""
    _ahead_of_the_journal(real, Join)


@breaks(
    "O2",
    found=True,
    shows="after a crash of the anchor: decisions or grants of the hub and of serving sites for an attempt "
    "that its anchor's journal never opened, or two different grants for one (contact, n)",
    needs="crashes of an anchor's node while its journal syncs",
)
def attempt_is_heard_of_before_it_is_synced(real: Real) -> None:
    """Commands to other nodes leave at once instead of after the rows decided before them are synced."""
    _ahead_of_the_journal(real, Send)


@breaks(
    "O2",
    found=True,
    shows="an attempt of a contact without outcome; a home segment that its anchor has no answer for; talk on record "
    "with answers that do not match",
)
def home_answers_are_not_committed(real: Real) -> None:
    """An agent's answer at home only joins the audio: nothing is written of it."""

    def commit(original: Any, self: Routing, contact: Contact, attempt: Attempt) -> None:
        if not attempt.home:
            original(self, contact, attempt)
            return
        vars(self._step)["write"] = _writing(self._step, lambda row: not isinstance(row, AttemptAnswered))
        try:
            original(self, contact, attempt)
        finally:
            del vars(self._step)["write"]

    real.around(Routing, "commit", commit)


@breaks(
    "O2",
    shows="two outcomes of one attempt: withdrawn, then answered; a caller bridged to a seat that was given back",
    needs="an anchor that is late (paused, slow reports of its switch, slow trunks) when a far seat answers",
)
def answer_after_withdrawal_is_kept(real: Real) -> None:
    """A leg is not hung up when its attempt is withdrawn, and a late 200 OK is taken for an answer."""
    withdrawn: dict[ConnectionId, Attempt] = {}

    def withdraw(original: Any, self: Routing, contact: Contact, reason: Withdrawn) -> None:
        attempt = contact.remote
        if attempt is None or attempt.connection is None:
            original(self, contact, reason)
            return
        withdrawn[attempt.connection] = attempt
        vars(self._step)["ask"] = lambda request: None if isinstance(request, Clear) else Step.ask(self._step, request)
        try:
            original(self, contact, reason)
        finally:
            del vars(self._step)["ask"]

    def established(original: Any, self: Anchor, connection: ConnectionId) -> None:
        contact = self._contacts.with_leg(connection)
        late = withdrawn.get(connection)
        if contact is not None and late is not None and contact.state is ContactState.WAITING:
            self._routing.leave(contact)
            self._routing.leg_answered(self._contacts.of(contact.id), late)
        else:
            original(self, connection)

    real.around(Routing, "withdraw_remote", withdraw)
    real.around(Anchor, "established", established)


# ── O3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "O3",
    found=True,
    shows="segment_confirmed on record for an attempt that its anchor withdrew or never answered; a segment both "
    "confirmed and withdrawn; received > sent out in the measures",
    needs="answers that never reach their anchor, or that cross its withdrawal",
)
def segment_confirms_itself(real: Real) -> None:
    """The serving site takes its agent's answer for the outcome, and waits for no row of the anchor."""

    def answered(original: Any, self: Serving, lease: Lease, seat: ConnectionId, partner: ConnectionId) -> None:
        original(self, lease, seat, partner)
        if lease.attempt in self._unconfirmed:
            self._confirm(lease.attempt, self.lease(lease.token))

    real.around(Serving, "_answered", answered)


@breaks(
    "O3",
    found=True,
    shows="segments that stay unconfirmed for ever; leases that last although their attempt was withdrawn",
)
def outcome_goes_to_the_hub_only(real: Real) -> None:
    """Outcomes of attempts are written for the hub alone; the serving site is left to what messages told it."""

    def write(original: Any, self: Step, row: AnyRow, *receivers: CityId) -> None:
        original(self, row)

    real.around(Step, "write", write)


# ── O4 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "O4",
    found=True,
    shows="contacts ended as completed by the agent without any finish of an agent: the caller was there and was hung "
    "up on; no queue_entered as returned ever",
    needs="serving legs that end by a fault or by a phone put down",
)
def bye_counts_as_finished(real: Real) -> None:
    """A normal clearing of the serving leg ends the contact, as if the agent had said so."""

    def returned(original: Any, self: Anchor, contact: Contact, cause: Cause) -> None:
        if cause is Cause.NORMAL:
            self.end(contact.id, Ending.COMPLETED, "agent")
        else:
            original(self, contact, cause)

    real.around(Anchor, "returned", returned)


@breaks(
    "O4",
    shows="queue_entered as returned with waited_s 0 although the contact waited before; callers who came later are "
    "served first",
    needs="serving legs that end by a fault or by a phone put down",
)
def returned_caller_begins_anew(real: Real) -> None:
    """Who comes back from a talk that did not last gets a new place at the end, with a new waiting time."""

    def since(original: Any, self: Anchor, contact: Contact) -> None:
        return None

    def wait(original: Any, self: Routing, which: Any, *, front: bool) -> None:
        original(self, which, front=False)

    real.around(Anchor, "_waiting_since", since)
    real.around(Routing, "wait", wait)


@breaks(
    "O4",
    shows="contacts ended by the agent while their transfer was open: transfer_asked, then an ending by the agent "
    "without another answer",
    needs="transfers after which the first agent finishes at once",
)
def finish_during_a_transfer_ends_the_contact(real: Real) -> None:
    """A leg that goes down as finished ends its contact, whichever leg it is."""

    def cleared(original: Any, self: Anchor, connection: ConnectionId, cause: Cause, *evidence: Any) -> None:
        contact = self._contacts.with_leg(connection)
        transferring = contact is not None and contact.current is None and contact.transfer is not None
        if contact is not None and transferring and connection != contact.connection and cause is Cause.FINISHED:
            self._contacts.drop_leg(connection)
            self.end(contact.id, Ending.COMPLETED, "agent")
        else:
            original(self, connection, cause, *evidence)

    real.around(Anchor, "cleared", cleared)


# ── O5 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "O5",
    found=True,
    shows="a talk that goes on for minutes over a trunk that carries no voice; a caller in silence who never comes "
    "back into a queue; slots held by it",
    needs="trunks that fall silent, or are cut, in talk, for longer than the media time-out",
)
def silent_trunk_is_evidence(real: Real) -> None:
    """Nobody watches whether voice arrives on an answered leg between cities."""
    real.without(TrunkEnd, "_watch_here")


# ── O6 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "O6",
    found=True,
    shows="a seat that rings without any lease after a restart of its node; a leg that no node knows",
    needs="crashes of a node while commands are on their way to its switch (command_delay_s > 0)",
)
def commands_of_the_dead_are_not_awaited(real: Real) -> None:
    """A restarted node looks at its switch before what the dead process still asked for is done or void."""

    def say(original: Any, self: Exchange) -> None:
        waiting, self._requests = self._requests, deque()
        original(self)
        self._requests = waiting

    real.around(Exchange, "_say_whether_up", say)


@breaks(
    "O6",
    found=True,
    shows="after a restart: connections at the switch that belong to no contact and no lease; a caller joined to an "
    "agent who was left; two live serving legs of one contact",
    needs="crashes of nodes while seats ring, or in the middle of a transfer",
)
def orphans_are_kept(real: Real) -> None:
    """Legs that the restarted node does not need are left as they are."""

    def hang_up(original: Any, self: Adoption, shown: tuple[HeldConnection, ...]) -> None:
        new = tuple(held for held in shown if held.incoming and held.leg is None and not held.established)
        original(self, new)

    real.around(Adoption, "_hang_up_orphans", hang_up)


@breaks(
    "O6",
    found=True,
    shows="a talk torn down by the restart of its anchor; the caller of a transferred contact back in the queue "
    "although the second agent's leg was live",
    needs="crashes of an anchor's node after a contact's second answer",
)
def lowest_answer_is_current(real: Real) -> None:
    """A restarted node takes the first answered attempt for the current one."""

    def add(original: Any, self: _Past, row: AnyRow, *when: Any) -> None:
        first = self.answered
        original(self, row, *when)
        if isinstance(row, AttemptAnswered) and first is not None:
            self.answered = first

    real.around(_Past, "add", add)


@breaks(
    "O6",
    found=True,
    shows="an attempt without outcome on record; a serving site whose slot waits for it until a timer",
    needs="crashes of an anchor's node while an attempt is open",
)
def open_attempts_are_forgotten_at_a_restart(real: Real) -> None:
    """A restarted node does not withdraw the attempts that were open when it died."""

    def rebuild(original: Any, self: Adoption, which: Any, past: _Past, *rest: Any) -> None:
        past.open.clear()
        original(self, which, past, *rest)

    real.around(Adoption, "_rebuild_contact", rebuild)
