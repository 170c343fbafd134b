"""A backlog of a million rows that drains beside routing (S4, failure mode 4), on the processes of an installation.

A city (``bench.backlog_parts.city``: all as in production but its switch, which is the simulated one), the hub
(``python -m provincial_hub run``) and a RabbitMQ are processes of their own. The city serves callers, stops, comes back
with the rows of an outage behind its last ones, and sends them at the pace given. This process is two more cities that
ask the hub for agents. At the same call load, before the backlog, beside it and after it, it is measured in ms:

* ``home``: in the city, from the caller's entering the queue to the order that lets an agent's phone ring;
* ``hub``: from sending ``open`` to the arrival of ``propose`` at a third city: the hub alone;
* ``grant``: from sending ``open`` to the arrival of ``granted``: the hub and the city whose backlog drains.

Run: ``python -m bench.backlog [--rows N] [--pace 5]``. Idle is before and after; goal: p99 beside ≤ 2 × idle.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from bench.backlog_parts.rows import FAULT, fill
from bench.output import say
from dataset.ids import HUB, AgentId, CityId, ContactId, LineageId, NodeId, SkillId
from dataset.rows import Withdrawn
from federation.core.envelope import (
    AgentPicture,
    AnyMessage,
    CityPicture,
    Close,
    Context,
    Envelope,
    FullPictureWanted,
    Granted,
    NoProposal,
    Open,
    Propose,
    Release,
    SkillPicture,
    Stream,
)
from federation.core.picture import PictureSender
from federation.links.build import build_link
from federation.links.settings import LinkSettings
from federation.node.clock import ReactorClock
from federation.node.logs import LogSettings, start_logging
from federation.node.post import Post
from federation.node.program import answer_promptly

reactor: Any = _reactor
PROVINCE = Path(__file__).parents[1] / "conf" / "province.toml"
SHENZHEN, FOSHAN = NodeId("shenzhen"), NodeId("foshan")
ORDER = SkillId("order")
HOME_PER_S, OPENS_PER_S = 10.0, 40.0
WARM_UP_S = 8.0
WITHIN_S = 120.0
TICKS = os.sysconf("SC_CLK_TCK")


class Child(ProcessProtocol):
    """A process that says JSON lines, whose memory and time are looked at."""

    def __init__(self, name: str, *words: str) -> None:
        self.name = name
        self.heard: dict[str, Any] = {}
        self.ended: Deferred[None] = Deferred()
        self.gone = False
        self._part = b""
        self._taking: Deferred[list[float]] | None = None
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
        self._process = reactor.spawnProcess(self, sys.executable, [sys.executable, *words], environment)

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "waits" in said and self._taking is not None:
                taking, self._taking = self._taking, None
                taking.callback(said["waits"])
            self.heard |= said

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        sys.stderr.write("".join(f"{self.name}: {line}\n" for line in data.decode("utf-8", "replace").splitlines()))

    def processEnded(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        self.gone = True
        if not reason.check(ProcessDone):
            sys.stderr.write(f"{self.name} ended: {reason.value}\n")
        self.ended.callback(None)

    def take(self) -> Deferred[list[float]]:
        """The waits since the last time."""
        self._taking = Deferred()
        self._process.write(b"take\n")
        return self._taking

    def stop(self, how: str = "") -> Deferred[None]:
        """By SIGTERM, or by a word on its input."""
        if not self.gone:
            if how:
                self._process.write(how.encode() + b"\n")
            else:
                self._process.signalProcess("TERM")
        return self.ended

    def memory_mb(self) -> float:
        """What is resident now."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * 4096 / 1e6

    def cpu_s(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class Asking:
    """Foshan, which asks for agents, and Shenzhen, which has some; both only as far as the others see."""

    def __init__(self, clock: ReactorClock) -> None:
        self._clock = clock
        self.waits: dict[str, list[float]] = {"hub": [], "grant": []}
        self.unanswered = 0
        self.counts_from = 0.0
        """what was opened before is not counted: it may have waited for a city that had just come back"""
        self._sent: dict[ContactId, float] = {}
        self._number = 0
        self._posts: dict[NodeId, Post] = {}
        self.links: list[Any] = []
        self._pictures = {SHENZHEN: _picture(SHENZHEN, 100), FOSHAN: _picture(FOSHAN, 0)}
        self._senders = {SHENZHEN: PictureSender(), FOSHAN: PictureSender()}

    async def start(self, broker: str, passwords: dict[NodeId, str]) -> None:
        for node in (SHENZHEN, FOSHAN):
            settings = LinkSettings(addresses=(broker,), password=passwords[node])
            link = await build_link(reactor, settings, node, file=PROVINCE, can_do_without=False)
            self._posts[node] = Post(node, LineageId(f"{random.getrandbits(32):08x}"), link)
            link.start(lambda envelope, node=node: self._heard(node, envelope), lambda up: None)  # type: ignore[misc]
            self.links.append(link)

    def beat(self) -> None:
        for node, sender in self._senders.items():
            beat = sender.beat(self._pictures[node], now=self._clock.monotonic(), wall=self._clock.wall())
            self._posts[node].send(HUB, beat, Stream.PICTURE, 3.0)

    def open(self) -> None:
        """For a skill that Shenzhen has; each fourth for one that Guangzhou has, whose numbers rest between calls."""
        self._number += 1
        skill = ORDER if self._number % 4 else FAULT
        contact = ContactId(f"0757-0000000f-{self._number:06x}")
        context = Context(
            calling="",
            door="112",
            path=(),
            service=str(skill),
            skill=skill,
            channel="voice",
            priority=0,
            package="yihaotong@1",
            waited_s=30.0,
        )
        self._sent[contact] = time.perf_counter()
        self._posts[FOSHAN].send(HUB, Open(contact=contact, n=1, context=context, budget_s=6.0), Stream.COMMAND, 6.0)

    def _heard(self, node: NodeId, envelope: Envelope) -> None:
        message: AnyMessage = envelope.body
        match message:
            case Propose():
                self._measured("hub", message.contact)
                self._close(message.contact)  # an answer of Shenzhen's could overtake it, and a refusal is remembered
            case Granted():
                self._measured("grant", message.contact)
                release = Release(contact=message.contact, n=1, token=message.token, reason=Withdrawn.HOME_WON)
                self._posts[FOSHAN].send(NodeId(message.site), release, Stream.COMMAND, 6.0)
                self._close(message.contact)
            case NoProposal():
                self.unanswered += self._sent.pop(message.contact, None) is not None
            case FullPictureWanted():
                self._senders[node].want_full()
            case _:
                pass

    def _measured(self, what: str, contact: ContactId) -> None:
        sent = self._sent.pop(contact, None)
        if sent is not None and sent >= self.counts_from:
            self.waits[what].append(time.perf_counter() - sent)

    def _close(self, contact: ContactId) -> None:
        self._posts[FOSHAN].send(HUB, Close(contact=contact, n=1, reason="home_won"), Stream.COMMAND, 6.0)


def _picture(node: NodeId, idle: int) -> CityPicture:
    return CityPicture(
        city=CityId(node),
        skills={ORDER: SkillPicture(idle=idle, staffed=100, expected_wait_s=1.0 if idle else 60.0)},
        agents=tuple(
            AgentPicture(
                agent=AgentId(f"{2001 + at}@{node}"), name="李敏", state="ready", skills=(ORDER,), seat=str(8001 + at)
            )
            for at in range(idle)
        ),
    )


class Phase:
    """What was measured in one stretch of time."""

    def __init__(self) -> None:
        self.waits: dict[str, list[float]] = {"home": [], "hub": [], "grant": []}
        self.seconds = 0.0
        self.cpu_s: dict[str, float] = {}
        self.most_mb: dict[str, float] = {}


class Run:
    """One run of the benchmark."""

    def __init__(self, folder: Path, chosen: argparse.Namespace, broker: Any) -> None:
        self._folder = folder
        self._chosen = chosen
        self._broker = broker
        self._clock = ReactorClock(reactor)
        self._passwords: dict[str, str] = {name: broker.login(name).password for name in ("hub", "guangzhou")}
        self._asking = Asking(self._clock)
        text = PROVINCE.read_text()
        text = text.replace("packages/", f"{PROVINCE.parent}/packages/")
        text = text.replace("prompts/", f"{PROVINCE.parent}/prompts/")
        text = text.replace('"calendar.toml"', f'"{PROVINCE.parent}/calendar.toml"')
        text = text.replace("moves_per_hour_and_pair = 1000", "moves_per_hour_and_pair = 0")
        self._province = folder / "province.toml"
        self._province.write_text(text)
        self._beaten = self._due = 0.0
        self._hub: Child
        self._city: Child

    async def measure(self) -> dict[str, Any]:
        (self._folder / "hub.toml").write_text(
            f'province = "{self._province}"\ndata = "{self._folder}/hub"\n'
            f'[link]\naddresses = ["{self._broker.address}"]\npassword = "{self._passwords["hub"]}"\n'
            '[http]\nport = 0\n[log]\nlevel = "warn"\n'
        )
        passwords = {name: self._broker.login(name).password for name in (SHENZHEN, FOSHAN)}
        self._hub = Child("hub", "-m", "provincial_hub", "run", "--config", str(self._folder / "hub.toml"))
        await self._asking.start(self._broker.address, passwords)
        try:
            return await self._phases()
        finally:
            with suppress(AttributeError):
                await self._city.stop("stop")
            await self._hub.stop()
            for link in self._asking.links:
                await link.stop()

    async def _phases(self) -> dict[str, Any]:
        chosen = self._chosen
        self._city = self._new_city()
        await self._warm_up()
        before = await self._phase(lambda passed: passed >= chosen.idle)
        await self._city.stop("stop")
        journal = self._folder / "guangzhou" / "journal.sqlite"
        size = await deferToThread(fill, journal, chosen.rows, time.time())
        self._city = self._new_city()
        await self._until(lambda: self._city.heard.get("waiting", 0) > 0, "the backlog is seen")
        began = time.perf_counter()
        await self._warm_up()
        beside = await self._phase(lambda _: self._city.heard["waiting"] < 500)
        took = time.perf_counter() - began
        after = await self._phase(lambda passed: passed >= chosen.idle)
        if chosen.waits:
            chosen.waits.write_text(json.dumps([before.waits, beside.waits, after.waits]))
        return self._shown(before, beside, after, took, size)

    def _new_city(self) -> Child:
        (self._folder / "guangzhou").mkdir(exist_ok=True)
        words = {
            "--folder": self._folder / "guangzhou",
            "--province": self._province,
            "--broker": self._broker.address,
            "--password": self._passwords["guangzhou"],
            "--pace": self._chosen.pace,
            "--calls": HOME_PER_S,
        }
        return Child("city", "-m", "bench.backlog_parts.city", *(str(word) for pair in words.items() for word in pair))

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        began = time.perf_counter()
        while not condition():
            if time.perf_counter() - began > WITHIN_S or self._city.gone or self._hub.gone:
                raise RuntimeError(f"not in time: {what}")
            await deferLater(reactor, 0.1)
            self._ask_what_is_due(ask=False)

    async def _warm_up(self) -> None:
        """Until hub and city hear each other (a city that was away counts after some beats), agents are there, and all
        three are measured.
        """
        asking = self._asking
        await self._until(lambda: bool(self._city.heard.get("link")), "the city is up")
        phase = Phase()
        began = time.perf_counter()
        while time.perf_counter() - began < WARM_UP_S or not all(phase.waits.values()):
            if time.perf_counter() - began > WITHIN_S:
                raise RuntimeError(f"nothing is routed: { {name: len(of) for name, of in phase.waits.items()} }")
            await self._a_while(phase)
        asking.unanswered = 0

    async def _phase(self, over: Callable[[float], bool]) -> Phase:
        phase = Phase()
        self._asking.counts_from = time.perf_counter()
        children = {"hub": self._hub, "city": self._city}
        used = {name: child.cpu_s() for name, child in children.items()}
        began = time.perf_counter()
        while not over(time.perf_counter() - began):
            await self._a_while(phase)
            for name, child in children.items():
                if child.gone:
                    raise RuntimeError(f"{name} is gone")
                phase.most_mb[name] = max(child.memory_mb(), phase.most_mb.get(name, 0.0))
        phase.seconds = time.perf_counter() - began
        phase.cpu_s = {name: child.cpu_s() - used[name] for name, child in children.items()}
        return phase

    async def _a_while(self, phase: Phase) -> None:
        """Ask for half a second."""
        self._asking.waits = {"hub": [], "grant": []}
        until = time.perf_counter() + 0.5
        while time.perf_counter() < until:
            await deferLater(reactor, 0.5 / OPENS_PER_S * (0.5 + random.random()))
            self._ask_what_is_due(ask=True)
        for name, waits in {**self._asking.waits, "home": await self._city.take()}.items():
            phase.waits[name] += waits

    def _ask_what_is_due(self, *, ask: bool) -> None:
        now = time.perf_counter()
        if now - self._beaten >= 1.0:
            self._beaten = now
            self._asking.beat()
        self._due = max(self._due, now - 1.0)
        while ask and self._due <= now:
            self._due += 1.0 / OPENS_PER_S
            self._asking.open()

    def _shown(self, before: Phase, beside: Phase, after: Phase, took: float, size: int) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "bench": "backlog",
            "rows": self._chosen.rows,
            "megabytes": round(size / 1e6, 1),
            "pace_mbit_s": self._chosen.pace,
            "seconds": round(took, 1),
            "rows_per_s": round(self._chosen.rows / took),
            "unanswered": self._asking.unanswered,
        }
        for name in ("home", "hub", "grant"):
            idle = before.waits[name] + after.waits[name]
            shown[name] = {
                "idle": len(idle),
                "beside": len(beside.waits[name]),
                "p50_idle_ms": quantile(idle, 0.5),
                "p50_beside_ms": quantile(beside.waits[name], 0.5),
                "p99_before_ms": quantile(before.waits[name], 0.99),
                "p99_after_ms": quantile(after.waits[name], 0.99),
                "p99_idle_ms": quantile(idle, 0.99),
                "p99_beside_ms": quantile(beside.waits[name], 0.99),
                "p99_ratio": round(quantile(beside.waits[name], 0.99) / quantile(idle, 0.99), 2),
            }
        for name in ("hub", "city"):
            phases = {"before": before, "beside": beside, "after": after}
            shown[f"{name}_most_mb"] = {when: round(phase.most_mb[name], 1) for when, phase in phases.items()}
            shown[f"{name}_cpu"] = {when: round(phase.cpu_s[name] / phase.seconds, 2) for when, phase in phases.items()}
        return shown


def quantile(waits: list[float], share: float) -> float:
    ordered = sorted(waits)
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3, 2) if ordered else float("nan")


def main() -> None:
    answer_promptly()
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--pace", type=float, default=5.0, help="Mbit/s")
    arguments.add_argument("--idle", type=float, default=60.0, help="seconds of routing alone, before and after")
    arguments.add_argument("--waits", type=Path, help="file to write every single wait to")
    arguments.add_argument("--directory", type=Path, help="on the disk to measure; default: the system's temporary one")
    chosen = arguments.parse_args()
    from tests.real.amqp_broker import RabbitNode

    failed: list[Failure] = []
    start_logging("bench", LogSettings(level="error"))
    with tempfile.TemporaryDirectory(dir=chosen.directory) as name:
        folder = Path(name)
        broker = RabbitNode(folder / "broker")
        broker.start()
        try:
            running = Deferred.fromCoroutine(Run(folder, chosen, broker).measure())
            running.addCallback(say)
            running.addErrback(failed.append)
            running.addBoth(lambda _: reactor.callLater(0.1, reactor.stop))
            reactor.run()
        finally:
            broker.stop()
    for failure in failed:
        failure.printTraceback()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
