"""All rows about one contact, from whatever nodes, joined into its record (E1, E3, O3).

A join is a fold: the same rows in any order give the same record, and a row that comes later only makes it better.
Nothing computed here is ever written down as a row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec

from dataset.ids import AgentId, CityId, ContactId, LineageId, SkillId, Token
from dataset.lineages import Lineages, born_in
from dataset.rows import (
    VOICE_OUT,
    AttemptAnswered,
    AttemptOpened,
    AttemptWithdrawn,
    ContactBorn,
    ContactEnded,
    Decision,
    Ending,
    Evidence,
    Journalled,
    MenuChosen,
    QueueEntered,
    QueueLeft,
    Row,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
    SegmentVoided,
    TransferAsked,
)
from dataset.standing import LostSites

_NEVER = float("-inf")
LOST_WITH_JOURNAL = "lost_with_journal"
SITE_LOST = "site_lost"
R = TypeVar("R", bound=Row)
STRENGTH = {Evidence.PROVISIONAL: 0, Evidence.INFERRED: 1, Evidence.SEEN: 2}


class SegmentState(StrEnum):
    """What is known of a segment, from both sides."""

    UNCONFIRMED = "unconfirmed"
    """its site says so; the anchor's word is not here yet (O3)"""
    CONFIRMED = "confirmed"
    VOIDED = "voided"
    """the anchor withdrew the attempt: it never was"""
    REPORTED = "reported"
    """the anchor committed the answer; the serving site's row is not here (yet)"""


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """(contact, n)."""

    n: int
    scope: str = ""
    outcome: str = ""
    """empty while open; ``answered``, or the reason of its withdrawal"""
    site: CityId | None = None
    agent: AgentId | None = None
    token: Token | None = None
    opened_at: float | None = None
    """wall times are UTC seconds"""
    settled_at: float | None = None
    waited_s: float | None = None


class SegmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch with one handler."""

    n: int
    site: CityId
    agent: AgentId
    state: SegmentState
    closed: bool = False
    began_at: float | None = None
    talked_s: float = 0.0
    held_s: float = 0.0
    wrap_up_s: float = 0.0
    disposition: str = ""
    notes: str = ""
    ended_by: str = ""
    anchor_lost: bool = False
    """unconfirmed, and the anchor's word will not come as things stand: it is lost, or lost the contact (E3). Totals
    name it as unknown; any word of the anchor takes this back"""


class EndingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The one ending (I1): the best that the evidence allows now."""

    ending: Ending
    evidence: Evidence
    cause: str
    at: float
    computed: bool = False
    """nobody wrote it; it follows from what other rows say (E3), and gives way to any that is written"""
    waited_s: float = 0.0
    talked_s: float = 0.0
    lasted_s: float = 0.0
    answers: int = 0
    others: int = 0
    """endings on record that gave way to this one"""


class ContactRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One contact."""

    contact: ContactId
    city: CityId | None = None
    """its anchor; None while no row of the anchor is here"""
    channel: str = ""
    door: str = ""
    calling: str = ""
    package: str = ""
    born_at: float | None = None
    path: tuple[str, ...] = ()
    service: str = ""
    skill: SkillId | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    segments: tuple[SegmentRecord, ...] = ()
    transfers: int = 0
    decisions: tuple[Decision, ...] = ()
    route: tuple[CityId, ...] = ()
    """anchor, then each city that answered"""
    waiting: bool = False
    """has a place in a queue"""
    ending: EndingRecord | None = None

    @property
    def state(self) -> str:
        """``ended``, ``waiting``, ``talking`` or ``menu``."""
        if self.ending is not None:
            return "ended"
        if self.waiting:
            return "waiting"
        if self.channel == VOICE_OUT:
            return "talking"
        return "talking" if any(one.outcome == "answered" for one in self.attempts) else "menu"


class Standing(msgspec.Struct, frozen=True):
    """What is known beside the contact's own rows."""

    lineages: Lineages
    lost_sites: frozenset[CityId] = frozenset()
    """cities declared lost, until they rejoin (E3)"""
    last_heard: Mapping[str, float] = {}
    """wall time of the last row of each node, UTC seconds"""


def standing(rows: Iterable[Journalled], lost_sites: Collection[CityId] = ()) -> Standing:
    """The standing that ``rows`` of whatever kinds give; ``lost_sites`` count as lost besides."""
    lineages, lost, last = Lineages(), LostSites(), dict[str, float]()
    for row in rows:
        if row.wall > last.get(row.node, _NEVER):
            last[row.node] = row.wall
        if not lineages.add(row):
            lost.add(row)
    return Standing(lineages, lost.cities() | frozenset(lost_sites), last)


