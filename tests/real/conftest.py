"""Real services for tests. What is missing skips with its reason, or fails where REQUIRE_SERVICES=1 demands it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.amqp_broker import RabbitNode, installed


def missing(service: str, how: str) -> None:
    """Skip, or fail where every service is required."""
    reason = f"{service} is not installed ({how})"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def rabbit_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    if not installed():
        missing("RabbitMQ", "apt-get install rabbitmq-server")
    folder: Path = tmp_path_factory.mktemp("rabbitmq")
    node = RabbitNode(folder)
    node.start()
    yield node
    node.stop()


@pytest.fixture
def rabbit(rabbit_node: RabbitNode) -> Iterator[RabbitNode]:
    """The session's broker, without the queues of the test before."""
    rabbit_node.clean()
    yield rabbit_node
    rabbit_node.heal()
