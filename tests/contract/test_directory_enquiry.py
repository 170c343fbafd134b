"""Directory enquiry over both forms of the store: who is found, in which order, page by page; and who never is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from dataset.pinyin import plain, spelling
from dataset.puts import LARGEST_BATCH, Put
from dataset.records.catalogue import EVERY
from dataset.records.directory import DIRECTORY, DirectoryEntry, spelled
from federation.node.clock import VirtualClock
from federation.node.login import Actor
from simulation.population.material import material
from site_node.core.directory import CATEGORIES, LONGEST, MOST_WORDS, PAGE
from site_node.services.area_codes import AreaCodes
from site_node.services.directory import DirectoryService, Found, Whose
from tests.harness.store_forms import Form, MemoryForm, SqliteForm, a_city, outcome, result

AGENT, SUPERVISOR, ADMIN = (
    Actor(role, None, role, frozenset({role}), NodeId("guangzhou")) for role in ("agent", "supervisor", "site_admin")
)


class Desk:
    """The directory of a city that nobody else writes in, and whoever asks."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.store = form.open(EVERY)
        self.anew()

    def anew(self) -> None:
        """Another city, of which nothing is known yet."""
        self.city = CityId(a_city())
        codes = AreaCodes({"020": self.city, "0755": CityId("shenzhen")}, material().plan)
        self.service = DirectoryService(self.city, self.store, codes, VirtualClock(1_700_000_000.0))

    def put(self, *entries: DirectoryEntry) -> None:
        puts = [Put(DIRECTORY, spelled(replace(one, city=self.city))) for one in entries]
        for at in range(0, len(puts), LARGEST_BATCH):
            result(self.form, self.store.put(puts[at : at + LARGEST_BATCH]))

    def ask(self, text: str, token: str | None = None, actor: Actor = AGENT) -> Found:
        return result(self.form, Deferred.fromCoroutine(self.service.look(actor, text, self.city, token)))

    def pages(self, text: str) -> Iterator[Found]:
        """All pages of an answer."""
        page = self.ask(text)
        yield page
        while page.token is not None:
            page = self.ask(text, page.token)
            yield page

    def names(self, text: str) -> list[str]:
        """Names on the first page."""
        return [entry.name for _, entry in self.ask(text).entries]

    def refusal(self, text: str, token: str | None = None) -> tuple[str, str]:
        """Slug and place of what is said instead of an answer."""
        got = outcome(self.form, Deferred.fromCoroutine(self.service.look(AGENT, text, self.city, token)))
        assert isinstance(got, Refused)
        [problem] = got.problems
        assert problem.zh != problem.en
        return problem.slug, problem.place


@pytest.fixture(params=[MemoryForm, SqliteForm], ids=["memory", "sqlite"], scope="module")
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("directory")
    form: Form = request.param(folder)
    yield Desk(form)
    form.close()


@pytest.fixture(autouse=True)
def _another_city(desk: Desk) -> None:
    desk.anew()


def firm(n: int, name: str, *aliases: str, category: str = "other", at: str = "天河区体育西路") -> DirectoryEntry:
    return DirectoryEntry(
        city=CityId(""),
        number=f"020{88_880_000 + n}",
        name=name,
        aliases=aliases,
        category=category,
        district=at[:3],
        street=at[3:],
        house=f"{n}号",
    )


def person(n: int, name: str, *, at: str = "天河区体育西路", unlisted: bool = False) -> DirectoryEntry:
    return replace(firm(n, name, category="", at=at), unlisted=unlisted)


