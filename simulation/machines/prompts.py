"""Prompts and music: texts of conf/prompts/prompts.toml read by espeak-ng into 8 kHz files a switch can play."""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dataset.self_service import service_prompt, state_prompt
from simulation.machines.places import conf_dir
from simulation.machines.tones import FULL_SCALE, RATE, write_wav
from simulation.machines.trouble import MachineTrouble

LAYOUT = "2"
"""Changed when the same texts must be rendered anew."""

_ZH_DIGITS = "零一二三四五六七八九十"
_EN_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_EN_TENS = {30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}

JASMINE = (
    # 茉莉花, a folk song: (hertz, quarter notes)
    *((330, 1), (330, 0.5), (392, 0.5), (440, 0.5), (523, 0.5), (523, 0.5), (440, 0.5)),
    *((392, 1), (392, 0.5), (440, 0.5), (392, 2)),
    *((330, 1), (330, 0.5), (392, 0.5), (440, 0.5), (523, 0.5), (523, 0.5), (440, 0.5)),
    *((392, 1), (392, 0.5), (440, 0.5), (392, 2)),
    *((392, 1), (392, 1), (392, 1), (330, 0.5), (392, 0.5), (440, 1), (440, 1), (392, 2)),
    *((330, 1), (294, 0.5), (330, 0.5), (392, 1), (330, 0.5), (294, 0.5), (262, 1), (262, 0.5), (294, 0.5), (262, 2)),
)
QUARTER = 0.6
"""Seconds a quarter note lasts."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt in both languages."""

    id: str
    zh: str
    en: str