def contact_record(contact: ContactId, rows: Iterable[Journalled], known: Standing) -> ContactRecord:
    """The record of ``contact``; rows about others are passed over, rows given twice count once."""
    ordered = _ordered(contact, rows, known)
    births = [one for one in ordered if isinstance(one.row, ContactBorn)]
    anchor = _anchor(ordered)
    attempts = _attempts(ordered)
    silent = anchor is not None and _given_up(contact, anchor, ordered, known) is not None
    segments = _segments(ordered, attempts, anchor_lost=silent)
    born = births[-1] if births else None
    birth = born.row if born is not None and isinstance(born.row, ContactBorn) else None
    menu = _last(ordered, MenuChosen)
    answered = [one for one in attempts if one.outcome == "answered" and one.site is not None]
    route = ([anchor] if anchor is not None else []) + [one.site for one in answered if one.site is not None]
    return ContactRecord(
        contact=contact,
        city=anchor,
        channel=birth.channel if birth else "",
        door=birth.door if birth else "",
        calling=birth.calling if birth else "",
        package=birth.package if birth else "",
        born_at=born.wall if born else None,
        path=menu.path if menu else (),
        service=menu.service if menu else "",
        skill=menu.skill if menu else None,
        attempts=attempts,
        segments=segments,
        transfers=sum(isinstance(one.row, TransferAsked) and one.row.outcome == "asked" for one in ordered),
        decisions=tuple(one.row for one in ordered if isinstance(one.row, Decision)),
        route=tuple(city for place, city in enumerate(route) if place == 0 or city != route[place - 1]),
        waiting=_places(ordered) > 0,
        ending=_ending(contact, anchor, ordered, known),
    )


def contact_ending(contact: ContactId, rows: Iterable[Journalled], known: Standing) -> EndingRecord | None:
    """The ending in ``contact_record``, without the rest."""
    ordered = _ordered(contact, rows, known)
    return _ending(contact, _anchor(ordered), ordered, known)


def _ordered(contact: ContactId, rows: Iterable[Journalled], known: Standing) -> list[Journalled]:
    """By evidence: a node's own runs, then sequence; between nodes by name, since none of their rows compete."""
    own = {_place(one): one for one in rows if getattr(one.row, "contact", None) == contact}.values()
    return sorted(own, key=lambda one: (one.node, known.lineages.rank(one.node, one.lineage), *_place(one)))


def _place(one: Journalled) -> tuple[str, LineageId, int]:
    return (one.node, one.lineage, one.sequence)


def _anchor(ordered: list[Journalled]) -> CityId | None:
    """Who wrote the birth or the ending; else whom a segment names."""
    for kind in (ContactBorn, ContactEnded):
        for one in ordered:
            if isinstance(one.row, kind):
                return one.row.city
    opened = _last(ordered, SegmentOpened)
    return opened.anchor if opened is not None else None


def _last(ordered: list[Journalled], kind: type[R]) -> R | None:
    return next((one.row for one in reversed(ordered) if isinstance(one.row, kind)), None)


def _places(ordered: list[Journalled]) -> int:
    return sum(isinstance(one.row, QueueEntered) - isinstance(one.row, QueueLeft) for one in ordered)


# ── attempts and segments ───────────────────────────────────────────────────────────────────────────────────────────
def _attempts(ordered: list[Journalled]) -> tuple[AttemptRecord, ...]:
    """By n. One outcome each (O2): were there two, the answer stands, since somebody spoke."""
    found: dict[int, AttemptRecord] = {}
    for one in ordered:
        row = one.row
        if isinstance(row, AttemptOpened | AttemptAnswered | AttemptWithdrawn):
            known = found.get(row.n, AttemptRecord(n=row.n))
            if isinstance(row, AttemptOpened):
                change = {"scope": row.scope, "opened_at": one.wall}
                found[row.n] = msgspec.structs.replace(known, **change)
            elif isinstance(row, AttemptAnswered):
                found[row.n] = msgspec.structs.replace(
                    known,
                    outcome="answered",
                    site=row.site,
                    agent=row.agent,
                    token=row.token,
                    settled_at=one.wall,
                    waited_s=row.waited_s,
                )
            elif known.outcome != "answered":
                found[row.n] = msgspec.structs.replace(
                    known,
                    outcome=str(row.reason),
                    site=row.site,
                    agent=row.agent,
                    token=row.token,
                    settled_at=one.wall,
                )
    return tuple(found[n] for n in sorted(found))


