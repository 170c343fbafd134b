"""What one node knows of the others: newest wins, losses are noticed and mended, silence is seen at once."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.ids import AgentId, CityId, LineageId
from federation.core.envelope import AgentPicture, Beat, CityPicture, SkillPicture
from federation.core.picture import FULL_EVERY, Hearing, PictureSender, ProvincePicture

FOSHAN = CityId("foshan")
RUN = LineageId("00000001")
NEXT_RUN = LineageId("00000002")


def city(states: dict[str, str], *, waiting: int = 0, since_s: float = 0.0, oldest: float = 0.0) -> CityPicture:
    idle = sum(state == "ready" for state in states.values())
    return CityPicture(
        city=FOSHAN,
        skills={"fault": SkillPicture(waiting=waiting, oldest_wait_s=oldest, idle=idle, staffed=len(states))},
        agents=tuple(
            AgentPicture(agent=AgentId(f"{who}@foshan"), name=who, state=state, since_s=since_s, skills=("fault",))  # type: ignore[arg-type]
            for who, state in states.items()
        ),
    )


def plain(picture: CityPicture | None) -> dict[str, str]:
    assert picture is not None
    return {agent.name: agent.state for agent in picture.agents}


def test_full_first_then_only_what_changed() -> None:
    """A city over a thin line sends what changed, not what merely grew older."""
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    first = sender.beat(city({"1": "ready", "2": "talking"}), now=10.0, wall=0.0)
    assert first.full is not None
    assert known.heard(FOSHAN, RUN, first, now=100.0) is Hearing.NEW

    second = sender.beat(city({"1": "ready", "2": "talking"}, since_s=1.0), now=11.0, wall=1.0)
    assert second.full is None
    assert second.agents == ()
    assert second.skills == {}
    assert known.heard(FOSHAN, RUN, second, now=101.0) is Hearing.NEW
    seen = known.city(FOSHAN, 101.5)
    assert seen.picture is not None
    assert [agent.since_s for agent in seen.picture.agents] == [1.5, 1.5]
    assert seen.age_s == 0.5

    third = sender.beat(city({"1": "alerting", "2": "talking"}, since_s=2.0), now=12.0, wall=2.0)
    assert [agent.name for agent in third.agents] == ["1"]
    assert set(third.skills) == {"fault"}
    assert known.heard(FOSHAN, RUN, third, now=102.0) is Hearing.NEW
    assert plain(known.city(FOSHAN, 102.0).picture) == {"1": "alerting", "2": "talking"}


def test_a_lost_beat_is_noticed_by_the_digest_and_mended_by_a_full_one() -> None:
    """Beats may be lost; nobody routes on a picture that is wrong."""
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    known.heard(FOSHAN, RUN, sender.beat(city({"1": "ready"}), now=0.0, wall=0.0), now=0.0)
    sender.beat(city({"1": "talking"}), now=1.0, wall=1.0)  # lost
    later = sender.beat(city({"1": "talking", "2": "ready"}, since_s=1.0), now=2.0, wall=2.0)
    assert known.heard(FOSHAN, RUN, later, now=2.0) is Hearing.INCOMPLETE
    assert plain(known.city(FOSHAN, 2.0).picture) == {"1": "ready"}, "the last good picture stands, and ages"
    assert known.city(FOSHAN, 2.0).age_s == 2.0
    assert known.city(FOSHAN, 2.0).silent_s == 0.0
    sender.want_full()
    mended = sender.beat(city({"1": "talking", "2": "ready"}, since_s=2.0), now=3.0, wall=3.0)
    assert known.heard(FOSHAN, RUN, mended, now=3.0) is Hearing.NEW
    assert plain(known.city(FOSHAN, 3.0).picture) == {"1": "talking", "2": "ready"}


def test_a_lost_beat_without_change_needs_nothing() -> None:
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    known.heard(FOSHAN, RUN, sender.beat(city({"1": "ready"}), now=0.0, wall=0.0), now=0.0)
    sender.beat(city({"1": "ready"}, since_s=1.0), now=1.0, wall=1.0)
    later = sender.beat(city({"1": "talking"}), now=2.0, wall=2.0)
    assert known.heard(FOSHAN, RUN, later, now=2.0) is Hearing.NEW


def test_newest_wins_by_lineage_and_count() -> None:
    """Doubled, reordered and late beats change nothing; those of a run that was replaced neither."""
    old, new, known = PictureSender(), PictureSender(), ProvincePicture(beat_s=1.0)
    first = old.beat(city({"1": "ready"}), now=0.0, wall=0.0)
    second = old.beat(city({"1": "talking"}), now=1.0, wall=1.0)
    third = old.beat(city({"1": "wrap_up"}), now=2.0, wall=2.0)
    known.heard(FOSHAN, RUN, first, now=0.0)
    known.heard(FOSHAN, RUN, second, now=1.0)
    known.heard(FOSHAN, RUN, first, now=1.5)
    assert plain(known.city(FOSHAN, 1.5).picture) == {"1": "talking"}
    known.heard(FOSHAN, NEXT_RUN, new.beat(city({"2": "ready"}), now=0.0, wall=2.0), now=2.0)
    known.heard(FOSHAN, RUN, third, now=2.5)
    assert plain(known.city(FOSHAN, 2.5).picture) == {"2": "ready"}


def test_a_silent_city_is_dropped_after_three_beats_and_named() -> None:
    """B6: at once out of routing, but its last picture and its silence stay known."""
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    known.heard(FOSHAN, RUN, sender.beat(city({"1": "ready"}), now=0.0, wall=0.0), now=50.0)
    assert known.seen(52.9) == {FOSHAN}
    assert [one.city for one in known.routable(52.9)] == [FOSHAN]
    assert known.seen(53.0) == frozenset()
    gone = known.city(FOSHAN, 60.0)
    assert (gone.seen, gone.silent_s, gone.age_s) == (False, 10.0, 10.0)
    assert gone.picture is not None
    never = known.city(CityId("shenzhen"), 60.0)
    assert (never.seen, never.picture) == (False, None)


def test_a_city_that_keeps_falling_silent_counts_again_after_three_beats_in_a_row() -> None:
    """Failure 22: the first outage ends with the first beat; a relapse needs proof, and a gap begins it anew."""
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)

    def hears(now: float, run: LineageId = RUN) -> bool:
        sender.want_full()
        known.heard(FOSHAN, run, sender.beat(city({"1": "ready"}), now=now, wall=now), now=now)
        assert known.city(FOSHAN, now).seen == known.hears(FOSHAN, now)
        return known.hears(FOSHAN, now)

    assert hears(0.0)
    assert hears(4.0)
    assert not any(hears(now) for now in (8.0, 9.0, 11.5, 12.5, 13.5))
    assert hears(14.5)
    assert hears(80.0)
    assert hears(90.0, LineageId("0000000b"))


def test_a_city_heard_only_with_wrong_digests_is_not_routed_to() -> None:
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    known.heard(FOSHAN, RUN, sender.beat(city({"1": "ready"}), now=0.0, wall=0.0), now=0.0)
    sender.beat(city({"1": "talking"}), now=1.0, wall=1.0)
    for second in (2.0, 3.0, 4.0):
        beat = sender.beat(city({"1": "talking"}), now=second, wall=second)
        assert known.heard(FOSHAN, RUN, beat, now=second) is Hearing.INCOMPLETE
    assert not known.city(FOSHAN, 4.0).seen


def test_a_beat_that_speaks_of_another_city_is_not_believed() -> None:
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    beat = sender.beat(city({"1": "ready"}), now=0.0, wall=0.0)
    assert known.heard(CityId("shenzhen"), RUN, beat, now=0.0) is Hearing.INCOMPLETE
    assert known.seen(0.0) == frozenset()


def test_clock_offset_is_measured() -> None:
    sender, known = PictureSender(), ProvincePicture(beat_s=1.0)
    known.heard(FOSHAN, RUN, sender.beat(city({}), now=0.0, wall=1_000.0), now=0.0, wall=400.0)
    assert known.city(FOSHAN, 0.0).clock_offset_s == 600.0


def test_full_now_and_then() -> None:
    """A receiver that hears but cannot ask catches up all the same."""
    sender = PictureSender()
    fulls = [
        sender.beat(city({"1": "ready"}, since_s=float(at)), now=float(at), wall=0.0).full is not None
        for at in range(2 * FULL_EVERY)
    ]
    assert [at for at, full in enumerate(fulls) if full] == [0, FULL_EVERY]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), losses=st.floats(0.0, 0.6))
def test_whatever_is_lost_the_picture_is_right_or_known_to_be_old(seed: int, losses: float) -> None:
    """A picture stands only on a beat whose digest fits: what a receiver holds is always one the city was in."""
    draw = Random(seed)
    sender, known = PictureSender(full_every=7), ProvincePicture(beat_s=1.0)
    states: dict[str, str] = {}
    was: dict[int, dict[str, str]] = {}
    for at in range(60):
        for _ in range(draw.randrange(3)):
            who = str(draw.randrange(6))
            if draw.random() < 0.2:
                states.pop(who, None)
            else:
                states[who] = draw.choice(["ready", "talking", "wrap_up"])
        was[at] = dict(states)
        beat = sender.beat(city(states, waiting=draw.randrange(3)), now=float(at), wall=float(at))
        beat = msgspec.json.decode(msgspec.json.encode(beat), type=Beat)
        if draw.random() < losses:
            continue
        if known.heard(FOSHAN, RUN, beat, now=float(at)) is Hearing.INCOMPLETE and draw.random() >= losses:
            sender.want_full()
        view = known.city(FOSHAN, float(at))
        if view.picture is not None:
            assert plain(view.picture) == was[round(at - view.age_s)]
