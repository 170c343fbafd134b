"""The verdict on a run: which promises were broken, and which were not looked at (architecture.md, I1-I9)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random

from dataset.ids import CityId, ContactId, NodeId, is_hub
from dataset.intervals import fold
from dataset.rows import (
    AttemptAnswered,
    AttemptOpened,
    ContactBorn,
    ContactEnded,
    Decision,
    Journalled,
    LineageOpened,
    SiteDeclaredLost,
    SiteRejoined,
    TailMissing,
)
from federation.core.joins import STRENGTH, contact_ending, standing
from simulation.chaos.call_backs import CallBacks
from simulation.chaos.clerks import Clerks
from simulation.chaos.disks import Origin
from simulation.chaos.faults import Faults
from simulation.chaos.files import Files
from simulation.chaos.people import People
from simulation.chaos.work_check import check_work
from simulation.chaos.world import ChaosProvince
from simulation.ledger_check import CallerLine, LedgerCheck, Records
from site_node.core.agent import Presence

NOT_LOOKED_AT = (
    "I10: whether each look at a subscriber's data is on record, and whether that record hangs together",
    "durations on record against what callers measured: faults come between",
)


@dataclass(slots=True)
class Verdict:
    """What the checker found."""

    violations: list[str] = field(default_factory=list)
    """each begins with the promise that it breaks"""
    unchecked: list[str] = field(default_factory=list)
    island_calls: int = 0
    """calls that I5 was held to"""
    lost_with_journal: int = 0
    """facts that are unknown because a fault destroyed their rows, all of them named"""


def check(
    world: ChaosProvince,
    people: People,
    clerks: Clerks,
    faults: Faults,
    call_backs: CallBacks | None,
    files: Files | None,
    broken: list[str],
) -> Verdict:
    """Judge a run that has healed and gone quiet. ``call_backs``: where customers were called; ``files``:
    where files were attached.
    """
    verdict = Verdict(unchecked=list(NOT_LOOKED_AT))
    verdict.violations += [f"a failure in the program: {one}" for one in dict.fromkeys(broken)]
    verdict.violations += [
        *world.watch.wrong,
        *dict.fromkeys(world.work.wrong),
        *faults.island.wrong,
        *faults.slots.wrong,
        *dict.fromkeys(faults.sessions.wrong),
        *dict.fromkeys(faults.deadlines.wrong),
    ]
    harmed = _harmed(world)
    verdict.violations += dict.fromkeys(one for contact, one in faults.witness.seen if contact not in harmed)
    verdict.island_calls = faults.island.checked
    journals = {str(node): world.disks.journals[node].rows() for node in world.nodes if not is_hub(node)}
    first, *others = world.province.hub_ids
    _ledger(world, people, first, journals, verdict)
    for node in others:
        if _same(world, first, node):
            if _counted(world, first) != _counted(world, node):
                verdict.violations.append(f"I6: {first} and {node} hold the same rows and count them differently")
        else:
            _ledger(world, people, node, journals, verdict)
    _streams(world, faults, journals, verdict)
    _nothing_left(world, people, verdict)
    _explained(world, journals, verdict)
    _work(world, clerks, faults, verdict)
    if call_backs is not None:
        verdict.violations += dict.fromkeys(call_backs.findings(harmed, faults.lost))
    if files is not None:
        verdict.violations += dict.fromkeys(files.findings(faults.lost))
    return verdict


def _harmed(world: ChaosProvince) -> set[ContactId]:
    """Contacts that destroyed rows are about."""
    rows = world.disks.destroyed.values()
    return {contact for row in rows if (contact := getattr(row.row, "contact", None)) is not None}


def _same(world: ChaosProvince, one: NodeId, other: NodeId) -> bool:
    """Whether both hubs hold the same rows of cities, and nothing unknown."""
    ledgers = [world.disks.ledgers[hub] for hub in (one, other)]
    if any(ledger.parked or ledger.holes for ledger in ledgers):
        return False
    held = [
        {origin: data for origin, (row, data) in ledger.rows.items() if not is_hub(NodeId(row.node))}
        for ledger in ledgers
    ]
    return held[0] == held[1]


def _counted(world: ChaosProvince, hub: NodeId) -> bytes:
    """The intervals as ``hub`` has counted them, row by row as they came."""
    return world.hubs[hub].running.memory.intervals.json()


def _by_origin(rows: list[Journalled]) -> dict[Origin, Journalled]:
    return {(row.lineage, row.sequence): row for row in rows}


# ── I1, I2, I3, I6, I7 ──────────────────────────────────────────────────────────────────────────────────────────────
def _ledger(
    world: ChaosProvince, people: People, hub: NodeId, journals: dict[str, list[Journalled]], verdict: Verdict
) -> None:
    ledger = world.disks.ledgers[hub]
    held = [
        row
        for row, _ in ledger.rows.values()
        if not is_hub(NodeId(row.node)) or isinstance(row.row, SiteDeclaredLost | SiteRejoined)
    ]
    destroyed = world.disks.destroyed
    harmed = _harmed(world)
    lost_births = [row.row for row in destroyed.values() if isinstance(row.row, ContactBorn)]
    lines = [
        CallerLine(
            record.calling,
            reached=record.answered is not None,
            spoke=True if record.heard_agent is not None else None,
        )
        for record in people.records
    ]
    found = LedgerCheck(
        lines,
        journals,
        held,
        parked=len(ledger.parked) + sum(hole.last - hole.first + 1 for hole in ledger.holes),
        for_hub=lambda row: not isinstance(row, TailMissing) or row.receiver == hub,
        lost_rows=frozenset(destroyed),
        harmed=frozenset(harmed),
        harmed_callers=frozenset(birth.calling for birth in lost_births),
    ).findings()
    verdict.lost_with_journal += len(found.lost_with_journal)
    promise = {"lost": "I1/I3", "doubled": "I1/I2", "phantom": "I1/I3", "unknown": "O3", "wrong": "I7/I3"}
    for kind, name in promise.items():
        verdict.violations += [f"{name} at {hub}: {kind}: {one}" for one in getattr(found, kind)]
    _reports(world, hub, held, journals, verdict)
    _late_rows(world, held)
    _joined(world, hub, held, found.records, verdict)
    _tails_named(world, held, journals, verdict)


def _joined(world: ChaosProvince, hub: NodeId, held: list[Journalled], records: Records, verdict: Verdict) -> None:
    """E1, E3: a contact's ending is the same in any order of its rows, the best there is, and what the hub shows.

    ``records``: of all contacts, as ``held`` gives them.
    """
    backwards = standing(reversed(held))
    fold_of_hub = world.hubs[hub].running.memory.contacts
    for contact, (record, rows) in records.items():
        ending = record.ending
        if contact_ending(contact, rows[::-1], backwards) != ending:
            verdict.violations.append(f"E1: the ending of {contact} depends on the order in which its rows come")
        written = [row.row for row in rows if isinstance(row.row, ContactEnded)]
        if (
            written
            and ending is not None
            and STRENGTH[ending.evidence] < max(STRENGTH[one.evidence] for one in written)
        ):
            verdict.violations.append(f"E1: {contact} ended as {ending.evidence}, there is better evidence on record")
        shown = fold_of_hub.get(contact)
        if shown is not None and shown.born is not None and ending is not None and shown.ending != ending.ending:
            verdict.violations.append(f"E3: {hub} shows {contact} as {shown.ending}, its rows say {ending.ending}")


def _tails_named(
    world: ChaosProvince, held: list[Journalled], journals: dict[str, list[Journalled]], verdict: Verdict
) -> None:
    """J2: a node whose journal lacks what a hub has of it says so."""
    for node, rows in journals.items():
        if CityId(node) not in world.sites:
            continue
        own = {(row.lineage, row.sequence) for row in rows}
        said = [*rows, *(row for row in held if row.node == node)]
        named = {row.row.of for row in said if isinstance(row.row, TailMissing)}
        missing = {row.lineage for row in held if row.node == node and (row.lineage, row.sequence) not in own}
        for lineage in sorted(missing - named):
            verdict.violations.append(f"J2: {node} has lost rows of lineage {lineage} and does not say so")


def _late_rows(world: ChaosProvince, held: list[Journalled]) -> None:
    """Count lineages of which rows came after their successor had opened (J4); ``held`` is in the order of arrival."""
    closed: set[str] = set()
    late: set[str] = set()
    for row in held:
        if isinstance(row.row, LineageOpened) and row.row.previous is not None:
            closed.add(row.row.previous)
        elif row.lineage in closed:
            late.add(row.lineage)
    for _ in late:
        world.watch.count("late_rows_of_lost_lineage")


def _reports(
    world: ChaosProvince, hub: NodeId, held: list[Journalled], journals: dict[str, list[Journalled]], verdict: Verdict
) -> None:
    """I6: what the hub counted as rows came equals a fold of all journals in any order, byte for byte."""
    offline = [row for rows in journals.values() for row in rows]
    there = _by_origin(offline)
    offline += [row for row in held if (row.lineage, row.sequence) not in there]
    Random(len(offline)).shuffle(offline)
    if _counted(world, hub) != fold(offline).json():
        verdict.violations.append(f"I6: the intervals of {hub} differ from the offline fold of all journals")


def _streams(world: ChaosProvince, faults: Faults, journals: dict[str, list[Journalled]], verdict: Verdict) -> None:
    """I3: nothing waits any more, and no journal has a gap."""
    for city, site in world.sites.items():
        for receiver, count in site.health()["rows_waiting"].items():  # type: ignore[attr-defined]  # JSON of health
            if count and receiver not in faults.lost:
                verdict.violations.append(f"I3: {count} rows of {city} still wait for {receiver}")
    for node, rows in journals.items():
        sequences: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            sequences[row.lineage].append(row.sequence)
        for lineage, numbers in sequences.items():
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                verdict.violations.append(f"I3: lineage {lineage} of {node} has a gap in its journal")


# ── I1 and I4 for work items ────────────────────────────────────────────────────────────────────────────────────────
def _work(world: ChaosProvince, clerks: Clerks, faults: Faults, verdict: Verdict) -> None:
    found = check_work(world, clerks, faults.lost)
    verdict.violations += dict.fromkeys(found.violations)
    verdict.lost_with_journal += len(found.lost_with_journal)
    for _ in clerks.crossed:
        world.watch.count("work_two_act_at_once")
    for _ in found.overtaken:
        world.watch.count("work_step_overtaken")


# ── I8 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _nothing_left(world: ChaosProvince, people: People, verdict: Verdict) -> None:
    """I8: everybody is gone, so nothing holds a slot, a lease, a channel or a number any more."""
    bad = verdict.violations
    if not people.done:
        bad.append(f"I8: {people.callers.in_progress} callers are still in a call")
    for city, site in world.sites.items():
        core = site.running.site
        bad += [f"I8: {city} still has contact {contact.id} ({contact.state})" for contact in core.contacts.all()]
        bad += [f"I8: {city} still has lease {lease.token} ({lease.state})" for lease in core.serving.all()]
        for session in core.sessions.all():
            if session.lease is not None or session.presence not in (Presence.READY, Presence.NOT_READY):
                bad.append(f"I8: {session.agent} is {session.presence} with lease {session.lease} and nothing to do")
            elif not session.verified:
                bad.append(f"A5: {session.agent} is still unverified")
            elif session.presence is Presence.READY and not core.index.is_idle(session.agent):
                bad.append(f"I8: {session.agent} is ready, and no caller could reach it")
        exchange = world.network.city(city)
        bad += [f"I8: the switch of {city} still holds {one.id}" for one in exchange.connections.values()]
        bad += [f"I8: the phone {name} of {city} is busy" for name, phone in exchange.seats.items() if phone.busy]
        for other, trunk in exchange.trunks.items():
            if trunk.in_use and other > city:
                bad.append(f"I8: {trunk.in_use} lines between {city} and {other} are in use")
    for hub in world.hubs.values():
        core_of_hub = hub.running.core
        if core_of_hub.open_attempts() or core_of_hub.waiting():
            bad.append(f"I8: {core_of_hub.open_attempts()} attempts are still open at {hub.running.node}")


# ── I9 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _explained(world: ChaosProvince, journals: dict[str, list[Journalled]], verdict: Verdict) -> None:
    """I9: every attempt has its decision, with the figures that were looked at."""
    destroyed = _harmed(world)
    decided: set[tuple[ContactId, int, str]] = set()
    for rows in journals.values():
        for one in rows:
            if isinstance(one.row, Decision):
                decided.add((one.row.contact, one.row.n, one.row.by))
                if not one.row.known:
                    verdict.violations.append(f"I9: a decision about {one.row.contact} names no figures")
    for node, rows in journals.items():
        for one in rows:
            row = one.row
            if isinstance(row, AttemptOpened) and row.contact not in destroyed:
                if (row.contact, row.n, node) not in decided:
                    verdict.violations.append(f"I9: attempt {row.contact}#{row.n} of {node} has no decision")
            elif (
                isinstance(row, AttemptAnswered)
                and row.contact not in destroyed
                and row.site != CityId(node)
                and (row.contact, row.n, row.site) not in decided
            ):
                verdict.violations.append(f"I9: the grant of {row.contact}#{row.n} by {row.site} has no decision")