def number_prompts() -> list[Prompt]:
    """The words numbers from 0 to 99 are made of."""
    words = []
    for n in range(21):
        zh = _ZH_DIGITS[n] if n <= 10 else ("十" + _ZH_DIGITS[n - 10] if n < 20 else "二十")
        words.append(Prompt(f"number-{n}", zh, _EN_SMALL[n]))
    words += [Prompt(f"number-{n}", _ZH_DIGITS[n // 10] + "十", en) for n, en in _EN_TENS.items()]
    return words


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file, then the number words. A prompt without a text in both languages is refused."""
    try:
        declared = tomllib.loads(path.read_text("utf-8"))["prompt"]
    except (tomllib.TOMLDecodeError, KeyError) as broken:
        raise MachineTrouble(
            "prompts-unreadable",
            zh="提示音文本文件格式错误",
            en=f"the prompt file is malformed: {broken}",
            place=str(path),
        ) from broken
    prompts = []
    for name, texts in declared.items():
        if not re.fullmatch(r"[a-z0-9-]+", name) or not texts.get("zh") or not texts.get("en"):
            raise MachineTrouble(
                "prompt-incomplete",
                zh="提示音名称只能用小写字母、数字和短横线，并须有 zh 和 en 文本",
                en="a prompt is named with a-z, 0-9 and -, and has texts zh and en",
                place=f"{path}: prompt.{name}",
            )
        prompts.append(Prompt(name, texts["zh"], texts["en"]))
    return prompts + number_prompts()


def work_prompts(services: Path) -> list[Prompt]:
    """What self-service says of work in progress: names of the services in a folder that make work, and of its states
    on the way; and the names of those that have a key of their own in a menu. No service may make the ids collide: they
    are those of ``dataset.self_service``.
    """
    prompts = []
    for path in sorted(services.glob("*.toml")):
        service = tomllib.loads(path.read_text("utf-8"))
        states = [state for state in service.get("state", ()) if "ends" not in state]
        if states or service.get("choice"):
            prompts.append(Prompt(service_prompt(service["id"]), service["zh"], service["en"]))
        prompts += (Prompt(state_prompt(service["id"], state["id"]), state["zh"], state["en"]) for state in states)
    return prompts


def pinyin_of(text: str) -> str:
    """Hanzi as espeak-ng's `cmn-latn-pinyin` voice wants them: syllables with tone digits, pauses kept."""
    from pypinyin import Style, lazy_pinyin  # only rendering needs it

    syllables = lazy_pinyin(
        text, style=Style.TONE3, neutral_tone_with_five=True, errors=lambda rest: re.sub(r"[^\w\s]+", ", ", rest)
    )
    return " ".join(syllables)


def _run(*argv: str) -> None:
    if shutil.which(argv[0]) is None:
        raise MachineTrouble(
            "prompt-program-missing",
            zh=f"制作提示音需要 {argv[0]}：apt-get install {argv[0]}",
            en=f"rendering prompts needs {argv[0]}: apt-get install {argv[0]}",
        )
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise MachineTrouble(
            "prompt-failed", zh=f"{argv[0]} 失败", en=f"{argv[0]} failed", place=" ".join(argv), tail=done.stderr
        )


def speak(voice: str, text: str, out: Path) -> None:
    """Read a text in a voice of espeak-ng into a wav file as a switch plays it."""
    raw = out.with_suffix(".raw.wav")
    _run("espeak-ng", "-v", voice, "-s", "150", "-w", str(raw), text)
    # silence at both ends goes, so that a number does not stand apart from its sentence
    trim = ["silence", "1", "0.01", "0.5%", "reverse", "silence", "1", "0.01", "0.5%", "reverse", "pad", "0.03", "0.08"]
    _run("sox", "-G", str(raw), "-r", str(RATE), "-c", "1", "-b", "16", str(out), *trim)
    raw.unlink()


def _speak_into(said: tuple[str, str], outs: list[Path]) -> None:
    voice, text = said
    first, *others = outs
    speak(voice, text, first)
    for out in others:
        shutil.copyfile(first, out)


def _music(out: Path) -> None:
    samples: list[int] = []
    for hertz, quarters in JASMINE:
        length = int(quarters * QUARTER * RATE)
        for n in range(length):
            fade = min(1.0, n / 160) * math.exp(-1.5 * n / length)
            samples.append(int(0.18 * FULL_SCALE * fade * math.sin(2 * math.pi * hertz * n / RATE)))
    write_wav(out, samples)


def _fingerprint(prompts: list[Prompt], recorded: Mapping[str, Path]) -> str:
    digest = hashlib.sha256(LAYOUT.encode())
    for prompt in prompts:
        digest.update(f"{prompt.id}\0{prompt.zh}\0{prompt.en}\0".encode())
    for name, path in sorted(recorded.items()):
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def render_prompts(into: Path, source: Path | None = None) -> Path:
    """The folder ``into/prompts-<fingerprint>`` with ``zh/yht``, ``en/yht`` and ``moh``; rendered once per text."""
    source = source or conf_dir() / "prompts"
    prompts = read_prompts(source / "prompts.toml") + work_prompts(source.parent / "packages" / "services")
    recorded = {f"{p.parent.name}/{p.stem}": p for p in source.glob("??/*.wav")}
    done = into / f"prompts-{_fingerprint(prompts, recorded)}"
    if done.is_dir():
        return done
    building = Path(f"{done}.building")
    shutil.rmtree(building, ignore_errors=True)
    for language in ("zh", "en"):
        (building / language / "yht").mkdir(parents=True)
    spoken: dict[tuple[str, str], list[Path]] = {}
    """where each text in each voice is wanted: many states are called alike"""
    for prompt in prompts:
        for language, voice, text in (("zh", "cmn-latn-pinyin", pinyin_of(prompt.zh)), ("en", "en", prompt.en)):
            out = building / language / "yht" / f"{prompt.id}.wav"
            own = recorded.get(f"{language}/{prompt.id}")
            if own is not None:
                shutil.copyfile(own, out)
            else:
                spoken.setdefault((voice, text), []).append(out)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        list(workers.map(_speak_into, spoken.keys(), spoken.values()))
    _music(building / "moh" / "jasmine.wav")
    building.rename(done)
    return done
