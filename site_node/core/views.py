"""What others may see of a city: an agent's own view, and the picture that everybody gets."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dataset.ids import AgentId, CityId, ContactId, SkillId
from dataset.work import WorkItemId
from federation.core.envelope import AgentPicture, CityPicture, SkillPicture
from federation.core.lease import Lease, LeaseState
from site_node.core.agent import AgentSession, Presence
from site_node.core.contacts import waited_s
from site_node.core.serving import held_until
from site_node.core.site import Site


class CallView(msgspec.Struct, frozen=True):
    """One contact at a seat, as ``docs/agent-api.md`` shows it; durations in seconds at the moment of asking."""

    contact: ContactId
    attempt: int
    state: str
    since_s: float
    anchor: CityId
    received: bool
    confirmed: bool
    calling: str
    """unmasked; services mask it"""
    door: str
    path: tuple[str, ...]
    service: str
    skill: SkillId
    waited_s: float
    talk_s: float
    hold_s: float
    notes: tuple[str, ...]
    """``1001@guangzhou: text``"""
    handled_by: tuple[AgentId, ...]
    disposition: str
    wrap_up_left_s: float | None
    outbound: bool = False
    """this city calls the customer back"""
    line: str = ""
    """that the caller asked about in self-service; unmasked, as ``calling``"""


class CallBackView(msgspec.Struct, frozen=True):
    """The agent's call to the customer of a work item, or the last one."""

    contact: ContactId
    item: WorkItemId
    owning: CityId
    number: str
    """unmasked; services mask it"""
    state: str
    """in the words of ``CallBackState``"""
    outcome: str
    """empty while it goes on"""
    talked_s: float


class SeatView(msgspec.Struct, frozen=True):
    """One agent session."""

    agent: AgentId
    name: str
    seat: str
    can_answer: bool
    presence: str
    reason: str
    since_s: float
    skills: tuple[SkillId, ...]
    calls: tuple[CallView, ...]
    hub_seen: bool
    alone: bool
    """the city has no link (B5): no hub is missed"""
    peers_seen: bool
    """any other city is heard"""
    switch_up: bool
    call_back: CallBackView | None = None
    """the agent's call to a customer, or the last one"""


_SHOWN_AS = {
    LeaseState.RINGING: Presence.ALERTING,
    LeaseState.TALKING: Presence.TALKING,
    LeaseState.HELD: Presence.HELD,
    LeaseState.CLEARING: Presence.WRAP_UP,
    LeaseState.GONE: Presence.WRAP_UP,
}


def seat_view(site: Site, agent: AgentId, now: float) -> SeatView | None:
    """The agent's session; None when not logged in."""
    session = site.sessions.get(agent)
    if session is None:
        return None
    leases = (site.serving.lease(which) for which in (session.lease, session.wrapping))
    calls = tuple(
        _call_view(site, session, lease, now)
        for lease in leases
        if lease is not None and lease.state is not LeaseState.GRANTED
    )
    return SeatView(
        agent=agent,
        name=session.name,
        seat=session.seat,
        can_answer=session.can_answer,
        presence=session.presence,
        reason=session.reason or session.then_not_ready,
        since_s=now - session.since,
        skills=session.skills,
        calls=calls,
        call_back=_call_back_view(site, agent, now),
        hub_seen=site.sight.alone or site.sight.leader is not None,
        alone=site.sight.alone,
        peers_seen=bool(site.sight.peers),
        switch_up=site.sessions.switch_up,
    )


def _call_back_view(site: Site, agent: AgentId, now: float) -> CallBackView | None:
    call = site.call_backs.of(agent)
    if call is None:
        return None
    talks = call.outcome is None and call.established_at is not None
    return CallBackView(
        contact=call.id,
        item=call.about.item,
        owning=call.about.owning,
        number=call.number,
        state=call.state,
        outcome=call.outcome or "",
        talked_s=now - call.established_at if talks and call.established_at is not None else call.talked_s,
    )


def _call_view(site: Site, session: AgentSession, lease: Lease, now: float) -> CallView:
    held = held_until(lease, now)
    ended = lease.ended_at if lease.ended_at is not None else now
    talked = ended - held.speaks_since - held.held_s if held.speaks_since is not None else 0.0
    wrapping = session.presence is Presence.WRAP_UP
    context = lease.context
    return CallView(
        contact=lease.contact,
        attempt=lease.attempt.n,
        state=_SHOWN_AS[lease.state],
        since_s=now - session.since,
        anchor=lease.anchor,
        received=lease.anchor != site.rules.city,
        confirmed=lease.confirmed,
        calling=context.calling,
        outbound=lease.outbound,
        door=context.door,
        path=context.path,
        line=context.line,
        service=context.service,
        skill=context.skill,
        waited_s=context.waited_s,
        talk_s=max(0.0, talked),
        hold_s=held.held_s,
        notes=(*context.notes, *lease.notes),
        handled_by=context.handled_by,
        disposition=lease.disposition,
        wrap_up_left_s=max(0.0, site.rules.wrap_up_s - (now - session.since)) if wrapping else None,
    )


def city_picture(site: Site, trunks_busy: dict[str, int], now: float) -> CityPicture:
    """What the city tells everybody about itself."""
    return CityPicture(
        city=site.rules.city,
        skills={skill.id: _skill_picture(site, skill.id, now) for skill in site.package.skills},
        agents=tuple(_agent_pictures(site, now)),
        contacts_live=len(site.contacts),
        trunks_busy=trunks_busy,
        switch_up=site.sessions.switch_up,
        hub_seen=site.sight.alone or site.sight.leader is not None,
        leader=site.sight.leader or "",
    )


def _skill_picture(site: Site, skill: SkillId, now: float) -> SkillPicture:
    waiting = site.index.waiting(skill)
    oldest = site.index.oldest(skill)
    contact = site.contacts.get(oldest) if oldest is not None else None
    return SkillPicture(
        waiting=waiting,
        oldest_wait_s=round(waited_s(contact, now), 1) if contact is not None else 0.0,
        idle=site.index.idle_count(skill),
        staffed=site.sessions.staffed(skill),
        expected_wait_s=_rounded(site.routing.expected_wait_s(skill, waiting)),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _agent_pictures(site: Site, now: float) -> Iterable[AgentPicture]:
    for session in site.sessions.all():
        lease = site.serving.lease(session.lease or session.wrapping)
        promised = session.presence is Presence.READY and not site.index.is_idle(session.agent)
        yield AgentPicture(
            agent=session.agent,
            name=session.name,
            # a ready agent whose slot is promised, or unverified, cannot be asked for: others should not count on it
            state="reserved" if promised else session.presence,
            reason=session.reason,
            since_s=round(now - session.since, 1),
            skills=session.skills,
            seat=session.seat,
            contact=lease.contact if lease is not None else None,
        )
