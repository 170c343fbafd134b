"""When a contact is opened to the province, and which city is asked first.

The rule that reached most on the least moved calls (measured on a model of eight cities of 10 to 135 seats): wait at
home and keep the place; open at once when home will be late anyway, but then only to cities whose idle seats exceed a
reserve, so that a moved call does not push their own callers out; after some seconds, anywhere.

Both decisions return what they looked at (I9). Nothing here reads a clock or draws a number: the jitter that keeps
cities from asking in step is computed from the contact's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from math import log
from types import MappingProxyType

import msgspec

from dataset.ids import AgentId, CityId, ContactId, SkillId
from federation.core.envelope import CityPicture, SkillPicture
from federation.core.picture import KnownCity, staffed_for

_NONE_CAPPED: Mapping[CityId, int] = MappingProxyType({})
READY = "ready"
"""presence of an agent who can take a contact at once, as in ``docs/agent-api.md``"""


@dataclass(frozen=True, slots=True)
class OverflowPolicy:
    """``[overflow]`` of the province's configuration."""

    open_after_expected_wait_s: float = 5.0
    """open at once when a contact's expected wait at home is longer"""
    open_after_wait_s: float = 10.0
    """and in any case after so long at home; from then on the reserve does not count either"""
    reserve: float = 0.1
    """share of a city's staffed seats left to its own callers in the first seconds"""
    age_half_life_s: float = 15.0
    """after so long beyond one beat a city's idle seats count half"""
    pause_s: float = 0.5
    """before a contact that the province could not take is opened again, first time; then doubled"""
    longest_pause_s: float = 4.0
    moves_per_hour_and_pair: int = 1000
    """grants of one city to contacts of another within an hour, from which on it is not asked; 0: no limit (A7)"""
    hops_per_contact: int = 8
    """answers in other cities, after which a contact stays at home; 0: no limit (A7)"""


@dataclass(frozen=True, slots=True)
class OpenVerdict:
    """Whether to open now."""

    open: bool
    why: str
    """``idle_at_home``, ``nobody_at_home``, ``home_late``, ``waited_long``, ``home_in_time``, ``province_away``,
    ``hops_spent``"""
    known: dict[str, float | int | str]
    look_again_s: float | None
    """when time alone would change the verdict, seconds from now; None: only a change at home or of the link does"""


def should_open(
    home: SkillPicture,
    *,
    waited_s: float,
    expected_wait_s: float | None,
    province_seen: bool,
    policy: OverflowPolicy,
    hops: int = 0,
) -> OpenVerdict:
    """The anchor's rule for one contact in the home queue ``home``.

    ``expected_wait_s`` is for this contact's own place from now on; None means that nobody is staffed at home.
    ``province_seen``: the hub, or at least one other city, can be heard (B3, B4). ``hops``: answers that the contact
    had in other cities.
    """
    known: dict[str, float | int | str] = {
        "home.idle": home.idle,
        "home.staffed": home.staffed,
        "home.waiting": home.waiting,
        "waited_s": round(waited_s, 3),
        "expected_wait_s": "nobody_staffed" if expected_wait_s is None else round(expected_wait_s, 3),
        "open_after_expected_wait_s": policy.open_after_expected_wait_s,
        "open_after_wait_s": policy.open_after_wait_s,
    }
    if home.idle > 0:
        return OpenVerdict(False, "idle_at_home", known, None)
    if 0 < policy.hops_per_contact <= hops:
        return OpenVerdict(False, "hops_spent", {**known, "hops": hops}, None)
    if not province_seen:
        return OpenVerdict(False, "province_away", known, None)
    if expected_wait_s is None or home.staffed == 0:
        return OpenVerdict(True, "nobody_at_home", known, None)
    if waited_s >= policy.open_after_wait_s:
        return OpenVerdict(True, "waited_long", known, None)
    if expected_wait_s > policy.open_after_expected_wait_s:
        return OpenVerdict(True, "home_late", known, None)
    return OpenVerdict(False, "home_in_time", known, policy.open_after_wait_s - waited_s)


def pause_before_next(contact: ContactId, failures: int, policy: OverflowPolicy) -> float:
    """How long an anchor waits before it opens ``contact`` again after ``failures`` fruitless attempts, seconds.

    Between half and the whole of a doubling pause, by the contact's id and ``failures``: contacts that failed together
    do not return together (A7), and a replay of the same contacts takes the same pauses.
    """
    longest = min(policy.longest_pause_s, policy.pause_s * 2.0 ** max(0, failures - 1))
    return longest * (0.5 + 0.5 * _unit(f"{contact}#{failures}"))


class Candidate(msgspec.Struct, frozen=True):
    """One city as a place for one contact."""

    city: CityId
    staffed: int
    idle: int
    """as its picture says"""
    promised: int
    """of these, already asked for or leased since that picture"""
    age_s: float


class Choice(msgspec.Struct, frozen=True):
    """Which city to ask, or why none; with every figure looked at (I9)."""

    city: CityId | None
    why: str
    """``largest_idle_share`` (above the reserve), ``idle_anywhere`` (reserve no longer counted); without a city:
    ``below_reserve``, ``capped``, ``nobody_idle``, ``nobody_staffed``, ``all_refused``, ``nobody_seen``"""
    known: dict[str, float | int | str]


