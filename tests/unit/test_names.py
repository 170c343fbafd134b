"""The names by which the product is imported and called are its own."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from simulation.command import yht

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["dataset", "federation", "site_node", "provincial_hub", "simulation"])
def test_our_package_is_the_one_imported(package: str) -> None:
    """Others have packages of these names too (dataset is one on PyPI)."""
    assert Path(import_module(package).__file__ or "").parent == ROOT / package


def test_every_command_says_what_it_is_for() -> None:
    """Whoever types yht --help finds each command with an example, and each command explains itself."""
    said = CliRunner().invoke(yht, ["--help"])
    assert said.exit_code == 0
    for name in yht.list_commands(click.Context(yht)):
        command = yht.get_command(click.Context(yht), name)
        assert f"  yht {name}" in said.output
        assert command is not None
        assert command.help
        assert CliRunner().invoke(yht, [name, "--help"]).exit_code == 0
