"""One attempt as who proposes sees it: a contact that is open to the province (federation.md A1, A2, B3).

Who proposes, a hub or the anchor itself, neither grants nor takes here. So nothing here is journalled before its
effect, and whatever is forgotten, heard twice or heard late costs capacity, never safety.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dataset.ids import AttemptId, CityId
from federation.core.envelope import Open
from federation.core.moves import Moves


class OpenState(StrEnum):
    """Where an open attempt stands with who proposes for it."""

    WAITING = "waiting"
    """nobody is asked: nobody is idle, or the last one asked could not"""
    PROPOSED = "proposed"
    """one city is asked, its timer runs"""
    GRANTED = "granted"
    """a copy of a grant came; the anchor decides"""
    CLOSED = "closed"


class OpenMove(StrEnum):
    """What can happen to it."""

    PROPOSE = "propose"
    REFUSE = "refuse"
    """the city asked says no"""
    NO_REPLY = "no_reply"
    """its timer ran out, or the city fell silent"""
    GRANT = "grant"
    TAKE = "take"
    CLOSE = "close"
    """the anchor withdrew it"""
    BUDGET_OVER = "budget_over"


_S, _M = OpenState, OpenMove
OPEN_MOVES: Moves[OpenState, OpenMove] = Moves(
    "attempt open to the province",
    OpenState.WAITING,
    {
        (_S.WAITING, _M.PROPOSE): _S.PROPOSED,
        (_S.WAITING, _M.REFUSE): _S.WAITING,  # came after the proposal's timer
        (_S.WAITING, _M.GRANT): _S.GRANTED,  # came after the proposal's timer
        (_S.WAITING, _M.TAKE): _S.CLOSED,  # the copy of its grant was lost
        (_S.WAITING, _M.CLOSE): _S.CLOSED,
        (_S.WAITING, _M.BUDGET_OVER): _S.CLOSED,
        (_S.PROPOSED, _M.REFUSE): _S.WAITING,
        (_S.PROPOSED, _M.NO_REPLY): _S.WAITING,
        (_S.PROPOSED, _M.GRANT): _S.GRANTED,
        (_S.PROPOSED, _M.TAKE): _S.CLOSED,
        (_S.PROPOSED, _M.CLOSE): _S.CLOSED,
        (_S.PROPOSED, _M.BUDGET_OVER): _S.CLOSED,
        (_S.GRANTED, _M.GRANT): _S.GRANTED,  # doubled, or a second city's late one: the anchor releases it
        (_S.GRANTED, _M.REFUSE): _S.GRANTED,  # of a city asked earlier
        (_S.GRANTED, _M.TAKE): _S.CLOSED,
        (_S.GRANTED, _M.CLOSE): _S.CLOSED,
        (_S.GRANTED, _M.BUDGET_OVER): _S.CLOSED,
    },
)


@dataclass(slots=True)
class OpenAttempt:
    """An attempt in the table, and its place among those that wait."""

    id: AttemptId
    anchor: CityId
    opened: Open
    opened_at: float
    """monotonic, when it came here; its budget runs from here (A9)"""
    state: OpenState = OpenState.WAITING
    asked: CityId | None = None
    """the city that the running proposal went to"""
    refusals: dict[CityId, str] = field(default_factory=dict)
    """last reason of each city that said no, or did not answer"""
    excluded: set[CityId] = field(default_factory=set)
    """not asked again for this attempt"""

    def waited_s(self, now: float) -> float:
        """At the anchor as it said, plus here."""
        return self.opened.context.waited_s + max(0.0, now - self.opened_at)

    def left_s(self, now: float) -> float:
        """Of its budget."""
        return self.opened.budget_s - (now - self.opened_at)

    @property
    def place(self) -> tuple[float, str, int]:
        """Order inside one skill and priority: who has waited longest first, the time at the anchor included."""
        return (self.opened_at - self.opened.context.waited_s, self.id.contact, self.id.n)