# ── ways to ask ─────────────────────────────────────────────────────────────────────────────────────────────────────
KNOWN = (
    firm(1, "中山大学", "中大", category="school", at="海珠区新港西路"),
    firm(2, "中山大学附属第一医院", "中山一院", category="hospital", at="越秀区中山二路"),
    firm(3, "天河区人民医院", category="hospital"),
    firm(4, "广州市宏达电子有限公司", "宏达电子", category="electronics"),
    firm(5, "KFC天河店", category="restaurant"),
    firm(6, "长城IT服务部", category="service", at="越秀区中山二路"),
    firm(7, "7-11便利店", category="shop"),
    firm(8, "广州电信天河分公司", "广州电信", category="other"),
    person(11, "单雄信"),
    person(12, "曾国藩"),
    person(13, "尉迟恭", at="海珠区新港西路"),
    person(14, "𠮷田䶮"),
    person(15, "王芳"),
    person(16, "王芳芳", at="越秀区中山二路"),
    person(17, "Ａｎｎａ 陈"),
    person(18, "王Lily2号"),
    person(19, "海丽", at="海珠区新港西路"),
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("王芳", ["王芳", "王芳芳"]),
        ("王 芳", ["王芳", "王芳芳"]),
        ("中大", ["中山大学"]),
        ("中山大学", ["中山大学", "中山大学附属第一医院"]),
        ("附属第一", ["中山大学附属第一医院"]),
        ("宏达电子有限公司", ["广州市宏达电子有限公司"]),
        ("人民医院", ["天河区人民医院"]),
        ("wangfang", ["王芳", "王芳芳"]),
        ("wang fang", ["王芳", "王芳芳"]),
        ("WangF", ["王芳", "王芳芳"]),
        ("zhongda", ["中山大学"]),
        ("zsdx", ["中山大学", "中山大学附属第一医院"]),
        ("z s d x", ["中山大学", "中山大学附属第一医院"]),
        ("gzdx", ["广州电信天河分公司"]),
        ("zsdx haizhu", ["中山大学"]),
        ("haizhuqu zsdx", ["中山大学"]),
        ("z s d x 海珠", ["中山大学"]),
        ("天河 医院", ["天河区人民医院"]),
        ("医院 越秀区", ["中山大学附属第一医院"]),
        ("医院 中山二路", ["中山大学附属第一医院"]),
        ("饭店 天河", ["KFC天河店"]),
        ("hospital tianhe", ["天河区人民医院"]),
        ("王芳 越秀", ["王芳芳"]),
        ("王 体育西路15号", ["王芳"]),
        ("体育西路15号", []),
        ("新港西路 海珠", ["中山大学"]),
        ("shanxiongxin", ["单雄信"]),
        ("zgf", ["曾国藩"]),
        ("yuchi", ["尉迟恭"]),
        ("尉迟 海珠", ["尉迟恭"]),
        ("𠮷田", ["𠮷田䶮"]),
        ("𠮷tian", ["𠮷田䶮"]),
        ("𠮷 tian", ["𠮷田䶮"]),
        ("kfc", ["KFC天河店"]),
        ("ＫＦＣ天河", ["KFC天河店"]),
        ("it服务", ["长城IT服务部"]),
        ("7-11", ["7-11便利店"]),
        ("anna陈", ["Ａｎｎａ 陈"]),
        ("wlily2h", ["王Lily2号"]),
        ("danxiongxin", []),
        ("雄信", []),
        ("公司", []),
        ("公司 宏达", ["广州市宏达电子有限公司"]),
        ("有限公司 zsdx", []),
        ("hai zhu", []),
        ("haizhu", []),
        ("天河 中山大学", []),
        ("%", None),
        ("王_芳", ["王芳", "王芳芳"]),
        ("' OR 1=1", []),
    ],
)
def test_who_is_found_by_what_is_typed(desk: Desk, typed: str, found: list[str] | None) -> None:
    desk.put(*KNOWN)
    if found is None:
        assert desk.refusal(typed) == ("directory-text", "text")
    else:
        assert desk.names(typed) == found


def test_whole_names_come_first_then_beginnings_then_initials_then_the_rest(desk: Desk) -> None:
    desk.put(
        firm(1, "天河", category="shop", at="越秀区中山二路"),
        firm(2, "天河书店", at="越秀区中山二路"),
        firm(3, "广州天河大厦", at="越秀区中山二路"),
        firm(4, "越秀饭店"),
        firm(5, "wf通信"),
        person(6, "王芳"),
        person(7, "王芳芳"),
        firm(8, "广州WF中心"),
    )
    assert [(fit.name, entry.name) for fit, entry in desk.ask("天河").entries] == [
        ("EXACT", "天河"), ("BEGINNING", "天河书店"), ("OTHER", "wf通信"), ("OTHER", "广州WF中心"),
        ("OTHER", "广州天河大厦"), ("OTHER", "越秀饭店"),
    ]  # fmt: skip
    assert [(fit.name, entry.name) for fit, entry in desk.ask("wf").entries] == [
        ("BEGINNING", "wf通信"), ("INITIALS", "王芳"), ("INITIALS_BEGIN", "王芳芳"), ("OTHER", "广州WF中心"),
    ]  # fmt: skip


# ── against a naive reading of the rules ────────────────────────────────────────────────────────────────────────────
def naive(entry: DirectoryEntry, text: str) -> bool:
    """Whether ``entry`` answers ``text`` by ``docs/directory.md``, without any index."""
    words = [word for word in map(plain, text.split()) if word]
    runs = [(latin, list(some)) for latin, some in groupby(words, str.isascii)]
    joined = [one for latin, some in runs for one in (["".join(some)] if latin else some)]
    ways = (words, joined, ["".join(words)])
    return not entry.unlisted and any(
        all(_fits(entry, word) or _narrows(entry, word) for word in way) and any(_fits(entry, word) for word in way)
        for way in ways
    )


