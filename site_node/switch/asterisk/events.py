"""The few events of ARI that matter to us, out of their JSON. Pure; tested on recorded events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEFT_OUT = (
    "BridgeCreated",
    "BridgeDestroyed",
    "BridgeMerged",
    "ChannelCallerId",
    "ChannelConnectedLine",
    "ChannelCreated",
    "ChannelDialplan",
    "ChannelEnteredBridge",
    "ChannelHold",
    "ChannelLeftBridge",
    "ChannelUnhold",
    "ChannelVarset",
    "Dial",
    "PlaybackContinuing",
)
"""Events that the switch is asked not to send: a call makes dozens of them and none says anything to us."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as Asterisk shows it in events and in ``GET /channels``."""

    id: str
    state: str
    caller: str
    arguments: tuple[str, ...]
    """the application and its arguments (docs/asterisk.md, Channels entering Stasis); empty outside Stasis"""
    variables: Mapping[str, str] = field(default_factory=dict)
    connected: str = ""
    """the number that the far end is shown"""


@dataclass(frozen=True, slots=True)
class Started:
    """A channel entered the application."""

    channel: Channel
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Its state is new."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class HangupAsked:
    """Somebody ends the channel: the far end, or (``soft``) this switch, and then ``cause`` is a flag."""

    channel: Channel
    cause: int | None
    sip_status: int | None
    soft: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """It left the application. The last event of a channel that came in."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Destroyed:
    """It is gone. The last event of a channel that we made."""

    channel: Channel
    cause: int
    sip_status: int | None


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A digit came to its end."""

    channel: Channel
    digit: str


@dataclass(frozen=True, slots=True)
class PlaybackBegan:
    """A playback began to be heard."""

    playback: str
    channel_id: str


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """A playback is over; ``done`` also when it was stopped, not when it failed."""

    playback: str
    channel_id: str
    done: bool


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another program took our application: two site nodes for one city."""


AriEvent = Started | StateChanged | HangupAsked | Ended | Destroyed | Dtmf | PlaybackBegan | PlaybackEnded | Replaced


def channel_from(shown: Mapping[str, Any]) -> Channel:
    """A channel out of its JSON."""
    dialplan = shown.get("dialplan") or {}
    in_stasis = dialplan.get("app_name") == "Stasis"
    return Channel(
        id=shown["id"],
        state=shown["state"],
        caller=(shown.get("caller") or {}).get("number", ""),
        arguments=tuple(dialplan.get("app_data", "").split(",")) if in_stasis else (),
        variables=shown.get("channelvars") or {},
        connected=(shown.get("connected") or {}).get("number", ""),
    )


def _playback(message: Mapping[str, Any]) -> tuple[str, str]:
    playback = message["playback"]
    kind, _, target = str(playback["target_uri"]).partition(":")
    return playback["id"], target if kind == "channel" else ""


def event_from(message: Mapping[str, Any]) -> AriEvent | None:
    """The event in one message; None when it is none of ours. Raises ``KeyError`` when a field is missing."""
    match message["type"]:
        case "StasisStart":
            return Started(channel_from(message["channel"]), tuple(message["args"]))
        case "StasisEnd":
            return Ended(channel_from(message["channel"]))
        case "ChannelStateChange":
            return StateChanged(channel_from(message["channel"]))
        case "ChannelHangupRequest":
            return HangupAsked(
                channel_from(message["channel"]),
                message.get("cause"),
                message.get("tech_cause"),
                bool(message.get("soft")),
            )
        case "ChannelDestroyed":
            return Destroyed(channel_from(message["channel"]), int(message["cause"]), message.get("tech_cause"))
        case "ChannelDtmfReceived":
            return Dtmf(channel_from(message["channel"]), message["digit"])
        case "PlaybackStarted":
            return PlaybackBegan(*_playback(message))
        case "PlaybackFinished":
            return PlaybackEnded(*_playback(message), done=message["playback"]["state"] == "done")
        case "ApplicationReplaced":
            return Replaced()
        case _:
            return None
