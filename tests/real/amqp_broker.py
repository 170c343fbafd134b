"""A private RabbitMQ node for the tests of the AMQP layer: cleaned, killed, frozen and short of memory on demand."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from federation.links.amqp.connection import Login
from federation.links.settings import VIRTUAL_HOST
from simulation.machines.launch import POLL
from simulation.machines.rabbitmq import BrokerSpec, BrokerTlsSpec, BrokerUser, RabbitMQ, trial_nodes

HOST = "127.0.0.1"
_CLEAN = """
[case element(4, amqqueue:get_name(Q)) of
    <<"yht.dead">> -> rabbit_amqqueue:purge(Q);
    _ -> rabbit_amqqueue:delete(Q, false, false, <<"tests">>)
 end || Q <- rabbit_amqqueue:list()].
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


_numbers_given: set[int] = set()


def free_number() -> int:
    """A number for one node, whose internal ports nobody uses."""
    for step in range(700):
        number = 200 + (os.getpid() + step) % 700
        spec = BrokerSpec(HOST, number, {})
        if number in _numbers_given or not all(_is_free(port) for port in (spec.epmd_port, spec.distribution_port)):
            continue
        _numbers_given.add(number)
        return number
    raise AssertionError("no number is free for one more broker")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class RabbitNode:
    """One node on 127.0.0.1: guest/guest with all rights in the virtual host ``/``, and the trial province's nodes with
    production's rights, and an onlooker with all, in the province's.
    """

    def __init__(self, folder: Path, tls: BrokerTlsSpec | None = None) -> None:
        self.port = free_port()
        users = [BrokerUser("guest", "guest", vhost="/"), BrokerUser("onlooker", "onlooker")]
        spec = BrokerSpec(HOST, free_number(), trial_nodes(), users, self.port, tls=tls)
        self._machine = RabbitMQ(spec, folder)
        self._short_of_memory = self._short_of_disk = False

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """What the broker itself has said."""
        return self._machine.log.read_text("utf-8", "replace")

    def login(self, node: str, **changes: Any) -> Login:
        """How a node of the trial province logs in."""
        password = self._machine.spec.nodes[node]
        return Login(node, password, virtual_host=VIRTUAL_HOST, name=f"test {node}", **changes)

    def take_definitions(self, file: Path | None = None) -> None:
        """Import definitions as an operator does; without a file, those that it was started with."""
        self.control("import_definitions", str(file or self._machine.definitions_file))

    def uri(self, user: str) -> str:
        """For another client than the product's."""
        return self._machine.spec.uri(user)

    def start(self) -> None:
        self._machine.start()
        self.control("await_startup")

    def control(self, *words: str) -> str:
        """One rabbitmqctl command; its output."""
        return self._machine.ctl(*words)

    def clean(self) -> None:
        """Delete all queues, and the dead letters."""
        self.control("eval", _CLEAN)

    def heal(self) -> None:
        """Thaw it, start it again if it is dead, give it its memory back."""
        self._machine.resume()
        if not self._machine.running():
            self.start()
        if self._short_of_memory:
            self.short_of_memory(False)
        if self._short_of_disk:
            self.short_of_disk(False)

    def short_of_memory(self, short: bool) -> None:
        """Raise or end the memory alarm: connections that publish are blocked."""
        self._short_of_memory = short
        self.control("set_vm_memory_high_watermark", "0" if short else "0.6")

    def short_of_disk(self, short: bool) -> None:
        """Raise or end the disk alarm: the same for connections that publish."""
        self._short_of_disk = short
        self.control("set_disk_free_limit", "1000000GB" if short else "50MB")

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
