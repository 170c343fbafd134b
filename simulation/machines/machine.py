"""What a machine of one process can be told, whatever it is: both Asterisk and RabbitMQ are such."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TypeVar

from simulation.machines.launch import Launched, recall

M = TypeVar("M", bound="Machine")


class Machine:
    """A process that a later command finds again by the record in its ``directory``."""

    directory: Path
    process: Launched | None

    @property
    def _record(self) -> Path:
        return self.directory / "process.json"

    def start(self: M) -> M:
        """Start it and wait until it is ready. One that already runs is kept."""
        raise NotImplementedError

    def running(self) -> bool:
        """Whether it runs (started here or by an earlier command)."""
        self.process = self.process or recall(self._record)
        return self.process is not None and self.process.alive()

    def stop(self) -> None:
        """End it in order, with every call or connection it holds."""
        if self.running() and self.process is not None:
            self.process.stop()
        self.process = None

    def kill(self) -> None:
        """End it as a crash would (kill -9)."""
        if self.running() and self.process is not None:
            self.process.kill()
        self.process = None

    def suspend(self) -> None:
        """Freeze it (SIGSTOP): connections stay and nothing is answered."""
        if self.running() and self.process is not None:
            self.process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        if self.running() and self.process is not None:
            self.process.resume()

    def restart(self: M) -> M:
        """Start it again after :meth:`kill` or :meth:`stop`."""
        self.stop()
        return self.start()

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
