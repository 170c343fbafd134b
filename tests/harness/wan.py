"""Wide-area lines for kernels without netem: packets carried between two network namespaces in user space.

    python -m tests.harness.wan NAMESPACE DEVICE NEAR FAR

makes a TUN device in this process's own namespace (address ``NEAR``) and one in ``NAMESPACE`` (``FAR``), both /30, and
carries packets between them. Lines on standard input change the line while it runs:

    cut            nothing passes
    mute near      what the near end sends is dropped; ``mute far`` the other way
    heal           everything passes again
    delay 100 5    milliseconds one way, and up to so many more at random (which reorders)
    loss 0.02      probability each way
    duplicate 0.1  probability each way
    rate 512       kbit/s each way, 0 for no limit

It prints ``up`` once packets flow and ends with its standard input. Needs root. About 40 MB/s of TCP.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from simulation.machines.trouble import MachineTrouble

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
TUN = Path("/dev/net/tun")
NAMESPACES = Path("/run/netns")
LONGEST_QUEUE_S = 2.0
"""what a limited line holds before it drops, as routers do"""


def lacking_lines() -> list[str]:
    """Why this machine cannot have such lines, in one sentence each; empty when it can."""
    if os.geteuid() != 0:
        return ["lines between network namespaces need root"]
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as refused:
        return [f"lines between cities need {TUN}: {refused.strerror}"]
    try:
        with namespace(f"yht-probe-{os.getpid()}"):
            return []
    except (OSError, subprocess.CalledProcessError) as refused:
        return [f"lines between cities need network namespaces and iproute2: {refused}"]


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """A network namespace with its loopback up; one of that name that an earlier run left is replaced."""
    if (NAMESPACES / name).exists():
        _ip("netns", "del", name)
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class Line:
    """One line from this process's namespace to ``far`` in another; ``start`` it, then cut and heal it at will."""

    device: str
    namespace: str
    near: str
    far: str

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def start(self, seconds: float = 10.0) -> Line:
        """Make it; packets flow when this returns."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.wan", self.namespace, self.device, self.near, self.far],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        out = self._process.stdout
        assert out is not None
        if not select.select([out], [], [], seconds)[0] or out.readline() != "up\n":
            self.stop()
            raise MachineTrouble(
                "line-not-up", zh=f"线路 {self.device} 没有接通", en=f"line {self.device} did not come up"
            )
        return self

    def tell(self, *words: object) -> None:
        """Change the line: the words of the module's table."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def cut(self) -> None:
        """Nothing passes."""
        self.tell("cut")

    def heal(self) -> None:
        """Everything passes again."""
        self.tell("heal")

    def stop(self) -> None:
        """Take it away."""
        if self._process is not None:
            self._process.communicate(timeout=10.0)
            self._process = None


# ── the process that carries the packets ────────────────────────────────────────────────────────────────────────────
def _open_tun(where: str, device: str) -> int:
    """A TUN device in the namespace ``where``, which this process visits for it; in its own when empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if where:
            there = os.open(NAMESPACES / where, os.O_RDONLY)
            try:
                if libc.setns(there, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter namespace {where}")
            finally:
                os.close(there)
        tun = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        return tun
    finally:
        libc.setns(here, CLONE_NEWNET)
        os.close(here)


class _Carrier:
    """What is in flight between the two ends, and what the line is like just now."""

    def __init__(self, near: int, far: int) -> None:
        self.other = {near: far, far: near}
        self._names = {"near": near, "far": far}
        self._rng = random.Random(0)
        self._in_flight: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._cut = False
        self._mute: int | None = None
        self._delay_s = self._jitter_s = self._loss = self._duplicate = self._bytes_per_s = 0.0
        self._busy_until = dict.fromkeys(self.other, 0.0)

    def obey(self, words: list[str]) -> None:
        match words:
            case ["cut"]:
                self._cut = True
                self._in_flight.clear()
            case ["heal"]:
                self._cut, self._mute = False, None
            case ["mute", side]:
                self._mute = self._names[side]
            case ["delay", delay, *jitter]:
                self._delay_s = float(delay) / 1000
                self._jitter_s = float(jitter[0]) / 1000 if jitter else 0.0
            case ["loss", share]:
                self._loss = float(share)
            case ["duplicate", share]:
                self._duplicate = float(share)
            case ["rate", kilobits]:
                self._bytes_per_s = float(kilobits) * 125
            case _:
                raise SystemExit(f"a line knows no {' '.join(words)}")

    def take(self, source: int, packet: bytes) -> None:
        if self._cut or source == self._mute or self._rng.random() < self._loss:
            return
        for _ in range(2 if self._rng.random() < self._duplicate else 1):
            due = time.monotonic()
            if self._bytes_per_s:
                due = max(due, self._busy_until[source])
                if due - time.monotonic() > LONGEST_QUEUE_S:
                    return
                due = self._busy_until[source] = due + len(packet) / self._bytes_per_s
            due += self._delay_s + self._rng.random() * self._jitter_s
            self._count += 1
            heapq.heappush(self._in_flight, (due, self._count, self.other[source], packet))

    def deliver(self) -> float:
        """Hand over what is due; seconds to the next."""
        now = time.monotonic()
        while self._in_flight and self._in_flight[0][0] <= now:
            _, _, sink, packet = heapq.heappop(self._in_flight)
            with suppress(OSError):  # the far device is full or down: on a real line the packet is lost too
                os.write(sink, packet)
        return max(0.0, self._in_flight[0][0] - now) if self._in_flight else 1.0


def carry(where: str, device: str, near: str, far: str) -> None:
    """Be the line until standard input ends."""
    tuns = {"": _open_tun("", device), where: _open_tun(where, device)}
    for place, address in (("", near), (where, far)):
        inside = ["-n", place] if place else []
        _ip(*inside, "addr", "add", f"{address}/30", "dev", device)
        _ip(*inside, "link", "set", device, "up")
    carrier = _Carrier(tuns[""], tuns[where])
    orders = sys.stdin.fileno()
    os.set_blocking(orders, False)
    print("up", flush=True)
    wait_s = 1.0
    pending = b""
    while True:
        for source in select.select([orders, *carrier.other], [], [], wait_s)[0]:
            if source == orders:
                said = os.read(orders, 4096)
                if not said:
                    return
                *lines, pending = (pending + said).split(b"\n")
                for line in lines:
                    carrier.obey(line.decode().split())
                continue
            try:
                packet = os.read(source, 65536)
            except BlockingIOError:
                continue
            carrier.take(source, packet)
        wait_s = carrier.deliver()


if __name__ == "__main__":
    carry(*sys.argv[1:])
