"""What goes wrong in a seed, and when: at set times, and at moments of attempts (between two of their steps)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from dataset.ids import NodeId
from simulation.chaos.watch import Moment

BEGIN_S, END_S = 40.0, 960.0
"""faults begin between these moments of the run"""


class Kind(StrEnum):
    """Kinds of faults."""

    CUT_NODE = "cut_node"
    """a node's line to everybody, as a WAN that breaks: its link knows"""
    CUT_SILENT = "cut_silent"
    """the same, and nobody is told"""
    CUT_PAIR = "cut_pair"
    ONE_WAY = "one_way"
    """what one node says is lost; what it is told arrives"""
    LOSS = "loss"
    DELAY = "delay"
    STALE = "stale"
    """commands of a hub are held for minutes and then delivered all the same"""
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    GRANT_AGAIN = "grant_again"
    """the broker delivers the grant once more, so many seconds after the moment"""
    BROKER = "broker"
    """restart: all links go, what was on the way is lost"""
    CRASH_CITY = "crash_city"
    CRASH_HUB = "crash_hub"
    JOURNAL_TAIL = "journal_tail"
    JOURNAL_LOST = "journal_lost"
    JOURNAL_RESTORED = "journal_restored"
    HUB_DISK = "hub_disk"
    CITY_LOST = "city_lost"
    """node, switch and disk gone, and declared lost; for good, or back with an empty disk"""
    LOCK_AWAY = "lock_away"
    """hubs cannot reach the lock by which one of them leads"""
    LOCK_FORGETS = "lock_forgets"
    """the lock comes back knowing nothing"""
    VERSION_MIX = "version_mix"
    """restarted as the version before, later as the present one"""
    SWITCH_DIES = "switch_dies"
    SWITCH_AWAY = "switch_away"
    TRUNK_CUT = "trunk_cut"
    TRUNK_MUTE = "trunk_mute"
    TRUNK_REFUSES = "trunk_refuses"
    TRUNK_SLOW = "trunk_slow"
    ANSWER_LOST = "answer_lost"
    ALERT_LOST = "alert_lost"
    CLOCK_STEP = "clock_step"
    SLOW_STORE = "slow_store"
    PAUSE = "pause"
    PHONE_VANISHES = "phone_vanishes"
    UNATTENDED = "unattended"
    """seats at which nobody picks up"""
    CALLER_LEAVES = "caller_leaves"
    """no fault, but people hang up at the worst moment too"""


class Who(StrEnum):
    """Whom it hits, in terms of the attempt that it is aimed at."""

    ANCHOR = "anchor"
    SERVING = "serving"
    HUB = "hub"
    BOTH = "both"
    """what lies between anchor and serving site"""
    NAMED = "named"
    """the node drawn with it"""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault. Seconds."""

    kind: Kind
    who: Who
    lasts_s: float
    figure: float = 0.0
    """by kind: a delay, a share, a step, a number of rows"""
    at_s: float = 0.0
    """when, or from when on the moment is waited for"""
    moment: Moment | None = None
    delay_s: float = 0.0
    """after the moment"""
    node: NodeId | None = None
    other: NodeId | None = None
    then: tuple[Step, ...] = ()
    """aimed at the same attempt, each at its own moment of it"""

    def text(self) -> str:
        """For people."""
        where = f"{self.node or ''}{'-' + self.other if self.other else ''}" if self.who is Who.NAMED else self.who
        when = f"{self.at_s:.0f} s" if self.moment is None else f"{self.moment} + {self.delay_s:.3f} s"
        return f"{self.kind} of {where} at {when} for {self.lasts_s:.1f} s ({self.figure:g})"


Draw = Callable[[Random], Step]


def _soon(rng: Random) -> float:
    """At once, within a sync, within a message's way, or within a second."""
    return rng.choice((0.0, rng.uniform(0.0, 0.006), rng.uniform(0.0, 0.06), rng.uniform(0.0, 1.0)))


def _down(rng: Random) -> float:
    return rng.choice((rng.uniform(0.5, 5.0), rng.uniform(5.0, 40.0)))


