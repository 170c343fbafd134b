"""Names of the legs that a city makes: derived from the attempt, so that a restarted node knows them again (O6)."""

from __future__ import annotations

from dataset.ids import AttemptId, ConnectionId


def seat_connection(attempt: AttemptId) -> ConnectionId:
    """The leg to a seat, at the serving site."""
    return ConnectionId(f"{attempt.contact}-{attempt.n:03x}s")


def customer_connection(attempt: AttemptId) -> ConnectionId:
    """The leg to a customer who is called back, at the anchor."""
    return ConnectionId(f"{attempt.contact}-{attempt.n:03x}c")


def outbound_connection(attempt: AttemptId) -> ConnectionId:
    """The leg towards another city, at the anchor."""
    return ConnectionId(f"{attempt.contact}-{attempt.n:03x}o")
