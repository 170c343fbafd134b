"""Articles are written as files: what is wrong with one is named with file, line and what to write instead."""

from __future__ import annotations

from datetime import date

import pytest

from dataset.article_files import parse_articles
from dataset.errors import Refused
from dataset.ids import CityId
from dataset.records.article import CityDifference

CITIES = {"guangzhou", "shenzhen"}
TEXT = """+++
id = "order-install"
version = 1
owner = "市场经营部"
topics = ["order/install"]
zh = "装机须知"
en = "Installing a line"
valid_from = "2026-01-01"
expires_on = "2026-12-31"
approved_by = "王芳"

[differences.guangzhou]
zh = "广州免手续费。"
en = "No fee in Guangzhou."
+++
请带身份
证，单位带 ISDN
协议（
原件）。

- 第一项
- 第二项

<!-- en -->
Bring a document
of identity.
"""


def faults(*texts: str) -> list[tuple[str, str]]:
    """Slug and place of everything that is wrong; both languages say it."""
    with pytest.raises(Refused) as refused:
        parse_articles({f"{at}.md": text.encode() for at, text in enumerate(texts)}, CITIES)
    assert all(one.zh and one.en and one.zh != one.en for one in refused.value.problems)
    return [(one.slug, one.place) for one in refused.value.problems]


def test_an_article_is_read_with_lines_of_a_paragraph_joined() -> None:
    """So that a word that the file breaks over two lines is found, and shown without a gap."""
    article = parse_articles({"a.md": b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()}, CITIES)["a.md"]
    assert article.zh_body == "请带身份证，单位带 ISDN 协议（原件）。\n\n- 第一项\n- 第二项"
    assert article.en_body == "Bring a document of identity."
    assert (article.id, article.version, article.topics) == ("order-install", 1, ("order/install",))
    assert article.differences == {CityId("guangzhou"): CityDifference(zh="广州免手续费。", en="No fee in Guangzhou.")}
    assert article.shown(date(2026, 12, 31))
    assert not article.shown(date(2027, 1, 1))
    assert article.approved_by == "王芳"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("+++\nid", "id", ("article-head", "0.md:1")),
        ('+++\n请带', "请带", ("article-head", "0.md:1")),
        ("<!-- en -->\n", "", ("article-text", "0.md:26")),
        ("Bring a document\nof identity.\n", "", ("article-text", "0.md:24")),
        ('version = 1', "version = 0", ("setting-form", "0.md:3")),
        ('owner = "市场经营部"\n', "", ("setting-missing", "0.md")),
        ('topics = ["order/install"]', "topics = []", ("article-topics", "0.md:5")),
        ('["order/install"]', '["Order Install"]', ("setting-form", "0.md:5")),
        ("2026-12-31", "2025-12-31", ("article-days", "0.md:9")),
        ("2026-01-01", "2026-02-30", ("setting-form", "0.md:8")),
        ("differences.guangzhou", "differences.guangzho", ("city-unknown", "0.md:12")),
        ('id = "order-install"', 'id = "order install"', ("setting-form", "0.md:2")),
        ("owner =", "ovner =", ("setting-unknown", "0.md:4")),
        ('zh = "装机须知"', "zh = 装机须知", ("file-not-toml", "0.md:6")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, fault: tuple[str, str]) -> None:
    assert old in TEXT
    assert fault in faults(TEXT.replace(old, new, 1))


def test_a_version_stands_in_one_file_only_and_all_faults_are_told_at_once() -> None:
    later = TEXT.replace("version = 1", "version = 2")
    assert len(parse_articles({"a.md": TEXT.encode(), "b.md": later.encode()}, CITIES)) == 2
    assert faults(TEXT, TEXT, TEXT.replace("2026-12-31", "never")) == [
        ("article-twice", "1.md:3"),
        ("article-twice", "2.md:3"),
        ("setting-form", "2.md:9"),
    ]


def test_what_is_no_utf8_is_named_with_its_line() -> None:
    with pytest.raises(Refused) as refused:
        parse_articles({"a.md": TEXT.encode().replace("请带".encode(), "请带".encode("gb18030"))}, CITIES)
    assert [(one.slug, one.place) for one in refused.value.problems] == [("file-not-utf8", "a.md:16")]
