"""CSV in the encodings and with the faults that real files have."""

from __future__ import annotations

import codecs
import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.cells import day, moment, month, whole, yes_no, yuan_in_fen
from dataset.csv_text import ENCODINGS, MOST_LINES, Encoding, detect, rows
from dataset.errors import Refused

RARE = "𠮷䶮㐂𪚥😀"


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
@pytest.mark.parametrize("text", ["号码,名称\n1," + RARE + "\n", "number,name\n1,x\n", ""])
def test_encoding_is_that_of_the_whole_file_however_it_is_cut(text: str, size: int) -> None:
    """Rare characters take four bytes in either encoding."""
    assert detect(pieces(text.encode(), size), "x.csv") == "utf-8"
    assert detect(pieces(codecs.BOM_UTF8 + text.encode(), size), "x.csv") == "utf-8"
    expected = "utf-8" if text.isascii() else "gb18030"
    assert detect(pieces(text.encode("gb18030"), size), "x.csv") == expected


def test_late_character_decides() -> None:
    """A file that is plain for a megabyte and then has one name."""
    data = b"1,x\n" * 300_000 + "2,王\n".encode("gb18030")
    assert detect(pieces(data, 1 << 16), "x.csv") == "gb18030"


@pytest.mark.parametrize("data", ["名".encode("utf-16"), b"a,\xff\xff\n", "中".encode("gb18030")[:1]])
def test_file_in_another_encoding_is_refused_with_the_remedy(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        detect([data], "x.csv")
    (problem,) = refused.value.problems
    assert (problem.slug, problem.place) == ("csv-encoding", "x.csv")
    assert "GB 18030" in problem.zh


CELLS = st.text(
    st.one_of(st.sampled_from(',"\n\r 名𠮷\u2028\x85;'), st.characters(exclude_categories=["Cs"])), max_size=6
)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=6), st.sampled_from(ENCODINGS), st.booleans())
def test_rows_are_what_was_written_with_their_lines_and_places(
    table: list[list[str]], encoding: Encoding, mark: bool
) -> None:
    """Any characters, quoted line ends, both encodings; each row can be gone on from."""
    text = StringIO()
    csv.writer(text).writerows(table)
    data = text.getvalue().encode(encoding)
    if mark and encoding == "utf-8":
        data = codecs.BOM_UTF8 + data
    found = list(rows(_lines(data), encoding))
    assert [row.fault for row in found] == [None] * len(found)
    assert [row.cells for row in found] == [cells for cells in table if any(cell.strip() for cell in cells)]
    for row in found:
        assert data[: row.end].count(b"\n") + 1 == row.following
        rest = list(rows(_lines(data[row.end :]), encoding, line=row.following, at=row.end))
        assert rest == found[found.index(row) + 1 :]


def _lines(data: bytes) -> list[bytes]:
    """As a file gives them."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + [line for line in [data.split(b"\n")[-1]] if line]


def test_faulty_rows_cost_no_other() -> None:
    data = b'a,b\n1,"x"y\n2,\xff\n3,good\n4,"never closed\n' + b"".join(
        b"%d,good\n" % n for n in range(5, 5 + 2 * MOST_LINES)
    )
    found = list(rows(_lines(data), "utf-8"))
    assert [(row.line, row.fault.slug) for row in found if row.fault] == [
        (2, "csv-form"),
        (3, "csv-character"),
        (5, "csv-open"),
    ]
    assert [row.cells[0] for row in found if not row.fault] == ["a", "3", *map(str, range(5, 5 + 2 * MOST_LINES))]
    assert found[-1].end == len(data)
    assert found[2].cells == ["2", "\\xff"]


def test_quotation_mark_open_at_the_end_of_the_file_costs_its_row_alone() -> None:
    found = list(rows(_lines(b'a\n"b\nc\nd'), "gb18030"))
    assert [(row.line, row.cells, row.fault is None) for row in found] == [
        (1, ["a"], True),
        (2, ['"b'], False),
        (3, ["c"], True),
        (4, ["d"], True),
    ]


# ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("12.34", 1234),
        ("12.3", 1230),
        ("12", 1200),
        ("0.01", 1),
        ("-3.05", -305),
        ("¥1,234.50", 123450),
        ("１２．３４元", 1234),
        ("1,234,567", 123456700),
        ("12.345", None),
        ("1,23", None),
        ("12.", None),
        ("", None),
        ("1e3", None),
        ("十元", None),
    ],
)
def test_yuan_become_fen_exactly(text: str, fen: int | None) -> None:
    assert yuan_in_fen(text) == fen


@given(st.integers(-(10**11) + 1, 10**11 - 1))
def test_every_amount_of_fen_is_read_back(fen: int) -> None:
    """I4: to the cent, also where floating numbers would not be."""
    assert yuan_in_fen(f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02}") == fen


def test_days_months_and_moments_in_their_usual_forms() -> None:
    assert {day(text) for text in ("2026-01-31", "2026/1/31", "20260131", "2026年1月31日", "２０２６．１．３１")} == {
        "2026-01-31"
    }
    assert [day(text) for text in ("2026-02-29", "2026-13-01", "26-1-1", "2026-1", "")] == [None] * 5
    assert {month(text) for text in ("2026-01", "2026年1月", "202601", "2026/1")} == {"2026-01"}
    assert [month(text) for text in ("2026-13", "2026-00", "1月")] == [None] * 3
    assert moment("2026-01-31 08:00:00") == moment("2026/01/31 00:00:00+00:00") == 1_769_817_600.0
    assert moment("yesterday") is None
    assert [yes_no(text) for text in ("是", "有", "Y", "1", "否", "无", "no", "0", "也许")] == [True] * 4 + [
        False
    ] * 4 + [None]
    assert [whole(text) for text in ("1,234", "-5", "1.5", "12,34")] == [1234, -5, None, None]
