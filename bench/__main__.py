"""Benchmarks: ``python -m bench [NAME ...]``; without a name all of them, one after another.

Each runs in a process of its own, compares within that one run, and prints a table (standard error) and one line of
JSON (standard output). ``python -m bench NAME --help`` says how one measures and what can be set. One that lacks a
service prints which, and how to get it; with ``REQUIRE_SERVICES=1`` that is a failure.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from simulation.machines.needs import lacking

NEEDS: dict[str, tuple[str, ...]] = {
    "matching": (),
    "journal": (),
    "thin_line": (),
    "directory": (),
    "fanout": (),
    "card": (),
    "work_reports": (),
    "attachments": (),
    "backlog": ("rabbitmq",),
    "amqp": ("rabbitmq",),
    "asterisk_calls": ("asterisk", "sipp"),
}


def about(name: str) -> str:
    """The first sentence that it says of itself."""
    source = Path(__file__).with_name(f"{name}.py").read_text("utf-8")
    return " ".join((ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0].split())


def listed() -> str:
    """All of them, for the help."""
    return "\n".join(
        f"  {name:<16}{about(name)}" + (f" Needs {', '.join(needs)}." if needs else "") for name, needs in NEEDS.items()
    )


def run(name: str, options: Sequence[str] = ()) -> bool:
    """Run one and let it print its line; False when it failed or must not lack what it lacks."""
    reasons = lacking(*NEEDS[name])
    if reasons:
        print(json.dumps({"bench": name, "missing": reasons}), flush=True)
        return os.environ.get("REQUIRE_SERVICES") != "1"
    print(f"{name} …", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, "-m", f"bench.{name}", *options]).returncode == 0


def main() -> int:
    """Exit status 1 when one has failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        usage="%(prog)s [-h] [NAME ...]\n       %(prog)s NAME [its options]",
        description=__doc__,
        epilog=f"benchmarks:\n{listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="those to run")
    given = sys.argv[1:]
    at = next((at for at, one in enumerate(given) if one.startswith("-")), len(given)) or len(given)
    names, options = parser.parse_args(given[:at]).names or list(NEEDS), given[at:]
    if options and len(names) > 1:
        parser.error("options are those of one benchmark: name it")
    unknown = [name for name in names if name not in NEEDS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(NEEDS)}")
    failed = [name for name in names if not run(name, options)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
