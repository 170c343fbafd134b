"""The product's own programs as processes: hub and site nodes, started from their configuration files."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulation.machines.launch import Launched, launch, wait_until_ready
from simulation.machines.trouble import MachineTrouble

START_SECONDS = 30.0


class NodeProcess:
    """One node. ``settings`` are laid over its file (``--set key=value``).

    ``program`` may be another one at its next start: of another version.
    """

    def __init__(
        self,
        program: str,
        config: Path,
        folder: Path,
        *,
        listen: tuple[str, int],
        settings: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = config.stem
        self.listen = listen
        self.log = folder / f"{self.name}.log"
        self.program = program
        self._config = config
        self._folder = folder
        self._settings = {"http.listen": listen[0], "http.port": listen[1], **(settings or {})}
        self._environment = dict(environment or {})
        self._process: Launched | None = None

    @property
    def address(self) -> str:
        """Base address of its web."""
        return f"http://{self.listen[0]}:{self.listen[1]}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.alive() else None

    def command(self) -> Sequence[str]:
        """What is run."""
        sets = [part for key, value in self._settings.items() for part in ("--set", f"{key}={value}")]
        return [sys.executable, "-m", self.program, "run", "--config", str(self._config), *sets]

    def start(self, seconds: float = START_SECONDS) -> NodeProcess:
        """Start it and wait until its web answers. Raises ``MachineTrouble`` with the end of its log."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = launch(
            self.name,
            self.command(),
            log=self.log,
            record=self._folder / f"{self.name}.pid",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
        )
        wait_until_ready(self._process, lambda: self.health() is not None, seconds)
        return self

    def health(self) -> dict[str, Any] | None:
        """What ``/health`` says now; None while nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2.0) as answer:
                said: dict[str, Any] = json.load(answer)
                return said
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return None

    def stop(self) -> None:
        """Ask it to close in order."""
        self._running().stop(20.0)

    def kill(self) -> None:
        """Kill -9."""
        self._running().kill()

    def suspend(self) -> None:
        """SIGSTOP."""
        self._running().suspend()

    def resume(self) -> None:
        """SIGCONT."""
        self._running().resume()

    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.alive()

    def _running(self) -> Launched:
        if self._process is None:
            raise MachineTrouble(
                "machine-not-started", zh=f"{self.name} 没有启动", en=f"{self.name} was not started", place=self.name
            )
        return self._process
