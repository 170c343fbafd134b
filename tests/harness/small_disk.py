"""A real disk that is small enough to be filled: a memory file system of its own, mounted over a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REST_BYTES = (1_048_576, 65_536, 4_096, 1)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """``folder`` on a disk of ``size`` (``3m``); skips, or fails where services are required, where none can be had."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True)
    if done.returncode:
        reason = f"no small disk can be mounted here: {done.stderr.decode().strip()}"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is, as a forgotten log file would; called again, what has become free since."""
    path = disk / "forgotten.log"
    with path.open("ab", buffering=0) as file:
        for size in REST_BYTES:
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                pass
    return path
