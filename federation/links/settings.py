"""The ``[link]`` table of a node's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataset.declared import BitsPerSecond, setting

VIRTUAL_HOST = "yihaotong"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTlsSettings:
    """The ``[link.tls]`` table. Relative paths start at the file's folder."""

    ca: str = setting(
        "所信任的 CA 证书文件（PEM）；代理的证书须由其签发，且与所拨地址相符",
        "PEM file of the trusted CA, which has to have signed the broker's certificate for the address given",
    )
    certificate: str = setting(
        "本节点证书文件（PEM），代理要求时使用",
        "PEM file of this node's certificate, where brokers ask for one",
        default="",
    )
    key: str = setting("本节点私钥文件（PEM）", "PEM file of this node's key", default="")


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
    password: str = setting(
        "代理密码；用户即节点名",
        "password at the broker, where the node is the user of its name",
        default="",
        secret=True,
    )
    replicated: bool = setting(
        "代理是三节点集群，账本队列使用仲裁队列",
        "the brokers are a cluster of three: ledger queues are quorum queues",
        default=False,
    )
    pace: BitsPerSecond = setting(
        "账本向每个接收方发送的长期速率；窄线路取线路速率的一半以下，使实时信息不等积压（S4）",
        "long-run rate at which the ledger is sent to each receiver; on a thin line less than half of its own, so that"
        " live traffic never waits behind backlog (S4)",
        default=1e6,
    )
    virtual_host: str = setting("代理虚拟主机", "virtual host at the broker", default=VIRTUAL_HOST)
    tls: LinkTlsSettings | None = setting(
        "到代理的 TLS；不写此表则不加密", "TLS to the brokers; plain without this table", default=None
    )
