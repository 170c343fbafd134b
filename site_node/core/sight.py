"""What a city hears of the others now: the hub it follows, and the pictures of its peers (federation.md B2, B3, B6)."""

from __future__ import annotations

from dataset.ids import CityId, LineageId, NodeId
from federation.core.picture import ProvincePicture


class Sight:
    """An index beside the core: pictures are put in as they come; whom to follow changes by event."""

    def __init__(self, city: CityId, beat_s: float) -> None:
        self._city = city
        self.alone = False
        """there is no link: this city misses nobody (B5)"""
        self.leader: NodeId | None = None
        """the hub that proposes; None while none is heard (B3, B4)"""
        self.reign: tuple[int, LineageId] | None = None
        """its term and run: in another one it knows nothing of what was opened before"""
        self.peers: frozenset[CityId] = frozenset()
        """the other cities that can be heard, and asked"""
        self.pictures = ProvincePicture(beat_s=beat_s)
        """of the other cities"""

    @property
    def proposer(self) -> NodeId | None:
        """Who looks for agents elsewhere: the leading hub; without one this city itself, while it hears any other (B3).

        None: nobody can be asked (B4).
        """
        if self.leader is not None:
            return self.leader
        return NodeId(self._city) if self.peers else None
