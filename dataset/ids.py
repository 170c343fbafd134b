"""Identities: who may issue them, how they look, and why none is ever used twice.

Everything that must be unique is a lineage (random, one per run of a node) and a counter. So uniqueness needs no
memory of earlier runs: not for contacts, and not for tokens (federation.md A3).
All ids of one kind have one length, because Asterisk matches channel ids by prefix and without case.
"""

from __future__ import annotations

import re
from typing import NewType

import msgspec

CityId = NewType("CityId", str)
"""``guangzhou``; also the node id of that city's site node."""
NodeId = NewType("NodeId", str)
"""A city id, or a hub's: ``hub``, and ``hub2`` … where others stand ready (B2)."""
LineageId = NewType("LineageId", str)
"""Eight hex digits, drawn at random at each start of a node."""
ContactId = NewType("ContactId", str)
"""``0020-7f3a9c21-000001``: area code of the city where it arrived, lineage, counter."""
Token = NewType("Token", str)
"""``7f3a9c21-000001``: the serving site's lineage, counter."""
AgentId = NewType("AgentId", str)
"""``1001@guangzhou``: staff number and home city."""
CustomerId = NewType("CustomerId", str)
"""The customer's number in the owning city's own system; ``c0020-7f3a9c21-000001`` for one first known here."""
ReceiptId = NewType("ReceiptId", str)
"""``p0020-7f3a9c21-000001``: of a payment taken here; a bank's or counter's own number otherwise."""
AttachmentId = NewType("AttachmentId", str)
"""``a0020-7f3a9c21-000001``: area code of the city that received it, lineage, counter."""
ArticleId = NewType("ArticleId", str)
"""A name of the province's choice, like ``order-install-identity``; all versions of an article have it."""
SkillId = NewType("SkillId", str)
ConnectionId = NewType("ConnectionId", str)
"""One leg at one switch: one device in one call (ECMA-269 connection)."""

HUB = NodeId("hub")
"""the first, and usually only, hub"""
EVERYONE = NodeId("*")


_A_HUB = re.compile(r"hub[2-9]?").fullmatch


def is_hub(node: str) -> bool:
    """Whether ``node`` names a hub; no city is called like one."""
    return _A_HUB(node) is not None


class AttemptId(msgspec.Struct, frozen=True, order=True):
    """(contact, n): one try to have one agent take the contact; issued by the anchor alone (A1)."""

    contact: ContactId
    n: int

    def __str__(self) -> str:
        return f"{self.contact}#{self.n}"


def contact_id(area_code: str, lineage: LineageId, counter: int) -> ContactId:
    """The id of the ``counter``-th contact that arrived in the city with ``area_code`` (like ``020``) in this run."""
    return ContactId(f"{area_code:0>4}-{lineage}-{counter:06x}")


def customer_id(area_code: str, lineage: LineageId, counter: int) -> CustomerId:
    """The id of the ``counter``-th customer first known in the city with ``area_code`` in this run."""
    return CustomerId(f"c{area_code:0>4}-{lineage}-{counter:06x}")


def receipt_id(area_code: str, lineage: LineageId, counter: int) -> ReceiptId:
    """The id of the ``counter``-th payment taken in the city with ``area_code`` in this run."""
    return ReceiptId(f"p{area_code:0>4}-{lineage}-{counter:06x}")


def attachment_id(area_code: str, lineage: LineageId, counter: int) -> AttachmentId:
    """The id of the ``counter``-th attachment received in the city with ``area_code`` in this run."""
    return AttachmentId(f"a{area_code:0>4}-{lineage}-{counter:06x}")


def token(lineage: LineageId, counter: int) -> Token:
    """The ``counter``-th token of this run (A3)."""
    return Token(f"{lineage}-{counter:06x}")


def agent_id(staff_number: str, city: CityId) -> AgentId:
    """The province-wide name of the agent with ``staff_number`` in ``city``."""
    return AgentId(f"{staff_number}@{city}")


def city_of(agent: AgentId) -> CityId:
    """The city whose site owns this agent's session."""
    return CityId(agent.rpartition("@")[2])
