"""All measurements in turn, each in a process of its own: ``make bench``, ``make bench ARGS="matching amqp"``.

Each prints one line of JSON per figure; a single one with its own settings: ``python -m bench.matching --help``.
"""

from __future__ import annotations

import argparse
import pkgutil
import subprocess
import sys

import bench


def measurements() -> list[str]:
    """Names of all there are, in alphabetical order."""
    return sorted(one.name for one in pkgutil.iter_modules(bench.__path__) if not one.name.startswith("_"))


def main() -> None:
    """Run those asked for, or all; exit status 1 when one of them failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"one of: {', '.join(measurements())}; all if left out")
    names = parser.parse_args().name or measurements()
    unknown = [name for name in names if name not in measurements()]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; known: {', '.join(measurements())}")
    failed = []
    for name in names:
        print(f"--- {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
