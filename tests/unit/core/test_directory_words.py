"""What fits a word of a directory enquiry is found by the readings that are planned for it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dataset.pages import asked
from dataset.pinyin import plain
from dataset.records.directory import DIRECTORY, DirectoryEntry, spelled
from site_node.core.directory import Fit, Listed, Read, Word, local_numbers, read_question
from tests.harness.sample_records import ENTRY

PIECES = (
    "广州",
    "天河区",
    "医院",
    "有限公司",
    "单",
    "曾",
    "尉迟",
    "𠮷",
    "䶮",
    "王",
    "芳",
    "KFC",
    "7",
    "Ａ",
    "é",
    " ",
    "·",
)
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join).map(str.strip).filter(plain)
entries = st.builds(
    lambda name, aliases, category, district, street: spelled(
        replace(
            ENTRY,
            name=name,
            aliases=tuple(aliases),
            category=category,
            district=district,
            street=street,
            pinyin="",
            initials=(),
        )
    ),
    texts,
    st.lists(texts, max_size=2),
    st.sampled_from(("", "hospital", "other")),
    st.sampled_from(("", "天河区", "天河新区", "单县")),
    texts,
)


def finds(read: Read, entry: DirectoryEntry) -> bool:
    """Whether the entry stands in that stretch of the index."""
    question = asked(DIRECTORY, (entry.city, read.head), read.span, 1, None, read.index)
    return any(
        index == read.index and partition == question.partition and question.stretch.lower <= clustering
        and clustering < question.stretch.upper
        for index, partition, clustering in DIRECTORY.entries(entry)
    )  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(entry=entries, data=st.data())
def test_one_of_the_covers_finds_it_by_whichever_reading(entry: DirectoryEntry, data: st.DataObject) -> None:
    """A word from anywhere in a name, its pinyin, its initials, the district, the address or the trade."""
    of = data.draw(
        st.sampled_from((*entry.names, *entry.sounds, *entry.initials, entry.district, entry.address, "医院"))
    )
    begin = data.draw(st.integers(0, len(of)))
    typed = plain(of[begin : data.draw(st.integers(begin, len(of)))])
    if typed:
        word = Word(typed)
        fit = word.fit(Listed(entry))
        if fit is not None and not (fit is Fit.NARROWS and word.narrows):
            assert any(all(finds(read, entry) for read in cover) for cover in word.covers), (typed, fit)


@given(entry=entries)
def test_no_index_has_an_unlisted_entry_and_no_question_fits_it(entry: DirectoryEntry) -> None:
    hidden = replace(entry, unlisted=True)
    assert list(DIRECTORY.entries(hidden)) == []
    assert read_question(entry.name).fit(entry) is Fit.EXACT
    assert read_question(entry.name).fit(hidden) is None


def test_a_number_is_looked_for_with_its_area_code_and_without_the_country() -> None:
    assert local_numbers("88886666", "020") == ("02088886666", "88886666")
    assert local_numbers("10000", "020") == ("10000", "02010000")
    assert local_numbers("075526120001", "020") == ("075526120001",)
    assert local_numbers("13800000001", "020") == ("13800000001",)
    assert "02088886666" in local_numbers("+862088886666", "0755")
    assert "13800000001" in local_numbers("008613800000001", "020")


def test_a_question_is_the_same_however_it_was_written() -> None:
    assert read_question("ＺＳＤＸ  Tianhe ") == read_question("zsdx tianhe")
    assert read_question("020-8888 6666").number == "02088886666"
    assert read_question("8888").number == "8888"
    assert read_question("8888号").number == ""
