"""What a city counts and shows at ``/metrics``; a registry of its own, so that several nodes live in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Gauge

from dataset import rows
from dataset.rows import AnyRow
from federation.node.metrics import Spread, Tally
from site_node.core.admission import CITY_FULL, QUEUE_FULL
from site_node.core.mass_faults import MASS_FAULT

_WAITS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600)
_TALKS = (10, 30, 60, 120, 180, 300, 600, 1200, 1800)


class CityCounts:
    """Base units, counters end in ``_total``, labels are bounded by configuration and package."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._born = Tally("yht_contacts", "Contacts born, by number dialled", ["door"], self.registry)
        self.unknown_doors = Tally(
            "yht_doors_unknown", "Calls to numbers that no door opens for, turned away", [], self.registry
        )
        self._turned_away = Tally(
            "yht_calls_turned_away",
            "Calls not let in: busy while the city is full, an announcement while the queue is",
            ["reason"],
            self.registry,
        )
        self._ended = Tally("yht_contacts_ended", "Contacts ended", ["ending", "evidence"], self.registry)
        self._entered = Tally("yht_queue_entered", "Places in queues begun", ["skill", "how"], self.registry)
        self._left = Tally("yht_queue_left", "Places in queues ended", ["skill", "how"], self.registry)
        self._waited = Spread(
            "yht_queue_wait_seconds", "Waiting before an answer", ["skill"], self.registry, buckets=_WAITS
        )
        self._talked = Spread("yht_talk_seconds", "Talk of a segment", [], self.registry, buckets=_TALKS)
        self._withdrawn = Tally("yht_attempts_withdrawn", "Attempts without an answer", ["reason"], self.registry)
        self._legs_refused = Tally("yht_legs_refused", "Legs from other cities refused (A3)", ["reason"], self.registry)
        self.messages = Tally("yht_messages", "Messages received", ["sender", "kind"], self.registry)
        self.strangers = Tally("yht_messages_refused", "Messages not taken in, by reason", ["reason"], self.registry)
        self._repaired = Tally(
            "yht_repairs",
            "States put right by the switch's evidence (I8), by what was found",
            ["what"],
            self.registry,
        )
        self._stuck = Gauge(
            "yht_stuck", "Things that are longer in a state than they can be, now", ["what"], registry=self.registry
        )
        self.link_up = Gauge("yht_link_up", "1 while the link is up", registry=self.registry)
        self.hub_seen = Gauge("yht_hub_seen", "1 while the hub's beat is heard", registry=self.registry)
        self.peers_seen = Gauge("yht_peers_seen", "Other cities heard, with a right picture", registry=self.registry)
        self.switch_up = Gauge("yht_switch_up", "1 while the switch can be reached", registry=self.registry)
        self.contacts_live = Gauge("yht_contacts_live", "Contacts anchored here now", registry=self.registry)
        self.unsynced = Gauge(
            "yht_output_batches", "Decisions whose effects wait for the journal", registry=self.registry
        )
        self.unacknowledged = Gauge(
            "yht_outbox_rows", "Rows of record that hub or peers have not acknowledged", registry=self.registry
        )
        self._call_backs = Tally(
            "yht_call_backs", "Calls to customers of work items, by outcome", ["outcome"], self.registry
        )
        self._work_steps = Tally(
            "yht_work_steps",
            "Steps of work items taken, refused, or asked of other cities",
            ["what"],
            self.registry,
        )
        self._work_open = Gauge("yht_work_items_open", "Work items of this city that go on", registry=self.registry)
        self._work_overdue = Gauge(
            "yht_work_items_overdue", "Work items of this city whose deadline has passed", registry=self.registry
        )
        self._work_missing = Gauge(
            "yht_work_versions_missing",
            "Versions of services that work items began with and this node lacks",
            registry=self.registry,
        )
        self._mass_faults = Gauge("yht_mass_faults_open", "Mass faults that stand now", registry=self.registry)
        self._mass_fault_steps = Tally(
            "yht_mass_faults",
            "Mass faults found, declared, confirmed, repaired, rejected",
            ["what"],
            self.registry,
        )
        self._told_of_mass_fault = Tally(
            "yht_calls_told_of_mass_fault",
            "Calls that ended with the word of a mass fault, without an agent",
            [],
            self.registry,
        )
        self.sync_s = Spread(
            "yht_journal_sync_seconds",
            "From a decision to its rows on disk",
            [],
            self.registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
        )

    def read_stuck(self, kinds: Iterable[str], stuck: Callable[[], Mapping[str, int]]) -> None:
        """Show ``stuck()``, by kind, whenever somebody looks."""
        for kind in kinds:
            self._stuck.labels(kind).set_function(partial(_of_kind, stuck, kind))

    def read_work(
        self, open_items: Callable[[], float], overdue: Callable[[], float], missing: Callable[[], float]
    ) -> None:
        """Show these whenever somebody looks."""
        self._work_open.set_function(open_items)
        self._work_overdue.set_function(overdue)
        self._work_missing.set_function(missing)

    def read_mass_faults(self, standing: Callable[[], float]) -> None:
        """Show this whenever somebody looks."""
        self._mass_faults.set_function(standing)

    def row(self, row: AnyRow) -> None:
        """Count a row of our own."""
        match row:
            case rows.ContactBorn(call_back=None):
                self._born.count(row.door)
            case rows.CallBackEnded():
                self._call_backs.count(row.outcome)
            case rows.ContactEnded():
                self._ended.count(row.ending, row.evidence)
                if row.cause in (CITY_FULL, QUEUE_FULL):
                    self._turned_away.count(row.cause)
                elif row.cause == MASS_FAULT:
                    self._told_of_mass_fault.count()
            case rows.QueueEntered():
                self._entered.count(row.skill, row.how)
            case rows.QueueLeft():
                self._left.count(row.skill, row.how)
                if row.how in (rows.Left.ANSWERED_HERE, rows.Left.SENT_OUT):
                    self._waited.observe(row.waited_s, row.skill)
            case rows.SegmentClosed():
                self._talked.observe(row.talked_s)
            case rows.AttemptWithdrawn():
                self._withdrawn.count(row.reason)
            case rows.LegRefused():
                self._legs_refused.count(row.reason)
            case rows.Repaired():
                self._repaired.count(row.what)
            case rows.MassFaultDeclared():
                self._mass_fault_steps.count("found" if row.by is None else "declared")
            case rows.MassFaultConfirmed():
                self._mass_fault_steps.count("confirmed")
            case rows.MassFaultCleared():
                self._mass_fault_steps.count(row.how)
            case rows.WorkRequested():
                self._work_steps.count("asked")
            case rows.WorkStepped():
                self._work_steps.count(str(row.step.__struct_config__.tag))
            case rows.WorkRefused():
                self._work_steps.count("refused")
            case _:
                pass


def _of_kind(stuck: Callable[[], Mapping[str, int]], kind: str) -> float:
    return stuck()[kind]
