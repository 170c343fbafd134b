"""A Debian root of its own with Asterisk 22 in it: made once, kept, and used by every switch on this machine.

Debian 12 has no Asterisk, Debian's unstable distribution has 22; a root of its own leaves the host's packages alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulation.machines.places import cache_dir
from simulation.machines.prompts import render_prompts
from simulation.machines.trouble import MachineTrouble, MirrorTrouble, tail_of

SUITE = "sid"
PACKAGES = "asterisk,asterisk-modules"
OLDEST_MAJOR = 22
LAYOUT = "1"
"""Changed when an older root must be made anew."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AsteriskRoot:
    """A root with an Asterisk in it."""

    path: Path
    version: str

    @property
    def module_dir(self) -> str:
        """Where the modules are, as seen from inside."""
        for found in sorted(self.path.glob("usr/lib/*/asterisk/modules")):
            return "/" + str(found.relative_to(self.path))
        raise MachineTrouble(
            "asterisk-modules-missing",
            zh="根目录中没有 Asterisk 模块",
            en="the root holds no modules",
            place=str(self.path),
        )

    def prompts(self) -> Path:
        """Where the prompts are that all its switches share; rendered where they are not yet, for one at a time."""
        return render_prompts(self.path / "srv/yht")

    def inside(self, path: Path) -> str:
        """A path below the root as Asterisk sees it."""
        return "/" + str(path.relative_to(self.path))

    def owner(self) -> tuple[int, int]:
        """User and group id of ``asterisk`` inside the root."""
        for line in (self.path / "etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == "asterisk":
                return int(fields[2]), int(fields[3])
        raise MachineTrouble(
            "asterisk-user-missing",
            zh="根目录中没有 asterisk 用户",
            en="the root has no user asterisk",
            place=str(self.path),
        )


def root_path() -> Path:
    """Where the root is or will be."""
    return cache_dir() / "asterisk-root"


def _version_in(path: Path) -> str | None:
    if not (path / "usr/sbin/asterisk").exists():
        return None
    answer = subprocess.run(["chroot", str(path), "asterisk", "-V"], capture_output=True, text=True, timeout=30)
    found = re.fullmatch(r"Asterisk (\S+)\s*", answer.stdout)
    return found.group(1) if found else None


def existing_root() -> AsteriskRoot | None:
    """The root made earlier, if it is whole."""
    path = root_path()
    try:
        layout = (path / ".yihaotong").read_text().strip()
    except FileNotFoundError:
        return None
    if layout != LAYOUT:
        return None
    version = _version_in(path)
    return AsteriskRoot(path, version) if version else None


def require_root_user() -> None:
    """Refuse with the reason when this cannot work here at all."""
    if os.geteuid() != 0:
        raise MachineTrouble(
            "needs-root",
            zh="真实 Asterisk 需要 root 权限（chroot）；请用 root 运行，或用 yht demo",
            en="real Asterisk needs root (chroot); run as root, or use yht demo",
        )


def configured_mirror() -> str:
    """The Debian mirror this machine's apt is configured with; no host name is written into the product."""
    apt = shutil.which("apt-get")
    if apt is None:
        raise MachineTrouble(
            "needs-debian",
            zh="需要 Debian 或其衍生系统（没有 apt-get）",
            en="needs Debian or a relative (no apt-get here)",
        )
    listed = subprocess.run(
        [apt, "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Identifier: Packages"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    for line in listed.stdout.splitlines():
        uri, _, kind = line.partition(" ")
        if kind == "Debian Debian":
            return uri
    raise MirrorTrouble(
        "no-debian-mirror",
        zh="apt 中没有可用的 Debian 镜像（先运行 apt-get update）",
        en="apt knows no Debian mirror with an index (run apt-get update first)",
        tail=listed.stderr[-2000:],
    )


def _debootstrap(into: Path, mirror: str, log: Path) -> None:
    if shutil.which("debootstrap") is None:
        raise MachineTrouble(
            "debootstrap-missing",
            zh="没有 debootstrap：apt-get install debootstrap",
            en="debootstrap is missing: apt-get install debootstrap",
        )
    with log.open("wb") as out:
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(into), mirror],
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=1200,
        )
    if made.returncode == 0:
        return
    tail = tail_of(log)
    if re.search(r"unknown key|not signed|NO_PUBKEY|invalid signature|keyring", tail, re.IGNORECASE):
        raise MachineTrouble(
            "sid-keyring",
            zh="本机的 debian-archive-keyring 太旧，不能验证 sid：apt-get install debian-archive-keyring",
            en="debian-archive-keyring is too old here to verify sid: apt-get install debian-archive-keyring",
            place=str(log),
            tail=tail,
        )
    raise MirrorTrouble(
        "asterisk-root-failed",
        zh="从镜像制作 Asterisk 根目录失败",
        en="making the Asterisk root from the mirror failed",
        place=str(log),
        tail=tail,
    )


def _finish(path: Path) -> None:
    """What debootstrap leaves out: without a hosts file every call waits 5 s for a name server."""
    (path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    switch = path / "etc/nsswitch.conf"
    switch.write_text(re.sub(r"(?m)^hosts:.*$", "hosts:          files", switch.read_text()))
    for packages in (path / "var/cache/apt/archives").glob("*.deb"):
        packages.unlink()
    (path / "srv/yht").mkdir(parents=True, exist_ok=True)
    (path / ".yihaotong").write_text(LAYOUT + "\n")


def asterisk_root(say: Say = print) -> AsteriskRoot:
    """The root: the one that is there, or a new one (about a minute, 500 MB). Safe when several ask at once."""
    require_root_user()
    found = existing_root()
    if found is not None:
        return found
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "asterisk-root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = existing_root()
        if found is not None:
            return found
        return _make(say)


def _make(say: Say) -> AsteriskRoot:
    path = root_path()
    building = path.with_name(path.name + ".building")
    for old in (building, path):
        if old.exists():
            say(f"asterisk root: removing an incomplete or older one at {old}")
            shutil.rmtree(old)
    mirror = configured_mirror()
    say(f"asterisk root: debootstrap {SUITE} with {PACKAGES} into {path} (about a minute, 500 MB)")
    _debootstrap(building, mirror, path.with_name(path.name + ".log"))
    _finish(building)
    building.rename(path)
    version = _version_in(path)
    if version is None or int(version.split(".")[0]) < OLDEST_MAJOR:
        raise MachineTrouble(
            "asterisk-too-old",
            zh=f"根目录中的 Asterisk 版本是 {version}，需要 {OLDEST_MAJOR} 或更新",
            en=f"the root holds Asterisk {version}; {OLDEST_MAJOR} or newer is needed",
            place=str(path),
        )
    say(f"asterisk root: Asterisk {version}")
    return AsteriskRoot(path, version)
