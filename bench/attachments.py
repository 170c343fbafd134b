"""How long one file of 10 MB holds a city's reactor: while it comes from a browser, and from and to another city.

    python -m bench.attachments [--megabytes M] [--directory DIR]

Two cities run in one process in real time, with files, journals and records on disk, and listen over HTTP; the browser
is a process of its own, and only the line between the cities is simulated. A file is handed in

    own                  for an item of the own city, which keeps it
    handed in            for an item of the other city: what the browser waits for
    fetched              the same file, as the owning city fetches it piece by piece, until its item has it
    opened               by the owning city's own clerk, in Base64
    opened elsewhere     by the other city's, fetched piece by piece and then told in Base64

Meanwhile a timer asks for the reactor every millisecond: ``held_ms`` and ``worked_ms`` are those of
``bench.output.watch``. Fetching takes a minute and a half: 50 ms lie between two pieces of 6,000 bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from bench.output import say
from bench.output.watch import Watch
from dataset.ids import CityId
from dataset.work import Attached, WorkItemId
from federation.core.ledger import SendingPace
from federation.node.clock import ReactorClock
from federation.node.http import HttpSettings, SharedRoot, listen, web_site
from federation.node.logs import LogSettings, start_logging
from federation.node.offering import load_offering
from federation.node.program import answer_promptly
from federation.node.province import load_province
from simulation.province import SimulatedProvince, city_base, clerk_of, password_of
from simulation.storage import FileStorage

reactor: Any = _reactor
PROVINCE = Path(__file__).parents[1] / "conf" / "province.toml"
HERE, THERE = CityId("guangzhou"), CityId("shenzhen")
SETTLES_S = 3.0
FAST = SendingPace(bytes_per_s=10_000_000.0)
WITHIN_S = 600.0
FORM: dict[str, Any] = {
    "service": "consult_promotion",
    "values": {"offer": "宽带优惠", "question": "何时到期"},
}
"""of an item that files are attached to"""
_BROWSER = """
import json, sys, urllib.request
ask = json.loads(sys.stdin.readline())
body = open(ask["file"], "rb").read() if ask["file"] else json.dumps(ask["fields"]).encode()
kind = "application/pdf" if ask["file"] else "application/json"
heads = {"Content-Type": kind, "Authorization": f"Bearer {ask['token']}"}
request = urllib.request.Request(ask["address"], body, heads)
try:
    answer = urllib.request.urlopen(request, timeout=600)
except urllib.error.HTTPError as error:
    answer = error
told = json.loads(answer.read())
print(json.dumps({"bytes": len(told.pop("content", "")), "status": answer.status, **told}))
"""


class Browser:
    """A clerk of one city, over HTTP."""

    def __init__(self, address: str, city: CityId) -> None:
        self._address = f"{address}{city_base(city)}/api/v1"
        self._city = city
        self._token = ""

    async def log_in(self) -> None:
        user = clerk_of(self._city)
        self._token = (await self.ask("login", user=user, password=password_of(user)))["token"]

    async def ask(self, operation: str, file: Path | None = None, query: str = "", **fields: Any) -> dict[str, Any]:
        """Raises ``RuntimeError`` for what is refused."""
        address = f"{self._address}/{operation}{query}"
        asked = {"address": address, "token": self._token, "file": str(file or ""), "fields": fields}
        told = await deferToThread(
            subprocess.run,
            [sys.executable, "-c", _BROWSER],
            input=f"{json.dumps(asked)}\n",
            capture_output=True,
            text=True,
            check=True,
        )
        answer = cast(dict[str, Any], json.loads(told.stdout))
        if answer["status"] != 200:
            raise RuntimeError(f"{operation}: {answer}")
        return answer


async def measured(name: str, work: Callable[[], Awaitable[Any]], found: dict[str, Any]) -> Any:
    await deferLater(reactor, 0.2)
    began = time.perf_counter()
    with Watch() as watch:
        result = await work()
    found[name] = {"s": round(time.perf_counter() - began, 2), **watch.found()}
    return result


async def measure(folder: Path, size: int) -> dict[str, Any]:
    start_logging("bench", LogSettings(level="error"))
    clock = ReactorClock(reactor)
    province, package = load_province(PROVINCE)
    world = SimulatedProvince(
        province,
        package,
        clock,
        Random(1),
        storage=FileStorage(folder, clock, reactor),
        link_delay_s=0.001,
        pace=FAST,
        with_records=True,
        offering=load_offering(PROVINCE, province, package),
    )
    world.start()
    answer_promptly()
    root = SharedRoot(None)
    for city in (HERE, THERE):
        root.mount(city_base(city), world.sites[city].resource(reactor, base=city_base(city)))
    port = await listen(reactor, HttpSettings(port=0), web_site(root))
    address = f"http://127.0.0.1:{cast(IPv4Address, port.getHost()).port}"
    await deferLater(reactor, SETTLES_S)
    here, there = Browser(address, HERE), Browser(address, THERE)
    await here.log_in()
    await there.log_in()
    found: dict[str, Any] = {}
    await measured("nothing, for two seconds", lambda: deferLater(reactor, 2.0), found)
    files = [folder / f"{number}.pdf" for number in range(2)]
    for number, file in enumerate(files):
        file.write_bytes((b"%PDF-1.7\n" + Random(number).randbytes(size))[:size])

    def attach(who: Browser, item: str, file: Path) -> Awaitable[dict[str, Any]]:
        return who.ask("work_attach", file, f"?item={item}&name={file.name}&owning={HERE}")

    async def accepted(item: str) -> None:
        until = time.monotonic() + WITHIN_S
        work = world.sites[HERE].running.work
        assert work is not None
        while sum(isinstance(step, Attached) for step in work.desk.book.steps(WorkItemId(item))) < 2:
            if time.monotonic() > until:
                raise TimeoutError("the file did not come to its item")
            await deferLater(reactor, 0.1)

    item = (await here.ask("work_open", **FORM))["item"]
    await here.ask("work_take", item=item)
    own = await measured("own", lambda: attach(here, item, files[0]), found)
    await measured("handed in", lambda: attach(there, item, files[1]), found)
    await measured("fetched", lambda: accepted(item), found)
    which = own["attachment"]["attachment"]
    await measured("opened", lambda: here.ask("work_attachment", attachment=which), found)
    opened = await measured(
        "opened elsewhere",
        lambda: there.ask("work_attachment", attachment=which, item=item, owning=HERE, reason="投诉复核"),
        found,
    )
    assert opened["bytes"] > size
    stopped = port.stopListening()
    if stopped is not None:
        await stopped
    await world.stop()
    return {"bench": "attachments", "bytes": size, "measured": found}


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10.0, metavar="M", help="size of the file (10, the most)")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="for the files (a new one)")
    options = parser.parse_args()
    failed: list[Failure] = []

    async def run(folder: Path) -> None:
        say(await measure(folder, int(options.megabytes * 1e6)))

    def ended(outcome: object) -> None:
        if isinstance(outcome, Failure):
            outcome.printTraceback()
            failed.append(outcome)
        reactor.stop()

    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run(Path(temporary))).addBoth(ended))
        reactor.run()
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
