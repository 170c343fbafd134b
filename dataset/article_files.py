"""Articles of knowledge as files: a head in TOML between two lines ``+++``, the text in Chinese, a line
``<!-- en -->``, and the text in English. How to write one: docs/knowledge.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from dataset.declared import Between, Pattern, Reading, setting
from dataset.errors import Problem, Refused
from dataset.ids import ArticleId, CityId
from dataset.records.article import Article, CityDifference
from dataset.services.words import Day, Label, Sentence, Topic
from dataset.toml_text import parse_toml_text, utf8_text

MARK = "+++"
"""a line before and one after the head"""
ENGLISH = "<!-- en -->"
"""the line before the text in English"""

_ITEM = re.compile(r"[-*] |\d+[.)] ")
Name = Annotated[
    str,
    Pattern(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", "小写的名称，如 order-install", "a lower-case name such as order-install"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceText:
    """What is different in one city."""

    zh: Sentence = setting("中文", "in Chinese")
    en: Sentence = setting("英文", "in English")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleText:
    """The head of an article's file."""

    id: Name = setting("名称，各版本相同", "name, the same for all versions")
    version: Annotated[int, Between(1)] = setting("版本，从 1 起；改动内容须加 1", "from 1; one more for each change")
    owner: Label = setting("负责人或部门", "who keeps it right: a user or a department")
    topics: tuple[Topic, ...] = setting("知识主题，业务以此引用", "topics, by which services name it")
    zh: Label = setting("中文标题", "title in Chinese")
    en: Label = setting("英文标题", "title in English")
    valid_from: Day = setting("生效日", "first day that it is shown")
    expires_on: Day = setting("失效日（当天仍有效）", "last day that it is shown")
    approved_by: Label = setting("批准人", "who approved it")
    differences: Mapping[str, DifferenceText] = setting(
        "各地市不同之处，按地市代码", "what is different in a city, by its id", factory=dict
    )


def parse_articles(files: Mapping[str, bytes], cities: Collection[str]) -> dict[str, Article]:
    """The articles in ``files`` (name → content), by file; ``cities``: the ids that there are.

    Raises ``Refused`` with the faults of all files, by file and line.
    """
    problems: list[Problem] = []
    found: dict[str, Article] = {}
    places: dict[tuple[str, int], str] = {}
    for file, data in files.items():
        try:
            head, zh, en = _parts(utf8_text(data, file), file)
            reading = Reading(parse_toml_text(head, file))
        except Refused as refused:
            problems += refused.problems
            continue
        text = reading.table(ArticleText)
        article = _article(reading, text, zh, en, cities)
        key = (text.id, text.version)
        if key in places and reading.sound("id") and reading.sound("version"):
            reading.taken(("version",), f"{text.id}@{text.version}", places[key], "article-twice")
        places.setdefault(key, reading.text.place(("version",)))
        try:
            reading.done()
        except Refused as refused:
            problems += refused.problems
            continue
        assert article is not None
        found[file] = article
    if problems:
        raise Refused(*problems)
    return found


def _parts(text: str, file: str) -> tuple[str, str, str]:
    """Head, Chinese and English; in the head every line keeps its number. Raises ``Refused``."""
    lines = text.split("\n")
    marks = [at for at, line in enumerate(lines) if line.rstrip() == MARK]
    if len(marks) < 2 or marks[0] != 0:
        raise Refused(
            Problem(
                "article-head",
                zh=f"文件须以一行 {MARK} 开头，其后为各项，再一行 {MARK}，然后是正文",
                en=f"a file begins with a line {MARK}, then its keys, another line {MARK}, and the text behind it",
                place=f"{file}:1",
            )
        )
    body = lines[marks[1] + 1 :]
    middle = next((at for at, line in enumerate(body) if line.strip() == ENGLISH), len(body))
    zh, en = (_paragraphs(part) for part in (body[:middle], body[middle + 1 :]))
    if not zh or not en:
        line = marks[1] + 1 + (min(middle + 1, len(body)) if zh else 1)
        raise Refused(
            Problem(
                "article-text",
                zh=f"正文须有中文和英文两部分，其间一行 {ENGLISH}",
                en=f"the text is in Chinese and in English, with a line {ENGLISH} between them",
                place=f"{file}:{line}",
            )
        )
    return "\n".join(["", *lines[1 : marks[1]]]), zh, en


def _paragraphs(lines: list[str]) -> str:
    """The lines of a paragraph as one, so that no word is cut in two where the file breaks its lines; a blank line, and
    a line that begins an item of a list, stay apart. Between two lines is a blank, but not beside a character that
    needs none.
    """
    text = ""
    for line in (one.strip() for one in lines):
        if not line:
            text = text.rstrip("\n") + "\n\n"
        elif not text or text[-1] == "\n" or _ITEM.match(line):
            text += ("\n" if text and text[-1] != "\n" else "") + line
        else:
            text += ("" if _joined(text[-1], line[0]) else " ") + line
    return text.strip()


def _joined(before: str, after: str) -> bool:
    """Whether there is no blank between two characters: Chinese ones, and Chinese punctuation beside anything."""
    marks = [not one.isalnum() for one in (before, after)]
    wide = [unicodedata.east_asian_width(one) in "WF" for one in (before, after)]
    quotes = [unicodedata.east_asian_width(one) == "A" for one in (before, after)]  # those of both languages
    return any(map(all, zip(wide, marks, strict=True))) or (any(wide) and all(map(any, zip(wide, quotes, strict=True))))


def _article(reading: Reading, text: ArticleText, zh: str, en: str, cities: Collection[str]) -> Article | None:
    """The article; None after a fault. What is wrong is noted in ``reading``."""
    if not text.topics and reading.sound("topics"):
        reading.fault(("topics",), "article-topics", "至少要有一个主题", "at least one topic is expected")
    for city in text.differences:
        reading.known(("differences", city), city, cities, "city-unknown", "地市", "city")
    first, last = _day(reading, "valid_from", text.valid_from), _day(reading, "expires_on", text.expires_on)
    if first is None or last is None:
        return None
    article = Article(
        id=ArticleId(text.id),
        version=text.version,
        owner=text.owner,
        topics=text.topics,
        zh_title=text.zh,
        en_title=text.en,
        zh_body=zh,
        en_body=en,
        valid_from=first,
        expires_on=last,
        differences={CityId(city): CityDifference(zh=one.zh, en=one.en) for city, one in text.differences.items()},
        published=True,
        approved_by=text.approved_by,
    )
    for one in article.faults():
        if reading.sound(one.place):
            reading.fault((one.place,), one.slug, one.zh, one.en)
    return article


def _day(reading: Reading, key: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        if reading.sound(key):
            reading.fault((key,), "setting-form", f"没有 {text} 这一天", f"there is no day {text}")
        return None
