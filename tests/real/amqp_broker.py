"""A private RabbitMQ node for the tests of the AMQP layer: cleaned, killed, frozen and short of memory on demand."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from simulation.machines.launch import POLL
from simulation.machines.rabbitmq import BrokerSpec, BrokerUser, RabbitMQ

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class RabbitNode:
    """One node on 127.0.0.1; its only login is guest/guest in the virtual host ``/``."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        guest = BrokerUser("guest", "guest", vhost="/", administrator=True)
        self._machine = RabbitMQ(BrokerSpec(HOST, 100 + os.getpid() % 800, [guest], self.port), folder)
        self._short_of_memory = False

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        self._machine.start()
        self.control("await_startup")

    def control(self, *words: str) -> str:
        """One rabbitmqctl command; its output."""
        return self._machine.ctl(*words)

    def clean(self) -> None:
        """Delete all queues."""
        self.control("eval", '[rabbit_amqqueue:delete(Q, false, false, <<"tests">>) || Q <- rabbit_amqqueue:list()].')

    def heal(self) -> None:
        """Thaw it, start it again if it is dead, give it its memory back."""
        self._machine.resume()
        if not self._machine.running():
            self.start()
        if self._short_of_memory:
            self.short_of_memory(False)

    def short_of_memory(self, short: bool) -> None:
        """Raise or end the memory alarm: connections that publish are blocked."""
        self._short_of_memory = short
        self.control("set_vm_memory_high_watermark", "0" if short else "0.6")

    def kill(self) -> None:
        """Kill -9 the server and its children, and wait until the kernel has taken its socket away."""
        self._machine.kill()
        end = time.monotonic() + 10.0
        while self._machine.takes_connections():
            assert time.monotonic() < end, "a killed broker still listens"
            time.sleep(POLL)

    def freeze(self) -> None:
        self._machine.suspend()

    def thaw(self) -> None:
        self._machine.resume()

    def stop(self) -> None:
        self._machine.stop()
