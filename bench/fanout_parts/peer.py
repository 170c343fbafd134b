"""The peer's server of ``bench.fanout``: autobahn-python on Twisted, with its defaults.

``sent``: ``sendMessage`` of ready bytes to every connection; ``prepared``: ``sendPreparedMessage``, framed once.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol

from bench.fanout_parts.orders import listen_to, reactor, say
from federation.node.program import answer_promptly


def main() -> None:
    txaio.use_twisted()  # type: ignore[no-untyped-call]  # neither has types
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--payload", type=Path, required=True, help="the message")
    payload = arguments.parse_args().payload.read_bytes()
    connected: list[Any] = []

    class Seat(WebSocketServerProtocol):
        """One connection."""

        def onOpen(self) -> None:  # noqa: N802 - autobahn's name
            connected.append(self)

    factory = WebSocketServerFactory()  # type: ignore[no-untyped-call]
    factory.protocol = Seat

    def sent() -> None:
        for seat in connected:
            seat.sendMessage(payload)

    def prepared() -> None:
        message = factory.prepareMessage(payload, isBinary=False)
        for seat in connected:
            seat.sendPreparedMessage(message)

    answer_promptly()
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    listen_to({"sent": sent, "prepared": prepared})
    reactor.callWhenRunning(lambda: say(port=port.getHost().port, tokens=[]))
    reactor.run()


if __name__ == "__main__":
    main()
