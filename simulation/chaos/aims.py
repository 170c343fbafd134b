"""More faults for every seventh seed: those that show what the others reach too seldom; for another seventh, in
which customers are called back, those that strike in these calls; for a third, in which files are attached to items,
those that strike while these are fetched.

They are drawn from a source of their own, so that what the other seeds play is not changed by what is added here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from dataset.ids import NodeId
from simulation.chaos.schedule import BEGIN_S, END_S, Draw, Kind, Step, Who, aim
from simulation.chaos.watch import Moment

EVERY, FIRST = 7, 4
"""which seeds: 4, 11, 18 …"""
CALLS_FIRST = 2
"""from which seed on customers are called back: 2, 9, 16 …"""
FILES_FIRST = 6
"""from which seed on files are attached: 6, 13, 20 …"""

_M, _K, _W = Moment, Kind, Who

_AT_A_MOMENT: tuple[tuple[Draw, int], ...] = (
    # a trunk falls silent for longer than the media time-out, as soon as the leg over it is answered (O4, O5)
    (aim(_K.TRUNK_MUTE, _W.BOTH, _M.ANSWERED, lasts=(40, 90)), 3),
    # the grant comes again for a caller who has gone: its release is there before the attempt's outcome, which was lost
    # once, and seconds before the CANCEL (A4)
    (
        aim(
            _K.TRUNK_SLOW,
            _W.BOTH,
            _M.LEG_OFFERED,
            lasts=(20, 40),
            figure=(2.0, 6.0),
            at_once=True,
            then=(
                aim(_K.CALLER_LEAVES, _W.ANCHOR, _M.RINGING, at_once=True),
                aim(_K.ONE_WAY, _W.ANCHOR, _M.RINGING, lasts=(0.08, 0.12), at_once=True),
                aim(_K.GRANT_AGAIN, _W.ANCHOR, _M.WITHDRAWN, figure=(0.15, 0.5), at_once=True),
            ),
        ),
        3,
    ),
    # the node dies with its commands on their way to the switch, and is back before they are there (O6)
    (aim(_K.CRASH_CITY, _W.SERVING, _M.RINGING, lasts=(0.0, 0.03), at_once=True), 3),
    (aim(_K.CRASH_CITY, _W.ANCHOR, _M.HOME_RINGING, lasts=(0.0, 0.03), at_once=True), 3),
    # the anchor restarts in the talk that a transfer led to (O6)
    (
        aim(
            _K.DUPLICATE,
            _W.ANCHOR,
            _M.TRANSFER_ASKED,
            lasts=(2, 5),
            figure=(0.3, 1.0),
            then=(aim(_K.CRASH_CITY, _W.ANCHOR, _M.JOINED, lasts=(0.5, 3)),),
        ),
        4,
    ),
    # the grant is lost, and nothing tells the serving site for a minute what became of the attempt (A3)
    (aim(_K.CUT_NODE, _W.SERVING, _M.GRANTED, lasts=(40, 80), at_once=True), 2),
    # work for another city's customer (work-items.md): either end dies on the way, the line goes, the answer is lost
    (aim(_K.CRASH_CITY, _W.SERVING, _M.WORK_HEARD, lasts=(0.5, 10), at_once=True), 2),
    (aim(_K.CRASH_CITY, _W.SERVING, _M.WORK_HEARD, lasts=(0.5, 10)), 1),
    (aim(_K.CRASH_CITY, _W.ANCHOR, _M.WORK_ASKED, lasts=(0.5, 10)), 1),
    (aim(_K.CUT_PAIR, _W.BOTH, _M.WORK_ASKED, lasts=(10, 60), at_once=True), 1),
    (aim(_K.JOURNAL_TAIL, _W.SERVING, _M.WORK_ANSWERED, figure=(1, 6)), 2),
)
"""each with how often"""


_IN_CALLS: tuple[tuple[Draw, int], ...] = (
    # the node dies between the outcome of a call and the step of its item that follows from it
    (aim(_K.CRASH_CITY, _W.ANCHOR, _M.CALL_ENDED, lasts=(0.5, 10), at_once=True), 2),
    # in the talk; the switch too
    (aim(_K.CRASH_CITY, _W.ANCHOR, _M.CALL_ANSWERED, lasts=(0.0, 10)), 2),
    (aim(_K.SWITCH_DIES, _W.ANCHOR, _M.CALL_ANSWERED, lasts=(2, 10)), 1),
)

_IN_FILES: tuple[tuple[Draw, int], ...] = (
    # the owning city dies with the file on disk, and its row not; between two pieces of it
    (aim(_K.CRASH_CITY, _W.SERVING, _M.FILE_KEPT, lasts=(0.5, 10), at_once=True), 2),
    (aim(_K.CRASH_CITY, _W.SERVING, _M.FILE_HALF, lasts=(0.5, 10)), 1),
    # the line is cut between two pieces
    (aim(_K.CUT_PAIR, _W.BOTH, _M.FILE_HALF, lasts=(5, 60), at_once=True), 2),
    # the city that has it dies, or is lost with its disk, and is back empty or not at all
    (aim(_K.CRASH_CITY, _W.ANCHOR, _M.FILE_HALF, lasts=(0.5, 10), at_once=True), 1),
    (aim(_K.CITY_LOST, _W.ANCHOR, _M.FILE_HALF, lasts=(40, 200), figure=(0, 1), at_once=True), 1),
)


def attaches(seed: int) -> bool:
    """Whether files are attached to items in ``seed``."""
    return seed % EVERY == FILES_FIRST


def calls_back(seed: int) -> bool:
    """Whether customers are called in ``seed``."""
    return seed % EVERY == CALLS_FIRST


def _island(rng: Random, cities: Sequence[NodeId], hubs: Sequence[NodeId]) -> list[Step]:
    """A city is cut off for minutes, and nothing else is wrong with it (I5)."""
    kind = rng.choice((_K.CUT_NODE, _K.CUT_SILENT))
    return [Step(kind, _W.NAMED, rng.uniform(90, 200), at_s=rng.uniform(BEGIN_S, END_S - 150), node=rng.choice(cities))]


def _late_rows(rng: Random, cities: Sequence[NodeId], hubs: Sequence[NodeId]) -> list[Step]:
    """A city is cut off, ends its contacts, dies, and is back before anybody hears of their endings (E3, J4)."""
    node, at_s = rng.choice(cities), rng.uniform(BEGIN_S, END_S - 100)
    died_s = at_s + rng.uniform(15, 40)
    return [
        Step(_K.CUT_NODE, _W.NAMED, died_s - at_s + rng.uniform(5, 15), at_s=at_s, node=node),
        Step(_K.CRASH_CITY, _W.NAMED, rng.uniform(0.5, 3), at_s=died_s, node=node),
    ]


def _old_session(rng: Random, cities: Sequence[NodeId], hubs: Sequence[NodeId]) -> list[Step]:
    """Rows are still on their way when their sender has opened the next session (J3)."""
    node, at_s = rng.choice(cities), rng.uniform(BEGIN_S, END_S)
    return [
        Step(_K.REORDER, _W.NAMED, 20.0, rng.uniform(2.0, 6.0), at_s=at_s, node=node),
        Step(_K.CRASH_CITY, _W.NAMED, rng.uniform(0.3, 2.0), at_s=at_s + rng.uniform(5, 15), node=node),
    ]


_AT_A_TIME: tuple[tuple[Callable[[Random, Sequence[NodeId], Sequence[NodeId]], list[Step]], int], ...] = (
    (_island, 2),
    (_late_rows, 2),
    (_old_session, 1),
)


def draw_aims(seed: int, cities: Sequence[NodeId], hubs: Sequence[NodeId]) -> list[Step]:
    """The additional faults of ``seed``; none for most seeds."""
    steps: list[Step] = []
    if calls_back(seed):
        for at, (draw, count) in enumerate(_IN_CALLS):
            rng = Random(f"{seed}, call {at}")
            steps += [draw(rng) for _ in range(count)]
    if attaches(seed):
        for at, (draw, count) in enumerate(_IN_FILES):
            rng = Random(f"{seed}, file {at}")
            steps += [draw(rng) for _ in range(count)]
    if seed % EVERY != FIRST:
        return steps
    for at, (draw, count) in enumerate(_AT_A_MOMENT):
        rng = Random(f"{seed}, moment {at}")  # each its own, so that one more changes nothing of the others
        steps += [draw(rng) for _ in range(count)]
    for at, (draw_steps, count) in enumerate(_AT_A_TIME):
        rng = Random(f"{seed}, time {at}")
        for _ in range(count):
            steps += draw_steps(rng, cities, hubs)
    return steps
