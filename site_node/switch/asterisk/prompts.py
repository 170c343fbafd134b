"""Which sound files say a prompt. Pure; the files are described in docs/asterisk.md, Prompts and music."""

from __future__ import annotations

from collections.abc import Iterable

from dataset import spoken
from site_node.core.telephony import Prompt

LARGEST_NUMBER = 99


def sound(name: str) -> str:
    """The media address of one sound file, in the channel's language."""
    return f"sound:yht/{name}"


def number_sounds(number: int) -> tuple[str, ...]:
    """A number from 0 to 99, said as it is said in both languages: 37 is 三十 and 七; what is larger is said as 99."""
    return tuple(sound(piece) for piece in spoken.number(min(max(number, 0), LARGEST_NUMBER), "zh"))


def media_of(prompts: Iterable[Prompt]) -> str:
    """The ``media`` of one playback that says all of ``prompts``."""
    sounds: list[str] = []
    for prompt in prompts:
        sounds.append(sound(prompt.name))
        if prompt.number is not None:
            sounds.extend(number_sounds(prompt.number))
            sounds.append(sound(spoken.after_number(prompt.name)))
    return ",".join(sounds)
