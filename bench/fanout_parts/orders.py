"""What both servers of ``bench.fanout`` are told, a line each on their input, and answer by a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet import stdio
from twisted.protocols.basic import LineOnlyReceiver

reactor: Any = _reactor


class Orders(LineOnlyReceiver):
    """``NAME``: do what stands under that name, once; ``worked``: the processor seconds so far; ``stop``."""

    delimiter = b"\n"

    def __init__(self, ways: Mapping[str, Callable[[], None]]) -> None:
        self._ways = ways

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        word = line.decode()
        if word == "worked":
            say(seconds=time.process_time())
        elif word == "stop":
            reactor.stop()
        else:
            self._ways[word]()

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802 - Twisted's name
        """Whoever measures is gone."""
        if reactor.running:
            reactor.stop()


def say(**fields: Any) -> None:
    """One line for the measuring process."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def listen_to(ways: Mapping[str, Callable[[], None]]) -> None:
    """Take orders from now on."""
    stdio.StandardIO(Orders(ways))
