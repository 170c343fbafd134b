"""Breakings of the real code, one rule each; see ``registry``."""

from __future__ import annotations

from tests.harness.mutations import attempts, evidence, hubs, ledger, ownership, sessions, work
from tests.harness.mutations.registry import MUTATIONS, Mutation

__all__ = ["MUTATIONS", "Mutation", "attempts", "evidence", "hubs", "ledger", "ownership", "sessions", "work"]
