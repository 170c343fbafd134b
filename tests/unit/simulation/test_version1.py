"""Version 1 and version 2 of the envelope understand each other (failure 20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from dataset.ids import EVERYONE, HUB, CityId, LineageId, NodeId
from federation.core.envelope import VERSION, Beat, CityPicture, Envelope, HubBeat, Stream, decode, encode
from federation.core.picture import Hearing, PictureSender, ProvincePicture
from simulation.version1.link import Version1Link

GUANGZHOU = CityId("guangzhou")
LINEAGE = LineageId("0a1b2c3d")


class Loop:
    """A link whose messages come back to whoever sent them."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.heard: list[Envelope] = []
        self._received: Callable[[Envelope], None] | None = None

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        self._received = received

    def send(self, envelope: Envelope) -> None:
        self.heard.append(decode(encode(envelope)))

    def arrive(self, envelope: Envelope) -> None:
        assert self._received is not None
        self._received(envelope)

    def stop(self) -> Deferred[None]:
        return succeed(None)


def enveloped(body: HubBeat | Beat) -> Envelope:
    return Envelope(
        sender=NodeId(GUANGZHOU), to=EVERYONE, stream=Stream.PICTURE, lineage=LINEAGE, sequence=1, body=body, term=3
    )


def test_a_node_of_version_1_is_understood_and_understands() -> None:
    """Unknown fields are dropped, the rest arrives; a hub's beat of version 1 means that it leads."""
    loop, got = Loop(), list[Envelope]()
    old = Version1Link(loop)
    old.start(got.append, lambda up: None)
    assert VERSION == 2
    old.send(enveloped(HubBeat(count=1, wall=5.0, leads=False)))
    [said] = loop.heard
    assert (said.version, said.term, said.body) == (1, 3, HubBeat(count=1, wall=5.0, leads=True))
    loop.arrive(enveloped(HubBeat(count=2, wall=6.0)))
    assert [one.body for one in got] == [HubBeat(count=2, wall=6.0)]


def test_a_picture_keeps_its_digest_between_the_versions() -> None:
    """A field that version 1 does not know must not make it ask for full pictures for ever."""
    loop = Loop()
    old = Version1Link(loop)
    old.start(lambda envelope: None, lambda up: None)
    sender, province = PictureSender(), ProvincePicture(beat_s=1.0)
    for count in range(3):
        picture = CityPicture(city=GUANGZHOU, skills={}, contacts_live=count, leader=HUB)
        old.send(enveloped(sender.beat(picture, now=float(count), wall=float(count))))
        beat = loop.heard[-1].body
        assert isinstance(beat, Beat)
        assert province.heard(GUANGZHOU, LINEAGE, beat, now=float(count)) is Hearing.NEW
