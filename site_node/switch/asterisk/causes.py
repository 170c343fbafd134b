"""Why a leg ended, between our words and the network's: Q.850 causes, SIP statuses and Asterisk's own flags. Pure.

Between cities a cause travels in the ``Reason`` header (RFC 3326) of BYE and CANCEL, so 86 and 26 arrive as themselves;
the answer that refuses a leg carries a SIP status only, so there the status decides.
"""

from __future__ import annotations

from site_node.core.telephony import Cause

NORMAL_CLEARING = 16
NO_ANSWER = 19
MEDIA_TIMEOUT = 44
"""What Asterisk's ``rtp_timeout`` leaves on a channel."""

SOFT_HANGUP_DEVICE = 1
"""In ``ChannelHangupRequest`` with ``soft``, the ``cause`` is a flag: this is the RTP timeout's, 32 a request's."""

_AFTER_ANSWER = {Cause.FINISHED: 86, Cause.TRANSFERRED: 26}

_REFUSING = {
    Cause.REFUSED: 21,  # SIP 403
    Cause.BUSY: 17,  # 486
    Cause.NO_ANSWER: NO_ANSWER,  # 480
    Cause.UNREACHABLE: 27,  # 502
    Cause.CONGESTION: 34,  # 503
}
"""Told to whoever made a leg that we do not answer. All else is 16, which Asterisk sends as SIP 603."""

_REFUSED = {
    1: Cause.UNREACHABLE,  # 404
    2: Cause.UNREACHABLE,
    3: Cause.UNREACHABLE,
    17: Cause.BUSY,
    18: Cause.UNREACHABLE,  # 408: nobody there answers SIP
    19: Cause.NO_ANSWER,
    20: Cause.UNREACHABLE,
    22: Cause.UNREACHABLE,
    25: Cause.UNREACHABLE,  # too many hops
    27: Cause.UNREACHABLE,
    28: Cause.UNREACHABLE,
    34: Cause.CONGESTION,
    38: Cause.CONGESTION,
    41: Cause.CONGESTION,
    42: Cause.CONGESTION,
    MEDIA_TIMEOUT: Cause.MEDIA_LOST,
}

_ENDED = {
    26: Cause.TRANSFERRED,
    MEDIA_TIMEOUT: Cause.MEDIA_LOST,
    86: Cause.FINISHED,
    102: Cause.MEDIA_LOST,  # recovery on timer expiry: the session timer (O5)
}


def reason_code(cause: Cause, *, established: bool, incoming: bool) -> int:
    """The Q.850 cause that tells the far end why we take its leg down."""
    if established or not incoming:
        return _AFTER_ANSWER.get(cause, NORMAL_CLEARING)
    return _REFUSING.get(cause, NORMAL_CLEARING)


def cause_of(
    q850: int | None, sip_status: int | None, *, established: bool, incoming: bool, between_cities: bool
) -> Cause:
    """Why the far end, or the switch, ended a leg.

    Only 86 after the answer is ``FINISHED``; no fault and no refusal can look like it (O4).
    """
    if established:
        return _ENDED.get(q850 or NORMAL_CLEARING, Cause.NORMAL)
    if incoming:
        return Cause.MEDIA_LOST if q850 == MEDIA_TIMEOUT else Cause.NORMAL
    if between_cities and sip_status in (401, 403, 407):
        return Cause.REFUSED
    return _REFUSED.get(q850 or NORMAL_CLEARING, Cause.REJECTED)
