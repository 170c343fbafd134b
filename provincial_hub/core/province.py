"""The hub's core: who in the province is asked to take whom.

``advance(event, now)`` moves the table of open attempts and returns what is to be done. A contact that no idle agent
can be found for waits here, in the order of priority and waiting time, and is proposed as soon as a picture shows
somebody idle (pull: of all policies measured the one that does not suffer from old pictures). Every decision is
recorded with what was known and how old it was (I9).

Nothing here reads a clock, and nothing is remembered that a restarted hub could not do without (B2).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import msgspec

from dataset.ids import HUB, AgentId, AttemptId, CityId, ContactId, NodeId, SkillId
from dataset.rows import Decision
from federation.core.envelope import Close, Granted, NoProposal, NotGranted, Open, Propose, Taken
from federation.core.overflow import Candidate, Choice, OverflowPolicy, candidate, choose_city
from federation.core.picture import KnownCity, ProvincePicture
from provincial_hub.core.attempt import OPEN_MOVES, OpenAttempt, OpenMove, OpenState
from provincial_hub.core.events import (
    BeatDue,
    CancelTimer,
    Command,
    Event,
    Heard,
    Ignored,
    PictureHeard,
    Record,
    Send,
    SetTimer,
    TimerExpired,
)
from provincial_hub.core.waiting import WaitingLines

REMEMBERED = 20_000
"""contacts whose last attempt is remembered, so that a doubled or late ``open`` is not proposed again"""
SOFT_REASONS = frozenset({"nobody_idle", "agent_busy", "no_reply"})
"""refusals that a newer picture may overrule, once per attempt"""


@dataclass(slots=True)
class _Promises:
    """What a city's last picture does not show yet."""

    asked: dict[AttemptId, SkillId] = field(default_factory=dict)
    """proposals without an answer"""
    leased: set[AgentId] = field(default_factory=set)
    """agents granted since that picture"""
    doubted: set[SkillId] = field(default_factory=set)
    """skills refused for want of an idle agent since that picture"""


@dataclass(slots=True)
class _Past:
    """What is remembered of a contact beyond its open attempt."""

    n: int = 0
    """highest attempt heard of, closed or not"""
    said: str = ""
    """why nobody could be proposed, as last recorded: one state of affairs is recorded once, however often opened"""


