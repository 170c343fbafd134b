"""Every key of a file is found again by its line, however the file is written."""

from __future__ import annotations

import pytest

from dataset.toml_text import Path, parse_toml

TEXT = '''# comment = 1
a = 1
b.c = "x # no comment"   # b = [
"quoted.key" = 'it''s'
[t]
x = [ 1, # one
  2,
  [3, 4],
]
y = """
[z]
n = 1
\\""" still
"""
w = """a"""""
in = { p = 1, q = { r = [ "]" ] } }
[[many]]
id = 1
[many.sub]
k = 1
[[many]]
id = 2
[[many.deep]]
v = 1
[[many.deep]]
v = 2
[t.u."v.w"]
last = 1999-02-01
'''.replace("'it''s'", "'its'")


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        (("a",), "a = 1"),
        (("b", "c"), "b.c"),
        (("quoted.key",), '"quoted.key"'),
        (("t", "x"), "x = ["),
        (("t", "x", 0), "x = ["),
        (("t", "x", 1), "  2,"),
        (("t", "x", 2, 1), "  [3, 4]"),
        (("t", "y"), 'y = """'),
        (("t", "w"), "w = "),
        (("t", "in", "q", "r", 0), "in = "),
        (("many", 0), "[[many]]\nid = 1"),
        (("many", 0, "id"), "id = 1"),
        (("many", 0, "sub", "k"), "k = 1"),
        (("many", 1, "id"), "id = 2"),
        (("many", 1, "deep", 0, "v"), "v = 1"),
        (("many", 1, "deep", 1, "v"), "v = 2"),
        (("t", "u", "v.w", "last"), "last"),
        (("many", 1, "absent"), "[[many]]\nid = 2"),
    ],
)
def test_a_path_is_found_at_its_line(path: Path, mark: str) -> None:
    document = parse_toml(TEXT.encode(), "f.toml")
    assert document.place(path) == f"f.toml:{TEXT[: TEXT.index(mark)].count(chr(10)) + 1}"


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    document = parse_toml("\ufeffa = 1\r\nb = 2\r\n".encode(), "f.toml")
    assert document.values == {"a": 1, "b": 2}
    assert document.place(("b",)) == "f.toml:2"


def test_what_is_nowhere_is_placed_in_the_file() -> None:
    assert parse_toml(b"", "f.toml").place(("a",)) == "f.toml"
