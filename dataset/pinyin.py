"""Pinyin of names, whole and by initials, as a directory is searched: ``shanxiongxin`` and ``sxx`` for 单雄信.

Readings come from pypinyin; what it does not know is that the first character of a person's name is a surname, and
surnames have readings of their own (单 is Shàn there and dān elsewhere). ü is written v, as keyboards have it. Latin
letters and digits stay, in lower case; characters without a known reading stay as they are, so nothing is lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pypinyin import lazy_pinyin

SURNAMES: Final[Mapping[str, str]] = {
    "单": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "区": "ou", "查": "zha", "朴": "piao", "盖": "ge",
    "翟": "zhai", "覃": "qin", "缪": "miao", "种": "chong", "召": "shao", "繁": "po", "员": "yun", "乐": "yue",
    "那": "na", "句": "gou", "折": "she", "黑": "he", "秘": "bi", "乜": "nie", "祭": "zhai", "尉": "wei",
    "谌": "chen", "应": "ying", "任": "ren", "宁": "ning", "纪": "ji", "葛": "ge", "车": "che", "都": "du",
    "柏": "bai", "费": "fei", "宓": "mi", "燕": "yan", "藏": "zang", "撒": "sa", "盛": "sheng", "宿": "su",
    "相": "xiang", "行": "xing", "於": "yu", "粘": "nian", "曲": "qu", "卜": "bu", "能": "nai", "隗": "wei",
    "牟": "mou", "冼": "xian", "洗": "xian", "长": "chang", "重": "chong", "郗": "xi", "佴": "nai", "阚": "kan",
    "万": "wan", "沈": "shen", "万俟": "mo qi", "尉迟": "yu chi", "长孙": "zhang sun", "单于": "chan yu",
    "澹台": "tan tai", "令狐": "ling hu", "鲜于": "xian yu", "皇甫": "huang fu", "夏侯": "xia hou",
    "宰父": "zai fu", "谷梁": "gu liang", "乐正": "yue zheng", "呼延": "hu yan", "闾丘": "lv qiu",
}  # fmt: skip
"""Surnames whose reading is not that of the character elsewhere, or not the one pypinyin prefers."""
WORDS: Final[Mapping[str, str]] = {
    "单县": "shan xian", "六安": "lu an", "六合": "lu he", "大埔": "da bu", "东涌": "dong chong",
    "葵涌": "kui chong", "沙涌": "sha chong", "河涌": "he chong", "涌口": "chong kou", "乐从": "le cong",
    "乐清": "yue qing", "乐亭": "lao ting", "解州": "xie zhou", "台州": "tai zhou", "丽水": "li shui",
    "浚县": "xun xian", "番禺": "pan yu", "东莞": "dong guan", "支行": "zhi hang", "分行": "fen hang",
    "总行": "zong hang", "商行": "shang hang", "车行": "che hang", "药行": "yao hang",
}  # fmt: skip
"""Places, many of them in Guangdong, and words of companies that are read otherwise than pypinyin reads them."""
_WRITTEN = re.compile(r"[a-z0-9]+")
_GAPS = re.compile(r"[\W_]+")
_PLAIN = re.compile("[\u4e00-\u9fffa-z0-9]*")
"""what is so already, as most names are"""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a name is looked up: ``full`` without tones and gaps; ``initials``, a letter for each character."""

    full: str
    initials: str


@lru_cache(maxsize=20_000)
def person_spelling(name: str) -> Spelling:
    """The spelling of a person's name, its surname read as a surname."""
    text = plain(name)
    # the given name is read apart, so that surname and given name are never taken for a word
    length = 2 if text[:2] in SURNAMES else 1
    surname = text[:length]
    read = _read(SURNAMES[surname]) if surname in SURNAMES else _parts(surname)
    return _spelling([*read, *_parts(text[length:])])


@lru_cache(maxsize=20_000)
def spelling(name: str) -> Spelling:
    """The spelling of anything else: a company, a department, a place.

    A shop called after its owner (单记, 曾氏) begins with a surname as well.
    """
    if re.match(r"^.[记氏]", name):
        return person_spelling(name)
    return _spelling([*_parts(plain(name))])


def plain(name: str) -> str:
    """``name`` as names are compared: full-width letters become plain ones, small letters, no gaps and punctuation."""
    if _PLAIN.fullmatch(name):
        return name
    return _GAPS.sub("", unicodedata.normalize("NFKC", name)).lower()


def _spelling(parts: list[tuple[str, str]]) -> Spelling:
    return Spelling("".join(full for full, _ in parts), "".join(initials for _, initials in parts))


def _read(reading: str) -> Iterator[tuple[str, str]]:
    for syllable in reading.split():
        yield syllable, syllable[0]


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Each character's reading with its first letter; letters and digits as they stand, in both."""
    at = 0
    while at < len(text):
        if (written := _WRITTEN.match(text, at)) is not None:
            yield written[0], written[0]
            at = written.end()
        elif text[at : at + 2] in WORDS:
            yield from _read(WORDS[text[at : at + 2]])
            at += 2
        else:
            end = next((n for n in range(at + 1, len(text)) if _starts_anew(text, n)), len(text))
            yield from _readings(text[at:end])
            at = end


@lru_cache(maxsize=20_000)
def _readings(characters: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for part in lazy_pinyin(characters):
        if part.isascii():
            found.append((part, part[0]))
        else:  # characters without a reading, as they were
            found += zip(part, part, strict=True)
    return tuple(found)


def _starts_anew(text: str, at: int) -> bool:
    return text[at : at + 2] in WORDS or _WRITTEN.match(text, at) is not None
