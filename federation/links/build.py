"""The link that a node's configuration asks for."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import FirstError
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from federation.core.envelope import Wording
from federation.links.amqp.connection import Login
from federation.links.amqp.errors import AmqpFailure, BrokerRefused
from federation.links.amqp.link import AmqpLink
from federation.links.amqp.reconnect import BrokerAccess
from federation.links.amqp.tls import BrokerTls, read_tls
from federation.links.inprocess import Wires
from federation.links.settings import LinkSettings, LinkTlsSettings
from federation.node.clock import ReactorClock
from federation.node.configuration import beside
from federation.ports import Link

log = Logger()


async def build_link(
    reactor: Any,
    settings: LinkSettings,
    node: NodeId,
    *,
    file: Path,
    can_do_without: bool,
    wording: Wording | None = None,
) -> Link:
    """The link of ``node``. ``file`` is where the settings are from: relative paths in them start at its folder.

    ``wording``: that of an older version, on a real wire.

    A broker that says no (login, virtual host, permission) is a mistake of the configuration: ``Refused``. One that
    nobody reaches now, or whose certificate is not good, is one too for the hub; a city ``can_do_without``: it starts
    as an island (I5, B4), says so, and goes on trying, since it may well be started again while the line to the
    province is down.
    Raises ``Refused`` (503 ``broker-unreachable``; ``tls-file``). Later losses are waited out by everybody.
    """
    if settings.form == "inprocess":
        return Wires(ReactorClock(reactor), Random()).link(node)
    login = Login(
        username=node,
        password=settings.password,
        virtual_host=settings.virtual_host,
        name=f"yht {node}",
    )
    access = BrokerAccess(settings.addresses, login, tls=_tls(settings.tls, file))
    link = AmqpLink(reactor, node, access, replicated=settings.replicated, wording=wording)
    try:
        await link.when_connected(attempts=1)
    except FirstError as first:
        problem = _problem(first.subFailure.value, settings)
        if can_do_without and not isinstance(first.subFailure.value, BrokerRefused):
            log.error(
                "{why}; this city starts by itself and goes on trying [{slug}]",
                why=problem.text("en"),
                slug=problem.slug,
                event="broker-unreachable",
            )
            return link
        await link.stop()
        raise Refused(problem, status=503) from first.subFailure.value
    return link


def _tls(settings: LinkTlsSettings | None, file: Path) -> BrokerTls | None:
    """Raises ``Refused`` (``tls-file``)."""
    if settings is None:
        return None
    own = [beside(str(file), name) if name else None for name in (settings.certificate, settings.key)]
    return read_tls(beside(str(file), settings.ca), *own)


def _problem(error: BaseException | None, settings: LinkSettings) -> Problem:
    zh, en = _reason(error)
    return Problem(
        "broker-unreachable",
        zh=f"消息代理无法使用：{zh}；请核对 link.addresses、密码和代理的 definitions，以及代理是否在运行",
        en=f"no broker can be used: {en}; check link.addresses and password, its definitions, and that it runs",
        place=", ".join(settings.addresses),
    )


def _reason(error: BaseException | None) -> tuple[str, str]:
    if isinstance(error, AmqpFailure):
        return error.problem.zh, error.problem.en
    return f"无法接通（{error}）", f"it cannot be reached ({error})"
