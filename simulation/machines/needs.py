"""What real machines need of this computer, asked before anything is started."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from simulation.machines.asterisk_root import existing_root
from simulation.machines.consul import existing_program
from simulation.machines.rabbitmq import PROGRAMS

FAKETIME = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")
"""preloaded it gives a process a wall clock of its own"""
_PROGRAMS = {
    "sipp": ("SIPp", "apt-get install sip-tester"),
    "baresip": ("baresip", "apt-get install baresip"),
    "espeak-ng": ("espeak-ng", "apt-get install espeak-ng"),
    "sox": ("sox", "apt-get install sox"),
    "debootstrap": ("debootstrap", "apt-get install debootstrap"),
    "chromium": ("Chromium", "apt-get install chromium"),
}


def lacking(*names: str) -> list[str]:
    """Why these cannot run here, each in one sentence; empty when all is there.

    Names: ``asterisk``, ``rabbitmq``, ``consul``, or one of the programs (sipp, baresip, espeak-ng, sox, debootstrap,
    chromium).
    """
    reasons = []
    for name in names:
        if name == "asterisk":
            reasons += _lacking_for_asterisk()
        elif name == "faketime":
            if not FAKETIME.exists():
                reasons.append("libfaketime is not installed: apt-get install faketime")
        elif name == "rabbitmq":
            if not (PROGRAMS / "rabbitmq-server").exists():
                reasons.append("RabbitMQ is not installed: apt-get install rabbitmq-server")
        elif name == "consul":
            if existing_program() is None:
                reasons.append("Consul is not here: python -m simulation.machines consul")
        elif shutil.which(name) is None:
            shown, remedy = _PROGRAMS[name]
            reasons.append(f"{shown} is not installed: {remedy}")
    return reasons


def _lacking_for_asterisk() -> list[str]:
    if os.geteuid() != 0:
        return ["real Asterisk needs root (chroot)"]
    if existing_root() is not None:
        return lacking("espeak-ng", "sox")
    if shutil.which("apt-get") is None:
        return ["making the Asterisk root needs Debian or a relative"]
    return lacking("debootstrap", "espeak-ng", "sox")
