"""Numbers within a sentence are masked, and nothing else of it."""

from __future__ import annotations

import pytest

from dataset.masking import masked_within

LINE = "02081230001"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{LINE} 的来电显示已开通。", "020****0001 的来电显示已开通。"),
        (f"{LINE}，{LINE}", "020****0001，020****0001"),
        (f"工单 w-{LINE}7", f"工单 w-{LINE}7"),
        (f"1{LINE}", f"1{LINE}"),
        ("没有号码", "没有号码"),
    ],
)
def test_a_number_is_masked_where_it_stands_alone(text: str, shown: str) -> None:
    assert masked_within(text, [LINE, ""]) == shown


def test_a_number_that_is_part_of_another_leaves_that_whole() -> None:
    assert masked_within("81230001 和 02081230001", ["81230001", LINE]) == "812****0001 和 020****0001"
