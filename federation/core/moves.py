"""A state machine as a table: what may follow what. The diagrams in ``docs/`` are drawn from these tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)
Move = TypeVar("Move", bound=StrEnum)


class IllegalMove(Exception):
    """The table has no row for this move in this state; nothing has been changed."""

    def __init__(self, machine: str, state: str, move: str) -> None:
        super().__init__(f"{machine}: no move {move!r} in state {state!r}")
        self.machine = machine
        self.state = state
        self.move = move


class Moves(Generic[State, Move]):
    """The table of one machine. A late event has a row of its own (often to the same state); all else is illegal."""

    def __init__(self, name: str, first: State, table: Mapping[tuple[State, Move], State]) -> None:
        self.name = name
        self.first = first
        self.table = dict(table)

    def may(self, state: State, move: Move) -> bool:
        """Whether the table has a row for ``move`` in ``state``."""
        return (state, move) in self.table

    def after(self, state: State, move: Move) -> State:
        """The state after ``move``. Raises ``IllegalMove``."""
        try:
            return self.table[state, move]
        except KeyError:
            raise IllegalMove(self.name, state, move) from None
