"""Reports that belong together are one mass fault, however they come in, and never too few of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dataset.rows import AnyRow, MassFaultCleared, MassFaultConfirmed, MassFaultDeclared, MassFaultLinked
from dataset.work import MassFaultId, WorkItemId
from site_node.core.mass_faults import AREAS, Group, MassFaultBook, MassFaultRules, Place, Report, groups
from tests.harness.rows_of_record import Writing
from tests.harness.work import actor

RULES = MassFaultRules(window_s=1_800.0, cable=4, cable_share=0.1, cable_least=2, exchange=6, district=9)


def report(n: int, at: float = 0.0, **places: str) -> Report:
    where = tuple((area, places[area]) for area in AREAS if places.get(area))
    return Report(item=WorkItemId(f"w-{n:04}"), line=f"020{n:08}", at=at, places=where)


def items(reports: Sequence[Report]) -> tuple[WorkItemId, ...]:
    return tuple(sorted(one.item for one in reports))


@st.composite
def many(draw: st.DrawFn) -> list[Report]:
    """Reports over some hours; cables lie in exchanges and these in districts, and some lines have none on record."""
    found = []
    for n in range(draw(st.integers(0, 40))):
        cable = draw(st.integers(0, 5))
        exchange, district = f"e{cable // 2}", f"d{cable // 4}"
        known = draw(st.integers(0, 9))
        found.append(
            report(
                n,
                draw(st.floats(0.0, 7_200.0)),
                cable=f"c{cable}" if known > 2 else "",
                exchange=exchange if known > 1 else "",
                district=district if known > 0 else "",
            )
        )
    return found


LINES = st.dictionaries(st.integers(0, 5).map(lambda n: ("cable", f"c{n}")), st.integers(1, 400), max_size=6)


@given(reports=many(), lines=LINES, data=st.data())
def test_what_is_found_does_not_depend_on_the_order(
    reports: list[Report], lines: dict[Place, int], data: st.DataObject
) -> None:
    assert groups(data.draw(st.permutations(reports)), RULES, lines) == groups(reports, RULES, lines)


@given(reports=many(), lines=LINES)
def test_no_group_is_below_its_threshold_and_no_report_in_two(reports: list[Report], lines: dict[Place, int]) -> None:
    by_item = {one.item: one for one in reports}
    found = groups(reports, RULES, lines)
    taken = [item for group in found for item in group.items]
    assert len(taken) == len(set(taken))
    assert len({group.place for group in found}) == len(found), "an area is one mass fault"
    for group in found:
        inside = [by_item[item] for item in group.items]
        assert all(group.place in one.places for one in inside)
        assert all(
            any(
                start.at <= one.at <= start.at + RULES.window_s
                and len({other.line for other in inside if start.at <= other.at <= start.at + RULES.window_s})
                >= RULES.least(group.place, lines.get(group.place))
                for start in inside
            )
            for one in inside
        ), "each is close to as many as it takes"


@given(reports=many(), lines=LINES)
def test_what_is_left_is_no_mass_fault_by_itself(reports: list[Report], lines: dict[Place, int]) -> None:
    """Whoever looks again finds nothing more among them."""
    taken = {item for group in groups(reports, RULES, lines) for item in group.items}
    left = [one for one in reports if one.item not in taken]
    assert groups(left, RULES, lines) == ()


@given(n=st.integers(1, 8), apart=st.floats(1.0, 900.0))
def test_a_cable_is_found_at_its_count_and_not_before(n: int, apart: float) -> None:
    reports = [report(at, at * apart, cable="c", exchange=f"e{at}") for at in range(n)]
    close = 1 + int(RULES.window_s / apart)
    assert bool(groups(reports, RULES, {})) == (min(n, close) >= RULES.cable)


def test_a_small_cable_is_found_by_its_share() -> None:
    reports = [report(n, cable="c") for n in range(2)]
    assert groups(reports, RULES, {}) == ()
    assert groups(reports, RULES, {("cable", "c"): 30}) == ()
    assert groups(reports, RULES, {("cable", "c"): 20}) == (Group(place=("cable", "c"), items=items(reports)),)
    assert groups(reports[:1], RULES, {("cable", "c"): 1}) == (), "one report is never many"


def test_one_line_that_is_reported_often_is_no_mass_fault() -> None:
    reports = [Report(item=WorkItemId(f"w-{n}"), line="02081230001", at=n, places=(("cable", "c"),)) for n in range(9)]
    assert groups(reports, RULES, {}) == ()


def test_an_exchange_is_one_fault_where_its_cables_share_it() -> None:
    one = [report(n, cable=f"c{n % 3}", exchange="e", district="d") for n in range(9)]
    assert [group.place for group in groups(one, RULES, {})] == [("exchange", "e")]
    several = [report(n, cable=f"c{n % 3}", exchange=f"e{n % 3}", district="d") for n in range(9)]
    assert [group.place for group in groups(several, RULES, {})] == [("district", "d")]
    assert groups(several[:8], RULES, {}) == ()


def test_a_cable_in_a_quiet_exchange_is_the_cable() -> None:
    """Most of an exchange's reports on one cable: the crew goes to the cable."""
    cable = [report(n, cable="c", exchange="e", district="d") for n in range(8)]
    others = [report(10 + n, cable=f"o{n}", exchange="e", district="d") for n in range(3)]
    assert groups([*cable, *others], RULES, {}) == (Group(place=("cable", "c"), items=items(cable)),)


