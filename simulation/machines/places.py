"""Where machines keep their files."""

from __future__ import annotations

import os
from pathlib import Path

from simulation.machines.trouble import MachineTrouble


def cache_dir() -> Path:
    """What is made once and kept: ``$YHT_CACHE``, or ``~/.cache/yihaotong``."""
    configured = os.environ.get("YHT_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "yihaotong"


def conf_dir() -> Path:
    """The folder ``conf/`` of this checkout: templates and prompts."""
    found = Path(__file__).resolve().parents[2] / "conf"
    if not (found / "asterisk").is_dir():
        raise MachineTrouble(
            "conf-missing",
            zh="找不到 conf/asterisk，真实设备只能从源码目录启动",
            en="conf/asterisk is not there: real machines start from a checkout of the source only",
            place=str(found),
        )
    return found


def slot_dir(slot: int) -> Path:
    """What one slot's machines write, apart from Asterisk (which writes inside its root)."""
    return cache_dir() / "slots" / str(slot)
