"""What the broker lets each node do, as its definitions say it."""

from __future__ import annotations

import re

import pytest

from dataset.ids import EVERYONE, NodeId
from federation.core.envelope import Stream
from federation.links.amqp.definitions import POLICIES, definitions, rights_of
from federation.links.amqp.layout import DEAD_QUEUE, EXCHANGE, binding_keys, queue_name, routing_key
from federation.links.amqp.link import topology_of

GUANGZHOU, FOSHAN, HUB2 = NodeId("guangzhou"), NodeId("foshan"), NodeId("hub2")
NODES = (NodeId("hub"), HUB2, GUANGZHOU, FOSHAN, NodeId("foshan2"), NodeId("shan"))


@pytest.mark.parametrize("node", NODES)
def test_a_node_may_do_what_its_link_does(node: NodeId) -> None:
    """Everything the link declares, binds, reads and publishes is within its rights."""
    may = rights_of(node)
    topology = topology_of(node)
    assert all(exchange.passive for exchange in topology.exchanges)
    for queue in topology.queues:
        assert all(re.search(right, queue.name) for right in (may.configure, may.write, may.read))
    for binding in topology.bindings:
        assert re.search(may.read, binding.exchange)
        assert re.search(may.topic_read, binding.routing_key)
    assert re.search(may.write, EXCHANGE)
    for to in (*NODES, EVERYONE):
        for stream in Stream:
            assert re.search(may.topic_write, routing_key(to, stream, node))


@pytest.mark.parametrize("node", NODES)
def test_a_node_may_do_nothing_in_anothers_name(node: NodeId) -> None:
    """No queue of another, no key of another, not the exchange itself, not the dead letters, not the default
    exchange, whatever its name begins or ends with.
    """
    may = rights_of(node)
    foreign = [name for name in NODES if name != node]
    for name in (*(queue_name(one, stream) for one in foreign for stream in Stream), DEAD_QUEUE, "amq.default", "x"):
        assert not any(re.search(right, name) for right in (may.configure, may.write, may.read)), name
    assert not re.search(may.configure, EXCHANGE)
    for one in foreign:
        for stream in Stream:
            assert not re.search(may.topic_write, routing_key(node, stream, one))
            for key in binding_keys(one, stream):
                assert bool(re.search(may.topic_read, key)) == key.startswith("everyone.")
    for key in ("#", "*.command.*", "*.#", f"{node}.other.*"):
        assert not re.search(may.topic_read, key)


def test_every_queue_of_a_node_has_its_limits() -> None:
    """Exactly one policy each, so that no node's declaration makes a queue without bounds."""
    names = [queue_name(node, stream) for node in NODES for stream in Stream] + [DEAD_QUEUE]
    for name in names:
        [limits] = [limits for pattern, limits in POLICIES.values() if re.search(pattern, name)]
        assert limits["max-length-bytes"] <= 64_000_000
    assert POLICIES["yht-ledger"][1]["dead-letter-exchange"] == "yht.dead"


def test_the_definitions_name_each_node_once() -> None:
    told = definitions({GUANGZHOU: "h1", HUB2: "h2"}, "province")
    assert [(user["name"], user["password_hash"], user["tags"]) for user in told["users"]] == [
        ("guangzhou", "h1", []),
        ("hub2", "h2", []),
    ]
    for table in ("permissions", "topic_permissions"):
        assert [one["user"] for one in told[table]] == ["guangzhou", "hub2"]
        assert {one["vhost"] for one in told[table]} == {"province"}
    assert [(one["name"], one["type"], one["internal"]) for one in told["exchanges"]] == [
        ("yht", "topic", False),
        ("yht.dead", "fanout", True),
    ]
