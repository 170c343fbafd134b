"""Tables of settings and metrics in the documentation are those of the code."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "reference.py"))


@pytest.mark.parametrize("name", SCRIPT["PAGES"])
def test_the_page_is_as_the_code_has_it(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert SCRIPT["written"](page) == page, "run: python docs/reference.py"


def test_every_table_stands_on_a_page() -> None:
    pages = "".join((DOCS / name).read_text(encoding="utf-8") for name in SCRIPT["PAGES"])
    assert [name for name in SCRIPT["TABLES"] if f"<!-- table: {name} -->" not in pages] == []
