"""What totals name as unknown: looked at by the province, and settled with a reason (S2, J5)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dataset.errors import Problem, Refused
from dataset.ids import LineageId, NodeId
from dataset.masking import masked_numbers
from dataset.rows import RowSettled
from federation.node.ledger_store import Hole, LedgerStore, ParkedRow, Settled, digest
from federation.node.login import Actor
from provincial_hub.services.province import allow
from provincial_hub.services.views import Json
from provincial_hub.shell.settling import Settling

SETTLERS = frozenset({"province"})
MOST_SHOWN = 500
BEGINS = 200
"""bytes of a parked row that are shown"""


class ParkedService:
    """Reads the ledger's unknown slots and settles them; only the role province may."""

    def __init__(self, store: LedgerStore, settling: Settling, nodes: Collection[NodeId]) -> None:
        """``nodes``: those of the province, of which there may be nothing to show."""
        self._store = store
        self._settling = settling
        self._nodes = nodes

    async def parked(self, actor: Actor, node: str | None) -> Json:
        """Parked slots and holes of ``node``, or of all; what is not settled first, then by sender and number.

        Raises ``Refused``: 403; 404 ``unknown-node`` for one that the province does not name and that left nothing.
        """
        allow(actor, SETTLERS)
        unknown = await self._store.unknown()
        parked = [one for one in unknown.parked if node in (None, one.sender)]
        holes = [one for one in unknown.holes if node in (None, one.sender)]
        if node is not None and NodeId(node) not in self._nodes and not parked and not holes:
            known = sorted(self._nodes)
            raise Refused(
                Problem(
                    "unknown-node",
                    zh=f"没有节点 {node[:40]}，现有：{'、'.join(known)}",
                    en=f"there is no node {node[:40]}; known: {', '.join(known)}",
                    place="node",
                ),
                status=404,
            )
        open_numbers = sum(one.settled is None for one in parked)
        open_numbers += sum(one.last - one.first + 1 for one in holes if one.settled is None)
        slots = sorted(parked, key=lambda one: one.settled is not None)
        return {
            "unknown": open_numbers,
            "parked": [_parked_view(one) for one in slots[:MOST_SHOWN]],
            "holes": [_hole_view(one) for one in sorted(holes, key=lambda one: one.settled is not None)[:MOST_SHOWN]],
            "more": max(len(parked) - MOST_SHOWN, 0) + max(len(holes) - MOST_SHOWN, 0),
        }

    async def settle(self, actor: Actor, node: str, lineage: str, number: int, reason: str) -> Json:
        """The slot or hole at ``number`` counts as unknown no more; fires once that is on record.

        A parked slot's equals in content (of one stream) are settled with it. Raises ``Refused``: 403; 400
        ``reason-missing``; 404 ``unknown-slot``; 409 ``already-settled``.
        """
        allow(actor, SETTLERS)
        if not reason.strip():
            raise Refused(Problem("reason-missing", zh="请写明原因", en="say why", place="reason"))
        found = self._at(await self._store.unknown(), NodeId(node), LineageId(lineage), number)
        if found is None:
            raise Refused(
                Problem(
                    "unknown-slot",
                    zh=f"{node} 的谱系 {lineage} 中，编号 {number} 没有待处理的记录或空缺",
                    en=f"nothing of {node} is parked or missing at number {number} of lineage {lineage}",
                    place="number",
                ),
                status=404,
            )
        if found.settled is not None:
            raise Refused(
                Problem(
                    "already-settled",
                    zh=f"已由 {found.settled.by} 处理：{found.settled.reason}",
                    en=f"{found.settled.by} has settled it already: {found.settled.reason}",
                    place="number",
                ),
                status=409,
            )
        first, last = (found.number, found.number) if isinstance(found, ParkedRow) else (found.first, found.last)
        row = RowSettled(
            sender=found.sender,
            lineage=found.lineage,
            first=first,
            last=last,
            by=actor.user,
            reason=reason.strip(),
            digest=digest(found.data) if isinstance(found, ParkedRow) else "",
        )
        await self._settling.settle(row)
        return {
            "node": row.sender,
            "lineage": row.lineage,
            "first": first,
            "last": last,
            "unknown": self._store.unknown_count(found.sender),
            "zh": f"{row.sender} 编号 {first}–{last} 已处理，不再计为未知",
            "en": f"number {first} to {last} of {row.sender} are settled, and count as unknown no more",
        }

    @staticmethod
    def _at(
        unknown: tuple[Sequence[ParkedRow], Sequence[Hole]], node: NodeId, lineage: LineageId, number: int
    ) -> ParkedRow | Hole | None:
        parked, holes = unknown
        for slot in parked:
            if (slot.sender, slot.lineage, slot.number) == (node, lineage, number):
                return slot
        for hole in holes:
            if (hole.sender, hole.lineage) == (node, lineage) and hole.first <= number <= hole.last:
                return hole
        return None


def _parked_view(one: ParkedRow) -> Json:
    return {
        "node": one.sender,
        "lineage": one.lineage,
        "number": one.number,
        "why": one.why,
        "size": len(one.data),
        "begins": beginning(one.data),
        "settled": _settled_view(one.settled),
    }


def _hole_view(one: Hole) -> Json:
    return {
        "node": one.sender,
        "lineage": one.lineage,
        "first": one.first,
        "last": one.last,
        "settled": _settled_view(one.settled),
    }


def _settled_view(one: Settled | None) -> Json | None:
    return None if one is None else {"by": one.by, "reason": one.reason, "at": one.wall}


def beginning(data: bytes) -> str:
    """The first bytes as text that can be shown: telephone numbers masked, nothing that moves a cursor."""
    text = data[:BEGINS].decode("utf-8", "replace")
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return masked_numbers(shown)