def _fits(entry: DirectoryEntry, word: str) -> bool:
    typed = any(character.isascii() for character in word)
    return (
        any(name.startswith(word) for name in _names(entry))
        or (typed and any(one.startswith(word) for one in (entry.pinyin, *entry.alias_pinyin, *entry.initials)))
        or (word not in ("有限", "限公", "公司", "有限公", "限公司", "有限公司") and _is_within(entry, word))
        or (entry.category != "" and (entry.category in CATEGORIES.get(word, ()) or entry.category == word))
        or (entry.category != "" and _is_there(entry, word))
    )


def _narrows(entry: DirectoryEntry, word: str) -> bool:
    sounds = spelling(entry.district).full, spelling(entry.district.rstrip("区")).full
    return word in sounds or _is_within(entry, word) or _is_there(entry, word)


def _names(entry: DirectoryEntry) -> list[str]:
    return [plain(name) for name in (entry.name, *entry.aliases)]


def _is_within(entry: DirectoryEntry, word: str) -> bool:
    return entry.category != "" and len(word) > 1 and any(word in name for name in _names(entry))


def _is_there(entry: DirectoryEntry, word: str) -> bool:
    there = entry.district.rstrip("区") == word.rstrip("区") or plain(entry.street + entry.house).startswith(word)
    return there and not word.isascii() and len(word) > 1


PIECES = ("单", "曾", "尉迟", "王", "芳", "𠮷", "䶮", "广州", "天河", "医院", "中山大学", "KFC", "7-11", " Ａ", "公司")
names_ = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join).map(str.strip)
places = st.sampled_from(("天河区", "越秀区", "海珠区"))
directories = st.lists(
    st.builds(
        lambda name, aliases, category, district, street, unlisted: DirectoryEntry(
            city=CityId(""),
            number="000",
            name=name,
            aliases=tuple(aliases),
            category=category,
            district=district,
            street=street,
            house="1号",
            unlisted=unlisted,
        ),
        names_,
        st.lists(names_, max_size=2),
        st.sampled_from(("", "", "hospital", "school", "other")),
        places,
        st.sampled_from(("体育西路", "天河路", "中山五路")),
        st.booleans(),
    ),
    min_size=1,
    max_size=45,
)


@st.composite
def questions(draw: st.DrawFn, entries: list[DirectoryEntry]) -> str:
    """A few words, most of which are of somebody who is in the directory."""
    words = []
    for _ in range(draw(st.integers(1, 3))):
        of = draw(st.sampled_from(entries))
        name = draw(st.sampled_from((of.name, *of.aliases)))
        known = spelled(replace(of, name=name, pinyin="", initials=()))
        begin, end = draw(st.integers(0, 3)), draw(st.integers(1, 8))
        whole = draw(
            st.sampled_from(
                (name, name[begin : begin + end], name[:end], known.pinyin, known.pinyin[:end], known.initials[0],
                 known.initials[0][:end], of.district, of.district[:2], spelling(of.district[:2]).full, of.street,
                 of.street[:2], "医院", "学校", "公司", "hospital")
            )
        )  # fmt: skip
        words.append(whole.upper() if draw(st.booleans()) else whole)
    return " ".join(words)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_that_fit_are_found_and_nobody_else(desk: Desk, data: st.DataObject) -> None:
    """Every page of every answer, against every entry held against the rules; an unlisted one never."""
    desk.anew()
    entries = [spelled(replace(one, number=f"020{80_000_000 + n}")) for n, one in enumerate(data.draw(directories))]
    desk.put(*entries)
    for _ in range(4):
        text = data.draw(questions(entries))
        if not plain(text) or (plain(text).isdecimal() and len(plain(text)) > 2):
            continue
        if len(text) > LONGEST or len(text.split()) > MOST_WORDS:
            continue
        pages = list(desk.pages(text))
        found = [entry.number for page in pages for _, entry in page.entries]
        fits = [fit for page in pages for fit, _ in page.entries]
        assert sorted(found) == [one.number for one in entries if naive(one, text)], text
        assert fits == sorted(fits)
        assert not any(page.more for page in pages)
        assert all(len(page.entries) == PAGE for page in pages[:-1])


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_among_more_than_can_be_looked_through_the_best_come_first_and_one_more_word_finds_the_rest(desk: Desk) -> None:
    places = ("天河区体育西路", "越秀区中山二路")
    crowd = [person(n, f"王伟{n:04d}", at=places[n % 2]) for n in range(2_000)]
    desk.put(*crowd, person(9_999, "王伟"), firm(9_998, "王伟眼科医院", category="hospital"))
    pages = list(desk.pages("王伟"))
    assert (pages[0].more, pages[0].entries[0][1].name) == (True, "王伟")
    found = [entry.number for page in pages for _, entry in page.entries]
    assert len(found) == len(set(found)) > 1_000
    for text, name in (("王伟 眼科", "王伟眼科医院"), ("王伟1777 越秀", "王伟1777"), ("ww1777 yuexiu", "王伟1777")):
        answer = desk.ask(text)
        assert ([entry.name for _, entry in answer.entries], answer.more) == ([name], False)


