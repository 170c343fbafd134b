"""The only place where the parts of a city meet."""

from __future__ import annotations

from dataset.ids import HUB, CityId, LineageId
from dataset.packages import ServicePackage
from federation.core.overflow import OverflowPolicy
from federation.node.ledger_store import LedgerStore
from federation.node.province import Province
from federation.ports import Clock, Journal, Link
from site_node.core.rules import Rules
from site_node.core.site import Site
from site_node.ports import Switch
from site_node.shell.counts import CityCounts
from site_node.shell.running import RunningCity


def rules_of(province: Province, city: CityId, lineage: LineageId) -> Rules:
    """The numbers a city's core goes by, out of the province file. Raises ``KeyError`` for an unknown city."""
    times, queue = province.times, province.queue
    return Rules(
        city=city,
        area_code=province.city(city).area_code,
        lineage=lineage,
        hub=HUB,
        peers=frozenset(other.id for other in province.cities if other.id != city),
        link_one_way_s=times.link_one_way_s,
        journal_sync_s=times.journal_sync_s,
        grant_s=times.grant_s,
        leg_serving_s=times.leg_serving_s,
        leg_anchor_s=times.leg_anchor_s,
        ring_serving_s=times.ring_serving_s,
        ring_anchor_s=times.ring_anchor_s,
        proposal_s=times.proposal_s,
        overflow=OverflowPolicy(
            open_after_expected_wait_s=province.overflow.open_after_expected_wait_s,
            open_after_wait_s=province.overflow.open_after_wait_s,
            reserve=province.overflow.reserve,
        ),
        service_level_s=queue.service_level_within_s,
        short_s=queue.short_within_s,
        announce_every_s=queue.announce_every_s,
        wrap_up_s=queue.wrap_up_s,
        transfer_wait_s=queue.transfer_wait_s,
    )


def build_city(
    *,
    city: CityId,
    province: Province,
    package: ServicePackage,
    clock: Clock,
    journal: Journal,
    switch: Switch,
    link: Link | None = None,
    store: LedgerStore | None = None,
    counts: CityCounts | None = None,
) -> RunningCity:
    """A city that is ready to ``start``. Without ``link`` and ``store`` it stands alone (B5)."""
    site = Site(rules_of(province, city, journal.lineage), package)
    return RunningCity(
        site=site,
        clock=clock,
        journal=journal,
        switch=switch,
        link=link,
        store=store,
        counts=counts if counts is not None else CityCounts(),
        beat_s=province.times.beat_s,
    )
