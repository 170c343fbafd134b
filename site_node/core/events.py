"""What can happen to a city, besides the reports of its switch (``telephony.Report``).

Agents' events come through the agent API and its services only; they raise ``Refused`` out of ``City.act`` when they
are not possible now, before anything has changed.
"""

from __future__ import annotations

import msgspec

from dataset.ids import AgentId, CityId, ContactId, LineageId, NodeId, SkillId
from dataset.rows import AnyRow, Journalled
from dataset.work import Actor, WorkItemId
from federation.core.envelope import (
    Close,
    Granted,
    NoProposal,
    NotGranted,
    Open,
    Propose,
    Release,
    Taken,
    TransferAnswer,
    TransferWanted,
)
from site_node.core.self_records import Answer


class LoggedIn(msgspec.Struct, frozen=True):
    """An agent took a seat. ``can_answer``: this seat can be answered by command."""

    agent: AgentId
    name: str
    seat: str
    skills: tuple[SkillId, ...]
    can_answer: bool


class LoggedOut(msgspec.Struct, frozen=True):
    """The agent left; refused while in a contact unless ``forced`` (connection lost for good, override)."""

    agent: AgentId
    reason: str = ""
    forced: bool = False


class ReadyAsked(msgspec.Struct, frozen=True):
    """示闲."""

    agent: AgentId


class NotReadyAsked(msgspec.Struct, frozen=True):
    """示忙 with a reason of the package; in a contact it takes effect at its end."""

    agent: AgentId
    reason: str


class AnswerAsked(msgspec.Struct, frozen=True):
    """Answer the phone that rings at the agent's seat."""

    agent: AgentId
    contact: ContactId


class HoldAsked(msgspec.Struct, frozen=True):
    """The customer hears music."""

    agent: AgentId
    contact: ContactId


class RetrieveAsked(msgspec.Struct, frozen=True):
    """Back from hold."""

    agent: AgentId
    contact: ContactId


class TransferAsked(msgspec.Struct, frozen=True):
    """Send the caller on, to a skill or to a named agent of any city; ``request`` comes back in the outcome."""

    agent: AgentId
    contact: ContactId
    request: str
    to_skill: SkillId | None = None
    to_agent: AgentId | None = None
    note: str = ""


class CallBackAsked(msgspec.Struct, frozen=True):
    """Call the customer of a work item back: first the agent's own telephone, then ``number``."""

    by: Actor
    number: str
    item: WorkItemId
    owning: CityId
    service: str
    skill: SkillId
    customer: str = ""
    line: str = ""
    """of the item"""

    @property
    def agent(self) -> AgentId:
        """Whose call it is."""
        return self.by.agent


class NoteAdded(msgspec.Struct, frozen=True):
    """A note that travels with the contact."""

    agent: AgentId
    contact: ContactId
    text: str


class DispositionSet(msgspec.Struct, frozen=True):
    """How the contact came out, a code of the package."""

    agent: AgentId
    contact: ContactId
    code: str


class HangUpAsked(msgspec.Struct, frozen=True):
    """Explicitly finished by the agent (O4); wrap-up begins."""

    agent: AgentId
    contact: ContactId


class FinishAsked(msgspec.Struct, frozen=True):
    """The segment is done, wrap-up included; hangs up first when still in talk."""

    agent: AgentId
    contact: ContactId


AgentEvent = (
    LoggedIn
    | CallBackAsked
    | LoggedOut
    | ReadyAsked
    | NotReadyAsked
    | AnswerAsked
    | HoldAsked
    | RetrieveAsked
    | TransferAsked
    | NoteAdded
    | DispositionSet
    | HangUpAsked
    | FinishAsked
)


class TimerExpired(msgspec.Struct, frozen=True):
    """A timer that a command set has run out. ``key`` as in the command."""

    key: tuple[str, ...]


class RecordsAnswered(msgspec.Struct, frozen=True):
    """The records answered the ``asked``-th question of a contact's self-service."""

    contact: ContactId
    asked: int
    answer: Answer


class Heard(msgspec.Struct, frozen=True):
    """A command message from another node."""

    sender: NodeId
    message: (
        Open | Propose | Granted | NotGranted | NoProposal | Taken | Release | Close | TransferWanted | TransferAnswer
    )


class OutcomeApplied(msgspec.Struct, frozen=True):
    """An outcome row of another anchor's attempt came through the ledger (O3)."""

    row: AnyRow


class RowsReturned(msgspec.Struct, frozen=True):
    """Own rows that the journal had lost came back from a hub (J5).

    ``rows``: all on record about the contacts among them that something is still open of, in their writers' order.
    """

    rows: tuple[Journalled, ...]


class ProvinceSeen(msgspec.Struct, frozen=True):
    """Which hub leads and which peers can be heard now (B2, B3, B4); said with each beat, and when it changes."""

    leader: NodeId | None
    cities: frozenset[CityId]
    reign: tuple[int, LineageId] | None = None
    """term and run of the leader"""


class PictureHeard(msgspec.Struct, frozen=True):
    """A newer picture of ``city`` is in sight (B3)."""

    city: CityId
