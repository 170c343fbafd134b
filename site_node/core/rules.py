"""The numbers and names a city's core goes by: parsed and checked elsewhere, constant for one run."""

from __future__ import annotations

from dataclasses import dataclass

from dataset.ids import CityId, LineageId, NodeId
from federation.core.overflow import OverflowPolicy
from site_node.core.admission import Admission

DEFAULT_OVERFLOW = OverflowPolicy()
DEFAULT_ADMISSION = Admission()


@dataclass(frozen=True, slots=True)
class Rules:
    """Durations in seconds; letters are those of federation.md A9, whose inequalities configuration checks."""

    city: CityId
    area_code: str
    lineage: LineageId
    hubs: tuple[NodeId, ...]
    """each is told everything that is on record here; one of them leads (B2)"""
    peers: frozenset[CityId]
    beat_s: float = 1.0
    link_one_way_s: float = 1.25
    """D"""
    journal_sync_s: float = 0.5
    """J"""
    grant_s: float = 6.0
    """G, life of a lease until `taken`"""
    leg_serving_s: float = 6.0
    """L_s, from `taken` to the leg's arrival"""
    leg_anchor_s: float = 10.0
    """L_a, from INVITE to alerting"""
    ring_serving_s: float = 20.0
    """R_s"""
    ring_anchor_s: float = 25.0
    """R_a"""
    call_back_ring_s: float = 45.0
    """how long the telephone of a customer who is called back rings"""
    proposal_s: float = 2.0
    open_budget_s: float = 30.0
    """how long one attempt stays open to the province before it is renewed"""
    overflow: OverflowPolicy = DEFAULT_OVERFLOW
    admission: Admission = DEFAULT_ADMISSION
    service_level_s: float = 20.0
    short_s: float = 5.0
    announce_every_s: float = 30.0
    wrap_up_s: float = 15.0
    transfer_wait_s: float = 30.0
    transfer_retry_s: float = 2.0
    records_wait_s: float = 3.0
    """how long a self-service waits for the records before the caller goes on to an agent"""
    handling_s: float = 180.0
    """handling time assumed before any was measured"""
    evidence_s: float = 15.0
    """from one look at what the switch holds to the next (I8)"""
    first_number: int = 7000
    numbers: int = 1000

    @property
    def number_rest_s(self) -> float:
        """Rest of a dialled number before reuse: anchor's take window + link + leg + 32 s (A3)."""
        return self.grant_s + self.link_one_way_s + self.leg_anchor_s + 32.0

    @property
    def grant_wait_s(self) -> float:
        """How much longer than the budget the anchor waits for a grant: proposal + 2D + J (A9)."""
        return self.proposal_s + 2 * self.link_one_way_s + self.journal_sync_s
