"""Metrics that every node has: its door, its process, and how late its reactor is. Listed in ``docs/operations.md``.

Each node has a registry of its own, so that several live in one process. Base units; counters end in ``_total``;
no label has a value per agent, caller or contact.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, Info
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from federation.ports import Clock, Journal, Store, Timer

_REQUESTS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_LATE_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LOOK_EVERY_S = 1.0


class Tally(Collector):
    """A counter for what is counted at each message or row: one addition, read when the metrics are asked for.

    A counter of the library takes a lock and looks at itself each time, which costs more than reading many a message;
    and it checks its names anew for every label it meets.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        """``labels``: their names. Without any it shows 0 until something is counted."""
        self._name = name
        self._documentation = documentation
        self._labelnames = tuple(labels)
        self._counted: dict[tuple[str, ...], int] = defaultdict(int, {} if labels else {(): 0})
        registry.register(self)

    def count(self, *labels: str, times: int = 1) -> None:
        """It happened ``times`` times more; ``labels`` in the order of their names."""
        self._counted[labels] += times

    def describe(self) -> Iterable[Metric]:
        """For the registry: the names."""
        return [CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)]

    def collect(self) -> Iterable[Metric]:
        """For the registry: the values."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for labels, times in self._counted.items():
            family.add_metric(labels, times)
        return [family]


class Spread(Collector):
    """A histogram in the manner of ``Tally``: a search and two additions."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
        *,
        buckets: Sequence[float],
    ) -> None:
        """``buckets``: upper bounds, ascending; what is larger than all of them is counted too."""
        self._name = name
        self._documentation = documentation
        self._labelnames = tuple(labels)
        self._bounds = tuple(buckets)
        self._seen: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}
        """by labels: how many fell into each bucket alone, and the sum of all"""
        if not labels:
            self._of(())
        registry.register(self)

    def observe(self, value: float, *labels: str) -> None:
        """It took ``value`` once more; ``labels`` in the order of their names."""
        counts, total = self._seen.get(labels) or self._of(labels)
        counts[bisect_left(self._bounds, value)] += 1
        total[0] += value

    def _of(self, labels: tuple[str, ...]) -> tuple[list[int], list[float]]:
        fresh = self._seen[labels] = ([0] * (len(self._bounds) + 1), [0.0])
        return fresh

    def describe(self) -> Iterable[Metric]:
        """For the registry: the names."""
        return [HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)]

    def collect(self) -> Iterable[Metric]:
        """For the registry: the values."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for labels, (counts, (total,)) in self._seen.items():
            family.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), total)
        return [family]


class DoorCounts:
    """What is asked of a node, and how it was answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answered = Tally(
            "yht_requests",
            "Requests at the door, by operation and outcome (done, or the slug of the problem)",
            ["operation", "outcome"],
            registry,
        )
        self._seconds = Spread(
            "yht_request_seconds", "From request to answer", ["operation"], registry, buckets=_REQUESTS_S
        )
        self._live = Gauge("yht_live_connections", "Live connections attached now", registry=registry)

    def observed(self, operation: str, slug: str, seconds: float) -> None:
        """One request (``Door``'s ``observed``)."""
        self._answered.count(operation, slug or "done")
        self._seconds.observe(seconds, operation)

    def read_live(self, count: Callable[[], int]) -> None:
        """Read the number of live connections when the metrics are asked for."""
        self._live.set_function(count)


class ReactorLateness:
    """How late the reactor makes a call that is due: the first sign of a node that is too busy, or blocked."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._late = Spread(
            "yht_reactor_late_seconds",
            "How late timers are made, looked at once a second",
            [],
            registry,
            buckets=_LATE_S,
        )
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to look."""
        self._due = self._clock.monotonic() + _LOOK_EVERY_S
        self._timer = self._clock.call_later(_LOOK_EVERY_S, self._look)

    def stop(self) -> None:
        """No more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _look(self) -> None:
        self._late.observe(max(0.0, self._clock.monotonic() - self._due))
        self.start()


class JournalCounts(Collector):
    """How the journal's disk is; read when the metrics are asked for."""

    _labelnames = ()

    def __init__(self, registry: CollectorRegistry, journal: Journal | None) -> None:
        self._journal = journal
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Whether room is short, what was left out for it, and what a disk has damaged."""
        journal = self._journal
        yield GaugeMetricFamily(
            "yht_journal_tight",
            "1 while the disk is full and the journal lives on its reserve",
            value=float(journal is not None and journal.tight),
        )
        yield CounterMetricFamily(
            "yht_journal_rows_left_out",
            "Rows that explain or show, not written because room was short",
            value=float(journal.left_out.total()) if journal is not None else 0.0,
        )
        yield GaugeMetricFamily(
            "yht_journal_damaged_rows",
            "Rows found in the journal that are not what was written",
            value=float(len(journal.damaged)) if journal is not None else 0.0,
        )


class StoreCounts(Collector):
    """How the store of records is; read when the metrics are asked for."""

    _labelnames = ()

    def __init__(self, registry: CollectorRegistry, store: Store | None) -> None:
        self._store = store
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """How often two contents had one revision, and what a disk has damaged."""
        store = self._store
        yield CounterMetricFamily(
            "yht_store_conflicts",
            "Records put with a revision that another content has; both are kept",
            value=float(store.conflicts_found) if store is not None else 0.0,
        )
        yield GaugeMetricFamily(
            "yht_store_damaged_records",
            "Records found in the store that are not what was written",
            value=float(len(store.damaged)) if store is not None else 0.0,
        )


class CopyCounts(Collector):
    """How old the copies of what other cities publish are; read when the metrics are asked for."""

    _labelnames = ("table", "city")

    def __init__(self, registry: CollectorRegistry, ages_s: Callable[[], Mapping[tuple[str, str], float]]) -> None:
        """``ages_s``: by table and city, of copies that are whole."""
        self._ages_s = ages_s
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The age of each; a copy that is not whole yet has none."""
        family = GaugeMetricFamily(
            "yht_public_copy_age_seconds",
            "Age of the copy of what a city publishes; none until it is whole",
            labels=self._labelnames,
        )
        for names, age_s in self._ages_s().items():
            family.add_metric(names, age_s)
        yield family


class LinkCounts(Collector):
    """What the link could not send, what came over it that is no envelope, and connections that failed; read when the
    metrics are asked for.
    """

    _labelnames = ("reason",)

    def __init__(self, registry: CollectorRegistry, dropped: Mapping[str, int], failures: Mapping[str, int]) -> None:
        self._dropped = dropped
        self._failures = failures
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Two counters, by slug of the reason."""
        yield self._counted(
            "yht_link_messages_dropped",
            "Messages the link could not send, and such received as are no envelopes",
            self._dropped,
        )
        yield self._counted(
            "yht_link_connections_failed",
            "Connections to a broker that could not be made or were lost",
            self._failures,
        )

    def _counted(self, name: str, about: str, counts: Mapping[str, int]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, about, labels=self._labelnames)
        for reason, count in counts.items():
            family.add_metric((reason,), count)
        return family


def watch_process(registry: CollectorRegistry, node: str, clock: Clock) -> ReactorLateness:
    """Memory, CPU, open files and garbage collection of this process, what it is, and how late its reactor is.

    For programs that run one node; the result has to be stopped.
    """
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    Info("yht_node", "This node", registry=registry).info({"node": node, "version": version("yihaotong")})
    lateness = ReactorLateness(registry, clock)
    lateness.start()
    return lateness
