"""A private RabbitMQ node for tests: own name, ports, epmd and folder; killed, frozen, short of memory on demand."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from simulation.machines.launch import POLL, Launched, launch, wait_until_ready

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")


def installed() -> bool:
    return SERVER.exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RabbitNode:
    """One node on 127.0.0.1. ``port`` speaks AMQP; users: guest/guest."""

    def __init__(self, folder: Path, heartbeat: int = 60) -> None:
        self.folder = folder
        self.port = free_port()
        self.name = f"yht-test-{self.port}@localhost"
        self._epmd_port = free_port()
        self._dist_port = free_port()
        self._node: Launched | None = None
        self._epmd: Launched | None = None
        self._short_of_memory = False
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "home").mkdir(exist_ok=True)
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nheartbeat = {heartbeat}\n"
            "disk_free_limit.absolute = 1MB\nlog.file.level = info\n"
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _env(self) -> dict[str, str]:
        base = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": f"{base}/home",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{base}/db",
            "RABBITMQ_LOG_BASE": f"{base}/log",
            "RABBITMQ_CONFIG_FILE": f"{base}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self) -> None:
        if self._epmd is None:
            self._epmd = launch(
                "epmd",
                ["epmd", "-port", str(self._epmd_port)],
                log=self.folder / "epmd.log",
                record=self.folder / "epmd.json",
                env=self._env(),
            )
        self._node = launch(
            "rabbitmq",
            [str(SERVER)],
            log=self.folder / "out.log",
            record=self.folder / "rabbitmq.json",
            env=self._env(),
            cwd=self.folder,
        )
        wait_until_ready(self._node, self._listening, 90.0)
        self.control("await_startup")

    def _listening(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0):
                return True
        except OSError:
            return False

    def control(self, *words: str) -> str:
        """One rabbitmqctl command; its output."""
        done = subprocess.run(
            [str(CONTROL), "-q", "-n", self.name, *words],
            env=self._env(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def clean(self) -> None:
        """Delete all queues."""
        for queue in self.control("list_queues", "--no-table-headers", "name").split():
            self.control("delete_queue", queue)

    def heal(self) -> None:
        """Thaw it, start it again if it is dead, give it its memory back."""
        assert self._node is not None
        if not self._node.alive():
            self.start()
        self.thaw()
        if self._short_of_memory:
            self.short_of_memory(False)

    def short_of_memory(self, short: bool) -> None:
        """Raise or end the memory alarm: connections that publish are blocked."""
        self._short_of_memory = short
        self.control("set_vm_memory_high_watermark", "0" if short else "0.6")

    def kill(self) -> None:
        """Kill -9 the server and its children, and wait until the kernel has taken its socket away."""
        assert self._node is not None
        self._node.kill()
        end = time.monotonic() + 10.0
        while self._listening():
            assert time.monotonic() < end, "a killed broker still listens"
            time.sleep(POLL)

    def freeze(self) -> None:
        assert self._node is not None
        self._node.suspend()

    def thaw(self) -> None:
        assert self._node is not None
        self._node.resume()

    def stop(self) -> None:
        for machine in (self._node, self._epmd):
            if machine is not None and machine.alive():
                machine.stop(20.0)
        self._node = self._epmd = None
