"""A started process, known by its pid and start time, so that nothing but what we started is ever signalled."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulation.machines.trouble import MachineTrouble, tail_of

POLL = 0.05
"""Seconds between two looks at something that is starting or ending."""
FREEZING_POLL = 0.001


def _stat_of(pid: int) -> tuple[str, int] | None:
    """State letter and start time (clock ticks since boot) of a process, or None."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return after_name[0], int(after_name[19])


def _threads_of(pid: int) -> int:
    """Threads of a process: its first may be gone while others still hold its sockets."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _processes_of(session: int) -> Iterator[tuple[int, str]]:
    """Pid and state letter of every process of a session."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after_name[3]) == session:
            yield int(entry.name), after_name[0]


def _session_lives(session: int) -> bool:
    """Whether any process of a session still runs: a started script may be gone before what it started."""
    return any(state != "Z" or _threads_of(pid) > 1 for pid, state in _processes_of(session))


def _session_works(session: int) -> bool:
    """Whether any thread of a session runs or could: SIGSTOP stops a process only once the thread that takes it has had
    the processor, and on a busy machine the others go on until then.
    """
    for pid, _ in _processes_of(session):
        for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
            try:
                state = thread.read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state in "RS":
                return True
    return False


@dataclass
class Launched:
    """One process in a session of its own. ``record`` is the file that lets a later command find it again."""

    name: str
    pid: int
    born: int
    log: Path
    record: Path
    popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def alive(self) -> bool:
        """Whether this very process still runs, with any of its threads (a zombie does not)."""
        if self.popen is not None:
            return self.popen.poll() is None
        stat = _stat_of(self.pid)
        if stat is None or stat[1] != self.born:
            return False
        return stat[0] != "Z" or _threads_of(self.pid) > 1

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children; nothing happens if all are gone."""
        if self.alive() or (self.popen is not None and _session_lives(self.pid)):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    def wait_end(self, seconds: float) -> bool:
        """Wait until it and all it started in its session have ended; False at the deadline."""
        end = time.monotonic() + seconds
        while self.alive() or _session_lives(self.pid):
            if time.monotonic() > end:
                return False
            time.sleep(POLL)
        return True

    def stop(self, seconds: float = 10.0) -> None:
        """Ask it to end, and end it when it does not within the deadline."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not self.wait_end(seconds):
            self.kill()
        self.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, as a crash would (kill -9)."""
        self.signal(signal.SIGKILL)
        if not self.wait_end(10.0):
            raise MachineTrouble(
                "machine-unkillable", zh=f"{self.name} 无法结束", en=f"{self.name} cannot be ended", place=str(self.pid)
            )
        self.record.unlink(missing_ok=True)

    def suspend(self) -> None:
        """Freeze it (SIGSTOP), and wait until it is: it keeps its sockets and answers nothing from here on."""
        self.signal(signal.SIGSTOP)
        end = time.monotonic() + 10.0
        while _session_works(self.pid):
            if time.monotonic() > end:
                raise MachineTrouble(
                    "machine-not-frozen",
                    zh=f"{self.name} 无法冻结",
                    en=f"{self.name} cannot be frozen",
                    place=str(self.pid),
                )
            time.sleep(FREEZING_POLL)

    def resume(self) -> None:
        """Let a frozen process go on."""
        self.signal(signal.SIGCONT)


def launch(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    record: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Launched:
    """Start a process in its own session; what it prints is appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as out:
            popen = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
    except FileNotFoundError as missing:
        raise MachineTrouble(
            "machine-not-installed",
            zh=f"{name}：没有安装程序 {argv[0]}（apt-get install 后再试，或运行 make test）",
            en=f"{name}: the program {argv[0]} is not installed (apt-get install it, or run make test)",
            place=argv[0],
        ) from missing
    stat = _stat_of(popen.pid)
    launched = Launched(name, popen.pid, stat[1] if stat else -1, log, record, popen)
    record.write_text(json.dumps({"name": name, "pid": launched.pid, "born": launched.born, "log": str(log)}) + "\n")
    return launched


def recall(record: Path) -> Launched | None:
    """The process an earlier command started, if its record is there and it still runs."""
    try:
        kept = json.loads(record.read_text())
    except FileNotFoundError:
        return None
    found = Launched(kept["name"], kept["pid"], kept["born"], Path(kept["log"]), record)
    return found if found.alive() else None


def wait_until_ready(machine: Launched, ready: Callable[[], bool], seconds: float, log: Path | None = None) -> None:
    """Wait until ``ready()``; a process that ends first or a passed deadline is a trouble that names the machine."""
    shown = log or machine.log
    end = time.monotonic() + seconds
    while True:
        if ready():
            return
        if not machine.alive():
            raise MachineTrouble(
                "machine-ended-early",
                zh=f"{machine.name} 启动时退出",
                en=f"{machine.name} ended while starting",
                place=str(shown),
                tail=tail_of(shown),
            )
        if time.monotonic() > end:
            machine.kill()
            raise MachineTrouble(
                "machine-start-timeout",
                zh=f"{machine.name} 在 {seconds:g} 秒内没有就绪",
                en=f"{machine.name} was not ready within {seconds:g} s",
                place=str(shown),
                tail=tail_of(shown),
            )
        time.sleep(POLL)


def require_free(name: str, address: str, port: int, kind: socket.SocketKind) -> None:
    """Refuse to start where another program already listens."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as busy:
            raise MachineTrouble(
                "port-taken",
                zh=f"{name} 需要的地址不可用：{busy.strerror}",
                en=f"{name} cannot have the address it needs: {busy.strerror}",
                place=f"{address}:{port}",
            ) from busy
