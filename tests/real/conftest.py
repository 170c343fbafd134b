"""Services that the tests of the AMQP layer share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.real_machines import require
from tests.real.amqp_broker import RabbitNode


@pytest.fixture(scope="session")
def rabbit_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    require("rabbitmq")
    node = RabbitNode(tmp_path_factory.mktemp("rabbitmq"))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def rabbit(rabbit_node: RabbitNode) -> Iterator[RabbitNode]:
    """The session's broker, without the queues of the test before."""
    rabbit_node.clean()
    yield rabbit_node
    rabbit_node.heal()
