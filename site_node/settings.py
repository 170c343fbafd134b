"""A city's configuration file, as one declaration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataset.declared import Bytes, Seconds, setting
from federation.links.settings import LinkSettings
from federation.node.http import HttpSettings
from federation.node.login import LoginSettings
from federation.node.logs import LogSettings
from site_node.services.seats import SeatSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSettings:
    """The ``[switch]`` table."""

    kind: Literal["asterisk"] = setting("交换机种类", "kind of switch", default="asterisk")
    url: str = setting("ARI 地址，如 http://127.0.0.11:8088/ari", "address of ARI, such as http://127.0.0.11:8088/ari")
    user: str = setting("ARI 用户", "user of ARI", default="yihaotong")
    password: str = setting("ARI 密码", "password of ARI", secret=True)
    application: str = setting("Stasis 应用名", "name of the Stasis application", default="yihaotong")
    outside: str = setting(
        "回访客户所用的 PJSIP 外线端点；缺省不能外呼",
        "PJSIP endpoint by which customers are called back; nobody can be called when left out",
        default="",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """What ``python -m site_node run`` is told. Relative paths start at the file's folder."""

    city: str = setting("本节点的城市代码", "id of this node's city")
    province: str = setting("省文件", "the province file")
    data: str = setting(
        "数据目录：日志、账本、资料、用户", "directory of journal, ledger, records and users", default="../var/city"
    )
    screens: str = setting(
        "界面目录；缺省用随程序安装的界面", "folder of the built screens; those installed when left out", default=""
    )
    reserve: Bytes = setting(
        "日志磁盘的预留空间，磁盘写满时使用",
        "room on the journal's disk that is kept for records when the disk is full",
        default=64e6,
    )
    keep_s: Seconds = setting(
        "已确认的记录保留时间", "how long acknowledged rows are kept (J5)", key="keep", default=30 * 86_400.0
    )
    switch: SwitchSettings = setting("交换机", "the switch")
    link: LinkSettings | None = setting(
        "链路；不写此表则本市独立运行", "the link; without this table the city stands alone", default=None
    )
    http: HttpSettings = setting("坐席接口", "the agents' listener", factory=HttpSettings)
    login: LoginSettings = setting("登录", "logins", factory=LoginSettings)
    log: LogSettings = setting("日志", "logs", factory=LogSettings)
    seats: SeatSettings = setting("坐席连接", "patience with lost connections", factory=SeatSettings)
