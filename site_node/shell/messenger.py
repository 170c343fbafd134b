"""Sends what customers are told, from the records that steps of work left, through the ``message`` port.

A message goes out at least once: when the node dies between sending and noting it, it is sent again under the same
name, by which whoever carries it can tell.
"""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId
from dataset.puts import Put
from dataset.records.work import MESSAGES, CustomerMessage
from federation.ports import Clock, Store, Timer
from site_node.ports import Messages

EVERY_S = 10.0
AT_ONCE = 50
MOST_TRIES = 5
log = Logger()


class Messenger:
    """Looks for waiting messages now and then, and sends them in their order."""

    def __init__(self, city: CityId, store: Store, port: Messages, clock: Clock) -> None:
        self._city = city
        self._store = store
        self._port = port
        self._clock = clock
        self._timer: Timer | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to look."""
        self._timer = self._clock.call_later(EVERY_S, self._look)

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look(self) -> None:
        work = Deferred.fromCoroutine(self._send_waiting())
        work.addErrback(_failed)
        work.addCallback(lambda _: None if self._stopped else self.start())

    async def _send_waiting(self) -> None:
        page = await self._store.page(MESSAGES, (self._city, "yes"), index="waiting", limit=AT_ONCE)
        for message in page.records:
            if self._stopped:
                return
            await self._store.put([Put(MESSAGES, await self._sent(message))])

    async def _sent(self, message: CustomerMessage) -> CustomerMessage:
        """``message`` after a try."""
        tries, revision = message.tries + 1, message.revision + 1
        if message.to is None:
            return replace(message, revision=revision, state="failed", tries=tries)
        try:
            await self._port.send(f"{message.origin}/{message.code}", message.to, message.text)
        except Refused as refused:
            log.warn(
                "a message of {item} could not be sent: {why}",
                item=message.item,
                why=str(refused),
                event="message-failed",
            )
            state = "failed" if tries >= MOST_TRIES else "waiting"
            return replace(message, revision=revision, tries=tries, state=state)
        return replace(message, revision=revision, tries=tries, state="sent", sent_at=self._clock.wall())


def _failed(failure: Failure) -> None:
    if failure.check(Refused) is not None:
        log.warn(
            "waiting messages cannot be looked at now: {why}", why=failure.getErrorMessage(), event="message-later"
        )
    else:
        log.failure("sending messages failed", failure, event="messages-failed")
