"""``yht``, and ``python -m simulation``: the only place of this program that knows the global reactor."""

from __future__ import annotations

from federation.node.program import run_commands
from simulation.command import yht


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    run_commands(yht, reactor)


if __name__ == "__main__":
    main()
