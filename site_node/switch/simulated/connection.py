"""One connection at one simulated switch, and what may be at its far end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dataset.ids import CityId, ConnectionId, Token
from federation.ports import Timer
from site_node.core.telephony import Cause, HeldConnection, Leg, Prompt
from site_node.switch.simulated.sound import MUSIC, SILENCE, Hearing, Sound

if TYPE_CHECKING:
    from site_node.switch.simulated.exchange import Exchange

HOPS = 8
"""how many switches a voice is followed through, so that legs joined into a ring end in silence"""


class FarEnd(Protocol):
    """What a connection leads to: a phone outside, a phone at a seat, or a trunk."""

    def told_alerting(self) -> None:
        """The switch says that the call is alerting."""

    def told_answered(self) -> None:
        """The switch has answered the call that came from here."""

    def told_cleared(self, cause: Cause) -> None:
        """The switch has taken the connection down."""

    def told_digit(self, digit: str) -> None:
        """A digit that travels with the voice of the joined connection."""

    def hearing_changed(self, hops: int = HOPS) -> None:
        """What the switch sends this way has changed."""

    def voice(self, hops: int) -> Hearing:
        """What comes from here."""


@dataclass(slots=True, eq=False)
class Playing:
    """A ``Play`` in progress."""

    prompts: tuple[Prompt, ...]
    barge_in: bool
    at: int = 0
    timer: Timer | None = None


@dataclass(slots=True, eq=False)
class Connection:
    """One leg. Only its ``Exchange`` changes it."""

    id: ConnectionId
    exchange: Exchange
    far: FarEnd
    incoming: bool
    called: str = ""
    calling: str = ""
    from_city: CityId | None = None
    token: Token | None = None
    leg: Leg | None = None
    live: bool = True
    delivered: bool = False
    established: bool = False
    joined: Connection | None = None
    playing: Playing | None = None
    music: bool = False
    ring_timer: Timer | None = field(default=None)

    def toward_far(self, hops: int = HOPS) -> Hearing:
        """What the switch sends to the far end now."""
        if not (self.live and self.established) or hops <= 0:
            return SILENCE
        if self.playing is not None:
            return Hearing(Sound.PROMPT, prompt=self.playing.prompts[self.playing.at].name)
        if self.music:
            return MUSIC
        if self.joined is not None:
            return self.joined.far.voice(hops - 1)
        return SILENCE

    def as_held(self) -> HeldConnection:
        """How a snapshot shows it."""
        return HeldConnection(
            connection=self.id,
            established=self.established,
            incoming=self.incoming,
            leg=self.leg,
            joined_to=self.joined.id if self.joined is not None else None,
            called=self.called,
            calling=self.calling,
        )
