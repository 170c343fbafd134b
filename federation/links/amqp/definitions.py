"""RabbitMQ's definitions for a province, as data: one user per node with the rights that its name gives it, the topic
exchange, the dead letters, and limits on queues that no declaration can lift.

Pure: passwords come in as salted hashes. ``python -m provincial_hub broker-definitions`` prints them; trial brokers
are started with the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataset.ids import NodeId
from federation.core.envelope import Stream
from federation.links.amqp.layout import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, TO_EVERYONE

SALT_BYTES = 4
CONNECTIONS_EACH = 64
"""of one user; a node holds two, and after a cut the broker keeps the old ones until their heartbeats are missed"""
_STREAMS = "|".join(stream.value for stream in Stream)
_MB = 1_000_000
POLICIES: dict[str, tuple[str, dict[str, Any]]] = {
    "yht-ledger": (
        r"^yht\.[a-z0-9]+\.ledger$",
        {"dead-letter-exchange": DEAD_EXCHANGE, "max-length-bytes": 64 * _MB, "overflow": "reject-publish"},
    ),
    "yht-command": (r"^yht\.[a-z0-9]+\.command$", {"max-length-bytes": 32 * _MB, "overflow": "drop-head"}),
    "yht-picture": (r"^yht\.[a-z0-9]+\.picture$", {"max-length-bytes": 32 * _MB, "overflow": "drop-head"}),
    "yht-dead": (
        r"^yht\.dead$",
        {"max-length": 10_000, "max-length-bytes": 64 * _MB, "overflow": "drop-head"},
    ),
}
"""name → (queues, limits). A full ledger queue refuses (the outbox keeps the rows, S1); a full command or picture queue
forgets its oldest, which nobody would act on any more."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do, as RabbitMQ's regular expressions over names of queues and exchanges and, for the topic
    exchange, over routing keys.
    """

    configure: str
    write: str
    read: str
    topic_write: str
    topic_read: str


def rights_of(node: NodeId) -> Rights:
    """Declare, bind and read the node's own queues; publish under its own name; bind what is for it or everybody."""
    own = rf"yht\.{re.escape(node)}\.({_STREAMS})"
    return Rights(
        configure=f"^{own}$",
        write=f"^({EXCHANGE}|{own})$",
        read=f"^({EXCHANGE}|{own})$",
        topic_write=rf"^[a-z0-9]+\.({_STREAMS})\.{re.escape(node)}$",
        topic_read=rf"^({re.escape(node)}|{TO_EVERYONE})\.({_STREAMS})\..*$",
    )


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's salted SHA-256 form of a password; ``salt`` is :data:`SALT_BYTES` random bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(hashes: Mapping[NodeId, str], virtual_host: str) -> dict[str, Any]:
    """What the broker imports, for the nodes in ``hashes`` (name → :func:`password_hash`)."""
    rights = {node: rights_of(node) for node in hashes}
    return {
        "vhosts": [{"name": virtual_host}],
        "users": [
            {
                "name": node,
                "password_hash": hashed,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
                "limits": {"max-connections": CONNECTIONS_EACH},
            }
            for node, hashed in hashes.items()
        ],
        "permissions": [
            {"user": node, "vhost": virtual_host, "configure": may.configure, "write": may.write, "read": may.read}
            for node, may in rights.items()
        ],
        "topic_permissions": [
            {
                "user": node,
                "vhost": virtual_host,
                "exchange": EXCHANGE,
                "write": may.topic_write,
                "read": may.topic_read,
            }
            for node, may in rights.items()
        ],
        "exchanges": [
            _exchange(EXCHANGE, "topic", virtual_host, internal=False),
            _exchange(DEAD_EXCHANGE, "fanout", virtual_host, internal=True),
        ],
        "queues": [{"name": DEAD_QUEUE, "vhost": virtual_host, "durable": True, "auto_delete": False, "arguments": {}}],
        "bindings": [
            {
                "source": DEAD_EXCHANGE,
                "vhost": virtual_host,
                "destination": DEAD_QUEUE,
                "destination_type": "queue",
                "routing_key": "",
                "arguments": {},
            }
        ],
        "policies": [
            {
                "name": name,
                "vhost": virtual_host,
                "pattern": pattern,
                "apply-to": "queues",
                "priority": 10,
                "definition": limits,
            }
            for name, (pattern, limits) in POLICIES.items()
        ],
    }


def _exchange(name: str, kind: str, virtual_host: str, *, internal: bool) -> dict[str, Any]:
    return {
        "name": name,
        "vhost": virtual_host,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": internal,
        "arguments": {},
    }
