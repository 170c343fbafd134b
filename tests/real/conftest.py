"""What tests on real services share: the broker of those of the AMQP layer, the people of those of a province."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.real_machines import require
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince
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


@pytest.fixture
def people(province: RealProvince) -> Iterator[People]:
    """Callers and agents of one test, in the ``province`` of its module."""
    everybody = People(province)
    try:
        yield everybody
    finally:
        everybody.close()
