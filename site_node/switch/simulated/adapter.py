"""The switch port on a simulated city."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from site_node.core.telephony import Report, Request
from site_node.ports import Capability
from site_node.switch.simulated.exchange import Exchange


class SimulatedSwitch:
    """``site_node.ports.Switch`` for one city of a ``Network``; a new one for every run of the city's site node."""

    capabilities = frozenset(Capability)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._started = False

    def start(self, sink: Callable[[Report], None]) -> None:
        """Begin to report, first of all ``SwitchUp`` or ``SwitchDown``."""
        self._started = True
        self._exchange.attach(sink)

    def request(self, request: Request) -> None:
        """Carry out one request, in order, after the way to the switch."""
        if self._started:
            self._exchange.submit(request)

    def answer_seat(self, extension: str) -> None:
        """Answer the phone that rings at ``extension``; else nothing."""
        if self._started:
            self._exchange.answer_seat(extension)

    def stop(self) -> Deferred[None]:
        """Report nothing more; calls stay, and what was requested is still carried out."""
        if self._started:
            self._started = False
            self._exchange.detach()
        return succeed(None)
