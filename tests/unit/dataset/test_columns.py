"""Tables for a terminal: what is right of Chinese names stands in one column."""

from __future__ import annotations

import pytest

from dataset.columns import in_columns, width


def test_a_chinese_character_is_two_columns_wide() -> None:
    assert [width(text) for text in ("广州", "ab", "装机 2B+D", "（）", "")] == [4, 2, 9, 4, 0]


def test_numbers_stand_under_each_other_whatever_the_script() -> None:
    lines = in_columns([("业务", "受理", "p50"), ("市话装机", "7", "1.5"), ("ISDN", "12", "10.5")])
    assert lines == ["业务      受理   p50", "市话装机     7   1.5", "ISDN        12  10.5"]
    assert len({width(line) for line in lines}) == 1


def test_rows_of_different_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        in_columns([("a", "b"), ("a",)])
