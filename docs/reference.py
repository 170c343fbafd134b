"""Writes the tables and diagrams of pages made of the code: ``python docs/reference.py``; ``--check`` compares.

Each table stands between ``<!-- table: name -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from dataset.packages import PackageText
from federation.core.attempt import ATTEMPT_MOVES
from federation.core.lease import LEASE_MOVES
from federation.core.moves import Moves
from federation.node.clock import VirtualClock
from federation.node.configuration import reference
from federation.node.metrics import DoorCounts, LinkDrops, ReactorLateness
from federation.node.province import Province, load_province
from provincial_hub.core.attempt import OPEN_MOVES
from provincial_hub.settings import HubSettings
from provincial_hub.shell.counts import HubCounts
from site_node.core.agent import AGENT_MOVES
from site_node.core.contact import CONTACT_MOVES
from site_node.settings import SiteSettings
from site_node.shell.counts import CityCounts

DOCS = Path(__file__).parent
PAGES = ("configuration.md", "operations.md", "machines.md")
_TABLE = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def metrics(registry: CollectorRegistry) -> str:
    """A table of the metrics of a registry."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for collector in _collectors(registry):
        for metric in collector.collect():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = ", ".join(f"`{label}`" for label in getattr(collector, "_labelnames", ()))
            rows.append(f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |")
    return "\n".join(rows) + "\n"


def _collectors(registry: CollectorRegistry) -> list[Collector]:
    return list(registry._collector_to_names)


def node_metrics() -> str:
    """What every node has."""
    registry = CollectorRegistry()
    DoorCounts(registry)
    LinkDrops(registry, {})
    ReactorLateness(registry, VirtualClock())
    return metrics(registry)


def machine(moves: Moves[Any, Any]) -> str:
    """A state diagram of one machine, drawn from its table; moves between the same states share a line."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {moves.first}"]
    between: dict[tuple[str, str], list[str]] = {}
    for (before, move), after in moves.table.items():
        between.setdefault((before, after), []).append(move)
    lines += [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in between.items()]
    left = {before for before, _ in moves.table}
    lines += [f"    {last} --> [*]" for last in dict.fromkeys(moves.table.values()) if last not in left]
    return "\n".join([*lines, "```"]) + "\n"


def menu() -> str:
    """The menus of the shipped service package: doors, keys, and the queues they end in."""
    _, package = load_province(DOCS.parent / "conf" / "province.toml")
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {door.menu}: {door.number}" for door in package.doors]
    for name, step in package.menus.items():
        lines += [f"    {name} --> {way}: {key}" for key, way in step.keys.items()]
        if step.otherwise is not None:
            lines.append(f"    {name} --> {step.otherwise}: {step.tries} × no or wrong key")
        if step.skill is not None:
            lines.append(f"    {name} --> [*]: queue of {step.skill}")
    return "\n".join([*lines, "```"]) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "site": lambda: reference(SiteSettings),
    "hub": lambda: reference(HubSettings),
    "province": lambda: reference(Province),
    "package": lambda: reference(PackageText),
    "nodemetrics": node_metrics,
    "citymetrics": lambda: metrics(CityCounts().registry),
    "hubmetrics": lambda: metrics(HubCounts().registry),
    "contact": lambda: machine(CONTACT_MOVES),
    "agent": lambda: machine(AGENT_MOVES),
    "attempt": lambda: machine(ATTEMPT_MOVES),
    "lease": lambda: machine(LEASE_MOVES),
    "open": lambda: machine(OPEN_MOVES),
    "menu": menu,
}


def written(page: str) -> str:
    """The page with its tables as the code has them. Raises ``KeyError`` for a table that nobody makes."""
    return _TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", page)


def main() -> int:
    """Write or check all pages; 1 when one is behind."""
    behind = []
    for name in PAGES:
        path = DOCS / name
        page = path.read_text(encoding="utf-8")
        if written(page) != page:
            behind.append(name)
            if "--check" not in sys.argv:
                path.write_text(written(page), encoding="utf-8")
    print(f"{'behind the code' if '--check' in sys.argv else 'written'}: {', '.join(behind) or 'none'}")
    return 1 if behind and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
