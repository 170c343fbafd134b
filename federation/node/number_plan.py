"""Where a node reads the number plan of its province from."""

from __future__ import annotations

from pathlib import Path

from dataset.number_plan import NumberPlan, parse_plan
from federation.node.configuration import beside, read_file

NUMBER_PLAN = "number_plan.toml"
"""beside the province file"""


def load_plan(province: Path, named: Path | None = None) -> NumberPlan | None:
    """The plan ``named``, or the one beside the province file; None where there is none.

    Raises ``Refused`` with every fault of the file, and ``file-unreadable`` for a plan that was named.
    """
    file = named or beside(str(province), NUMBER_PLAN)
    return parse_plan(read_file(file), str(file)) if named is not None or file.exists() else None