def _segments(
    ordered: list[Journalled], attempts: tuple[AttemptRecord, ...], *, anchor_lost: bool
) -> tuple[SegmentRecord, ...]:
    """By n: the serving site's rows, judged by the anchor's outcome where that is here, else by what the site heard."""
    outcomes = {one.n: one for one in attempts if one.outcome}
    opened: dict[int, tuple[float, SegmentOpened]] = {}
    closed: dict[int, SegmentClosed] = {}
    confirmed: set[int] = set()
    voided: set[int] = set()
    for one in ordered:
        row = one.row
        if isinstance(row, SegmentOpened):
            opened[row.n] = (one.wall, row)
        elif isinstance(row, SegmentClosed):
            closed[row.n] = row
        elif isinstance(row, SegmentConfirmed):
            confirmed.add(row.n)
        elif isinstance(row, SegmentVoided):
            voided.add(row.n)
    found = []
    answered = {n for n, one in outcomes.items() if one.outcome == "answered"}
    for n in sorted({*opened, *closed, *answered}):
        who = _who(n, opened, closed, outcomes)
        if who is None:
            continue
        begin = opened.get(n)
        if n in answered:
            state = SegmentState.CONFIRMED if begin or n in closed else SegmentState.REPORTED
        elif n in outcomes or n in voided:
            state = SegmentState.VOIDED
        else:
            state = SegmentState.CONFIRMED if n in confirmed else SegmentState.UNCONFIRMED
        end = closed.get(n)
        found.append(
            SegmentRecord(
                n=n,
                site=who[0],
                agent=who[1],
                state=state,
                closed=end is not None,
                began_at=begin[0] if begin else None,
                talked_s=end.talked_s if end else 0.0,
                held_s=end.held_s if end else 0.0,
                wrap_up_s=end.wrap_up_s if end else 0.0,
                disposition=end.disposition if end else "",
                notes=end.notes if end else "",
                ended_by=end.ended_by if end else "",
                anchor_lost=anchor_lost and state is SegmentState.UNCONFIRMED,
            )
        )
    return tuple(found)


def _who(
    n: int,
    opened: dict[int, tuple[float, SegmentOpened]],
    closed: dict[int, SegmentClosed],
    outcomes: dict[int, AttemptRecord],
) -> tuple[CityId, AgentId] | None:
    if n in opened:
        return opened[n][1].site, opened[n][1].agent
    if n in closed:
        return closed[n].site, closed[n].agent
    outcome = outcomes[n]
    return (outcome.site, outcome.agent) if outcome.site is not None and outcome.agent is not None else None


# ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _ending(
    contact: ContactId, anchor: CityId | None, ordered: list[Journalled], known: Standing
) -> EndingRecord | None:
    """E1: seen > inferred > provisional; then ownership epoch, then the order of lineages, then sequence."""
    written = [(one, one.row) for one in ordered if isinstance(one.row, ContactEnded)]
    if written:
        best, row = max(
            written,
            key=lambda pair: (
                STRENGTH[pair[1].evidence],
                pair[1].epoch,
                known.lineages.rank(pair[0].node, pair[0].lineage),
                *_place(pair[0]),
            ),
        )
        return EndingRecord(
            ending=row.ending,
            evidence=row.evidence,
            cause=row.cause,
            at=best.wall,
            waited_s=row.waited_s,
            talked_s=row.talked_s,
            lasted_s=row.lasted_s,
            answers=row.answers,
            others=len(written) - 1,
        )
    return _given_up(contact, anchor, ordered, known) if anchor is not None else None


def _given_up(contact: ContactId, anchor: CityId, ordered: list[Journalled], known: Standing) -> EndingRecord | None:
    """E3: how the contact ended if no row says so; None while its anchor may still have it.

    Lost with the anchor's journal at the opening of the run that does not know it; lost with the city at the last row
    of that city on record. When no row of the anchor is here, its id tells the run it was born in.
    """
    own = [one for one in ordered if one.node == anchor]
    lost_at = known.lineages.lost_at(anchor, contact, {one.lineage for one in own} or {born_in(contact)})
    if lost_at is not None:
        return _computed(LOST_WITH_JOURNAL, lost_at)
    if anchor in known.lost_sites:
        last = max(one.wall for one in own or ordered)
        return _computed(SITE_LOST, max(last, known.last_heard.get(anchor, last)))
    return None


def _computed(cause: str, at: float) -> EndingRecord:
    return EndingRecord(ending=Ending.FAILED, evidence=Evidence.PROVISIONAL, cause=cause, at=at, computed=True)
