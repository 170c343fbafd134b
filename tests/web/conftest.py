"""One demo, one browser, and for each test a page whose every complaint is a failure."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dataset.ids import CityId
from federation.node.screens import BUILT
from simulation.province import clerk_of, password_of
from tests.web.wire import Wire

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
CITIES = {"guangzhou": "广州", "shenzhen": "深圳", "foshan": "佛山"}
"""with a word that some firm of each has in its address, in however small a demo"""
LOOK_EVERY_S = 0.2
SIZE = {"width": 1366, "height": 768}


@dataclass(frozen=True)
class Running:
    """A running demo: where it listens."""

    address: str

    def clerk(self, city: str) -> Callable[..., dict[str, Any]]:
        """What somebody behind the seats of ``city``, in every role, asks of its node: an operation and its fields."""
        base = f"{self.address}/city/{city}/api/v1"
        user = clerk_of(CityId(city))
        token = _posted(f"{base}/login", {"user": user, "password": password_of(user)}, "")["token"]

        def ask(op: str, **fields: Any) -> dict[str, Any]:
            return _posted(f"{base}/{op}", fields, token)

        return ask


def missing(what: str) -> None:
    """Fail where everything is wanted, else skip."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def demo() -> Iterator[Running]:
    """``yht demo`` with few simulated staff and many callers, so that a person at a seat is called soon."""
    if elsewhere := os.environ.get("YHT_WEB_ADDRESS"):
        yield Running(elsewhere.rstrip("/"))
        return
    options = ["--port", "0", "--seed", "7", "--calls-per-hour", "700", "--own-seats", "3"]
    options += ["--no-clerks"]  # nobody else takes the items of the tests
    with _started("simulation", "demo", *options) as started:
        _filled(started)
        yield Running(started.address)


@pytest.fixture(scope="session")
def own_demo() -> Iterator[OwnDemo]:
    """The demo in which nobody calls but the test; a module takes it for its ``demo``."""
    with _started("tests.web.own_demo") as started:
        yield started


@dataclass(frozen=True)
class OwnDemo(Running):
    """A running demo that has the callers it is told of."""

    tell: Callable[[str], str]

    def call(self, city: str, door: str, owning: str) -> str:
        """Somebody dials ``door`` in ``city`` from a telephone on record in ``owning``; its number."""
        return self.tell(f"{city} {door} {owning}").removeprefix("calling ").strip()


def _filled(demo: Running) -> None:
    """Until every city has its records: the demo puts them there once its first page is up."""
    deadline = time.monotonic() + START_WITHIN_S
    for city, word in CITIES.items():
        ask = demo.clerk(city)
        while not ask("directory", text=word)["entries"]:
            if time.monotonic() > deadline:
                pytest.fail(f"the demo's directory of {city} is empty after {START_WITHIN_S:g} s")
            time.sleep(LOOK_EVERY_S)


def _posted(url: str, fields: dict[str, Any], token: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = Request(url, json.dumps(fields).encode(), headers)
    with urlopen(request, timeout=START_WITHIN_S) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@contextmanager
def _started(*module: str) -> Iterator[OwnDemo]:
    """``python -m`` of ``module`` as a process, which must say its address, and end well when it is interrupted."""
    if not (BUILT / "index.html").is_file():
        missing("the screens are not built: run `make screens`")
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    said: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            said.append(line)
            lines.put(line)
        lines.put(None)

    def tell(line: str) -> str:
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return _heard(lines, said, r"^calling \d+")

    threading.Thread(target=read, daemon=True).start()
    try:
        yield OwnDemo(_heard(lines, said, r"http://[\d.:]+"), tell)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert status == 0, "".join(said)


def _heard(lines: queue.Queue[str | None], said: list[str], wanted: str) -> str:
    """What the process says of the form ``wanted``."""
    while True:
        try:
            line = lines.get(timeout=START_WITHIN_S)
        except queue.Empty:
            pytest.fail(f"the demo did not say {wanted} in time:\n" + "".join(said))
        if line is None:
            pytest.fail("the demo ended:\n" + "".join(said))
        if found := re.search(wanted, line):
            return found[0]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = os.environ.get("YHT_CHROMIUM") or shutil.which("chromium")
    if path is None:
        missing("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def wire(demo: Running) -> Iterator[Wire]:
    """The way from the browser to the demo, which the test may break."""
    there = urlsplit(demo.address)
    laid = Wire((there.hostname or "", there.port or 80))
    yield laid
    laid.close()


@pytest.fixture
def address(wire: Wire) -> str:
    """What the browser calls."""
    return f"http://127.0.0.1:{wire.port}"


class Complaints:
    """What pages said that they should not: errors, warnings, and requests to other hosts.

    A failed connection is no complaint while the test itself has broken the wire (``excused``).
    """

    def __init__(self, address: str) -> None:
        self.heard: list[str] = []
        self.excused = False
        self._address = address

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.heard.append(f"error: {error}"))
        page.on("request", lambda request: self._requested(request.url))

    def _console(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        network = "Failed to load resource" in message.text or "WebSocket connection" in message.text
        if not (network and self.excused):
            self.heard.append(f"{message.type}: {message.text}")

    def _requested(self, url: str) -> None:
        if not url.startswith((self._address, self._address.replace("http:", "ws:"), "data:", "blob:")):
            self.heard.append(f"request to another host: {url}")


@pytest.fixture
def complaints(address: str) -> Iterator[Complaints]:
    """Checked at the end of every test."""
    gathered = Complaints(address)
    yield gathered
    assert gathered.heard == []


@pytest.fixture
def somebody(browser: Browser, complaints: Complaints) -> Iterator[Callable[[], Page]]:
    """Each call is another person at another machine."""
    contexts: list[BrowserContext] = []

    def sit_down() -> Page:
        context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        complaints.listen(page)
        return page

    yield sit_down
    for context in contexts:
        context.close()


@pytest.fixture
def page(somebody: Callable[[], Page]) -> Page:
    """One person's page."""
    return somebody()