def test_a_district_in_pinyin_narrows_and_ends_no_search(desk: Desk) -> None:
    """Nobody is called tianhe here, which is soon known; those called wangfang are still to be looked through."""
    desk.put(*(person(n, "王芳", at="越秀区中山二路") for n in range(100)), person(9_999, "王芳"))
    answer = desk.ask("wangfang tianhe")
    assert ([entry.district for _, entry in answer.entries], answer.more) == (["天河区"], False)


def test_a_page_goes_on_where_the_one_before_ended_whatever_is_put_between(desk: Desk) -> None:
    desk.put(*(person(n, f"曾{n:02d}") for n in range(1, 50)))
    first = desk.ask("曾")
    desk.put(person(1_000, "曾00"), person(1_001, "曾20a"), replace(person(30, "曾30"), unlisted=True, revision=2))
    second = desk.ask("曾", first.token)
    names = [entry.name for _, entry in (*first.entries, *second.entries)]
    assert names == [f"曾{n:02d}" for n in range(1, 21)] + ["曾20a"] + [f"曾{n}" for n in range(21, 41) if n != 30]


@pytest.mark.parametrize("token", ["", "x", "!!!!", "AAAA", "曾", "=" * 40])
def test_a_token_of_something_else_is_refused(desk: Desk, token: str) -> None:
    desk.put(*(person(n, f"曾{n:02d}") for n in range(30)), *(person(n, f"单{n:02d}") for n in range(30, 60)))
    assert desk.refusal("曾", token) == ("page-token", "token")
    assert desk.refusal("曾", desk.ask("单").token) == ("page-token", "token")
    assert len(desk.ask(" 曾 ", desk.ask("曾").token).entries) == 10


# ── whose a number is ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "typed",
    ["02088880001", "88880001", "8888 0001", "8888-0001", "(020)8888-0001", "+86 20 88880001", "0086-20-88880001"],
)
def test_the_firm_of_a_number_is_told_to_everybody_at_a_seat(desk: Desk, typed: str) -> None:
    desk.put(*KNOWN)
    found = desk.ask(typed)
    assert ([entry.name for _, entry in found.entries], found.whose) == (["中山大学"], Whose.TOLD)


def test_the_person_of_a_number_is_told_to_supervisors_only(desk: Desk) -> None:
    desk.put(*KNOWN)
    assert (desk.ask("88880015").entries, desk.ask("88880015").whose) == ((), Whose.PERSON)
    for actor in (SUPERVISOR, ADMIN):
        found = desk.ask("88880015", actor=actor)
        assert ([entry.name for _, entry in found.entries], found.whose) == (["王芳"], Whose.TOLD)
    assert desk.ask("88889999").whose is Whose.UNKNOWN


@pytest.mark.parametrize("actor", [AGENT, SUPERVISOR, ADMIN], ids=lambda actor: str(actor.user))
def test_of_an_unlisted_number_nothing_is_said_but_that_it_is(desk: Desk, actor: Actor) -> None:
    hidden = replace(KNOWN[1], unlisted=True)
    desk.put(hidden, person(21, "曾国藩", unlisted=True))
    for number in ("02088880002", "88880021"):
        found = desk.ask(number, actor=actor)
        assert (found.entries, found.whose) == ((), Whose.UNLISTED)
    for text in (
        *("中山大学附属第一医院", "中山一院", "zsyy", "zhongshan", "附属", "医院", "医院 越秀", "中山二路", "越秀区"),
        *("曾国藩", "zgf", "zengguofan", "曾 体育西路21号"),
    ):
        assert desk.ask(text, actor=actor).entries == ()


def test_a_short_number_is_looked_for_as_a_number_and_as_a_name(desk: Desk) -> None:
    desk.put(replace(KNOWN[7], number="10000"), firm(20, "10000号营业厅"))
    found = desk.ask("10000")
    assert ([entry.name for _, entry in found.entries], found.whose) == (
        ["广州电信天河分公司", "10000号营业厅"],
        Whose.TOLD,
    )


# ── what cannot be asked ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "text", ["", "  ", "　", "-", "。，", "\x00", "\ud800", "王" * (LONGEST + 1), " ".join("王" * (MOST_WORDS + 1))]
)
def test_what_is_no_question_is_refused(desk: Desk, text: str) -> None:
    assert desk.refusal(text) == ("directory-text", "text")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=LONGEST))
def test_whatever_is_typed_is_answered_or_refused_in_words(desk: Desk, text: str) -> None:
    got = outcome(desk.form, Deferred.fromCoroutine(desk.service.look(AGENT, text, desk.city)))
    assert isinstance(got, Found) or (isinstance(got, Refused) and got.problems[0].slug == "directory-text")