class Province:
    """Table of the attempts that are open to the province, over the province's picture."""

    def __init__(self, picture: ProvincePicture, policy: OverflowPolicy, *, proposal_s: float) -> None:
        self.picture = picture
        self.policy = policy
        self._proposal_s = proposal_s
        self._attempts: dict[AttemptId, OpenAttempt] = {}
        self._of_contact: OrderedDict[ContactId, _Past] = OrderedDict()
        self._waiting = WaitingLines()
        self._promises: dict[CityId, _Promises] = {}
        self._commands: list[Command] = []

    # ── what others may look at ─────────────────────────────────────────────────────────────────────────────────────
    def waiting(self) -> int:
        """Contacts that wait here for somebody idle."""
        return len(self._waiting)

    def open_attempts(self) -> int:
        """Attempts in the table, whatever their state."""
        return len(self._attempts)

    def state(self, attempt: AttemptId) -> OpenState:
        """Where ``attempt`` stands; ``closed`` when it is not in the table."""
        known = self._attempts.get(attempt)
        return known.state if known else OpenState.CLOSED

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def advance(self, event: Event, now: float) -> list[Command]:
        """Let ``event`` happen at ``now`` (monotonic seconds); the commands are to be carried out in order."""
        self._commands = []
        match event:
            case Heard(sender, message):
                self._heard(sender, message, now)
            case PictureHeard(city):
                promises = self._promise(city)
                promises.leased.clear()
                promises.doubted.clear()
                self._match(now)
            case TimerExpired(key):
                self._expired(key, now)
            case BeatDue():
                self._give_up_silent(now)
                self._match(now)
        return self._commands

    def _heard(self, sender: CityId, message: Open | Granted | NotGranted | Taken | Close, now: float) -> None:
        if isinstance(message, Open):
            self._open(sender, message, now)
            return
        attempt = self._attempts.get(AttemptId(message.contact, message.n))
        match message:
            case Granted() | NotGranted() if message.site != sender:
                self._ignore("not_its_own", sender, message)
            case Granted():
                self._granted(attempt, message, now)
            case NotGranted():
                self._not_granted(attempt, message, now)
            case Taken() | Close() if attempt is not None and attempt.anchor != sender:
                self._ignore("not_its_own", sender, message)
            case Taken() | Close() if attempt is not None:
                self._move(attempt, OpenMove.TAKE if isinstance(message, Taken) else OpenMove.CLOSE)
                self._match(now)  # a proposal less may leave an agent for somebody else
            case Close():
                self._remember(message.contact, message.n)  # it may have overtaken its ``open``
                self._ignore("late", sender, message)
            case _:
                self._ignore("late", sender, message)

    def _open(self, sender: CityId, message: Open, now: float) -> None:
        """A1: the anchor numbers its attempts, and opens one at a time; a higher number closes the lower ones."""
        past = self._of_contact.get(message.contact, _Past())
        if message.n <= past.n:
            self._ignore(
                "doubled" if AttemptId(message.contact, message.n) in self._attempts else "late", sender, message
            )
            return
        earlier = self._attempts.get(AttemptId(message.contact, past.n))
        if earlier is not None:
            if earlier.anchor != sender:
                self._ignore("not_its_own", sender, message)
                return
            self._move(earlier, OpenMove.CLOSE)
        self._remember(message.contact, message.n)
        attempt = OpenAttempt(
            id=AttemptId(message.contact, message.n),
            anchor=sender,
            opened=message,
            opened_at=now,
            excluded=set(message.refused_by),
        )
        self._attempts[attempt.id] = attempt
        self._waiting.add(attempt)
        self._commands.append(SetTimer(_budget_key(attempt), message.budget_s))
        self._match(now)
        if attempt.state is OpenState.WAITING:
            choice = self._choose(attempt, now)
            if choice.why != past.said:
                self._record(attempt, "wait", choice, now)

    def _granted(self, attempt: OpenAttempt | None, message: Granted, now: float) -> None:
        """The copy of a grant. The agent is taken until the city's next picture, whoever the attempt belongs to."""
        promises = self._promise(message.site)
        promises.asked.pop(AttemptId(message.contact, message.n), None)
        promises.leased.add(message.agent)
        if attempt is None:
            self._ignore("late", message.site, message)
        else:
            self._move(attempt, OpenMove.GRANT)
        self._match(now)

    def _not_granted(self, attempt: OpenAttempt | None, message: NotGranted, now: float) -> None:
        promises = self._promise(message.site)
        skill = promises.asked.pop(AttemptId(message.contact, message.n), None)
        if skill is not None and message.reason in SOFT_REASONS:
            promises.doubted.add(skill)
        if attempt is None:
            self._ignore("late", message.site, message)
            return
        self._refused(attempt, message.site, message.reason)
        if attempt.state is OpenState.GRANTED or attempt.asked == message.site or attempt.asked is None:
            self._move(attempt, OpenMove.REFUSE)
        self._match(now)

    def _expired(self, key: tuple[str, ...], now: float) -> None:
        attempt = self._attempts.get(AttemptId(ContactId(key[1]), int(key[2])))
        if attempt is None:
            return
        if key == _budget_key(attempt):
            self._run_out(attempt, now)
        elif attempt.asked is not None and key == _proposal_key(attempt):
            self._no_reply(attempt, attempt.asked)
        self._match(now)

    def _run_out(self, attempt: OpenAttempt, now: float) -> None:
        """A9: the budget is over. Whoever was granted is the anchor's to decide; nobody else is asked."""
        if attempt.state is not OpenState.GRANTED:
            choice = self._choose(attempt, now)
            reason = "no_reply" if attempt.state is OpenState.PROPOSED else choice.why
            reason = reason if choice.city is None or attempt.state is OpenState.PROPOSED else "out_of_time"
            self._record(attempt, "none", Choice(None, reason, choice.known), now)
            self._commands.append(
                Send(
                    NodeId(attempt.anchor),
                    NoProposal(contact=attempt.id.contact, n=attempt.id.n, reason=reason),
                    self._proposal_s,
                )
            )
        self._move(attempt, OpenMove.BUDGET_OVER)

    def _give_up_silent(self, now: float) -> None:
        """B6: who was asked and has fallen silent since will not answer."""
        seen = self.picture.seen(now)
        for attempt in [one for one in self._attempts.values() if one.state is OpenState.PROPOSED]:
            if attempt.asked is not None and attempt.asked not in seen:
                self._no_reply(attempt, attempt.asked)

    def _no_reply(self, attempt: OpenAttempt, city: CityId) -> None:
        promises = self._promise(city)
        promises.asked.pop(attempt.id, None)
        promises.doubted.add(attempt.opened.context.skill)
        self._refused(attempt, city, "no_reply")
        self._move(attempt, OpenMove.NO_REPLY)

    # ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _move(self, attempt: OpenAttempt, move: OpenMove) -> None:
        """Move by the table; timers, promises and the place in the line follow from where it goes."""
        before, after = attempt.state, OPEN_MOVES.after(attempt.state, move)
        if before is OpenState.PROPOSED and after is not OpenState.PROPOSED:
            self._commands.append(CancelTimer(_proposal_key(attempt)))
            if attempt.asked is not None:
                self._promise(attempt.asked).asked.pop(attempt.id, None)
            attempt.asked = None
        attempt.state = after
        if before is OpenState.WAITING and after is not OpenState.WAITING:
            self._waiting.remove(attempt)
        elif after is OpenState.WAITING and before is not OpenState.WAITING:
            self._waiting.add(attempt)
        if after is OpenState.CLOSED:
            del self._attempts[attempt.id]
            self._commands.append(CancelTimer(_budget_key(attempt)))

    def _refused(self, attempt: OpenAttempt, city: CityId, reason: str) -> None:
        """Note a no. A second one of the same city, or one that no picture can overrule, excludes it."""
        if city in attempt.refusals or reason not in SOFT_REASONS:
            attempt.excluded.add(city)
        attempt.refusals[city] = reason

    def _promise(self, city: CityId) -> _Promises:
        return self._promises.setdefault(city, _Promises())

    def _remember(self, contact: ContactId, n: int) -> None:
        past = self._of_contact.setdefault(contact, _Past())
        past.n = max(past.n, n)
        self._of_contact.move_to_end(contact)
        while len(self._of_contact) > REMEMBERED:
            self._of_contact.popitem(last=False)

    def _ignore(self, why: str, sender: CityId, message: msgspec.Struct) -> None:
        self._commands.append(Ignored(why, sender, str(message.__struct_config__.tag)))

    # ── matching ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _match(self, now: float) -> None:
        """Propose for everybody for whom somebody is idle: larger priorities first, then longer waits."""
        routable: list[KnownCity] = []
        lines = list(self._waiting.lines())
        if lines:
            routable = self.picture.routable(now)
        heads = [((-line[1], attempts[0].place), number, 0) for number, (line, attempts) in enumerate(lines)]
        heapify(heads)
        while heads:
            _, number, at = heappop(heads)
            (skill, priority), attempts = lines[number]
            places = self._candidates(skill, routable)
            if not any(place.idle > place.promised for place in places):
                continue  # nobody idle for this skill, whoever asks
            choice = self._choose(attempts[at], now, places)
            if choice.city is not None:
                self._propose(attempts[at], choice, now)
            elif choice.why == "below_reserve":
                continue  # those behind have waited less
            if at + 1 < len(attempts):
                heappush(heads, ((-priority, attempts[at + 1].place), number, at + 1))

    def _candidates(self, skill: SkillId, routable: list[KnownCity]) -> list[Candidate]:
        found = []
        for known in routable:
            promises = self._promise(known.city)
            if known.picture is None or not known.picture.hub_seen:
                continue  # it does not hear us (failure 2: one direction lost)
            asked = sorted(promises.asked.items())
            place = candidate(known, skill, asked=[of for _, of in asked], leased=promises.leased)
            if place is not None:
                if skill in promises.doubted:
                    place = Candidate(place.city, place.staffed, place.idle, place.idle, place.age_s)
                found.append(place)
        return found

    def _choose(self, attempt: OpenAttempt, now: float, places: list[Candidate] | None = None) -> Choice:
        if places is None:
            places = self._candidates(attempt.opened.context.skill, self.picture.routable(now))
        return choose_city(
            places,
            anchor=attempt.anchor,
            refused_by=attempt.excluded,
            waited_s=attempt.waited_s(now),
            policy=self.policy,
            beat_s=self.picture.beat_s,
        )

    def _propose(self, attempt: OpenAttempt, choice: Choice, now: float) -> None:
        """Ask ``choice.city``; its answer goes to the anchor, with a copy to us."""
        city = choice.city
        if city is None:
            raise ValueError("nobody was chosen")
        self._move(attempt, OpenMove.PROPOSE)
        attempt.asked = city
        self._promise(city).asked[attempt.id] = attempt.opened.context.skill
        self._record(attempt, "propose", choice, now)
        budget_s = max(0.0, min(self._proposal_s, attempt.left_s(now)))
        context = msgspec.structs.replace(attempt.opened.context, waited_s=attempt.waited_s(now))
        message = Propose(
            contact=attempt.id.contact, n=attempt.id.n, anchor=attempt.anchor, context=context, budget_s=budget_s
        )
        self._commands.append(Send(NodeId(city), message, budget_s))
        self._commands.append(SetTimer(_proposal_key(attempt), budget_s))

    def _record(self, attempt: OpenAttempt, choice_word: str, choice: Choice, now: float) -> None:
        """I9: what was chosen, why, and what was known when it was."""
        known = dict(choice.known)
        past = self._of_contact.get(attempt.id.contact)
        if past is not None:
            past.said = choice.why if choice.city is None else ""
        known["skill"] = attempt.opened.context.skill
        known["waiting_at_hub"] = self._waiting.count(attempt.opened.context.skill)
        known["budget_left_s"] = round(attempt.left_s(now), 3)
        for city, reason in sorted(attempt.refusals.items()):
            known[f"{city}.said"] = reason
        row = Decision(
            contact=attempt.id.contact,
            n=attempt.id.n,
            by=HUB,
            choice=choice_word,
            site=choice.city,
            why=choice.why,
            known=known,
        )
        self._commands.append(Record(row))


def _budget_key(attempt: OpenAttempt) -> tuple[str, ...]:
    return ("budget", attempt.id.contact, str(attempt.id.n))


def _proposal_key(attempt: OpenAttempt) -> tuple[str, ...]:
    return ("proposal", attempt.id.contact, str(attempt.id.n), attempt.asked or "")
