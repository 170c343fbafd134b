"""Runs every test here against every form of the switch port."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from site_node.ports import Capability
from tests.contract.switch.world import ServicesMissing, SwitchWorld

FORMS = sorted(file.stem.removesuffix("_world") for file in Path(__file__).parent.glob("*_world.py"))


@pytest.fixture(scope="session", params=FORMS)
def world_of_form(request: pytest.FixtureRequest) -> Iterator[SwitchWorld]:
    form: str = request.param
    name = f"tests.contract.switch.{form}_world"
    try:
        world: SwitchWorld = importlib.import_module(name).open_world()
    except ServicesMissing as missing:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"form {form} of the switch: {missing}")
        pytest.skip(f"form {form} of the switch: {missing}")
    yield world
    world.close()


@pytest.fixture
def world(world_of_form: SwitchWorld, request: pytest.FixtureRequest) -> Iterator[SwitchWorld]:
    for mark in request.node.iter_markers("needs"):
        for need in mark.args:
            held = world_of_form.capabilities if isinstance(need, Capability) else world_of_form.features
            if need not in held:
                pytest.skip(f"form {world_of_form.form} does not have {need}")
    world_of_form.begin()
    yield world_of_form
    world_of_form.end()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): of the form of the port under test")
