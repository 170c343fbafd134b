"""Which city each part of an answer is of, and which one did not answer."""

from __future__ import annotations

from dataset.ids import CityId
from federation.node.operations import Refusal, Reply


class Part(Reply, frozen=True, kw_only=True):
    """A city that answered, and when."""

    city: CityId
    as_of: float


class CopiedPart(Part, frozen=True, kw_only=True):
    """``copy``: from the copy of what that city publishes, which is at least as new as ``as_of``."""

    copy: bool


class MissingPart(Refusal, frozen=True, kw_only=True, omit_defaults=True):
    """A city that did not answer, and why."""

    city: CityId
