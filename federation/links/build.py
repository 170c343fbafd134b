"""The link that a node's configuration asks for."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import FirstError

from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from federation.links.amqp.connection import Login
from federation.links.amqp.errors import AmqpFailure
from federation.links.amqp.link import AmqpLink
from federation.links.amqp.reconnect import BrokerAccess
from federation.links.inprocess import Wires
from federation.links.settings import LinkSettings
from federation.node.clock import ReactorClock
from federation.ports import Link


async def build_link(reactor: Any, settings: LinkSettings, node: NodeId) -> Link:
    """The link of ``node``. Raises ``Refused`` (``broker-unreachable`` and the broker's own refusals) when no broker
    takes it at the first round: a wrong address or password is said at the start. Later losses are waited out.
    """
    if settings.form == "inprocess":
        return Wires(ReactorClock(reactor), Random()).link(node)
    login = Login(
        username=settings.user or node,
        password=settings.password,
        virtual_host=settings.virtual_host,
        name=f"yht {node}",
    )
    link = AmqpLink(reactor, node, BrokerAccess(settings.addresses, login), replicated=settings.replicated)
    try:
        await link.when_connected(attempts=1)
    except FirstError as first:
        await link.stop()
        zh, en = _reason(first.subFailure.value)
        raise Refused(
            Problem(
                "broker-unreachable",
                zh=f"消息代理无法使用：{zh}；请核对 link.addresses、用户与密码，以及代理是否在运行",
                en=f"no broker can be used: {en}; check link.addresses, user and password, and that it runs",
                place=", ".join(settings.addresses),
            ),
            status=503,
        ) from first.subFailure.value
    return link


def _reason(error: BaseException | None) -> tuple[str, str]:
    if isinstance(error, AmqpFailure):
        return error.problem.zh, error.problem.en
    return f"无法接通（{error}）", f"it cannot be reached ({error})"
