"""Writes the tables and diagrams of pages made of the code: ``python docs/reference.py``; ``--check`` compares.

Each table stands between ``<!-- table: name -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from dataset.article_files import ArticleText
from dataset.importing import MappingText
from dataset.number_plan import NumberPlan
from dataset.packages import PackageText
from dataset.services.service import Service, ServiceText
from dataset.services.workflow import NEEDED
from federation.core.attempt import ATTEMPT_MOVES
from federation.core.lease import LEASE_MOVES
from federation.core.moves import Moves
from federation.core.open_attempt import OPEN_MOVES
from federation.node.clock import VirtualClock
from federation.node.configuration import reference
from federation.node.metrics import CopyCounts, DoorCounts, JournalCounts, LinkCounts, ReactorLateness, StoreCounts
from federation.node.province import Province, load_province
from provincial_hub.settings import HubSettings
from provincial_hub.shell.counts import HubCounts
from simulation.chaos.log import CampaignLog
from simulation.chaos.schedule import Kind
from simulation.chaos.watch import INTERLEAVINGS as REACHED
from site_node.core.agent import AGENT_MOVES
from site_node.core.call_back import CALL_BACK_MOVES
from site_node.core.contact import CONTACT_MOVES
from site_node.settings import SiteSettings
from site_node.shell.counts import CityCounts

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))  # the tests' own registries
PAGES = (
    "interleavings.md",
    "configuration.md",
    "operations.md",
    "machines.md",
    "import.md",
    "services.md",
    "knowledge.md",
    "chaos.md",
    "roles.md",
)
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
    LinkCounts(registry, {}, {})
    JournalCounts(registry, None)
    CopyCounts(registry, dict)
    ReactorLateness(registry, VirtualClock())
    return metrics(registry)


def city_metrics() -> str:
    """What a city has besides."""
    registry = CityCounts().registry
    StoreCounts(registry, None)
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
        if step.self_service is not None:
            lines.append(f"    {name} --> {step.otherwise}: 0, or records not read in time")
            lines.append(f"    {name} --> [*]: told by self-service ({step.self_service})")
    return "\n".join([*lines, "```"]) + "\n"


def interleavings(listed: bool) -> str:
    """The interleavings of federation.md, or the further ones, each with what breaks it."""
    import tests.province.test_interleavings  # noqa: F401 - registers the scenarios
    from tests.province.interleaved import INTERLEAVINGS

    lines = ["| interleaving | rules | scenario | fails without its rule |", "|---|---|---|---|"]
    for one in INTERLEAVINGS.values():
        if one.listed is listed:
            broken = ", ".join(f"`{name}`" for name in one.broken_by)
            lines.append(f"| {one.sentence} | {', '.join(one.rules)} | `{one.name}` | {broken} |")
    return "\n".join(lines) + "\n"


def mutations() -> str:
    """What each mutation of the tests breaks."""
    from tests.harness.mutations import MUTATIONS

    lines = ["| rule | mutation | what it does | what shows | needs |", "|---|---|---|---|---|"]
    for one in sorted(MUTATIONS.values(), key=lambda one: ("OAESJBI".index(one.rule[0]), one.rule)):
        rule = f"{one.rule} *(found)*" if one.found else one.rule
        lines.append(f"| {rule} | `{one.name}` | {one.sentence} | {one.shows} | {one.needs} |")
    return "\n".join(lines) + "\n"


def offered() -> str:
    """What was asked for, line by line, and the services that it became, with what stands in their place today."""
    from tests.harness.offered import OFFERED
    from tests.harness.services import catalogue

    lines = ["| 类别 group | 业务 service | 文件 file | 如今 today |", "|---|---|---|---|"]
    for one in OFFERED:
        named = [catalogue().services[name] for name in one.services]
        today = dict.fromkeys(service.text.today for service in named if service.text.today)
        beside = ", ".join(_file(catalogue().services[name]) for name in today)
        lines.append(f"| {one.group} | {one.zh} | {', '.join(map(_file, named))} | {beside} |")
    return "\n".join(lines) + "\n"


def _file(service: Service) -> str:
    return f"[`{service.id}`](../conf/packages/services/{service.id}.toml)"


def services() -> str:
    """All services: what is asked, how the work goes, by when, what it costs, what must hold."""
    from tests.harness.services import catalogue

    heads = "代码 id | 中文 | English | 类别 group | 入口 doors | 字段 fields | 状态 states | 考核 whole"
    lines = [f"| {heads} | 费用，元 fees, yuan | 规则 rules |", "|" + "---|" * 10]
    for one in catalogue():
        text = one.text
        cells = [f"`{one.id}`", text.zh, text.en, text.group, " ".join(text.doors)]
        cells += [", ".join(field.id for field in text.fields), " → ".join(state.id for state in text.states)]
        cells += [_whole(one), _fees(one), ", ".join(dict.fromkeys(rule.kind for rule in text.rules))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _whole(service: Service) -> str:
    """``95 % in 75 h`` of work, or of all hours."""
    measure = service.text.measure
    if measure is None:
        return ""
    clock = "" if measure.clock == "working" else ", all hours"
    return f"{measure.share:.0%} in {measure.within_s / 3600:g} h{clock}"


def _fees(service: Service) -> str:
    """Each code with its amounts in the order of the file."""
    found: dict[str, list[str]] = {}
    for fee in service.text.fees:
        found.setdefault(fee.code, []).append(f"{fee.fen / 100:g}")
    return "; ".join(f"{code} {'/'.join(amounts)}" for code, amounts in found.items())


def rules() -> str:
    """What each kind of rule needs, and which services use it."""
    from tests.harness.services import catalogue

    lines = ["| 规则 kind | 须写 needs | 用于 used by |", "|---|---|---|"]
    for kind, keys in NEEDED.items():
        users = [one.id for one in catalogue() if any(rule.kind == kind for rule in one.text.rules)]
        shown = ", ".join(f"`{name}`" for name in users[:4]) + (f" … ({len(users)})" if len(users) > 4 else "")
        lines.append(f"| `{kind}` | {', '.join(f'`{key}`' for key in keys)} | {shown} |")
    return "\n".join(lines) + "\n"


def campaign() -> str:
    """What the seeds of the kept log came to."""
    log = CampaignLog(DOCS / "chaos-log.jsonl")
    played: Counter[str] = Counter()
    for block in log.blocks:
        played[block.program] += block.seeds
    totals = log.totals()
    lines = [
        f"**{totals.seeds} seeds, {totals.violations} violations** ("
        + ", ".join(f"{seeds} played by {program}" for program, seeds in played.items())
        + f"): {totals.contacts} contacts, {totals.rows} rows,"
        f" {totals.island_calls} calls on islands that I5 was held to.",
        "",
        "| fault | seeds in which it hit |",
        "|---|---|",
        *(f"| {kind} | {totals.faults[kind]} |" for kind in Kind),
        "",
        "| interleaving | times reached |",
        "|---|---|",
        # a program counts those that it knows, from zero on: what is in no block was not looked for then
        *(f"| {name} | {totals.interleavings[name]} |" for name in REACHED if name in totals.interleavings),
    ]
    return "\n".join(lines) + "\n"


def roles() -> str:
    """Who may ask what of a node."""
    from tests.harness.roles import page

    return page()


def unmasking() -> str:
    """Who may see personal data in full."""
    from tests.harness.roles import unmasking as in_full

    return in_full()


TABLES: dict[str, Callable[[], str]] = {
    "site": lambda: reference(SiteSettings),
    "hub": lambda: reference(HubSettings),
    "province": lambda: reference(Province),
    "package": lambda: reference(PackageText),
    "numberplan": lambda: reference(NumberPlan),
    "mapping": lambda: reference(MappingText),
    "nodemetrics": node_metrics,
    "citymetrics": city_metrics,
    "hubmetrics": lambda: metrics(HubCounts().registry),
    "contact": lambda: machine(CONTACT_MOVES),
    "call-back": lambda: machine(CALL_BACK_MOVES),
    "agent": lambda: machine(AGENT_MOVES),
    "attempt": lambda: machine(ATTEMPT_MOVES),
    "lease": lambda: machine(LEASE_MOVES),
    "open": lambda: machine(OPEN_MOVES),
    "menu": menu,
    "offered": offered,
    "services": services,
    "service": lambda: reference(ServiceText),
    "rules": rules,
    "article": lambda: reference(ArticleText),
    "interleavings": lambda: interleavings(listed=True),
    "furtherinterleavings": lambda: interleavings(listed=False),
    "mutations": mutations,
    "campaign": campaign,
    "roles": roles,
    "unmasking": unmasking,
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
