"""Tones, prompts and the words numbers are made of."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from dataset import spoken
from dataset.self_service import service_prompt, state_prompt
from simulation.machines.places import conf_dir
from simulation.machines.prompts import number_prompts, pinyin_of, read_prompts, work_prompts
from simulation.machines.sipp import alaw
from simulation.machines.tones import read_wav, sine, write_wav
from simulation.machines.trouble import MachineTrouble
from tests.harness.services import catalogue

WANTED = (
    *("welcome", "main-menu", "menu-112", "menu-114", "menu-170", "menu-180", "menu-189", "invalid-choice"),
    *("no-input", "please-wait", "queue-position", "queue-wait-minutes", "all-busy-sorry", "goodbye", "closed"),
    *("transferring", "connection-lost-please-hold"),
)


def test_a_tone_is_found_and_others_are_not(tmp_path: Path) -> None:
    sound = read_wav(write_wav(tmp_path / "tone.wav", sine(1000, 1.0, level=0.3)))
    assert sound.seconds == 1.0
    assert math.isclose(sound.level(1000), 0.3, rel_tol=0.01)
    assert sound.level(1700) < 0.001
    assert sound.loudest((440, 1000, 1700)) == 1000


def test_a_part_of_a_sound_counts_from_either_end(tmp_path: Path) -> None:
    sound = read_wav(write_wav(tmp_path / "two.wav", sine(1000, 0.5) + sine(1700, 0.5)))
    assert sound.part(0, 0.5).loudest((1000, 1700)) == 1000
    assert sound.part(-0.5, 0.5).loudest((1000, 1700)) == 1700


def test_a_recording_that_has_just_begun_is_empty_not_wrong(tmp_path: Path) -> None:
    (tmp_path / "begun.wav").write_bytes(b"")
    assert read_wav(tmp_path / "begun.wav").seconds == 0


@pytest.mark.parametrize(("sample", "code"), [(0, 0xD5), (-1, 0x55), (32767, 0xAA), (-32768, 0x2A), (1000, 0xFA)])
def test_alaw_codes(sample: int, code: int) -> None:
    """Values of G.711."""
    assert alaw(sample) == code


def test_every_prompt_the_menus_need_is_there_in_both_languages() -> None:
    prompts = {prompt.id: prompt for prompt in read_prompts(conf_dir() / "prompts" / "prompts.toml")}
    assert [name for name in WANTED if name not in prompts] == []
    assert all(prompt.zh and prompt.en for prompt in prompts.values())


def test_every_number_up_to_99_is_said_with_words_that_exist() -> None:
    words = {prompt.id: prompt.zh for prompt in number_prompts()}
    said = ["".join(words[word] for word in spoken.number(n, "zh")) for n in range(100)]
    assert (said[0], said[10], said[12], said[20], said[37], said[99]) == (
        "零",
        "十",
        "十二",
        "二十",
        "三十七",
        "九十九",
    )


def test_hanzi_become_syllables_with_tones() -> None:
    assert pinyin_of("您好，请重新选择。") == "nin2 hao3 ,  qing3 chong2 xin1 xuan3 ze2 , "


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('[prompt.welcome]\nzh = "您好"\n', "prompt-incomplete"),
        ('[prompt."../x"]\nzh = "您好"\nen = "hello"\n', "prompt-incomplete"),
        ("[prompt", "prompts-unreadable"),
    ],
)
def test_a_broken_prompt_file_is_named(tmp_path: Path, text: str, slug: str) -> None:
    path = tmp_path / "prompts.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(MachineTrouble) as caught:
        read_prompts(path)
    assert caught.value.problem.slug == slug
    assert str(path) in caught.value.problem.place


def test_everything_that_self_service_may_say_of_work_is_a_prompt() -> None:
    """Each service that makes work, and each state in which an item may be."""
    texts = {prompt.id: prompt for prompt in work_prompts(conf_dir() / "packages" / "services")}
    working = [service for service in catalogue() if service.makes_work]
    for service in working:
        assert texts[service_prompt(service.id)].zh == service.text.zh
        for state in service.text.states:
            assert (state_prompt(service.id, state.id) in texts) == (state.ends is None)
    assert len(texts) > 150
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in texts)
