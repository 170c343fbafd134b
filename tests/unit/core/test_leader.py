"""B2: whom a node follows when several hubs speak, some of them out of date."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataset.ids import HUB, LineageId, NodeId
from federation.core.leader import HubsInSight, own_term

OTHER = NodeId("hub2")


def test_the_leader_is_who_leads_under_the_highest_term() -> None:
    hubs = HubsInSight(3.0)
    hubs.heard(HUB, 1, leads=True, now=0.0)
    hubs.heard(OTHER, 1, leads=False, now=0.0)
    assert hubs.leader(1.0) == HUB
    hubs.heard(OTHER, 2, leads=True, now=1.0)
    assert hubs.leader(1.0) == OTHER
    hubs.heard(HUB, 1, leads=True, now=1.5)
    assert hubs.leader(1.5) == OTHER


def test_an_old_term_is_refused_even_while_nobody_leads_under_the_new_one() -> None:
    """A hub that was paused past its term and goes on finds nobody who listens."""
    hubs = HubsInSight(3.0)
    hubs.heard(OTHER, 2, leads=True, now=0.0)
    hubs.heard(HUB, 1, leads=True, now=9.0)
    assert (hubs.leader(9.0), hubs.outdated(1), hubs.outdated(2)) == (None, True, False)


def test_a_standby_tells_of_a_term_without_leading() -> None:
    hubs = HubsInSight(3.0)
    hubs.heard(HUB, 1, leads=True, now=0.0)
    hubs.heard(OTHER, 2, leads=False, now=0.0)
    assert (hubs.leader(0.0), hubs.outdated(1), hubs.seen(0.0)) == (None, True, frozenset({HUB, OTHER}))


def test_a_silent_hub_is_not_followed() -> None:
    """B6, for hubs."""
    hubs = HubsInSight(3.0)
    hubs.heard(HUB, 1, leads=True, now=0.0)
    assert (hubs.leader(3.0), hubs.leader(3.1)) == (HUB, None)
    assert hubs.seen(3.1) == frozenset()


def test_a_hub_that_keeps_falling_silent_counts_again_after_three_beats_in_a_row() -> None:
    """Failure 22: the first outage ends with the first beat; a relapse needs proof, and a gap begins it anew."""
    hubs = HubsInSight(3.0)
    hubs.heard(HUB, 1, leads=True, now=0.0)
    hubs.heard(HUB, 1, leads=True, now=4.0)
    assert hubs.leader(4.0) == HUB
    for now in (8.0, 9.0, 11.5, 12.5, 13.5):
        hubs.heard(HUB, 1, leads=True, now=now)
        assert hubs.leader(now) is None
    hubs.heard(HUB, 1, leads=True, now=14.5)
    assert hubs.leader(14.5) == HUB
    hubs.heard(HUB, 1, leads=True, now=20.0, run=LineageId("0000000b"))
    assert hubs.leader(20.0) == HUB


@given(st.integers(0, 10_000), st.sets(st.text("abh0123456789", min_size=1), min_size=1, max_size=5))
def test_a_term_is_the_next_of_one_hub_alone(above: int, names: set[str]) -> None:
    hubs = [NodeId(name) for name in names]
    terms = {hub: own_term(hub, hubs, above) for hub in hubs}
    assert sorted(terms.values()) == list(range(above + 1, above + 1 + len(hubs))), "each has one, and the next at that"
    for hub, term in terms.items():
        assert own_term(hub, hubs, term) == term + len(hubs)


def test_two_hubs_have_the_odd_and_the_even_terms() -> None:
    hub, hub2 = NodeId("hub"), NodeId("hub2")
    assert [own_term(hub, (hub2, hub), above) for above in (0, 1, 2)] == [1, 3, 3]
    assert [own_term(hub2, (hub, hub2), above) for above in (0, 1, 2)] == [2, 2, 4]
