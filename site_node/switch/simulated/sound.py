"""What can be heard on a line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Sound(StrEnum):
    """Kinds of sound."""

    SILENCE = "silence"
    RINGBACK = "ringback"
    PROMPT = "prompt"
    MUSIC = "music"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a phone hears now: ``prompt`` names the one being said, ``voice`` is the phone whose holder is heard."""

    sound: Sound
    prompt: str = ""
    voice: Any = None


SILENCE = Hearing(Sound.SILENCE)
RINGBACK = Hearing(Sound.RINGBACK)
MUSIC = Hearing(Sound.MUSIC)
