"""What can happen to the table of open attempts (``proposals``), and what it wants done."""

from __future__ import annotations

import msgspec

from dataset.ids import CityId, NodeId
from dataset.rows import Decision
from federation.core.envelope import Close, Granted, NoProposal, NotGranted, Open, Propose, Taken


class Heard(msgspec.Struct, frozen=True):
    """A command message of a city."""

    sender: CityId
    message: Open | Granted | NotGranted | Taken | Close


class PictureHeard(msgspec.Struct, frozen=True):
    """A newer picture of ``city`` is in the province's picture."""

    city: CityId


class TimerExpired(msgspec.Struct, frozen=True):
    """A timer that a command had set ran out."""

    key: tuple[str, ...]


class BeatDue(msgspec.Struct, frozen=True):
    """One beat passed: cities may have fallen silent, contacts may have waited past the reserve."""


class CitiesLost(msgspec.Struct, frozen=True):
    """These cities, and no others, are declared lost (E3): nobody is proposed to them, whatever is heard."""

    cities: frozenset[CityId]


class SteppedDown(msgspec.Struct, frozen=True):
    """Another hub may lead now (B2): whatever is open here is that one's to propose for."""


Event = Heard | PictureHeard | TimerExpired | BeatDue | CitiesLost | SteppedDown


class Send(msgspec.Struct, frozen=True):
    """Send ``message`` on the command stream; void after ``budget_s``."""

    to: NodeId
    message: Propose | NoProposal
    budget_s: float


class SetTimer(msgspec.Struct, frozen=True):
    """Expire ``key`` after ``delay_s``."""

    key: tuple[str, ...]
    delay_s: float


class CancelTimer(msgspec.Struct, frozen=True):
    """``key`` is not needed any more (and may have expired)."""

    key: tuple[str, ...]


class Record(msgspec.Struct, frozen=True):
    """Write ``row`` to the journal (I9)."""

    row: Decision


class Ignored(msgspec.Struct, frozen=True):
    """A message changed nothing; counted. ``why``: ``late``, ``doubled``, ``not_its_own``."""

    why: str
    sender: CityId
    kind: str


Command = Send | SetTimer | CancelTimer | Record | Ignored
