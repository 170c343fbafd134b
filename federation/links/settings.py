"""The ``[link]`` table of a node's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataset.declared import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How a node reaches the others."""

    form: Literal["amqp", "inprocess"] = setting(
        "链路形式；inprocess 仅与本进程相连，供单机试用",
        "form of the link; inprocess reaches nobody outside this process, for trying a node alone",
        default="amqp",
    )
    addresses: tuple[str, ...] = setting(
        "代理地址，依次尝试", "addresses of the brokers, tried in order", default=("127.0.0.1:5672",)
    )
    user: str = setting("代理用户；缺省为节点名", "user at the broker; the node's name when left out", default="")
    password: str = setting("代理密码", "password at the broker", default="", secret=True)
    replicated: bool = setting(
        "代理是三节点集群，账本队列使用仲裁队列",
        "the brokers are a cluster of three: ledger queues are quorum queues",
        default=False,
    )
    virtual_host: str = setting("代理虚拟主机", "virtual host at the broker", default="/")
