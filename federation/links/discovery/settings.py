"""The ``[leader]`` table of a hub's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from dataset.declared import Pattern, Seconds, setting

_ADDRESS = Pattern(r"[A-Za-z0-9.\-]+:[0-9]{1,5}", "主机:端口，如 10.0.0.5:8500", "host:port, such as 10.0.0.5:8500")
Address = Annotated[str, _ADDRESS]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderSettings:
    """How several hubs settle which of them leads (B2)."""

    form: Literal["file", "consul"] = setting(
        "由谁决定哪个省中心主用：file 为运维人员改文件，consul 为 Consul 的锁",
        "who settles which hub leads: file is the operator's switch, consul a lock in Consul",
    )
    file: str = setting(
        "form 为 file 时的文件，每秒重读", "with form file: the file, read again every second", default="leader.toml"
    )
    addresses: tuple[Address, ...] = setting(
        "Consul 服务器地址，依次尝试；不要只用与本省中心同机的那一个",
        "addresses of Consul servers, tried in order; not only the one on this hub's own machine",
        default=("127.0.0.1:8500",),
    )
    lock: str = setting("Consul 中锁的键", "key of the lock in Consul", default="yihaotong/leader")
    ttl_s: Seconds = setting(
        "省中心无声多久后 Consul 放开锁", "silence of a hub after which Consul lets its lock go", key="ttl", default=3.0
    )
    token: str = setting("Consul 的 ACL 令牌", "ACL token for Consul", default="", secret=True)
    tls: bool = setting("用 TLS 连接 Consul，并验证其证书", "TLS to Consul, its certificate verified", default=False)
    ca: str = setting(
        "验证 Consul 证书的 CA 文件；缺省用系统的",
        "CA file to verify Consul's certificate by; the system's when left out",
        default="",
    )
    certificate: str = setting("本机出示给 Consul 的证书文件", "certificate file shown to Consul", default="")
    key: str = setting("该证书的私钥文件", "private key file of that certificate", default="")
