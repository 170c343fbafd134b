"""Who may ask what of a node: every operation asked in every role, as the nodes answer it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import AgentId, NodeId
from federation.node.login import ROLES, Actor
from federation.node.operations import Answer, OperationTable
from site_node.services.audit import check_unmask
from tests.province.three_cities import FOSHAN, GUANGZHOU
from tests.province.working_province import WorkingProvince

WORKING = ("agent", "dispatcher", "crew", "back_office", "supervisor", "site_admin")
EVERY_ROLE = (*WORKING, "province", "auditor", "")
"""the last: logged in, without any role"""
DOORS = ("city", "other", "hub")
"""a city's own door; what it answers to seats of other cities; a hub's console"""


class Decided(NamedTuple):
    """One operation at one door, and the roles that are not turned away."""

    door: str
    operation: str
    roles: tuple[str, ...]
    declared: frozenset[str]
    """by the table of operations; empty: everybody"""


def actor(role: str, node: NodeId) -> Actor:
    """Somebody with one role, or none."""
    roles = frozenset({role} if role else ())
    return Actor(user="somebody", agent=AgentId(f"9999@{node}"), name="", roles=roles, node=node)


@cache
def decided() -> tuple[Decided, ...]:
    """Every operation of every door, each asked once in each role."""
    province = WorkingProvince(with_records=True)
    assert province.hub is not None
    city = province.sites[GUANGZHOU]
    tables = {
        "city": (city.desk.door.table, NodeId(GUANGZHOU)),
        "other": (city.running.lookups.table, NodeId(FOSHAN)),
        "hub": (province.hub.door.table, NodeId("hub")),
    }
    return tuple(one for door, (table, node) in tables.items() for one in _of(province, door, table, node))


def _of(province: WorkingProvince, door: str, table: OperationTable, node: NodeId) -> Iterator[Decided]:
    for operation in sorted(table, key=lambda one: one.name):
        let_in = tuple(role for role in EVERY_ROLE if _let_in(province, table, operation.name, actor(role, node)))
        yield Decided(door, operation.name, let_in, operation.roles)


def _let_in(province: WorkingProvince, table: OperationTable, name: str, who: Actor) -> bool:
    """Whether the role is no reason to refuse it; a request without fields may be refused for many others."""
    found: list[Answer | Failure] = []
    Deferred.fromCoroutine(table.call(who, name, {})).addBoth(found.append)
    province.pass_s(0.1)
    [answer] = found
    if not isinstance(answer, Failure):
        return True
    refused = answer.value
    assert isinstance(refused, Refused), answer
    return refused.problems[0].slug != "not-your-role"


def in_full(role: str, *, own: bool) -> bool:
    """Whether ``role`` may see something unmasked, for a reason."""
    try:
        check_unmask(actor(role, NodeId(GUANGZHOU)), "a reason", own=own)
    except Refused:
        return False
    return True


def page(doors: Iterable[str] = DOORS) -> str:
    """The table of ``docs/roles.md``."""
    heads = [role or "—" for role in EVERY_ROLE]
    lines = [f"| 入口 door | 操作 operation | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 2)]
    for one in decided():
        if one.door in doors:
            marks = ["✓" if role in one.roles else "" for role in EVERY_ROLE]
            lines.append(f"| {one.door} | `{one.operation}` | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def unmasking() -> str:
    """Who may see what in full, of those who may look at it at all."""
    may = {(one.door, one.operation): one.roles for one in decided()}
    heads = [role or "—" for role in EVERY_ROLE]
    lines = [f"| 操作 operation | 谁的 whose | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 2)]
    for door, operation, own, zh, en in (
        ("city", "card", True, "当前接触中已核对身份的客户", "the customer checked in the contact at the seat"),
        ("city", "card", False, "其他客户", "any other customer"),
        ("city", "statement", True, "当前接触中已核对身份的客户", "the customer checked in the contact at the seat"),
        ("city", "statement", False, "其他客户", "any other customer"),
        ("other", "card", True, "外地客户：同上", "another city's: checked in the contact at the seat"),
        ("other", "card", False, "外地其他客户", "another city's, any other"),
        ("city", "work_item", True, "自己手上的，或该客户的", "in hand, or of that customer"),
        ("city", "work_item", False, "其他工单", "any other"),
        ("other", "work_item", True, "外地工单：同上", "another city's: in hand, or of that customer"),
        ("other", "work_item", False, "外地其他工单", "another city's, any other"),
    ):
        marks = ["✓" if role in may[door, operation] and in_full(role, own=own) else "" for role in EVERY_ROLE]
        lines.append(f"| `{operation}` | {zh} · {en} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


assert set(EVERY_ROLE) >= ROLES
