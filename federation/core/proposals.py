"""Who in the province is asked to take whom: the matching of the hub that leads, and of an anchor without one (B3).

``advance(event, now)`` moves the table of open attempts and returns what is to be done. A contact that no idle agent
can be found for waits here, in the order of priority and waiting time, and is proposed as soon as a picture shows
somebody idle (pull: of all policies measured the one that does not suffer from old pictures). Every decision is
recorded with what was known and how old it was (I9).

Nothing here reads a clock, and nothing is remembered that a restarted node could not do without (B2).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import msgspec

from dataset.ids import HUB, AgentId, AttemptId, CityId, ContactId, NodeId, SkillId, is_hub
from dataset.rows import Decision
from federation.core.envelope import CityPicture, Close, Granted, NoProposal, NotGranted, Open, Propose, Taken
from federation.core.limits import PairMoves
from federation.core.open_attempt import OPEN_MOVES, OpenAttempt, OpenMove, OpenState
from federation.core.overflow import Candidate, Choice, OverflowPolicy, candidate, choose_city
from federation.core.picture import KnownCity, ProvincePicture
from federation.core.proposal_events import (
    BeatDue,
    CancelTimer,
    CitiesLost,
    Command,
    Event,
    Heard,
    Ignored,
    PictureHeard,
    Record,
    Send,
    SetTimer,
    SteppedDown,
    TimerExpired,
)
from federation.core.waiting import WaitingLines

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


class Proposals:
    """Table of the attempts that are open to the province, over the province's picture.

    ``node`` decides: a hub, for all cities, or an anchor for its own contacts. ``may_ask`` says which of the seen
    cities can be asked at all; a hub asks those that follow it. ``spread``: others choose at the same time without
    being told, so cities are drawn in proportion to their idle seats (B3).
    """

    def __init__(
        self,
        picture: ProvincePicture,
        policy: OverflowPolicy,
        *,
        proposal_s: float,
        node: NodeId = HUB,
        may_ask: Callable[[CityPicture], bool] | None = None,
        spread: bool = False,
    ) -> None:
        self.node = node
        self.picture = picture
        self.policy = policy
        self.moves = PairMoves(policy.moves_per_hour_and_pair)
        """grants of late, by anchor and serving city (A7)"""
        self._may_ask = may_ask if may_ask is not None else self._follows_us
        self._spread = spread
        self._proposal_s = proposal_s
        self._attempts: dict[AttemptId, OpenAttempt] = {}
        self._of_contact: OrderedDict[ContactId, _Past] = OrderedDict()
        self._waiting = WaitingLines()
        self._promises: dict[CityId, _Promises] = defaultdict(_Promises)
        self._lost: frozenset[CityId] = frozenset()
        self._commands: list[Command] = []

    # ── what others may look at ─────────────────────────────────────────────────────────────────────────────────────
    def waiting(self) -> int:
        """Contacts that wait here for somebody idle."""
        return len(self._waiting)

    def open_attempts(self) -> int:
        """Attempts in the table, whatever their state."""
        return len(self._attempts)

    def knows_better(self, city: CityId) -> bool:
        """Whether anything is remembered that the next picture of ``city`` would correct, or anybody waits for it."""
        promises = self._promises.get(city)
        return bool(self._attempts) or (promises is not None and bool(promises.leased or promises.doubted))

    def state(self, attempt: AttemptId) -> OpenState:
        """Where ``attempt`` stands; ``closed`` when it is not in the table."""
        known = self._attempts.get(attempt)
        return known.state if known else OpenState.CLOSED

    def waiting_attempts(self) -> list[AttemptId]:
        """Attempts for which nobody is asked now, longest waiting first in each line."""
        return [attempt.id for _, line in self._waiting.lines() for attempt in line]

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
            case CitiesLost(cities):
                self._lost = cities
                self._match(now)
            case BeatDue():
                self._give_up_silent(now)
                self._match(now)
            case SteppedDown():
                for attempt in list(self._attempts.values()):
                    self._move(attempt, OpenMove.CLOSE)
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
            if attempt.state is not OpenState.GRANTED:
                self.moves.moved(attempt.anchor, message.site, now)
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
        proposed = [one for one in self._attempts.values() if one.state is OpenState.PROPOSED]
        seen = self.picture.seen(now) if proposed else frozenset()
        for attempt in proposed:
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
        return self._promises[city]

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
            if known.city in self._lost:
                continue  # E3: not before its return is on record
            if known.picture is None or not self._may_ask(known.picture):
                continue
            asked = sorted(promises.asked.items())
            place = candidate(known, skill, asked=[of for _, of in asked], leased=promises.leased)
            if place is not None:
                if skill in promises.doubted:
                    place = Candidate(place.city, place.staffed, place.idle, place.idle, place.age_s)
                found.append(place)
        return found

    def _follows_us(self, picture: CityPicture) -> bool:
        """Not a city that does not hear us (failure 2: one direction lost), or follows another hub (B2)."""
        return picture.hub_seen and picture.leader in ("", self.node)

    def _choose(self, attempt: OpenAttempt, now: float, places: list[Candidate] | None = None) -> Choice:
        if places is None:
            places = self._candidates(attempt.opened.context.skill, self.picture.routable(now))
        return choose_city(
            places,
            anchor=attempt.anchor,
            refused_by=attempt.excluded,
            capped=self._capped(attempt.anchor, places, now),
            waited_s=attempt.waited_s(now),
            policy=self.policy,
            beat_s=self.picture.beat_s,
            spread_by=attempt.id.contact if self._spread else None,
        )

    def _capped(self, anchor: CityId, places: list[Candidate], now: float) -> Mapping[CityId, int]:
        """A7: the cities that took as many contacts of ``anchor`` within the hour as they may, and how many that is;
        proposals under way count.
        """
        found = {}
        for place in places:
            asked = self._promise(place.city).asked
            if self.moves.full(anchor, place.city, len(asked), now):
                mine = sum(self._attempts[one].anchor == anchor for one in asked if one in self._attempts)
                if self.moves.full(anchor, place.city, mine, now):
                    found[place.city] = self.moves.count(anchor, place.city, now) + mine
        return found

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
        known["waiting_at_hub" if is_hub(self.node) else "waiting_at_anchor"] = self._waiting.count(
            attempt.opened.context.skill
        )
        known["budget_left_s"] = round(attempt.left_s(now), 3)
        for city, reason in sorted(attempt.refusals.items()):
            known[f"{city}.said"] = reason
        row = Decision(
            contact=attempt.id.contact,
            n=attempt.id.n,
            by=self.node,
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
