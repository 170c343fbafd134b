"""The province as one node sees it: each city's beat, what it leaves out, and how old it is.

Stream ``picture`` promises only that the newest wins (federation.md, Streams): beats may be lost, doubled and
reordered. So a sender keeps a model of what every receiver should hold, sends what differs from it, and puts the
model's digest on each beat; a receiver whose own copy has another digest after applying asks for a full one. A city
that has been silent for three beats is dropped from routing at once (B6), but named, with the moment it went missing.

Nothing here reads a clock: callers pass ``now``, seconds on their own monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

import msgspec

from dataset.ids import AgentId, CityId, LineageId, SkillId
from federation.core.envelope import AgentPicture, Beat, CityPicture, SkillPicture

FULL_EVERY = 60
"""beats from one full picture to the next, so that a receiver that can hear and not speak catches up too"""
SILENT_AFTER_BEATS = 3
"""B6; failure 2: loss in one direction is known within three beats"""
STEADY_BEATS = 3
"""failure 22: who falls silent again and again counts again only after so many beats in a row"""
RELAPSE_BEATS = 60
"""a silence so soon after the last return is a relapse: the line flaps"""
DRIFT_S = 1.0
"""a running duration is sent again when the receiver's own counting is off by more"""
RETIRED_LINEAGES = 16
"""how many earlier runs of a city are remembered, so that their late beats are refused"""


class Steadiness(msgspec.Struct, frozen=True):
    """Whether somebody whose beats come and go counts: the first outage ends with the first beat, a relapse with a
    trial, so that a line that flaps is one outage and nothing oscillates with it. Times are the receiver's own.
    """

    returned_at: float = float("-inf")
    counts_from: float = float("-inf")
    """counts once heard at that moment or later"""

    def heard(self, before: float, now: float, beat_s: float) -> Steadiness:
        """Heard at ``now``, and last ``before``."""
        gap_s = now - before
        if gap_s >= SILENT_AFTER_BEATS * beat_s:
            relapsed = now - self.returned_at < RELAPSE_BEATS * beat_s
            return Steadiness(now, now + STEADY_BEATS * beat_s if relapsed else now)
        if gap_s > 2 * beat_s and not self.counts(before):
            return Steadiness(now, now + STEADY_BEATS * beat_s)
        return self

    def counts(self, last_heard: float) -> bool:
        """Whether it counts, silence apart."""
        return last_heard >= self.counts_from


