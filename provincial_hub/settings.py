"""The hub's configuration file, as one declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataset.declared import Bytes, Seconds, setting
from federation.links.discovery.settings import LeaderSettings
from federation.links.settings import LinkSettings
from federation.node.http import HttpSettings
from federation.node.login import LoginSettings
from federation.node.logs import LogSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """What ``python -m provincial_hub run`` is told. Relative paths start at the file's folder."""

    id: str = setting("本省中心在省文件中的节点名", "this hub's id in the province file", default="hub")
    province: str = setting("省文件", "the province file")
    data: str = setting("数据目录：日志、账本、用户", "directory of journal, ledger and users", default="../var/hub")
    screens: str = setting(
        "界面目录；缺省用随程序安装的界面", "folder of the built screens; those installed when left out", default=""
    )
    history_s: Seconds = setting(
        "启动时为界面回读多久的记录",
        "how much of the record is read at start, for the screens",
        key="history",
        default=172_800.0,
    )
    reserve: Bytes = setting(
        "日志磁盘的预留空间，磁盘写满时使用",
        "room on the journal's disk that is kept for records when the disk is full",
        default=64e6,
    )
    keep_s: Seconds = setting(
        "本机日志保留时间", "how long rows of the hub's own journal are kept", key="keep", default=30 * 86_400.0
    )
    link: LinkSettings = setting("链路", "the link", factory=LinkSettings)
    leader: LeaderSettings | None = setting(
        "有多个省中心时由谁决定主用；只有一个时不写此表",
        "what settles which of several hubs leads; without this table there is only one",
        default=None,
    )
    http: HttpSettings = setting("控制台", "the console's listener", factory=HttpSettings)
    login: LoginSettings = setting("登录", "logins", factory=LoginSettings)
    log: LogSettings = setting("日志", "logs", factory=LogSettings)
    cities: Mapping[str, str] = setting(
        "各市坐席界面的地址，供页面链接", "address of each city's own screens, for links", factory=dict
    )