# ── what stands ─────────────────────────────────────────────────────────────────────────────────────────────────────
M1, M2 = MassFaultId("m-0020-aaaaaaaa-000001"), MassFaultId("m-0020-aaaaaaaa-000002")
W = [WorkItemId(f"w-{n:04}") for n in range(5)]


def declared(name: MassFaultId = M1, place: str = "c", found: tuple[WorkItemId, ...] = (W[0], W[1])) -> AnyRow:
    return MassFaultDeclared(mass_fault=name, area="cable", name=place, items=found, by=None, expected_at=9.0)


def book(*rows: AnyRow, twice: bool = False) -> MassFaultBook:
    found = MassFaultBook()
    for row in Writing("guangzhou").write(*rows):
        for _ in range(1 + twice):
            found.add(row)
    return found


def test_a_mass_fault_goes_from_found_to_repaired() -> None:
    by = actor("dispatcher")
    rows = (
        declared(),
        MassFaultLinked(mass_fault=M1, items=(W[2],)),
        MassFaultConfirmed(mass_fault=M1, by=by, expected_at=99.0),
        MassFaultCleared(mass_fault=M1, how="repaired", by=by),
    )
    for far in range(1, len(rows) + 1):
        for twice in (False, True):
            now = book(*rows[:far], twice=twice)
            [fault] = now.all()
            assert fault.items == tuple(W[: 2 if far < 2 else 3])
            assert fault.expected_at == (9.0 if far < 3 else 99.0)
            assert fault.stands == (far < 4)
            assert (now.over([("district", "d"), ("cable", "c")]) is not None) == fault.stands
            assert now.of_item(W[0]) == fault, "also once it is cleared"
            assert now.of_item(W[3]) is None


def test_what_was_cleared_stays_so_and_an_item_has_one_mass_fault() -> None:
    by = actor("dispatcher")
    now = book(
        declared(),
        MassFaultCleared(mass_fault=M1, how="rejected", by=by),
        MassFaultCleared(mass_fault=M1, how="repaired", by=by),
        declared(M2, found=(W[1], W[3])),
    )
    assert [(one.id, one.items) for one in now.all()] == [(M2, (W[3],)), (M1, (W[0], W[1]))]
    first = now.get(M1)
    assert first is not None
    assert first.cleared is not None
    assert first.cleared.how == "rejected"


def test_rows_whose_beginning_is_lost_are_passed_over() -> None:
    now = book(
        MassFaultLinked(mass_fault=M1, items=(W[0],)),
        MassFaultCleared(mass_fault=M1, how="repaired", by=actor("dispatcher")),
    )
    assert now.all() == ()
    assert now.of_item(W[0]) is None