_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class _Copy:
    """What a receiver holds of a city: entries as they were sent, and when each came."""

    city: CityId
    skills: dict[str, SkillPicture] = field(default_factory=dict)
    agents: dict[AgentId, AgentPicture] = field(default_factory=dict)
    contacts_live: int = 0
    trunks_busy: dict[str, int] = field(default_factory=dict)
    switch_up: bool = True
    hub_seen: bool = True
    leader: str = ""
    skill_at: dict[str, float] = field(default_factory=dict)
    agent_at: dict[AgentId, float] = field(default_factory=dict)
    known_digest: str | None = None
    """as computed since the last change"""

    @classmethod
    def of(cls, picture: CityPicture, now: float) -> _Copy:
        """A copy that holds exactly ``picture``."""
        return cls(
            city=picture.city,
            skills=dict(picture.skills),
            agents={agent.agent: agent for agent in picture.agents},
            contacts_live=picture.contacts_live,
            trunks_busy=dict(picture.trunks_busy),
            switch_up=picture.switch_up,
            hub_seen=picture.hub_seen,
            leader=picture.leader,
            skill_at=dict.fromkeys(picture.skills, now),
            agent_at={agent.agent: now for agent in picture.agents},
        )

    def has(self, beat: Beat) -> bool:
        """Whether ``beat``, a delta, says nothing that is not held: of most beats of a quiet city."""
        return (
            not (beat.skills or beat.agents or beat.gone)
            and self.contacts_live == beat.contacts_live
            and self.leader == beat.leader
            and self.trunks_busy == beat.trunks_busy
            and self.switch_up == beat.switch_up
            and self.hub_seen == beat.hub_seen
        )

    def apply(self, beat: Beat, now: float) -> None:
        """Take over what ``beat``, a delta, says."""
        if self.has(beat):
            return
        self.known_digest = None
        for skill, figures in beat.skills.items():
            self.skills[skill] = figures
            self.skill_at[skill] = now
        for agent in beat.agents:
            self.agents[agent.agent] = agent
            self.agent_at[agent.agent] = now
        for gone in beat.gone:
            self.agents.pop(gone, None)
            self.agent_at.pop(gone, None)
        self.contacts_live = beat.contacts_live
        self.trunks_busy = dict(beat.trunks_busy)
        self.switch_up = beat.switch_up
        self.hub_seen = beat.hub_seen
        self.leader = beat.leader

    def copy(self) -> _Copy:
        """An independent copy, to try a delta on."""
        return _Copy(
            self.city,
            dict(self.skills),
            dict(self.agents),
            self.contacts_live,
            dict(self.trunks_busy),
            self.switch_up,
            self.hub_seen,
            self.leader,
            dict(self.skill_at),
            dict(self.agent_at),
        )

    def digest(self) -> str:
        """Over what is held, as sent; the same on both sides whatever the order of arrival.

        ``leader`` stays out of it: version 1 does not know it, and every beat says it.
        """
        if self.known_digest is None:
            self.known_digest = self._digest()
        return self.known_digest

    def _digest(self) -> str:
        content = (
            self.city,
            self.skills,
            [self.agents[agent] for agent in sorted(self.agents)],
            self.contacts_live,
            self.trunks_busy,
            self.switch_up,
            self.hub_seen,
        )
        return blake2b(_encode(content), digest_size=8).hexdigest()

    def at(self, now: float) -> CityPicture:
        """The city with its running durations counted on to ``now``."""
        return CityPicture(
            city=self.city,
            skills={skill: _skill_aged(figures, now - self.skill_at[skill]) for skill, figures in self.skills.items()},
            agents=tuple(
                msgspec.structs.replace(agent, since_s=agent.since_s + max(0.0, now - self.agent_at[agent.agent]))
                for agent in self.agents.values()
            ),
            contacts_live=self.contacts_live,
            trunks_busy=dict(self.trunks_busy),
            switch_up=self.switch_up,
            hub_seen=self.hub_seen,
            leader=self.leader,
        )


def _skill_aged(figures: SkillPicture, by_s: float) -> SkillPicture:
    """A queue in which the oldest waited ``by_s`` seconds longer."""
    if figures.waiting == 0 or by_s <= 0:
        return figures
    return msgspec.structs.replace(figures, oldest_wait_s=figures.oldest_wait_s + by_s)


def _skill_differs(held: SkillPicture, fresh: SkillPicture) -> bool:
    """Whether ``fresh`` says more than that time has passed; ``held`` is aged already."""
    if held == fresh:
        return False
    if msgspec.structs.replace(held, oldest_wait_s=0.0) != msgspec.structs.replace(fresh, oldest_wait_s=0.0):
        return True
    return fresh.waiting > 0 and abs(fresh.oldest_wait_s - held.oldest_wait_s) > DRIFT_S


def _agent_differs(held: AgentPicture, fresh: AgentPicture, elapsed_s: float) -> bool:
    """Whether ``fresh`` says more than that ``elapsed_s`` seconds have passed."""
    if msgspec.structs.replace(held, since_s=fresh.since_s) != fresh:
        return True
    return abs(fresh.since_s - held.since_s - elapsed_s) > DRIFT_S


