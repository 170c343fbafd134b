"""The comparison with the switch's truth in normal running (federation.md I8): look, look again, repair, say why.

Requests and reports are always under way, so a single look deceives. Something is put right only when two looks in a
row, an interval apart, show it alike, and nobody has touched it in between; the second look was asked for after the
first had come. Every repair is a row of record (``rows.Repaired``). Nothing here frees a slot by time: the two looks
are the switch's own evidence (A4), and while the switch shows nothing nothing is repaired (A5).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from dataset import rows
from federation.core.attempt import AttemptState
from federation.core.lease import LeaseState
from site_node.core.agent import Presence
from site_node.core.comparison import Comparison, Finding
from site_node.core.contact import ContactState
from site_node.core.contacts import Contacts
from site_node.core.routing import Routing
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.step import Step
from site_node.core.telephony import HeldConnection, Show

TIMER = "evidence"
GIVEN_UP_AFTER = 4
"""intervals without an answer, after which a look is asked for anew"""
REPAIRS_PER_LOOK = 100
LATE_S = 5.0
"""beyond its budget, after which something counts as stuck"""
CLEARING_S = 10.0
MENU_S = 600.0
UNCONFIRMED_S = 300.0
STUCK = ("attempt", "grant", "ring", "clearing", "wrap_up", "menu", "waiting", "unconfirmed", "unverified", "unseen")
"""what may be stuck, as ``yht_stuck`` names it"""


@dataclass(frozen=True, slots=True)
class _Suspicion:
    state: Hashable
    since: float


class LookingAtTheSwitch:
    """Asks what the switch holds, again and again, and puts right what two looks show."""

    def __init__(self, rules: Rules, step: Step, comparison: Comparison) -> None:
        self._rules = rules
        self._step = step
        self._comparison = comparison
        self._suspicions: dict[tuple[str, str], _Suspicion] = {}
        self._asked = 0
        self._asked_at: float | None = None
        """set while a look is unanswered"""

    def switch_up(self) -> None:
        """The switch has just been adopted from: begin to look."""
        self._forget()
        self._step.start_timer(TIMER, after_s=self._rules.evidence_s)

    def switch_down(self) -> None:
        """Nothing can be seen."""
        self._forget()
        self._step.stop_timer(TIMER)

    def _forget(self) -> None:
        self._suspicions.clear()
        self._asked_at = None

    def look(self) -> None:
        """An interval is over. A look that is not answered for long is given up, and what it would show not counted."""
        self._step.start_timer(TIMER, after_s=self._rules.evidence_s)
        if self._asked_at is None or self.unseen_s(self._step.now) >= GIVEN_UP_AFTER * self._rules.evidence_s:
            self._asked += 1
            self._asked_at = self._step.now
            self._step.ask(Show(self._asked))

    def unseen_s(self, now: float) -> float:
        """How long a look is unanswered."""
        return now - self._asked_at if self._asked_at is not None else 0.0

    def shown(self, number: int, connections: tuple[HeldConnection, ...]) -> None:
        """What the switch holds: repair what was found alike before, and remember the rest."""
        if number != self._asked or self._asked_at is None:
            return
        self._asked_at = None
        for _ in range(REPAIRS_PER_LOOK):  # each may change what else is found
            ripe = next((one for one in self._comparison.findings(connections) if self._is_ripe(one)), None)
            if ripe is None:
                break
            del self._suspicions[ripe.what, ripe.key]
            self._repair(ripe)
        before, self._suspicions = self._suspicions, {}
        for finding in self._comparison.findings(connections):
            known = before.get((finding.what, finding.key))
            if known is None or known.state != finding.state:
                known = _Suspicion(finding.state, self._step.now)
            self._suspicions[finding.what, finding.key] = known

    def _is_ripe(self, finding: Finding) -> bool:
        """Found alike by the look before, and long enough."""
        known = self._suspicions.get((finding.what, finding.key))
        if known is None or known.state != finding.state:
            return False
        return self._step.now - known.since >= finding.after_s

    def _repair(self, finding: Finding) -> None:
        self._step.write(
            rows.Repaired(
                what=finding.what,
                found=finding.found,
                done=finding.done,
                contact=finding.contact,
                agent=finding.agent,
                connection=finding.connection,
            )
        )
        finding.repair()


def stuck(
    looking: LookingAtTheSwitch,
    rules: Rules,
    contacts: Contacts,
    routing: Routing,
    serving: Serving,
    sessions: Sessions,
    now: float,
) -> dict[str, int]:
    """How many things are longer in a state than they can be; nothing is done about them here."""
    late = dict.fromkeys(STUCK, 0)
    for contact in contacts.all():
        attempt = contact.remote
        if attempt is not None and attempt.state is not AttemptState.ANSWERED:
            late["attempt"] += now - attempt.since > routing.budget_s(attempt) + LATE_S
        late["menu"] += contact.state is ContactState.MENU and now - contact.born > MENU_S
        nothing = contact.home is None and attempt is None and contact.transfer is None and not contact.turned_away
        late["waiting"] += contact.state is ContactState.WAITING and nothing and not routing.waits(contact.id)
    for lease in serving.all():
        age_s = now - lease.since
        late["grant"] += lease.state is LeaseState.GRANTED and age_s > rules.grant_s + rules.leg_serving_s + LATE_S
        late["ring"] += lease.state is LeaseState.RINGING and age_s > rules.ring_serving_s + LATE_S
        late["clearing"] += lease.state is LeaseState.CLEARING and age_s > CLEARING_S
    for session in sessions.all():
        late["wrap_up"] += session.presence is Presence.WRAP_UP and now - session.since > rules.wrap_up_s + LATE_S
        late["unverified"] += not session.verified
    late["unconfirmed"] = sum(now - since > UNCONFIRMED_S for since in serving.unconfirmed_since())
    late["unseen"] = int(looking.unseen_s(now) > rules.evidence_s)
    return late
