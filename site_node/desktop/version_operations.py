"""The part of the agent API that tells which version of a service is in use from when."""

from __future__ import annotations

from typing import Annotated

import msgspec

from federation.node.login import Actor
from federation.node.operations import Answer, Operation, Outcomes, Request
from site_node.desktop.answers.versions import VersionsFound
from site_node.desktop.work_operations import STAFF, STORE
from site_node.services.versions import VersionsInUse


class OfVersions(Request, frozen=True, kw_only=True):
    """Of one service, or of the package of menus, by its name; of all when left out."""

    name: Annotated[str, msgspec.Meta(max_length=64)] = ""


def version_operations(versions: VersionsInUse) -> tuple[Operation, ...]:
    """``versions``."""

    async def found(_: Actor, ask: OfVersions) -> Answer:
        return {
            "versions": [
                {
                    "kind": one.record.kind,
                    "name": one.record.name,
                    "version": one.record.version,
                    "since": one.record.since,
                    "until": one.until,
                }
                for one in await versions.used(ask.name)
            ]
        }

    return (
        Operation(
            "versions",
            OfVersions,
            STAFF,
            found,
            "业务版本及启用时间",
            "versions of services, and since when",
            Outcomes(VersionsFound, {503: STORE}),
        ),
    )
