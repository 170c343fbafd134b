"""Tests of lines."""

from __future__ import annotations

import msgspec

from dataset.ids import CityId
from federation.node.operations import Reply
from site_node.core.line_test import Lies, LineTested, Outcome
from site_node.desktop.answers.work import ReceiptShown


class TestShown(Reply, frozen=True, kw_only=True):
    """A test of a line: what came of it, where a fault lies, and what was measured."""

    outcome: Outcome
    zh: str
    en: str
    lies: Lies
    lies_zh: str
    lies_en: str
    measured: LineTested


class TestedHere(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A test, and the city that made it."""

    test: TestShown
    from_: CityId


class Tested(TestedHere, frozen=True, kw_only=True, omit_defaults=True):
    """``receipt``: of the note on the work item that was named."""

    receipt: ReceiptShown | msgspec.UnsetType = msgspec.UNSET
