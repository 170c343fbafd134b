"""A name is found by its pinyin and by its initials, the surname read as a surname, and no character gets lost."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.pinyin import SURNAMES, WORDS, Spelling, person_spelling, plain, spelling


@pytest.mark.parametrize(
    ("name", "full", "initials"),
    [
        ("王芳", "wangfang", "wf"),
        ("单雄信", "shanxiongxin", "sxx"),
        ("曾国藩", "zengguofan", "zgf"),
        ("解晓东", "xiexiaodong", "xxd"),
        ("仇英", "qiuying", "qy"),
        ("区志强", "ouzhiqiang", "ozq"),
        ("翟志刚", "zhaizhigang", "zzg"),
        ("覃海", "qinhai", "qh"),
        ("缪荃孙", "miaoquansun", "mqs"),
        ("查良镛", "zhaliangyong", "zly"),
        ("种师道", "chongshidao", "csd"),
        ("尉迟恭", "yuchigong", "ycg"),
        ("万俟卨", "moqixie", "mqx"),
        ("长孙无忌", "zhangsunwuji", "zswj"),
        ("欧阳修", "ouyangxiu", "oyx"),
        ("吕布", "lvbu", "lb"),
        ("王Lily2号", "wanglily2hao", "wlily2h"),
        ("Ａｎｎａ 陈", "annachen", "annac"),
        ("阿不都·热西提", "abudourexiti", "abdrxt"),
        ("𠮷田一郎", "𠮷tianyilang", "𠮷tyl"),
        ("张\U00030000", "zhang\U00030000", "z\U00030000"),
        ("", "", ""),
    ],
)
def test_people_are_spelled_with_the_readings_of_surnames(name: str, full: str, initials: str) -> None:
    assert person_spelling(name) == Spelling(full, initials)


@pytest.mark.parametrize(
    ("name", "full", "initials"),
    [
        ("单县羊肉汤馆", "shanxianyangroutangguan", "sxyrtg"),
        ("曾记茶餐厅", "zengjichacanting", "zjcct"),
        ("中国银行番禺支行", "zhongguoyinhangpanyuzhihang", "zgyhpyzh"),
        ("大埔（东涌）分公司", "dabudongchongfengongsi", "dbdcfgs"),
        ("单位宿舍7-11", "danweisushe711", "dwss711"),
        ("长城IT服务部", "changchengitfuwubu", "ccitfwb"),
    ],
)
def test_companies_and_places_are_spelled_as_words(name: str, full: str, initials: str) -> None:
    assert spelling(name) == Spelling(full, initials)


def test_every_reading_in_the_tables_has_a_syllable_for_each_character() -> None:
    assert not [name for name, read in {**SURNAMES, **WORDS}.items() if len(read.split()) != len(name)]


@given(st.text(st.characters(min_codepoint=0x20000, max_codepoint=0x2A6DF), min_size=1, max_size=4))
def test_rare_characters_neither_fall_over_nor_vanish(rare: str) -> None:
    spelled = person_spelling(f"王{rare}")
    assert spelled.full.startswith("wang")
    assert len(spelled.initials) == 1 + len(rare)


@given(st.text())
def test_every_text_has_a_spelling_of_small_letters_without_gaps(text: str) -> None:
    for spelled in (person_spelling(text), spelling(text)):
        assert not any(character.isspace() for character in spelled.full + spelled.initials)
        assert len(spelled.initials) <= len(spelled.full)


@given(st.text(st.characters(categories=["L", "N", "P", "Z", "M"], exclude_characters="_")))
def test_names_are_compared_without_gaps_in_small_plain_letters(name: str) -> None:
    whole = unicodedata.normalize("NFKC", name)
    assert plain(name) == "".join(one for one in whole if one.isalnum()).lower()


def test_what_is_taken_as_it_stands_is_plain() -> None:
    """Chinese characters are compared as they are written: none of them has another form, a gap or a small letter."""
    every = "".join(map(chr, range(0x4E00, 0xA000)))
    assert plain(every) == every == unicodedata.normalize("NFKC", every).lower()
    assert every.isalnum()
