"""A link as a node of version 1 has it: whatever passes is said and understood in version 1 only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.defer import Deferred

from dataset.errors import Refused
from federation.core.envelope import Envelope, encode
from federation.ports import Link
from simulation.version1.wording import read


class Version1Link:
    """``federation.ports.Link`` around ``inner``.

    Fields that version 1 does not know are lost on the way, in both directions; messages that it does not know are
    dropped and counted, as its decoder would.
    """

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self.dropped: Counter[str] = inner.dropped
        self.failures: Counter[str] = inner.failures

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """See ``Link``."""

        def heard(envelope: Envelope) -> None:
            known = self._as_version_1(envelope)
            if known is not None:
                received(known)

        self._inner.start(heard, changed)

    def send(self, envelope: Envelope) -> None:
        """See ``Link``."""
        known = self._as_version_1(envelope)
        if known is not None:
            self._inner.send(known)

    def stop(self) -> Deferred[None]:
        """See ``Link``."""
        return self._inner.stop()

    def _as_version_1(self, envelope: Envelope) -> Envelope | None:
        try:
            return read(encode(envelope))
        except Refused as refused:
            self.dropped[refused.problems[0].slug] += 1
            return None
