"""The ledger checker under the name that the tests know it by; it lives in the product, where ``yht chaos`` uses it."""

from __future__ import annotations

from simulation.ledger_check import CallerLine, Findings, LedgerCheck, calling_number

__all__ = ["CallerLine", "Findings", "LedgerCheck", "calling_number"]
