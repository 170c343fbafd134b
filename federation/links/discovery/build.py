"""The lock that a hub's configuration asks for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from federation.links.discovery.alone import Alone
from federation.links.discovery.consul import ConsulAccess, ConsulLeadership
from federation.links.discovery.file import FileLeadership, read_switch
from federation.links.discovery.settings import LeaderSettings
from federation.node.clock import ReactorClock
from federation.node.configuration import beside, read_file
from federation.node.users import in_threads
from federation.ports import Leadership

SHORTEST_TTL_S = 1.0


def build_leadership(
    reactor: Any, settings: LeaderSettings | None, node: NodeId, hubs: Sequence[NodeId], *, file: Path
) -> Leadership:
    """The lock as ``node``, one of ``hubs``, has it by ``settings`` of ``file``.

    Raises ``Refused``: ``leader-missing`` where several hubs have nothing to settle it by, and for a file that cannot
    be read. A Consul that cannot be reached is waited for: the hub stands by meanwhile.
    """
    if settings is None:
        if len(hubs) > 1:
            raise Refused(_nothing_settles_it(hubs, file))
        return Alone()
    clock = ReactorClock(reactor)
    if settings.form == "file":
        switch = beside(str(file), settings.file)
        read_switch(switch, hubs)
        return FileLeadership(switch, node, hubs, clock, in_threads(reactor))
    return ConsulLeadership(_access(settings, file), node, hubs, secrets.token_hex(4), clock, in_threads(reactor))


def _access(settings: LeaderSettings, file: Path) -> ConsulAccess:
    ca, certificate, key = (
        beside(str(file), name) if name else None for name in (settings.ca, settings.certificate, settings.key)
    )
    for named in (ca, certificate, key):
        if named is not None:
            read_file(named)
    if (certificate is None) is not (key is None):
        raise Refused(
            Problem(
                "certificate-without-key",
                zh="certificate 与 key 须同时给出",
                en="certificate and key are given together, or neither",
                place=f"{file}: leader",
            )
        )
    if settings.ttl_s < SHORTEST_TTL_S:
        raise Refused(
            Problem(
                "setting-form",
                zh=f"ttl 至少为 {SHORTEST_TTL_S:g}s",
                en=f"ttl is at least {SHORTEST_TTL_S:g}s",
                place=f"{file}: leader.ttl",
            )
        )
    return ConsulAccess(
        addresses=tuple((host, int(port)) for host, _, port in (one.rpartition(":") for one in settings.addresses)),
        lock=settings.lock,
        ttl_s=settings.ttl_s,
        token=settings.token,
        tls=settings.tls,
        ca=str(ca) if ca is not None else None,
        certificate=(str(certificate), str(key)) if certificate is not None else None,
    )


def _nothing_settles_it(hubs: Sequence[NodeId], file: Path) -> Problem:
    return Problem(
        "leader-missing",
        zh=f"省文件中有多个省中心（{'、'.join(hubs)}），须有 [leader] 表，form 为 consul 或 file",
        en=f"the province file has several hubs ({', '.join(hubs)}): a [leader] table is needed, form consul or file",
        place=f"{file}: leader",
    )
