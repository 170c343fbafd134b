"""What can go wrong between this program and the broker, each with a stable slug and a sentence in both languages."""

from __future__ import annotations

from dataset.errors import Problem


class AmqpFailure(Exception):
    """Something the broker, the line or the wire format did not allow. ``problem`` says what and where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"[{problem.slug}] {problem.text('en')}")
        self.problem = problem


class MalformedTable(AmqpFailure):
    """A field table that cannot be written or read (slug ``amqp-table``)."""


class MalformedFrame(AmqpFailure):
    """Bytes from the peer that are no AMQP 0-9-1 frames (slug ``amqp-frame``)."""


class BrokerLost(AmqpFailure):
    """There is no usable connection, or it ended before the answer came."""


class BrokerRefused(AmqpFailure):
    """The broker said no and gave a reason: login, virtual host, permission, a queue declared differently."""


class ConfirmMissing(AmqpFailure):
    """A publish whose confirm did not come in time; the message may or may not be with the broker."""


class PublishRefused(AmqpFailure):
    """A publish that the broker nacked or returned, or that was not sent because it could not be kept."""


def malformed_table(zh: str, en: str, place: str = "") -> MalformedTable:
    """A :class:`MalformedTable` naming the key or byte."""
    return MalformedTable(Problem("amqp-table", zh, en, place))


def malformed_frame(zh: str, en: str, place: str = "") -> MalformedFrame:
    """A :class:`MalformedFrame` naming the peer."""
    return MalformedFrame(Problem("amqp-frame", zh, en, place))
