"""What can happen to the table of open attempts (``proposals``), and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass

from dataset.ids import CityId, NodeId
from dataset.rows import Decision
from federation.core.envelope import Close, Granted, NoProposal, NotGranted, Open, Propose, Taken


@dataclass(frozen=True, slots=True)
class Heard:
    """A command message of a city."""

    sender: CityId
    message: Open | Granted | NotGranted | Taken | Close


@dataclass(frozen=True, slots=True)
class PictureHeard:
    """A newer picture of ``city`` is in the province's picture."""

    city: CityId


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """A timer that a command had set ran out."""

    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BeatDue:
    """One beat passed: cities may have fallen silent, contacts may have waited past the reserve."""


@dataclass(frozen=True, slots=True)
class CitiesLost:
    """These cities, and no others, are declared lost (E3): nobody is proposed to them, whatever is heard."""

    cities: frozenset[CityId]


@dataclass(frozen=True, slots=True)
class SteppedDown:
    """Another hub may lead now (B2): whatever is open here is that one's to propose for."""


Event = Heard | PictureHeard | TimerExpired | BeatDue | CitiesLost | SteppedDown


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``message`` on the command stream; void after ``budget_s``."""

    to: NodeId
    message: Propose | NoProposal
    budget_s: float


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Expire ``key`` after ``delay_s``."""

    key: tuple[str, ...]
    delay_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """``key`` is not needed any more (and may have expired)."""

    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Write ``row`` to the journal (I9)."""

    row: Decision


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message changed nothing; counted. ``why``: ``late``, ``doubled``, ``not_its_own``."""

    why: str
    sender: CityId
    kind: str


Command = Send | SetTimer | CancelTimer | Record | Ignored
