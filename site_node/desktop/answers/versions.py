"""Which version of what is in use since when."""

from __future__ import annotations

from dataset.records.package import PackageKind
from federation.node.operations import Reply


class VersionShown(Reply, frozen=True, kw_only=True):
    """A version of a service, or of the package of menus. ``until``: null while it is in use."""

    kind: PackageKind
    name: str
    version: str
    since: float
    until: float | None


class VersionsFound(Reply, frozen=True, kw_only=True):
    """By kind and name, the latest of each first."""

    versions: tuple[VersionShown, ...]