def aim(
    kind: Kind,
    who: Who,
    moment: Moment,
    *,
    lasts: tuple[float, float] = (2.0, 20.0),
    figure: tuple[float, float] = (0.0, 0.0),
    at_once: bool = False,
    then: tuple[Draw, ...] = (),
) -> Draw:
    """How a fault is drawn that waits for ``moment``; the rest are ranges."""

    def draw(rng: Random) -> Step:
        return Step(
            kind,
            who,
            rng.uniform(*lasts),
            rng.uniform(*figure),
            at_s=rng.uniform(BEGIN_S, END_S),
            moment=moment,
            delay_s=0.0 if at_once else _soon(rng),
            then=tuple(one(rng) for one in then),
        )

    return draw


_M, _K, _W = Moment, Kind, Who

AIMED: tuple[Draw, ...] = (
    # SIP up and AMQP down when the agent answers
    aim(_K.CUT_NODE, _W.SERVING, _M.RINGING, lasts=(5, 60)),
    aim(_K.CUT_SILENT, _W.ANCHOR, _M.RINGING, lasts=(5, 60)),
    aim(_K.BROKER, _W.HUB, _M.RINGING, lasts=(2, 20)),
    # the answer crosses the withdrawal; the caller hangs up while the 200 OK is on the way
    aim(
        _K.TRUNK_SLOW,
        _W.BOTH,
        _M.RINGING,
        lasts=(20, 40),
        figure=(0.5, 3.0),
        at_once=True,
        then=(aim(_K.CALLER_LEAVES, _W.ANCHOR, _M.SEAT_ANSWERED),),
    ),
    aim(_K.CALLER_LEAVES, _W.ANCHOR, _M.SEAT_ANSWERED),
    aim(_K.CALLER_LEAVES, _W.ANCHOR, _M.RINGING),
    aim(_K.CALLER_LEAVES, _W.ANCHOR, _M.GRANTED),
    # the 200 OK is lost
    aim(_K.ANSWER_LOST, _W.BOTH, _M.RINGING, at_once=True),
    aim(_K.TRUNK_CUT, _W.BOTH, _M.RINGING, lasts=(5, 60)),
    # the hub dies after the proposal, whose message arrives minutes later
    aim(
        _K.STALE,
        _W.HUB,
        _M.OPENED,
        lasts=(20, 40),
        figure=(61, 150),
        at_once=True,
        then=(aim(_K.CRASH_HUB, _W.HUB, _M.PROPOSED, lasts=(2, 60)),),
    ),
    aim(_K.CRASH_HUB, _W.HUB, _M.PROPOSED, lasts=(2, 60)),
    aim(_K.CRASH_HUB, _W.HUB, _M.GRANTED, lasts=(2, 60)),
    aim(_K.CRASH_HUB, _W.HUB, _M.OPENED, lasts=(2, 60)),
    # the home agent wins while the grant travels
    aim(_K.DELAY, _W.SERVING, _M.PROPOSED, lasts=(10, 60), figure=(0.5, 4.0), at_once=True),
    aim(_K.DELAY, _W.SERVING, _M.OPENED, lasts=(60, 120), figure=(1.0, 4.0), at_once=True),
    # the release overtakes the CANCEL
    aim(
        _K.TRUNK_SLOW,
        _W.BOTH,
        _M.LEG_OFFERED,
        lasts=(20, 60),
        figure=(1.0, 6.0),
        at_once=True,
        then=(aim(_K.CALLER_LEAVES, _W.ANCHOR, _M.RINGING),),
    ),
    # the anchor's timer fires while the seat still rings
    aim(
        _K.ALERT_LOST,
        _W.BOTH,
        _M.TAKEN,
        lasts=(10, 20),
        at_once=True,
        then=(aim(_K.UNATTENDED, _W.SERVING, _M.LEG_OFFERED, lasts=(12, 30), at_once=True),),
    ),
    aim(
        _K.TRUNK_CUT,
        _W.BOTH,
        _M.LEG_OFFERED,
        lasts=(12, 40),
        at_once=True,
        then=(aim(_K.UNATTENDED, _W.SERVING, _M.RINGING, lasts=(12, 30), at_once=True),),
    ),
    aim(_K.UNATTENDED, _W.SERVING, _M.RINGING, lasts=(12, 60), at_once=True),
    aim(_K.TRUNK_CUT, _W.BOTH, _M.LEG_OFFERED, lasts=(12, 40)),
    # two islands match one slot
    aim(_K.CRASH_HUB, _W.HUB, _M.OPENED, lasts=(60, 150)),
    aim(_K.CUT_NODE, _W.HUB, _M.OPENED, lasts=(60, 150)),
    # the serving node restarts while the seat rings; its switch restarts
    aim(_K.CRASH_CITY, _W.SERVING, _M.RINGING),
    aim(_K.SWITCH_DIES, _W.SERVING, _M.RINGING, lasts=(0.5, 10)),
    aim(_K.SWITCH_AWAY, _W.SERVING, _M.RINGING, lasts=(0.5, 20)),
    aim(_K.CRASH_CITY, _W.SERVING, _M.GRANTED),
    aim(_K.CRASH_CITY, _W.SERVING, _M.SEAT_ANSWERED),
    # the anchor restarts between 200 OK and journal; with a bridge command in flight; in the middle of a transfer
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.OK_AT_ANCHOR, at_once=True),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.OK_AT_ANCHOR),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.JOINED, at_once=True),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.ANSWERED),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.TRANSFER_ASKED),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.OPENED),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.TAKEN),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.RINGING),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.HOME_RINGING),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.HOME_ANSWERED),
    aim(_K.CRASH_CITY, _W.ANCHOR, _M.WITHDRAWN),
    aim(_K.PAUSE, _W.ANCHOR, _M.OK_AT_ANCHOR, lasts=(2, 40)),
    # a leg comes after its lease expired and the slot was leased again
    aim(_K.TRUNK_SLOW, _W.BOTH, _M.GRANTED, lasts=(20, 60), figure=(6.5, 9.5), at_once=True),
    aim(_K.TRUNK_SLOW, _W.BOTH, _M.PROPOSED, lasts=(20, 60), figure=(6.5, 9.5), at_once=True),
    # a trunk falls silent in talk
    aim(_K.TRUNK_MUTE, _W.BOTH, _M.JOINED, lasts=(16, 60)),
    aim(_K.TRUNK_CUT, _W.BOTH, _M.JOINED, lasts=(5, 60)),
    # journals
    aim(_K.JOURNAL_TAIL, _W.ANCHOR, _M.ANSWERED, figure=(1, 12)),
    aim(_K.JOURNAL_TAIL, _W.SERVING, _M.SEAT_ANSWERED, figure=(1, 12)),
    aim(_K.JOURNAL_TAIL, _W.ANCHOR, _M.HOME_RINGING, figure=(1, 12)),
    aim(_K.JOURNAL_LOST, _W.ANCHOR, _M.OPENED),
    aim(_K.JOURNAL_LOST, _W.SERVING, _M.RINGING),
    aim(_K.JOURNAL_RESTORED, _W.ANCHOR, _M.ANSWERED, figure=(30, 300)),
    aim(_K.JOURNAL_RESTORED, _W.SERVING, _M.GRANTED, figure=(30, 300)),
    aim(_K.HUB_DISK, _W.HUB, _M.ANSWERED),
    # late rows of a lost lineage
    aim(
        _K.CUT_NODE,
        _W.ANCHOR,
        _M.OPENED,
        lasts=(60, 120),
        then=(aim(_K.CRASH_CITY, _W.ANCHOR, _M.WITHDRAWN), aim(_K.CRASH_CITY, _W.ANCHOR, _M.ANSWERED)),
    ),
    # paused past the lease, past the term
    aim(_K.PAUSE, _W.SERVING, _M.GRANTED, lasts=(7, 40), at_once=True),
    aim(_K.PAUSE, _W.SERVING, _M.GRANTED, lasts=(7, 20)),
    aim(_K.PAUSE, _W.SERVING, _M.RINGING, lasts=(2, 40)),
    aim(_K.PAUSE, _W.HUB, _M.PROPOSED, lasts=(5, 60)),
    aim(_K.PAUSE, _W.HUB, _M.OPENED, lasts=(4, 30)),
    aim(_K.PAUSE, _W.HUB, _M.GRANTED, lasts=(4, 30)),
    aim(_K.LOCK_AWAY, _W.HUB, _M.OPENED, lasts=(4, 60)),
    aim(_K.LOCK_FORGETS, _W.HUB, _M.OPENED),
    # the serving host is gone for good
    aim(_K.CITY_LOST, _W.SERVING, _M.RINGING, lasts=(40, 300), figure=(0, 1)),
    # versions
    aim(_K.VERSION_MIX, _W.SERVING, _M.OPENED, lasts=(60, 400)),
    aim(_K.VERSION_MIX, _W.ANCHOR, _M.OPENED, lasts=(60, 400)),
    # clocks
    aim(_K.CLOCK_STEP, _W.ANCHOR, _M.RINGING, lasts=(60, 600)),
    aim(_K.CLOCK_STEP, _W.SERVING, _M.RINGING, lasts=(60, 600)),
    aim(_K.CLOCK_STEP, _W.ANCHOR, _M.OPENED, lasts=(60, 600)),
    aim(_K.CLOCK_STEP, _W.HUB, _M.PROPOSED, lasts=(60, 600)),
    # disks
    aim(_K.SLOW_STORE, _W.ANCHOR, _M.OK_AT_ANCHOR, lasts=(5, 30), figure=(0.5, 4.0), at_once=True),
    aim(_K.SLOW_STORE, _W.SERVING, _M.RINGING, lasts=(5, 30), figure=(0.5, 4.0)),
    aim(_K.PHONE_VANISHES, _W.SERVING, _M.RINGING, lasts=(5, 40)),
    aim(_K.PHONE_VANISHES, _W.SERVING, _M.JOINED, lasts=(5, 60)),
    aim(_K.DUPLICATE, _W.SERVING, _M.OPENED, lasts=(20, 120), figure=(0.3, 1.0)),
    aim(_K.DUPLICATE, _W.ANCHOR, _M.PROPOSED, lasts=(20, 120), figure=(0.3, 1.0)),
)
"""aimed faults, in the order of federation.md's last section"""