def choose_city(
    candidates: Sequence[Candidate],
    *,
    anchor: CityId,
    refused_by: AbstractSet[CityId],
    waited_s: float,
    policy: OverflowPolicy,
    beat_s: float,
    spread_by: ContactId | None = None,
    capped: Mapping[CityId, int] = _NONE_CAPPED,
) -> Choice:
    """The choice for one contact, given all seen cities as ``candidates``; ties go to the smaller city id.

    The largest share of seats that are idle and not promised wins, each share halved per ``age_half_life_s`` of the
    picture's age beyond one beat. In the first seconds a city counts only while its free seats exceed the reserve;
    once the contact has waited ``open_after_wait_s`` (or longer), every free seat counts.

    ``spread_by`` is for anchors that choose by themselves while the hub is away (B3): nobody subtracts what the others
    ask for, so the cities are drawn in proportion to their shares, by the contact's id, instead of all at the best.
    ``capped``: cities that have taken as much of the anchor's within the hour as they may, and how much that is (A7).
    """
    relaxed = waited_s >= policy.open_after_wait_s
    known: dict[str, float | int | str] = {
        "waited_s": round(waited_s, 3),
        "reserve": 0.0 if relaxed else policy.reserve,
    }
    others = [candidate for candidate in candidates if candidate.city != anchor]
    open_to = [candidate for candidate in others if candidate.city not in refused_by]
    staffed = [candidate for candidate in open_to if candidate.staffed > 0]
    best: tuple[float, CityId] | None = None
    any_free = any_capped = False
    for candidate in staffed:
        free = candidate.idle - candidate.promised
        known[f"{candidate.city}.idle"] = candidate.idle
        known[f"{candidate.city}.staffed"] = candidate.staffed
        known[f"{candidate.city}.age_s"] = round(candidate.age_s, 3)
        if candidate.promised:
            known[f"{candidate.city}.promised"] = candidate.promised
        if free <= 0:
            continue
        if candidate.city in capped:
            known[f"{candidate.city}.capped"] = capped[candidate.city]
            any_capped = True
            continue
        any_free = True
        if not relaxed and free <= policy.reserve * candidate.staffed:
            continue
        stale_s = max(0.0, candidate.age_s - beat_s)
        share = free / candidate.staffed * 0.5 ** (stale_s / policy.age_half_life_s)
        weight = share if spread_by is None else _drawn(spread_by, candidate.city, share)
        if best is None or (-weight, candidate.city) < best:
            best = (-weight, candidate.city)
    for city in sorted(refused_by):
        known[f"{city}.refused"] = 1
    if best is not None:
        return Choice(best[1], "idle_anywhere" if relaxed else "largest_idle_share", known)
    if any_capped and not any_free:
        return Choice(None, "capped", known)
    return Choice(None, _why_none(others, open_to, staffed, any_free), known)


def _drawn(contact: ContactId, city: CityId, share: float) -> float:
    """A weight whose maximum falls on each city in proportion to its share (weighted rendezvous hashing)."""
    return share / -log(_unit(f"{contact}@{city}"))


def _unit(text: str) -> float:
    """A number in (0, 1) that is fixed by ``text``."""
    return (int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big") + 0.5) / 2.0**48


def _why_none(
    others: Sequence[Candidate], open_to: Sequence[Candidate], staffed: Sequence[Candidate], any_free: bool
) -> str:
    if any_free:
        return "below_reserve"
    if staffed:
        return "nobody_idle"
    if open_to:
        return "nobody_staffed"
    return "all_refused" if others else "nobody_seen"


def candidate(
    known: KnownCity,
    skill: SkillId,
    *,
    asked: Iterable[SkillId] = (),
    leased: AbstractSet[AgentId] = frozenset(),
) -> Candidate | None:
    """``known`` as a place for a contact of ``skill``; None when it cannot be asked.

    ``asked``: the skills of proposals to that city which are still unanswered; ``leased``: agents granted since its
    picture came. A city whose switch is down, or without a picture, cannot be asked.
    """
    picture = known.picture
    if picture is None or not known.seen or not picture.switch_up:
        return None
    figures = staffed_for(picture, skill)
    promised = _promised(picture, skill, list(asked), leased)
    return Candidate(known.city, figures.staffed, figures.idle, min(promised, figures.idle), known.age_s)


def _promised(picture: CityPicture, skill: SkillId, asked: list[SkillId], leased: AbstractSet[AgentId]) -> int:
    """How many of the idle agents for ``skill`` are taken already by ``asked`` and ``leased``.

    The agents are handed out as the city itself will do it, longest idle first; so a proposal for another skill takes
    an agent away from this one only where that agent holds both.
    """
    if not asked and not leased:
        return 0
    ready = sorted(
        (agent for agent in picture.agents if agent.state == READY), key=lambda agent: (-agent.since_s, agent.agent)
    )
    if not ready:
        return len(asked) + len(leased)
    with_skill = sum(skill in agent.skills for agent in ready)
    free = [agent for agent in ready if agent.agent not in leased]
    for wanted in asked:
        taken = next((agent for agent in free if wanted in agent.skills), None)
        if taken is not None:
            free.remove(taken)
    return with_skill - sum(skill in agent.skills for agent in free)
