"""What the hub counts and shows at ``/metrics``; a registry of its own, so that several nodes live in one process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from dataset.ids import CityId
from federation.node.metrics import Tally


class HubCounts:
    """Base units, counters end in ``_total``, labels are bounded by the configuration."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.messages = Tally(
            "yht_hub_messages", "Messages received from cities and other hubs", ["sender", "kind"], self.registry
        )
        self.strangers = Tally(
            "yht_hub_messages_refused", "Messages not taken in, by reason", ["reason"], self.registry
        )
        self.ignored = Tally(
            "yht_hub_commands_ignored",
            "Commands that changed nothing: late, doubled, not of the contact's anchor, or while this hub stood by",
            ["why", "kind"],
            self.registry,
        )
        self.decisions = Tally("yht_hub_decisions", "Routing decisions on record", ["choice", "why"], self.registry)
        self.answers = Tally(
            "yht_hub_proposals_answered",
            "Answers of cities to proposals; answer is granted or the reason of a refusal",
            ["city", "answer"],
            self.registry,
        )
        self.rows = Tally("yht_hub_rows", "Rows of record applied, by who wrote them", ["node"], self.registry)
        self.leads = Gauge("yht_hub_leads", "1 while this hub leads (B2)", registry=self.registry)
        self.term = Gauge(
            "yht_hub_term", "The highest term known; the hub's own while it leads", registry=self.registry
        )
        self.link_up = Gauge("yht_hub_link_up", "1 while the link is up", registry=self.registry)
        self.open_attempts = Gauge("yht_hub_open_attempts", "Attempts open to the province", registry=self.registry)
        self.waiting = Gauge(
            "yht_hub_waiting_contacts", "Contacts waiting at the hub for an idle agent", registry=self.registry
        )
        self.city_seen = Gauge(
            "yht_hub_city_seen", "1 while the city is heard and its picture is right", ["city"], registry=self.registry
        )
        self.picture_age = Gauge(
            "yht_hub_city_picture_age_seconds", "Age of the city's picture", ["city"], registry=self.registry
        )
        self.clock_offset = Gauge(
            "yht_hub_city_clock_offset_seconds",
            "The city's wall clock before the hub's, one way on the link included",
            ["city"],
            registry=self.registry,
        )
        self.city_lost = Gauge(
            "yht_hub_city_declared_lost", "1 while the city is declared lost (E3)", ["city"], registry=self.registry
        )
        self.unknown_rows = Gauge(
            "yht_hub_unknown_rows",
            "Rows of the city that are parked or lost, so that totals may be short",
            ["city"],
            registry=self.registry,
        )
        self.figures_behind = Gauge(
            "yht_hub_work_figures_behind_seconds",
            "How long the oldest row that reports of work do not count yet has been on record; some 30 as a rule",
            registry=self.registry,
        )
        self.figures_left = Gauge(
            "yht_hub_work_figures_waiting_items",
            "Work items whose rows are read and that are not counted yet",
            registry=self.registry,
        )

    def read_city(
        self,
        city: CityId,
        *,
        seen: Callable[[], float],
        picture_age_s: Callable[[], float],
        clock_offset_s: Callable[[], float],
        lost: Callable[[], float],
        unknown_rows: Callable[[], float],
    ) -> None:
        """Read what is known of ``city`` when the metrics are asked for."""
        self.city_seen.labels(city).set_function(seen)
        self.picture_age.labels(city).set_function(picture_age_s)
        self.clock_offset.labels(city).set_function(clock_offset_s)
        self.city_lost.labels(city).set_function(lost)
        self.unknown_rows.labels(city).set_function(unknown_rows)

    def read_work_figures(self, behind_s: Callable[[], float], items: Callable[[], int]) -> None:
        """Read how far counting is behind when the metrics are asked for."""
        self.figures_behind.set_function(behind_s)
        self.figures_left.set_function(items)

    def read_open_attempts(self, attempts: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Read the table's sizes when the metrics are asked for."""
        self.open_attempts.set_function(attempts)
        self.waiting.set_function(waiting)