class PictureSender:
    """Turns a city's pictures into beats: full now and then and on request, else what changed since the last beat."""

    def __init__(self, *, full_every: int = FULL_EVERY) -> None:
        self._full_every = full_every
        self._count = 0
        self._since_full = 0
        self._model: _Copy | None = None
        self._full_wanted = True

    def want_full(self) -> None:
        """Make the next beat a full one (``FullPictureWanted`` came, or the link is back)."""
        self._full_wanted = True

    def beat(self, picture: CityPicture, *, now: float, wall: float) -> Beat:
        """The next beat. Counts run from 1 without gaps; the model of the receivers moves on."""
        self._count += 1
        model = self._model
        delta = None if model is None or self._full_wanted else self._delta(model, picture, now, wall)
        if model is None or delta is None or self._since_full >= self._full_every:
            self._model = _Copy.of(picture, now)
            self._full_wanted = False
            self._since_full = 1
            return Beat(count=self._count, wall=wall, digest=self._model.digest(), full=picture)
        self._since_full += 1
        model.apply(delta, now)
        return msgspec.structs.replace(delta, digest=model.digest())

    def _delta(self, model: _Copy, picture: CityPicture, now: float, wall: float) -> Beat | None:
        """What ``picture`` has that the model has not; None when only a full one can say it."""
        if model.city != picture.city or model.skills.keys() - picture.skills.keys():
            return None
        present = {agent.agent for agent in picture.agents}
        return Beat(
            count=self._count,
            wall=wall,
            digest="",
            base=self._count - 1,
            skills={
                skill: figures
                for skill, figures in picture.skills.items()
                if skill not in model.skills
                or _skill_differs(_skill_aged(model.skills[skill], now - model.skill_at[skill]), figures)
            },
            agents=tuple(
                agent
                for agent in picture.agents
                if agent.agent not in model.agents
                or _agent_differs(model.agents[agent.agent], agent, now - model.agent_at[agent.agent])
            ),
            gone=tuple(sorted(agent for agent in model.agents if agent not in present)),
            contacts_live=picture.contacts_live,
            trunks_busy=picture.trunks_busy,
            switch_up=picture.switch_up,
            hub_seen=picture.hub_seen,
            leader=picture.leader,
        )


class KnownCity(msgspec.Struct, frozen=True):
    """What is known of a city at one moment."""

    city: CityId
    picture: CityPicture | None
    """None before the first full picture"""
    age_s: float
    """since the beat that this picture stands on; infinite without a picture"""
    silent_s: float
    """since any beat was heard; infinite when never"""
    seen: bool
    """heard within three beats, with a picture (B6), over a line that does not flap"""
    clock_offset_s: float
    """the city's wall clock before ours, one way on the link included; nan when never heard"""


class Hearing(StrEnum):
    """What became of a beat."""

    NEW = "new"
    """the picture is newer and right"""
    OLD = "old"
    """known already, or of a run that was replaced: ignored"""
    INCOMPLETE = "incomplete"
    """newer, but something was lost before it: the city is to be asked with ``FullPictureWanted``"""


STEADY = Steadiness()


@dataclass(slots=True)
class _Heard:
    lineage: LineageId
    count: int
    heard_at: float
    copy: _Copy | None = None
    copy_at: float = 0.0
    shown: CityPicture | None = None
    """``copy`` as of ``copy_at``, made when first asked for"""
    clock_offset_s: float = 0.0
    steadiness: Steadiness = STEADY
    retired: list[LineageId] = field(default_factory=list)


