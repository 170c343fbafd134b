"""How a rule is taken out of the real code, and the list of all the ways in which that is done.

A mutation patches product code as a careless change would, for the length of a ``with``. Its name is that of its
function, its docstring says what the careless change does, ``shows`` what a checker should see of it::

    with MUTATIONS["token_is_not_checked"].in_force():
        ...

Only what is looked up while a rule is out runs mutated: build nodes and harnesses inside the ``with``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any

from federation.core.moves import Moves


class Real:
    """Changes to the real code, undone in the opposite order."""

    def __init__(self, undo: ExitStack) -> None:
        self._undo = undo

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """``owner.name`` is ``new``. ``KeyError`` where ``owner`` itself has no such thing (any more)."""
        before = vars(owner)[name]
        self._undo.callback(setattr, owner, name, before)
        setattr(owner, name, new)

    def around(self, owner: Any, name: str, new: Callable[..., Any]) -> None:
        """Calls of ``owner.name(...)`` become ``new(original, ...)``; for methods ``self`` comes after ``original``."""
        before = vars(owner)[name]
        original = before.__func__ if isinstance(before, staticmethod) else before

        @wraps(original)
        def around(*args: Any, **kwargs: Any) -> Any:
            return new(original, *args, **kwargs)

        self.replace(owner, name, staticmethod(around) if isinstance(before, staticmethod) else around)

    def everywhere(self, owner: ModuleType, name: str, new: Callable[..., Any]) -> None:
        """As ``around``, for a function that other modules have imported by its name."""
        original = vars(owner)[name]
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType) and vars(module).get(name) is original:
                self.around(module, name, new)

    def without(self, owner: Any, name: str) -> None:
        """``owner.name(...)`` does nothing."""
        self.around(owner, name, lambda original, *args, **kwargs: None)

    def move(self, moves: Moves[Any, Any], state: str, move: str, after: str) -> None:
        """The table of ``moves`` allows one move more, or leads it elsewhere."""
        before = dict(moves.table)
        self._undo.callback(moves.table.update, before)
        self._undo.callback(moves.table.clear)
        moves.table[state, move] = after


Breaking = Callable[[Real], None]


@dataclass(frozen=True)
class Mutation:
    """One rule, taken out."""

    name: str
    rule: str
    """the rule of federation.md that it breaks"""
    found: bool
    """a sentence marked *(found)* there: the model failed without it"""
    sentence: str
    """what the careless change does"""
    shows: str
    """what a checker should see"""
    needs: str
    """what a run must have in it before anything can show; empty: calls between cities are enough"""
    breaking: Breaking

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Break the real code; mend it at the end, whatever happens inside."""
        with ExitStack() as undo:
            self.breaking(Real(undo))
            yield


MUTATIONS: dict[str, Mutation] = {}
"""All mutations by name, in the order of the rules."""


def breaks(rule: str, *, shows: str, needs: str = "", found: bool = False) -> Callable[[Breaking], Breaking]:
    """Register a function as a mutation that breaks ``rule``."""

    def register(breaking: Breaking) -> Breaking:
        name = breaking.__name__
        if name in MUTATIONS or not breaking.__doc__:
            raise ValueError(f"mutation {name} is there already, or says nothing")
        MUTATIONS[name] = Mutation(name, rule, found, " ".join(breaking.__doc__.split()), shows, needs, breaking)
        return breaking

    return register
