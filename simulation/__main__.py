"""``yht``, and ``python -m simulation``: the only place of this program that knows the global reactor."""

from __future__ import annotations

from simulation.command import yht


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    yht(obj=reactor)


if __name__ == "__main__":
    main()
