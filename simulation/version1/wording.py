"""What a node of version 1 writes on a wire, and what it reads there."""

from __future__ import annotations

import msgspec

from dataset.errors import Problem, Refused
from federation.core.envelope import Envelope, Wording, decode, encode
from simulation.version1.envelope import DECODER, ENCODER, VERSION

UNKNOWN = "unknown-to-version-1"


def said(envelope: Envelope) -> bytes:
    """The envelope in version 1's bytes. Raises ``Refused`` (``unknown-to-version-1``)."""
    return _only_known(encode(envelope))


def read(data: bytes) -> Envelope:
    """What version 1 understands of these bytes, of whatever version they are. Raises ``Refused`` likewise."""
    return decode(_only_known(data))


def _only_known(data: bytes) -> bytes:
    """Fields that version 1 does not know are lost; so is the version of the sender, which it does not look at."""
    try:
        return ENCODER.encode(msgspec.structs.replace(DECODER.decode(data), version=VERSION))
    except msgspec.MsgspecError as error:
        raise Refused(
            Problem(
                UNKNOWN,
                zh=f"版本 1 不认识此消息：{error}",
                en=f"version 1 does not know this message: {error}",
            )
        ) from error


VERSION_1 = Wording(said, read)