class ProvincePicture:
    """Per city the newest picture, by (lineage, count), with its age on the receiver's own clock."""

    def __init__(self, *, beat_s: float, silent_after_beats: int = SILENT_AFTER_BEATS) -> None:
        self.beat_s = beat_s
        self.silent_after_s = beat_s * silent_after_beats
        self._cities: dict[CityId, _Heard] = {}

    def heard(self, city: CityId, lineage: LineageId, beat: Beat, *, now: float, wall: float | None = None) -> Hearing:
        """Take in ``beat`` of ``city``, if it is newer by (lineage, count).

        ``wall`` is the receiver's own wall clock; with it the offset between both clocks is measured, for an alarm and
        for nothing else.
        """
        known = self._cities.get(city)
        if known is None or (known.lineage != lineage and lineage not in known.retired):
            known = self._cities[city] = self._next_run(known, lineage, now)
        elif known.lineage != lineage or beat.count <= known.count:
            return Hearing.OLD
        known.count = beat.count
        known.steadiness = known.steadiness.heard(known.heard_at, now, self.beat_s)
        known.heard_at = now
        if wall is not None:
            known.clock_offset_s = beat.wall - wall
        copy = self._applied(known, beat, now) if beat.full is None else _Copy.of(beat.full, now)
        if copy is None or copy.city != city or copy.digest() != beat.digest:
            return Hearing.INCOMPLETE
        known.copy, known.copy_at, known.shown = copy, now, None
        return Hearing.NEW

    @staticmethod
    def _next_run(known: _Heard | None, lineage: LineageId, now: float) -> _Heard:
        """A city's new run; its picture of the run before stands, ageing, until a full one comes."""
        fresh = _Heard(lineage=lineage, count=0, heard_at=now)
        if known is not None:
            fresh.copy, fresh.copy_at = known.copy, known.copy_at
            fresh.retired = [*known.retired, known.lineage][-RETIRED_LINEAGES:]
        return fresh

    @staticmethod
    def _applied(known: _Heard, beat: Beat, now: float) -> _Copy | None:
        """The copy after a delta. Its base may have been lost: the digest says whether that mattered."""
        if known.copy is None or known.copy.has(beat):
            return known.copy
        copy = known.copy.copy()
        copy.apply(beat, now)
        return copy

    def city(self, city: CityId, now: float) -> KnownCity:
        """What is known of ``city``, running durations counted on to ``now``; also of one that was never heard."""
        known = self._cities.get(city)
        if known is None:
            return KnownCity(city, None, float("inf"), float("inf"), False, float("nan"))
        return self._view(city, known, known.copy.at(now) if known.copy is not None else None, now)

    def _view(self, city: CityId, known: _Heard, picture: CityPicture | None, now: float) -> KnownCity:
        return KnownCity(
            city=city,
            picture=picture,
            age_s=now - known.copy_at if known.copy is not None else float("inf"),
            silent_s=now - known.heard_at,
            seen=self._seen(known, now),
            clock_offset_s=known.clock_offset_s,
        )

    def _seen(self, known: _Heard, now: float) -> bool:
        # by the picture's age, not by the last beat: who is heard, but with a wrong digest for three beats, is as
        # unknown as who is silent
        return (
            known.copy is not None
            and now - known.copy_at < self.silent_after_s  # and so it was heard since
            and known.steadiness.counts(known.heard_at)
        )

    def _hears(self, known: _Heard, now: float) -> bool:
        return now - known.heard_at < self.silent_after_s and known.steadiness.counts(known.heard_at)

    def hears(self, city: CityId, now: float) -> bool:
        """Whether its beats come, and steadily, whatever is known of its picture."""
        known = self._cities.get(city)
        return known is not None and self._hears(known, now)

    def clock_offset_s(self, city: CityId) -> float:
        """The city's wall clock before ours, one way on the link included; nan when it was never heard."""
        known = self._cities.get(city)
        return float("nan") if known is None else known.clock_offset_s

    def run(self, city: CityId) -> LineageId | None:
        """The run of ``city`` that was heard last; None when it was never heard."""
        known = self._cities.get(city)
        return known.lineage if known is not None else None

    def seen(self, now: float) -> frozenset[CityId]:
        """The cities that routing may count on now (B6)."""
        return frozenset([city for city, known in self._cities.items() if self._seen(known, now)])

    def routable(self, now: float) -> list[KnownCity]:
        """The seen cities in order of their ids, with running durations as of their beats (which costs less)."""
        found = []
        for city in sorted(self._cities):
            known = self._cities[city]
            if known.copy is not None and self._seen(known, now):
                if known.shown is None:
                    known.shown = known.copy.at(known.copy_at)
                found.append(self._view(city, known, known.shown, now))
        return found

    def pictures(self, now: float) -> Mapping[CityId, tuple[CityPicture, float]]:
        """Every picture there is, seen or not, with its age in seconds."""
        known = (self.city(city, now) for city in sorted(self._cities))
        return {city.city: (city.picture, city.age_s) for city in known if city.picture is not None}

    def forget(self, cities: Iterable[CityId]) -> None:
        """Drop ``cities`` altogether (they left the province)."""
        for city in cities:
            self._cities.pop(city, None)


def staffed_for(picture: CityPicture, skill: SkillId) -> SkillPicture:
    """The figures of ``skill`` in ``picture``, all zero where the city has no such queue."""
    return picture.skills.get(skill, _NO_QUEUE)


_NO_QUEUE = SkillPicture()
