"""J3, seen from outside: rows that were sent in an older session are refused, whoever sent them and however late."""

from __future__ import annotations

from dataset.ids import NodeId
from federation.core.envelope import Envelope, LedgerHeads, LedgerHello, LedgerRows
from federation.links.inprocess import Fate, Wires
from federation.ports import Clock

_Pair = tuple[NodeId, NodeId]
"""receiver and sender"""


class SessionWatch:
    """Follows which session each receiver was last opened, and what it says to rows of another one."""

    def __init__(self, clock: Clock, wires: Wires) -> None:
        self.wrong: list[str] = []
        self.late = 0
        """messages with rows of older sessions, which had to be refused"""
        self._clock = clock
        self._wires = wires
        self._opened: dict[_Pair, str] = {}
        self._refusal_due: dict[_Pair, list[str]] = {}

    def on_fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        """An envelope of the ledger's stream was sent, arrived or was lost."""
        message = envelope.body
        if fate is Fate.ARRIVED:
            if isinstance(message, LedgerRows):
                self._rows((receiver, envelope.sender), message.session)
            elif isinstance(message, LedgerHello):
                self._hello((receiver, envelope.sender), message.session)
        elif fate is Fate.SENT and isinstance(message, LedgerHeads) and message.refused:
            due = self._refusal_due.get((envelope.sender, receiver))
            if due and message.refused in due:
                due.remove(message.refused)

    def _hello(self, pair: _Pair, session: str) -> None:
        run, _, counter = session.rpartition("-")
        known_run, _, known_counter = self._opened.get(pair, "").rpartition("-")
        if run != known_run or counter > known_counter:
            self._opened[pair] = session

    def _rows(self, pair: _Pair, session: str) -> None:
        opened = self._opened.get(pair)
        if opened is None or opened == session or not self._wires.is_up(pair[0]):
            return
        self.late += 1
        self._refusal_due.setdefault(pair, []).append(session)
        self._clock.call_later(0.0, self._look, pair, session)

    def _look(self, pair: _Pair, session: str) -> None:
        due = self._refusal_due[pair]
        if session in due:
            due.remove(session)
            self.wrong.append(f"J3: {pair[0]} took rows that {pair[1]} sent in session {session}, which was over")
