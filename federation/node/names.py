"""Names for the agents of an example province: the same agent has the same name in every run and on every machine."""

from __future__ import annotations

from zlib import crc32

SURNAMES = tuple("李王张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁罗郑谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁余叶蒋杜苏")
"""43 of them: prime, so that stepping through them meets each before any comes again."""
GIVEN = (  # noqa: SIM905 - easier to read than a list
    "敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀英 霞 平 刚 桂英 芳 "
    "文 玲 建华 志强 晓燕 海燕 丽华 国强 婷婷 雪梅 伟民 小红 家豪 嘉欣 子轩 思颖 咏诗 俊杰 慧敏 秋菊 佩仪"
).split()
"""41 of them: another prime, so that 1763 agents of a city have different names."""


def agent_name(city: str, at: int) -> str:
    """The name of the ``at``-th agent (from 0) of a city."""
    start = crc32(city.encode())
    return SURNAMES[(start + 17 * at) % len(SURNAMES)] + GIVEN[(start // 97 + 11 * at) % len(GIVEN)]
