"""A simulated province whose city 广州 and hub listen over HTTP on localhost, on virtual time that goes on while the
sockets are served: what is asked from another thread is answered as in production.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor

from dataset.ids import HUB, CityId
from federation.node.http import SharedRoot, web_site
from federation.node.login import CHEAP, UserRecord
from simulation.province import city_base, password_of
from tests.harness.driving import ReactorDriver
from tests.province.three_cities import GUANGZHOU
from tests.province.working_province import WorkingProvince

reactor: Any = _reactor
TURN_S = 0.01
"""virtual seconds for each turn of the reactor"""
SUPERVISOR = "boss"
AUDITOR = "auditor"


class OpenProvince(WorkingProvince):
    """With records, and a supervisor and an auditor in each city."""

    def __init__(self) -> None:
        super().__init__(with_records=True)
        self.driver = ReactorDriver(reactor)
        root = SharedRoot(None)
        city, hub = self.sites[GUANGZHOU], self.hubs[HUB]
        root.mount(city_base(GUANGZHOU), city.resource(reactor, base=city_base(GUANGZHOU)))
        root.mount("/hub", hub.resource(reactor, base="/hub"))
        self._port = reactor.listenTCP(0, web_site(root), interface="127.0.0.1")
        self.address = f"http://127.0.0.1:{self._port.getHost().port}"

    def _city_users(self, city: CityId) -> list[UserRecord]:
        boss = UserRecord(SUPERVISOR, "班长", frozenset({"supervisor"}), CHEAP.hash(password_of(SUPERVISOR)))
        auditor = UserRecord(AUDITOR, "审计员", frozenset({"auditor"}), CHEAP.hash(password_of(AUDITOR)))
        return [*super()._city_users(city), boss, auditor]

    def serve(self, work: Callable[[], Any], within_s: float) -> Any:
        """What ``work`` returns, called in a thread of its own while the province runs. Raises what it raises, and
        ``TimeoutError`` after ``within_s`` real seconds.
        """
        found: list[Any] = []

        def run() -> None:
            try:
                found.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
                found.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def turned() -> bool:
            self.time.advance(TURN_S)
            return not thread.is_alive()

        if not self.driver.until(turned, within_s):
            raise TimeoutError(f"not done within {within_s} s")
        if found and isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def close(self) -> None:
        """Listen no more; let go of connections and timers."""
        self.driver.result_of(self._port.stopListening(), 5.0)
        for call in reactor.getDelayedCalls():
            call.cancel()
