"""The anchor's own matching while no hub leads and other cities are heard (federation.md B3).

It is the hub's own table, over the pictures that this city hears and for its own contacts only: proposals go from here
to the city chosen, whose answer comes here anyway. What a hub would subtract, other anchors' proposals, is unknown
here; so cities are drawn in proportion to their idle seats. Attempts stay the anchor's: one is open (A1), races at home
until a grant is taken, and is numbered and journalled as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dataset.ids import AttemptId, CityId, ContactId, NodeId
from federation.core.envelope import CityPicture, Close, Granted, NotGranted, Open, Propose, Taken
from federation.core.open_attempt import OpenState
from federation.core.proposal_events import (
    BeatDue,
    CancelTimer,
    Event,
    Heard,
    PictureHeard,
    Record,
    Send,
    SetTimer,
    TimerExpired,
)
from federation.core.proposals import Proposals
from site_node.core.commands import TimerKey
from site_node.core.rules import Rules
from site_node.core.sight import Sight
from site_node.core.step import Step

TIMER = "peers"
"""first word of the table's timers among the city's"""


class PeerMatching:
    """Proposals of one anchor to its peers. With a leading hub nobody is asked from here any more."""

    def __init__(self, rules: Rules, step: Step, sight: Sight) -> None:
        self._city = rules.city
        self._step = step
        self._sight = sight
        self._table = Proposals(
            sight.pictures,
            rules.overflow,
            proposal_s=rules.proposal_s,
            node=NodeId(rules.city),
            may_ask=self._may_ask,
            spread=True,
        )
        self.nobody_found: Callable[[ContactId, int], None] = _nobody_listens
        """called with an attempt whose budget was over before anybody granted"""

    def open(self, wish: Open) -> None:
        """Look for a city for this attempt."""
        self._advance(Heard(self._city, wish))

    def heard(self, message: Granted | NotGranted) -> None:
        """A city's answer."""
        self._advance(Heard(message.site, message))

    def over(self, message: Taken | Close) -> None:
        """The attempt took a grant, or was withdrawn."""
        self._advance(Heard(self._city, message))

    def moved(self, site: CityId) -> None:
        """A hub's proposal was granted by ``site``: it counts towards the limit of this pair (A7)."""
        self._table.moves.moved(self._city, site, self._step.now)

    def recall(self, answered: Iterable[tuple[CityId, float]]) -> None:
        """Contacts of ours that an earlier run saw answered elsewhere, and when, count too."""
        self._table.moves.recall(((self._city, site, at) for site, at in answered), self._step.now)

    def picture(self, city: CityId) -> None:
        """A newer picture of ``city`` is in sight."""
        if self._table.knows_better(city):
            self._advance(PictureHeard(city))

    def beat(self) -> None:
        """One beat passed: a city asked may have fallen silent (B6), a contact may have waited past the reserve."""
        if self._table.open_attempts():
            self._advance(BeatDue())

    def expired(self, key: TimerKey) -> None:
        """A timer of the table ran out."""
        self._advance(TimerExpired(key))

    def asking(self, attempt: AttemptId) -> bool:
        """Whether a city is asked for ``attempt`` right now, or has granted."""
        return self._table.state(attempt) in (OpenState.PROPOSED, OpenState.GRANTED)

    def waiting(self) -> list[AttemptId]:
        """The attempts for which nobody is asked now."""
        return self._table.waiting_attempts()

    def _may_ask(self, picture: CityPicture) -> bool:
        """Whoever is heard, also a city that follows a hub which we do not hear: it alone grants (A2)."""
        return self._sight.leader is None

    def _advance(self, event: Event) -> None:
        for command in self._table.advance(event, self._step.now):
            match command:
                case Send(to, Propose() as message, budget_s):
                    self._step.send(to, message, budget_s)
                case Send(_, message):
                    self.nobody_found(message.contact, message.n)
                case SetTimer(key, delay_s):
                    self._step.start_timer(TIMER, *key, after_s=delay_s)
                case CancelTimer(key):
                    self._step.stop_timer(TIMER, *key)
                case Record(row):
                    self._step.write(row)
                case _:
                    pass  # late or doubled answers; the anchor itself decides about grants


def _nobody_listens(contact: ContactId, n: int) -> None:
    raise RuntimeError(f"nobody was named to hear that {contact}#{n} found nobody")
