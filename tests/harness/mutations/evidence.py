"""Endings and their evidence (E1-E3), silent cities (B6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import federation.core.joins as joins
import provincial_hub.core.contacts as hub_contacts
from dataset.ids import ContactId
from dataset.rows import ContactEnded, Ending, Evidence, Journalled
from federation.core.joins import ContactRecord, EndingRecord, Standing
from federation.core.picture import ProvincePicture
from provincial_hub.core.contacts import ContactFold, ContactSeen
from site_node.core.anchor import Anchor
from site_node.core.contact import Contact
from site_node.core.telephony import Cause
from tests.harness.mutations.registry import Real, breaks


# ── E1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "E1",
    found=True,
    shows="records that depend on the order of delivery: the same rows shuffled give another ending; the hub's record "
    "differs from the offline fold",
    needs="contacts with two endings on record: journals restored from a backup, or lost to the last sync",
)
def ending_that_came_last_wins(real: Real) -> None:
    """Of two endings the one that arrived last counts, whatever its evidence."""

    def record(original: Any, contact: ContactId, rows: Iterable[Journalled], known: Standing) -> ContactRecord:
        arrived = list(rows)
        last = next(
            (one for one in reversed(arrived) if isinstance(one.row, ContactEnded) and one.row.contact == contact), None
        )
        without = [one for one in arrived if one is last or not isinstance(one.row, ContactEnded)]
        return original(contact, without, known)  # type: ignore[no-any-return]  # the real one's

    def ended(original: Any, self: ContactFold, journalled: Journalled, now: float) -> None:
        known = self._contacts.get(getattr(journalled.row, "contact", ContactId("")))
        if known is not None:
            known.ended = None
        original(self, journalled, now)

    real.everywhere(joins, "contact_record", record)
    real.around(ContactFold, "_contact_ended", ended)


@breaks(
    "E1",
    shows="an ending that was only inferred on record instead of the one that was seen",
    needs="contacts with two endings on record: journals restored from a backup, or lost to the last sync",
)
def evidence_does_not_count(real: Real) -> None:
    """Endings are compared by lineage and sequence only: what was inferred later beats what was seen."""
    alike = dict.fromkeys(joins.STRENGTH, 0)
    real.replace(joins, "STRENGTH", alike)
    real.replace(hub_contacts, "STRENGTH", alike)


# ── E2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "E2",
    shows="contacts that ended with their switch on record as completed or abandoned, and as seen",
    needs="switches that die with calls on them",
)
def dead_switch_counts_as_the_customer(real: Real) -> None:
    """A caller who is not there when the switch is back counts as having hung up, and as seen to."""

    def gone(original: Any, self: Anchor, contact: Contact, cause: Cause, evidence: Evidence) -> None:
        original(self, contact, Cause.NORMAL, Evidence.SEEN)

    real.around(Anchor, "_customer_gone", gone)


# ── E3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "E3",
    found=True,
    shows="a contact that stays lost_with_journal although its ending is on record; the hub's record differs from the "
    "offline fold, and depends on the order of delivery",
    needs="late rows of a lineage after a newer lineage of the same node was heard of",
)
def lost_is_written_when_a_message_arrives(real: Real) -> None:
    """A contact found lost is kept so: what comes afterwards does not bring its ending back."""
    lost: dict[ContactId, EndingRecord] = {}

    def ending(original: Any, contact: ContactId, *rest: Any) -> EndingRecord | None:
        if contact in lost:
            return lost[contact]
        found: EndingRecord | None = original(contact, *rest)
        if found is not None and found.computed:
            lost[contact] = found
        return found

    def look(original: Any, self: ContactFold, known: ContactSeen) -> None:
        if not known.lost:
            original(self, known)

    def ended(original: Any, self: ContactFold, journalled: Journalled, now: float) -> None:
        known = self._contacts.get(getattr(journalled.row, "contact", ContactId("")))
        if known is None or not known.lost:
            original(self, journalled, now)

    real.around(joins, "_ending", ending)
    real.around(ContactFold, "_look_for_loss", look)
    real.around(ContactFold, "_contact_ended", ended)


@breaks(
    "E3",
    shows="contacts of a lost journal that live for ever: no ending, not even a computed one",
    needs="journals lost whole, or to a tail, with contacts live in them",
)
def lost_contacts_stay_alive(real: Real) -> None:
    """Nobody looks whether a later lineage still lists a contact."""

    def ending(original: Any, contact: ContactId, *rest: Any) -> EndingRecord | None:
        found: EndingRecord | None = original(contact, *rest)
        return None if found is not None and found.computed and found.ending is Ending.FAILED else found

    real.around(joins, "_ending", ending)
    real.without(ContactFold, "_look_for_loss")


# ── B6 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "B6",
    shows="proposals to a city that has been silent for more than three beats; attempts that run into no_reply there; "
    "no report names it as missing",
    needs="a city that falls silent for good while agents of it were idle, and contacts open to the province after it",
)
def silent_city_stays_in_the_picture(real: Real) -> None:
    """The last picture of a city counts however old it is."""
    real.around(ProvincePicture, "_seen", lambda original, self, known, now: known.copy is not None)
