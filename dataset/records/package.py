"""Which version of a service, or of the doors and menus, a city has used from when."""

from __future__ import annotations

from enum import StrEnum

from dataset.ids import CityId
from dataset.records.forms import Moment, Name
from dataset.tables import Record, Table


class PackageKind(StrEnum):
    """What has a version."""

    SERVICE = "service"
    MENUS = "menus"
    """the package of doors, menus and skills"""


class PackageInUse(Record, frozen=True, kw_only=True):
    """From ``since`` on, until the next record of the same name."""

    city: CityId
    kind: PackageKind
    name: Name
    """code of the service, name of the package"""
    version: Name
    since: Moment


PACKAGES = Table("packages", PackageInUse, ("city",), ("kind", "name", "since"))
