"""What this program needs of its edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from dataset.ids import CityId, CustomerId
from dataset.records.line import Line
from federation.core.work_item import Facts
from site_node.core.customer_bills import CustomerBills
from site_node.core.customer_card import CardContact, CustomerCard, FoundCustomers
from site_node.core.line_test import LineTested, LineUnderTest
from site_node.core.self_records import Price, Statement
from site_node.core.telephony import Report, Request

R = TypeVar("R")


class Capability(StrEnum):
    """What a form of the switch port can do; its contract test runs per capability."""

    ANSWER = "answer"
    MAKE = "make"
    JOIN = "join"
    PLAY = "play"
    COLLECT = "collect"
    MUSIC = "music"
    TRUNK = "trunk"
    OUTSIDE = "outside"
    """there is a way to numbers of the public network; without it ``Make`` to one is ``UNREACHABLE``"""
    SNAPSHOT = "snapshot"
    SEAT_ANSWER = "seat_answer"
    """a ringing seat can be answered by command, not only at the phone"""


class Switch(Protocol):
    """The voice edge of a city. Forms: ``switch.simulated``, ``switch.asterisk``."""

    capabilities: frozenset[Capability]

    def start(self, sink: Callable[[Report], None]) -> None:
        """Begin to report to ``sink``, first of all ``SwitchUp`` or ``SwitchDown``; keeps trying for ever."""

    def request(self, request: Request) -> None:
        """Carry out one request; requests are carried out in the order given. Never raises for a dead connection."""

    def answer_seat(self, extension: str) -> None:
        """Answer the phone that is ringing at ``extension`` (capability SEAT_ANSWER); else nothing."""

    def stop(self) -> Deferred[None]:
        """Let go of the switch, leaving its calls as they are; fires when nothing more will be reported."""


class CustomerRecords(Protocol):
    """What is on record of the city's customers. Form: ``services.customers`` over a ``Store``.

    Everything errbacks with ``Refused`` besides: what the store says when it cannot be read (503 ``store-unreadable``,
    ``store-stopped``, ``record-damaged``).
    """

    def facts(self, line: str, customer: str, at: float) -> Deferred[Facts]:
        """What the rules of services look at, as of ``at`` (seconds since 1970, UTC).

        Services are those of ``line`` and of what comes over it; of all the customer's lines where ``line`` is empty,
        as it has to be for a service whose form asks for no line. What is overdue is that of the customer on all its
        lines; a line's customer is the one who has it now, whatever ``customer`` says. Of what is not on record nothing
        is had and nothing owed. ``open_items`` and ``identity_checked`` are left at their defaults.

        Errbacks with ``Refused`` 503 ``record-damaged`` also when one record of the customer of many cannot be read.
        """

    def card(self, *, line: str = "", customer: str = "", at: float, unmasked: bool = False) -> Deferred[CustomerCard]:
        """The card of the customer who has ``line``, or of ``customer``, as of ``at``. It is shown also where some
        records are damaged, and says how many (``unread``).

        Errbacks with ``Refused``: 404 ``line-unknown``, ``customer-unknown``.
        """

    def numbers(self, *, line: str = "", customer: str = "") -> Deferred[tuple[CustomerId, tuple[str, ...]]]:
        """The customer who has ``line``, or ``customer``, with the numbers of all lines, whole.

        Errbacks with ``Refused``: 404 ``line-unknown``, ``customer-unknown``.
        """

    def bills(self, *, line: str = "", customer: str = "", at: float) -> Deferred[CustomerBills]:
        """The last bills and payments of the customer who has ``line``, or of ``customer``, item by item, as of ``at``.

        Errbacks with ``Refused``: 404 ``line-unknown``, ``customer-unknown``; 503 ``record-damaged`` also when one
        record of many cannot be read.
        """

    def contacts(self, city: CityId, customer: str, calling: str) -> Deferred[tuple[CardContact, ...]]:
        """The last contacts that arrived here from ``calling``, or of ``customer``, who is one of ``city``."""

    def find(self, text: str, *, unmasked: bool = False) -> Deferred[FoundCustomers]:
        """Customers by a number of theirs (a line, or where they are called back), by the whole number of a document
        or of the customer, by name or its beginning. Nobody is found by an empty text.
        """

    def line(self, typed: str) -> Deferred[Line | None]:
        """The line in use, suspended ones too, with the number as somebody keyed it in or a network delivered it; None
        when the city has none.
        """

    def statement(self, line: Line, at: float) -> Deferred[Statement]:
        """How ``line`` stands as of ``at``. What an earlier customer of its number left or paid is no part of it.

        Errbacks with ``Refused`` 503 ``record-damaged`` also when one record of many cannot be read.
        """

    def prices(self, service: str, codes: Sequence[str], at: float) -> Deferred[tuple[Price, ...]]:
        """What ``codes`` of ``service`` cost in the city as of ``at``, in their order; those without a price are left
        out.

        Errbacks with ``Refused`` 503 ``record-damaged`` also when one record of many cannot be read.
        """


class Messages(Protocol):
    """How customers are told something in writing. Forms: ``site_node.messages`` (embedded)."""

    def send(self, name: str, to: str, text: str) -> Deferred[None]:
        """Send ``text`` to the number ``to``; ``name`` is the same when it is sent again.

        Errbacks with ``Refused`` when it is not known to be on its way.
        """


class LineTest(Protocol):
    """The test desk of a city's exchanges (测量台). Forms: ``site_node.line_test`` (embedded)."""

    def test(self, line: LineUnderTest) -> Deferred[LineTested]:
        """Test the pair of ``line``, which takes some seconds; who cancels the Deferred has the equipment freed.

        Errbacks with ``Refused``: 409 ``line-test-busy`` when the equipment or the line is under test already, 503
        ``line-test-failed`` when it came to nothing.
        """


class AttachmentFiles(Protocol):
    """Where contents of attachments lie, by their SHA-256 in hex."""

    def keep(self, sha256: str, content: bytes) -> Deferred[None]:
        """Keep it; fires once it is on disk. Errbacks with ``Refused`` 507 ``attachment-not-written``."""

    def read(self, sha256: str) -> Deferred[bytes]:
        """The content. Errbacks with ``Refused`` 503 ``attachment-damaged`` where it is gone or another one."""

    def part(self, sha256: str, since: int, most: int) -> Deferred[bytes]:
        """``most`` bytes of it at most, from ``since`` on; whoever puts the parts together checks the whole. Errbacks
        with ``Refused`` 503 ``attachment-damaged`` where it is gone.
        """

    def forget(self, sha256: str) -> Deferred[None]:
        """Remove it; nothing where it is gone. Never errbacks: what cannot be removed is removed another time."""

    def names(self) -> Deferred[tuple[str, ...]]:
        """Hashes of all that lie there; those in the middle of being written too."""

    def look(self, work: Callable[..., R], *args: Any) -> Deferred[R]:
        """What ``work`` says of a content, looked at where it holds nobody up. Errbacks with what it raises."""
