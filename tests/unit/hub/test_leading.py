"""B2 in one hub: the lock, its own clock and what it hears decide together whether it leads."""

from __future__ import annotations

from collections.abc import Callable

from dataset.ids import HUB, NodeId
from federation.core.leader import Tenure
from provincial_hub.core.leading import Leading, Turn

OTHER = NodeId("hub2")


def a_hub(node: NodeId = HUB) -> Leading:
    return Leading(node, silent_after_s=3.0)


def test_a_hub_leads_from_the_lock_until_the_lock_is_lost() -> None:
    hub = a_hub()
    assert (hub.leads(0.0), hub.term, hub.look(0.0)) == (False, 0, None)
    hub.lock_says(Tenure(4, 2.7))
    assert (hub.leads(1.0), hub.term, hub.leader(1.0)) == (True, 4, HUB)
    assert [hub.look(1.0), hub.look(1.0)] == [Turn.PROMOTED, None]
    hub.lock_says(None)
    assert (hub.leads(1.0), hub.leader(1.0), hub.look(1.0)) == (False, None, Turn.DEMOTED)


def test_a_hub_that_could_not_renew_stops_by_its_own_clock() -> None:
    """Paused, or cut off from the lock: nobody has to tell it."""
    hub = a_hub()
    hub.lock_says(Tenure(4, 2.7))
    hub.look(0.0)
    hub.lock_says(Tenure(4, 3.7))
    assert hub.leads(3.6)
    assert (hub.leads(3.7), hub.look(3.7)) == (False, Turn.DEMOTED)


def test_a_higher_term_overrules_the_lock() -> None:
    """Whoever led under it may be gone: what counts is that nobody listens to ours any more."""
    hears: list[Callable[[Leading], None]] = [
        lambda hub: hub.heard(OTHER, 5, leads=True, now=0.0),
        lambda hub: hub.heard(OTHER, 5, leads=False, now=0.0),
        lambda hub: hub.heard_term(5),
    ]
    for hear in hears:
        hub = a_hub()
        hub.lock_says(Tenure(4, 99.0))
        hub.look(0.0)
        hear(hub)
        assert (hub.overruled, hub.leads(0.0), hub.term, hub.look(0.0)) == (True, False, 5, Turn.DEMOTED)
        hub.lock_says(Tenure(6, 99.0))
        assert (hub.overruled, hub.leads(0.0), hub.look(0.0)) == (False, True, Turn.PROMOTED)


def test_a_new_term_in_one_step_is_a_promotion_of_its_own() -> None:
    """Cities follow the beat: a new term has to be said at once."""
    hub = a_hub()
    hub.lock_says(Tenure(1, 99.0))
    hub.look(0.0)
    hub.lock_says(Tenure(2, 99.0))
    assert hub.look(0.0) is Turn.PROMOTED


def test_of_two_that_lead_under_one_term_the_first_by_name_goes_on() -> None:
    """Only a switch by hand can do this: both files name their own host under the same term."""
    first, second = a_hub(), a_hub(OTHER)
    for hub, other in ((first, OTHER), (second, HUB)):
        hub.lock_says(Tenure(3, 99.0))
        hub.heard(other, 3, leads=True, now=0.0)
    assert (first.leads(0.0), second.leads(0.0), second.overruled) == (True, False, True)
    assert second.leader(0.0) == HUB


def test_its_own_past_terms_are_known_terms() -> None:
    """The next hold has to be above the last."""
    hub = a_hub()
    hub.lock_says(Tenure(7, 1.0))
    hub.lock_says(None)
    assert hub.term == 7
