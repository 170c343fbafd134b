"""The public network of a trial: customers' telephones where a city's calls go out, by what becomes of a call."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from simulation.machines.launch import require_free, wait_until_ready
from simulation.machines.sipp import FOREVER_MS, SECONDS_TO_END, Sipp, listens, sound_line, start_scenario

MEDIA_PORT = 40000
ECHO_PORT = 40100
"""What is sent here is sent back."""
ALONE_MS = 15_000
"""The network gives up what nobody answers, before a city would."""
RARELY_S = 3600
"""How often SIPp writes its statistics: a trial may run for days."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of calls to numbers that end in ``digits``; ``word`` is the variable of conf/sipp/network.xml.in."""

    digits: str
    word: str
    zh: str
    en: str


OUTCOMES = (
    Outcome("91", "busy", "占线", "busy"),
    Outcome("92", "no_answer", "振铃十五秒，无人接听", "rings for fifteen seconds, and nobody answers"),
    Outcome("93", "vacant", "空号", "no such number"),
    Outcome("94", "declines", "振铃后拒接", "rings, and is declined"),
    Outcome("95", "hangs_up", "接听，十秒后客户自己挂机", "answers, and hangs up after ten seconds"),
    Outcome("96", "echoes", "接听，您说什么就听到什么", "answers, and you hear what you say"),
)
"""By the last two digits of the number called; every other number is answered by somebody who speaks and stays."""


@dataclass(frozen=True, slots=True)
class Customers:
    """All telephones behind one gateway. Times in seconds."""

    name: str
    address: str
    speech: Path
    """what they say, in A-law"""
    port: int = 5060
    ring: float = 3.0
    """how long it rings until somebody answers or declines"""
    short: float = 10.0
    """after how long those who hang up by themselves do so"""


def _rules() -> str:
    return "\n".join(
        f'      <ereg regexp="^INVITE sip:[0-9]*{one.digits}@" search_in="msg" check_it="false"'
        f' assign_to="{one.word}"/>'
        for one in OUTCOMES
    )


class Echo:
    """Sends back what comes, to where it came from: SIPp's own echo would answer those who speak too."""

    def __init__(self, address: str) -> None:
        require_free("echo", address, ECHO_PORT, socket.SOCK_DGRAM)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, ECHO_PORT))
        self._thread = threading.Thread(target=self._run, name=f"echo-{address}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                data, sender = self._socket.recvfrom(2048)
                if not data:
                    return
                self._socket.sendto(data, sender)
            except ConnectionRefusedError:  # who sent it has hung up meanwhile
                continue

    def close(self) -> None:
        """End it; its own empty datagram is the sign."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


class Network:
    """The customers of one city, running."""

    def __init__(self, sipp: Sipp, echo: Echo) -> None:
        self.sipp = sipp
        self._echo = echo

    def stop(self) -> None:
        """Cut what is left."""
        self.sipp.process.stop(SECONDS_TO_END)
        self._echo.close()


def start_network(customers: Customers, directory: Path) -> Network:
    """Start them, and wait until they can be called."""
    named = f"sipp {customers.name}"
    require_free(named, customers.address, customers.port, socket.SOCK_DGRAM)
    require_free(named, customers.address, MEDIA_PORT, socket.SOCK_DGRAM)
    echo = Echo(customers.address)
    try:
        return Network(_start(customers, directory), echo)
    except BaseException:
        echo.close()
        raise


def _start(customers: Customers, directory: Path) -> Sipp:
    values: dict[str, object] = {
        "rules": _rules(),
        "ring_ms": int(1000 * customers.ring),
        "short_ms": int(1000 * customers.short),
        "alone_ms": ALONE_MS,
        "talk_ms": FOREVER_MS,
        "media_port": MEDIA_PORT,
        "echo_port": ECHO_PORT,
        "media": sound_line(customers.speech),
    }
    options = [
        *("-i", customers.address, "-p", str(customers.port), "-mi", customers.address, "-mp", str(MEDIA_PORT)),
        "-aa",
    ]
    network = start_scenario(customers.name, "network", values, options, directory, statistics_s=RARELY_S)
    wait_until_ready(network.process, lambda: listens(customers.address, customers.port), SECONDS_TO_END)
    return network
