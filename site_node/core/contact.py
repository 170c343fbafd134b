"""A contact as its anchor holds it, from birth to its one ending (federation.md O1, I1)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dataset.ids import AgentId, CityId, ConnectionId, ContactId, SkillId
from federation.core.attempt import Attempt
from federation.core.moves import Moves
from site_node.core.self_service import SelfPlace


class ContactState(StrEnum):
    """Where a contact stands. A try to find an agent does not change it: the place is kept until the answer."""

    ARRIVED = "arrived"
    """born, being answered"""
    MENU = "menu"
    WAITING = "waiting"
    TALKING = "talking"
    ENDED = "ended"


class ContactMove(StrEnum):
    """What can happen to a contact."""

    GREET = "greet"
    """the customer's leg is answered; the menu begins"""
    CHOOSE = "choose"
    """menu or door named a skill"""
    ANSWER = "answer"
    """an attempt was answered and journalled (O2)"""
    RETURN = "return"
    """the serving leg ended without an explicit "finished" (O4)"""
    TRANSFER = "transfer"
    """the agent sends the caller on"""
    END = "end"


_S, _M = ContactState, ContactMove
CONTACT_MOVES: Moves[ContactState, ContactMove] = Moves(
    "contact",
    _S.ARRIVED,
    {
        (_S.ARRIVED, _M.GREET): _S.MENU,
        (_S.ARRIVED, _M.END): _S.ENDED,
        (_S.MENU, _M.CHOOSE): _S.WAITING,
        (_S.MENU, _M.END): _S.ENDED,
        (_S.WAITING, _M.ANSWER): _S.TALKING,
        (_S.WAITING, _M.END): _S.ENDED,
        (_S.TALKING, _M.RETURN): _S.WAITING,
        (_S.TALKING, _M.TRANSFER): _S.WAITING,
        (_S.TALKING, _M.END): _S.ENDED,
    },
)


NO_SKILL = SkillId("")


class MenuPlace(msgspec.Struct, frozen=True):
    """Where in the menu a caller is."""

    menu: str
    path: tuple[str, ...] = ()
    """keys pressed so far"""
    tries: int = 0
    """wrong or missing digits at this menu"""


class Notice(msgspec.Struct, frozen=True):
    """What a caller hears before the queue, or has heard (``notices``)."""

    cause: str
    """of the ending of whoever is content with it"""
    menu: str
    """where a key leads on to"""
    heard: bool = False
    """and wanted an agent all the same"""


class Transfer(msgspec.Struct, frozen=True):
    """A blind transfer that is open: who sent the caller, where to, and what happens when nobody takes it."""

    by: AgentId
    to_skill: SkillId | None
    to_agent: AgentId | None
    going_back: bool = False
    """the time was over; ``to_agent`` is the first agent again"""


class Contact(msgspec.Struct, frozen=True):
    """A value, replaced and never changed. Times are the anchor's monotonic seconds."""

    id: ContactId
    connection: ConnectionId
    calling: str
    door: str
    package: str
    born: float
    state: ContactState = ContactState.ARRIVED
    menu: MenuPlace | None = None
    self_service: SelfPlace | None = None
    """set while the caller serves itself, in the menu"""
    line: str = ""
    """the line that the caller asked about there"""
    service: str = ""
    skill: SkillId = NO_SKILL
    priority: int = 0
    attempts: int = 0
    """the highest n issued"""
    home: Attempt | None = None
    """a home agent's seat rings"""
    remote: Attempt | None = None
    """open to the province, or a leg on its way; at most one (A1)"""
    current: Attempt | None = None
    """the answered attempt of a contact in talk"""
    waiting_since: float | None = None
    """first entry into a queue, moved on by each talk: through returns and transfers the original waiting time"""
    place_since: float | None = None
    """entry into the present place"""
    place: int | None = None
    """where in the queue it was when an agent was tried: kept until the answer"""
    first_wait_s: float | None = None
    """waiting before the first answer"""
    answers: int = 0
    answered_at: float | None = None
    talked_s: float = 0.0
    last_site: CityId | None = None
    last_agent: AgentId | None = None
    notes: tuple[str, ...] = ()
    handled_by: tuple[AgentId, ...] = ()
    transfer: Transfer | None = None
    turned_away: str = ""
    """why this caller may not wait: hears so, then it ends (failure 27)"""
    notice: Notice | None = None
    last_transfer: tuple[str, str] | None = None
    """(request, answer) of the last transfer asked by another city, so that a doubled request is answered alike"""
    refused_by: tuple[CityId, ...] = ()
    """cities whose leg or grant failed since it entered this place"""
    hops: int = 0
    """answers in other cities (A7)"""
    fruitless: int = 0
    """attempts to other cities without an answer since it entered this place"""