def _timed(rng: Random, cities: Sequence[NodeId], hubs: Sequence[NodeId]) -> Step:
    kind = rng.choice(
        (
            *(_K.CUT_NODE, _K.CUT_SILENT, _K.CUT_PAIR, _K.ONE_WAY, _K.LOSS, _K.DELAY, _K.DUPLICATE, _K.REORDER),
            *(_K.BROKER, _K.CRASH_CITY, _K.CRASH_HUB, _K.SWITCH_DIES, _K.SWITCH_AWAY, _K.TRUNK_CUT, _K.TRUNK_MUTE),
            *(_K.TRUNK_REFUSES, _K.TRUNK_SLOW, _K.CLOCK_STEP, _K.SLOW_STORE, _K.PAUSE, _K.PHONE_VANISHES),
            *(_K.JOURNAL_TAIL, _K.JOURNAL_LOST, _K.JOURNAL_RESTORED, _K.HUB_DISK),
            *(_K.LOCK_AWAY, _K.LOCK_FORGETS, _K.VERSION_MIX),
        )
    )
    hub = kind in (_K.CRASH_HUB, _K.HUB_DISK, _K.LOCK_AWAY, _K.LOCK_FORGETS)
    anybody = kind in (_K.CUT_NODE, _K.CUT_SILENT, _K.ONE_WAY, _K.CLOCK_STEP, _K.SLOW_STORE, _K.PAUSE, _K.CUT_PAIR)
    anybody = anybody or kind is _K.VERSION_MIX
    node = rng.choice(hubs if hub else (*cities, *hubs) if anybody else cities)
    among = [one for one in (cities if kind.startswith("trunk") else (*cities, *hubs)) if one != node]
    figure = {
        _K.LOSS: rng.uniform(0.1, 0.6),
        _K.DELAY: rng.uniform(0.2, 4.0),
        _K.DUPLICATE: rng.uniform(0.2, 1.0),
        _K.REORDER: rng.uniform(0.2, 3.0),
        _K.TRUNK_SLOW: rng.uniform(0.5, 9.0),
        _K.SLOW_STORE: rng.uniform(0.5, 4.0),
        _K.JOURNAL_TAIL: float(rng.randint(1, 40)),
        _K.JOURNAL_RESTORED: rng.uniform(10.0, 600.0),
    }.get(kind, 0.0)
    return Step(
        kind, _W.NAMED, _down(rng), figure, at_s=rng.uniform(BEGIN_S, END_S), node=node, other=rng.choice(among)
    )


def draw_schedule(rng: Random, cities: Sequence[NodeId], hubs: Sequence[NodeId]) -> list[Step]:
    """At least nine faults: some at set times, more aimed."""
    steps = [_timed(rng, cities, hubs) for _ in range(rng.randint(3, 6))]
    steps += [draw(rng) for draw in rng.sample(AIMED, rng.randint(6, 10))]
    return steps
