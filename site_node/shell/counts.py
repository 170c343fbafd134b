"""What a city counts and shows at ``/metrics``; a registry of its own, so that several nodes live in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dataset import rows
from dataset.rows import AnyRow
from federation.node.metrics import Tally, find_quickly
from site_node.core.admission import CITY_FULL, QUEUE_FULL
from site_node.core.mass_faults import MASS_FAULT

_WAITS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600)
_TALKS = (10, 30, 60, 120, 180, 300, 600, 1200, 1800)


class CityCounts:
    """Base units, counters end in ``_total``, labels are bounded by configuration and package."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._born = Counter("yht_contacts", "Contacts born, by number dialled", ["door"], registry=self.registry)
        self.unknown_doors = Counter(
            "yht_doors_unknown", "Calls to numbers that no door opens for, turned away", registry=self.registry
        )
        self._turned_away = Counter(
            "yht_calls_turned_away",
            "Calls not let in: busy while the city is full, an announcement while the queue is",
            ["reason"],
            registry=self.registry,
        )
        self._ended = Counter("yht_contacts_ended", "Contacts ended", ["ending", "evidence"], registry=self.registry)
        self._entered = Counter("yht_queue_entered", "Places in queues begun", ["skill", "how"], registry=self.registry)
        self._left = Counter("yht_queue_left", "Places in queues ended", ["skill", "how"], registry=self.registry)
        self._waited = Histogram(
            "yht_queue_wait_seconds", "Waiting before an answer", ["skill"], buckets=_WAITS, registry=self.registry
        )
        self._talked = Histogram("yht_talk_seconds", "Talk of a segment", buckets=_TALKS, registry=self.registry)
        self._withdrawn = Counter(
            "yht_attempts_withdrawn", "Attempts without an answer", ["reason"], registry=self.registry
        )
        self._legs_refused = Counter(
            "yht_legs_refused", "Legs from other cities refused (A3)", ["reason"], registry=self.registry
        )
        self.messages = Tally("yht_messages", "Messages received", ["sender", "kind"], self.registry)
        self.strangers = Counter(
            "yht_messages_refused", "Messages not taken in, by reason", ["reason"], registry=self.registry
        )
        self._repaired = Counter(
            "yht_repairs",
            "States put right by the switch's evidence (I8), by what was found",
            ["what"],
            registry=self.registry,
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
        self._call_backs = Counter(
            "yht_call_backs", "Calls to customers of work items, by outcome", ["outcome"], registry=self.registry
        )
        self._work_steps = Counter(
            "yht_work_steps",
            "Steps of work items taken, refused, or asked of other cities",
            ["what"],
            registry=self.registry,
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
        self._mass_fault_steps = Counter(
            "yht_mass_faults",
            "Mass faults found, declared, confirmed, repaired, rejected",
            ["what"],
            registry=self.registry,
        )
        self._told_of_mass_fault = Counter(
            "yht_calls_told_of_mass_fault",
            "Calls that ended with the word of a mass fault, without an agent",
            registry=self.registry,
        )
        self.sync_s = Histogram(
            "yht_journal_sync_seconds",
            "From a decision to its rows on disk",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
            registry=self.registry,
        )
        find_quickly(self._born, self._ended, self._entered, self._left, self._waited, self._withdrawn)

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
                self._born.labels(row.door).inc()
            case rows.CallBackEnded():
                self._call_backs.labels(row.outcome).inc()
            case rows.ContactEnded():
                self._ended.labels(row.ending, row.evidence).inc()
                if row.cause in (CITY_FULL, QUEUE_FULL):
                    self._turned_away.labels(row.cause).inc()
                elif row.cause == MASS_FAULT:
                    self._told_of_mass_fault.inc()
            case rows.QueueEntered():
                self._entered.labels(row.skill, row.how).inc()
            case rows.QueueLeft():
                self._left.labels(row.skill, row.how).inc()
                if row.how in (rows.Left.ANSWERED_HERE, rows.Left.SENT_OUT):
                    self._waited.labels(row.skill).observe(row.waited_s)
            case rows.SegmentClosed():
                self._talked.observe(row.talked_s)
            case rows.AttemptWithdrawn():
                self._withdrawn.labels(row.reason).inc()
            case rows.LegRefused():
                self._legs_refused.labels(row.reason).inc()
            case rows.Repaired():
                self._repaired.labels(row.what).inc()
            case rows.MassFaultDeclared():
                self._mass_fault_steps.labels("found" if row.by is None else "declared").inc()
            case rows.MassFaultConfirmed():
                self._mass_fault_steps.labels("confirmed").inc()
            case rows.MassFaultCleared():
                self._mass_fault_steps.labels(row.how).inc()
            case rows.WorkRequested():
                self._work_steps.labels("asked").inc()
            case rows.WorkStepped():
                self._work_steps.labels(str(row.step.__struct_config__.tag)).inc()
            case rows.WorkRefused():
                self._work_steps.labels("refused").inc()
            case _:
                pass


def _of_kind(stuck: Callable[[], Mapping[str, int]], kind: str) -> float:
    return stuck()[kind]
