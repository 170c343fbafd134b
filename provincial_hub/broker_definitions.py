"""``broker-definitions``: what the province's RabbitMQ has to know, from the province file and the nodes' passwords.

The province runs the brokers, cities are their clients (federation.md B1).

A password comes from the environment (``YHT_BROKER_PASSWORD_GUANGZHOU``), from the passwords file (TOML, one
``node = "password"`` per line), or is drawn and added to that file; the definitions hold salted hashes only.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from dataset.toml_text import parse_toml
from federation.links.amqp.definitions import SALT_BYTES, definitions, password_hash
from federation.node.configuration import read_file

VARIABLE = "YHT_BROKER_PASSWORD_"
SHORTEST_PASSWORD = 8
DRAWN_BYTES = 24


def broker_definitions(
    nodes: Iterable[NodeId], passwords: Path, environment: Mapping[str, str], virtual_host: str
) -> tuple[dict[str, Any], list[NodeId]]:
    """The definitions for ``nodes``, and the nodes whose password was drawn just now and added to ``passwords``.

    Raises ``Refused`` (``broker-password``, ``broker-node-unknown``, ``file-unreadable``, ``file-unwritable``, or a
    fault of the TOML); nothing is written then.
    """
    wanted = list(nodes)
    kept = _kept(passwords, wanted)
    given = {node: environment.get(VARIABLE + node.upper(), kept.get(node, "")) for node in wanted}
    short = [node for node, password in given.items() if password and len(password) < SHORTEST_PASSWORD]
    if short:
        raise Refused(*(_too_short(node, passwords) for node in short))
    drawn = [node for node, password in given.items() if not password]
    fresh = {node: secrets.token_urlsafe(DRAWN_BYTES) for node in drawn}
    if fresh:
        lines = "".join(f'{node} = "{password}"\n' for node, password in fresh.items())
        write_private(passwords, f"\n{lines}" if kept else lines, append=True)
    hashes = {
        node: password_hash(password or fresh[node], secrets.token_bytes(SALT_BYTES))
        for node, password in given.items()
    }
    return definitions(hashes, virtual_host), drawn


def as_json(told: Mapping[str, Any]) -> str:
    """As RabbitMQ reads it."""
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def write_private(path: Path, text: str, *, append: bool = False) -> None:
    """Write ``text``, for the file's owner alone to read. Raises ``Refused`` (``file-unwritable``)."""
    how = os.O_APPEND if append else os.O_TRUNC
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), 0o600)
            out.write(text)
    except OSError as error:
        raise Refused(
            Problem(
                "file-unwritable",
                zh=f"无法写入文件：{error.strerror}；请检查路径和权限",
                en=f"the file cannot be written: {error.strerror}; check its path and permissions",
                place=str(path),
            )
        ) from error


def _kept(path: Path, nodes: Iterable[NodeId]) -> dict[str, str]:
    if not path.exists():
        return {}
    text = parse_toml(read_file(path), str(path))
    known = set(nodes)
    problems = []
    for name, password in text.values.items():
        if name not in known:
            problems.append(
                Problem(
                    "broker-node-unknown",
                    zh=f"省文件中没有节点 {name}",
                    en=f"the province file has no node {name}",
                    place=text.place((name,)),
                )
            )
        elif not isinstance(password, str):
            problems.append(_too_short(name, path))
    if problems:
        raise Refused(*problems)
    return dict(text.values)


def _too_short(node: str, path: Path) -> Problem:
    return Problem(
        "broker-password",
        zh=f"{node} 的密码应为至少 {SHORTEST_PASSWORD} 个字符的文字",
        en=f"the password of {node} has to be a text of at least {SHORTEST_PASSWORD} characters",
        place=f"{path}: {node}",
    )
