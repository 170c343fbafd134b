"""What the streams of a city of 30 agents cost on a line of 512 kbit/s with 100 ms delay, a third of its calls moved.

An hour of busy traffic on a virtual clock, voice not counted; then the same with the line cut for ten minutes. Run:
``python -m bench.thin_line [--seconds S]``.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.output import say
from simulation.thin_line import run

PROVINCE = Path(__file__).parents[1] / "conf" / "province.toml"
BUSIER = 2.2
"""times what its own agents take: about a third is moved"""


def main() -> None:
    """Print a table and one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3_600.0, help="of virtual time")
    seconds = arguments.parse_args().seconds
    shown = {
        name: {
            key: round(value, 4)
            for key, value in asdict(run(PROVINCE, seconds=seconds, busier=BUSIER, cut_s=cut_s)).items()
        }
        for name, cut_s in (("undisturbed", 0.0), ("cut_for_10_min", 600.0))
    }
    say({"bench": "thin_line", "lines": shown})


if __name__ == "__main__":
    main()
