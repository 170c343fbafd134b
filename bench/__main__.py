"""All benchmarks, one JSON line each: ``python -m bench [NAME ...]``.

Each runs in a process of its own and compares within that one run. One that lacks a service prints which, and how to
get it; with ``REQUIRE_SERVICES=1`` that is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from simulation.machines.needs import lacking

NEEDS: dict[str, tuple[str, ...]] = {
    "matching": (),
    "journal": (),
    "thin_line": (),
    "directory": (),
    "backlog": ("rabbitmq",),
    "amqp": ("rabbitmq",),
    "asterisk_calls": ("asterisk", "sipp"),
}


def run(name: str) -> bool:
    """Run one and let it print its line; False when it failed or must not lack what it lacks."""
    reasons = lacking(*NEEDS[name])
    if reasons:
        print(json.dumps({"bench": name, "missing": reasons}), flush=True)
        return os.environ.get("REQUIRE_SERVICES") != "1"
    print(f"{name} …", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, "-m", f"bench.{name}"]).returncode == 0


def main() -> int:
    """Exit status 1 when one has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NEEDS)}; all when left out")
    names = parser.parse_args().names or list(NEEDS)
    unknown = [name for name in names if name not in NEEDS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(NEEDS)}")
    failed = [name for name in names if not run(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
