"""For all tests: what operations answer is held against what they declare; and a real reactor that was turned is shut
down at the end, threads and all, so that pytest can exit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.harness.declared_answers import answers_held


@pytest.fixture(autouse=True)
def _answers_as_declared() -> Iterator[None]:
    with answers_held():
        yield


@pytest.fixture(scope="session", autouse=True)
def _reactor_shut_down() -> Iterator[None]:
    yield
    module = sys.modules.get("twisted.internet.reactor")
    if module is not None and getattr(module, "running", False):
        from tests.harness.driving import ReactorDriver

        ReactorDriver().close()
