"""Asterisk 22 over ARI as a city's switch. The agreement with the switch's configuration is docs/asterisk.md."""

from site_node.switch.asterisk.adapter import AsteriskSwitch
from site_node.switch.asterisk.login import AriLogin, check_login

__all__ = ["AriLogin", "AsteriskSwitch", "check_login"]
