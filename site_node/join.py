"""Connecting a city that stood alone (B5): looked at from all sides first, written whole or not at all, then watched.

The city's journal has kept everything for the province's hubs from the first day on; with a ``[link]`` table the next
run of the node hands it over, gaplessly and once (S1, I3). Here nothing is written but that table.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from dataset.ids import CityId, NodeId
from dataset.toml_text import parse_toml
from federation.core.envelope import Envelope, FullPictureWanted, HubBeat, Stream
from federation.core.leader import HubsInSight
from federation.links.amqp.errors import BrokerRefused
from federation.links.build import build_link
from federation.links.settings import VIRTUAL_HOST, LinkSettings
from federation.node.clock import ReactorClock
from federation.node.configuration import beside, read_file
from federation.node.journal_sqlite import Kept, kept_for_hubs
from federation.node.post import Post
from federation.node.program import new_lineage, read_settings
from federation.node.province import Province, load_province
from federation.node.users import read_users
from federation.ports import Clock, Link, Timer
from site_node.program import USERS, city_of
from site_node.settings import SiteSettings

HEARD_WITHIN_S = 10.0
CONFIRMED_WITHIN_S = 1.0
"""from the first beat of a leading hub on; by then the broker has said whether it takes what the city publishes"""
SHANGHAI_S = 8 * 3600


@dataclass(frozen=True, slots=True)
class Candidate:
    """A city that may join, as far as files can tell."""

    city: CityId
    province: Province
    kept: Kept


def candidate(settings: SiteSettings, file: Path) -> Candidate:
    """Look into the city's own files. Raises ``Refused`` with all that stands against joining: ``already-joined``,
    ``city-unknown``, ``area-code-differs``, ``staff-missing``, ``journal-of-another-node``, or what files are refused
    for.
    """
    if "link" in parse_toml(read_file(file), str(file)).values:
        raise Refused(
            Problem(
                "already-joined",
                zh="此文件已有 [link] 表，本市已接入；进度见 /health 的 rows_waiting，或 join --watch",
                en="the file has a [link] table: this city has joined; /health (rows_waiting) and join --watch show"
                " how far it is",
                place=f"{file}: link",
            ),
            status=409,
        )
    province, package = load_province(beside(str(file), settings.province))
    city = city_of(province, settings, file)
    data = beside(str(file), settings.data)
    kept = kept_for_hubs(data / "journal.sqlite")
    problems = []
    area_code = province.city(city).area_code
    if kept.node not in ("", city):
        problems.append(
            Problem(
                "journal-of-another-node",
                zh=f"该日志属于节点 {kept.node}，本节点是 {city}",
                en=f"this journal belongs to node {kept.node}, this is {city}",
                place=str(data / "journal.sqlite"),
            )
        )
    if kept.area_code not in ("", area_code):
        problems.append(
            Problem(
                "area-code-differs",
                zh=f"本市一直用区号 {kept.area_code} 编接触号，省文件中 {city} 的区号是 {area_code}；请核对省文件",
                en=f"this city has numbered its contacts with area code {kept.area_code}; in the province file {city}"
                f" has {area_code}: check the province file",
                place=settings.province,
            )
        )
    roster = {agent.agent for agent in province.agents_of(city, package)}
    missing = [one.agent for one in read_users(data / USERS) if one.agent is not None and one.agent not in roster]
    problems += [
        Problem(
            "staff-missing",
            zh=f"坐席 {agent} 在本市可登录，省文件中却没有；请补入省文件，或删去此用户",
            en=f"{agent} may log in here and is not in the province file: add the agent there, or remove the user",
            place=settings.province,
        )
        for agent in missing
    ]
    if problems:
        raise Refused(*problems)
    return Candidate(city, province, kept)


# ── the province ────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Heard:
    """The hubs that were heard, and who of them leads."""

    hubs: Collection[NodeId]
    leader: NodeId | None


class Listening:
    """Listens for the hubs' beats, and sends the city's own queue a message: what the broker does not let it publish is
    counted by the link as dropped.
    """

    def __init__(self, link: Link, clock: Clock, city: CityId, hubs: Collection[NodeId], within_s: float) -> None:
        self._link = link
        self._clock = clock
        self._hubs = frozenset(hubs)
        self._within_s = within_s
        self._node = NodeId(city)
        self._post = Post(self._node, new_lineage(), link, term=0)
        self._sight = HubsInSight(within_s)
        self._done: Deferred[Heard] = Deferred()
        self._timers: list[Timer] = []

    def listen(self) -> Deferred[Heard]:
        """Fires soon after a hub that leads is heard, or with the standbys heard after the time; errbacks with
        ``Refused``: ``hub-not-heard``, ``publishing-refused``.
        """
        self._timers.append(self._clock.call_later(self._within_s, self._end))
        self._link.start(self._received, self._changed)
        return self._done

    def _changed(self, up: bool) -> None:
        if up:
            self._post.send(self._node, FullPictureWanted(), Stream.PICTURE, self._within_s)

    def _received(self, envelope: Envelope) -> None:
        if envelope.sender not in self._hubs or not isinstance(envelope.body, HubBeat) or self._done.called:
            return
        now = self._clock.monotonic()
        self._sight.heard(envelope.sender, envelope.term, leads=envelope.body.leads, now=now, run=envelope.lineage)
        if self._sight.leader(now) is not None and len(self._timers) == 1:
            self._timers.append(self._clock.call_later(CONFIRMED_WITHIN_S, self._end))

    def _end(self) -> None:
        if self._done.called:
            return
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        now = self._clock.monotonic()
        heard = self._sight.seen(now)
        if self._link.dropped:
            why = ", ".join(sorted(self._link.dropped))
            problem = Problem(
                "publishing-refused",
                zh=f"代理不收本市的消息（{why}）；请核对代理上本市用户的写权限",
                en=f"the broker does not take this city's messages ({why}): check what its user may write there",
                place="link",
            )
        elif not heard:
            names = ", ".join(sorted(self._hubs))
            problem = Problem(
                "hub-not-heard",
                zh=f"{self._within_s:g} 秒内没有收到省中心（{names}）的心跳；请确认它在运行并连着同一代理",
                en=f"no beat of a hub ({names}) came within {self._within_s:g} s; see that it runs, at the same broker",
                place="link",
            )
        else:
            self._done.callback(Heard(heard, self._sight.leader(now)))
            return
        self._done.errback(Refused(problem, status=503))


def hear_province(reactor: Any, one: Candidate, link: LinkSettings, file: Path) -> Deferred[Heard]:
    """Connect as the city would, and listen. Errbacks with ``Refused``: ``broker-unreachable``, ``broker-refused``,
    ``tls-file``, ``hub-not-heard``, ``publishing-refused``.
    """
    return Deferred.fromCoroutine(_hear_province(reactor, one, link, file))


async def _hear_province(reactor: Any, one: Candidate, link: LinkSettings, file: Path) -> Heard:
    clock = ReactorClock(reactor)
    try:
        connected = await build_link(reactor, link, NodeId(one.city), file=file, can_do_without=False)
    except Refused as refused:
        if not isinstance(refused.__cause__, BrokerRefused):
            raise
        said = refused.__cause__.problem
        raise Refused(
            Problem(
                "broker-refused",
                zh=f"代理拒绝了用户 {one.city}：{said.zh}；请核对密码，及代理的 definitions 是否含本市",
                en=f"the broker refuses the user {one.city}: {said.en}; check the password, and that the broker's"
                " definitions know this city",
                place=", ".join(link.addresses),
            ),
            status=503,
        ) from refused
    listening = Listening(connected, clock, one.city, one.province.hub_ids, HEARD_WITHIN_S)
    try:
        return await listening.listen()
    finally:
        await connected.stop()


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────
def link_table(link: LinkSettings, wall: float) -> str:
    """The table to append, without the password, which belongs into the environment (``YHT_LINK_PASSWORD``)."""
    day = datetime.fromtimestamp(wall + SHANGHAI_S, UTC).strftime("%Y-%m-%d %H:%M")
    lines = [f"# {day} 接入省中心 · joined; 密码在环境变量 the password is in YHT_LINK_PASSWORD", "[link]"]
    lines.append(f"addresses = [{', '.join(map(_quoted, link.addresses))}]")
    if link.virtual_host != VIRTUAL_HOST:
        lines.append(f"virtual_host = {_quoted(link.virtual_host)}")
    if link.replicated:
        lines.append("replicated = true")
    if link.tls is not None:
        lines += ["[link.tls]", f"ca = {_quoted(link.tls.ca)}"]
        lines += [
            f"{name} = {_quoted(value)}"
            for name, value in (("certificate", link.tls.certificate), ("key", link.tls.key))
            if value
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_link(file: Path, table: str) -> None:
    """Append ``table`` to the configuration, comments and all else kept; whole or not at all.

    Raises ``Refused`` (``file-not-written``), or what the file would be refused for with it.
    """
    before = read_file(file)
    gap = b"\n" if before.endswith(b"\n") else b"\n\n"
    beside_it = file.with_name(f"{file.name}.new")
    try:
        mode = file.stat().st_mode & 0o777
        descriptor = os.open(beside_it, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as new:
            new.write(before + gap + table.encode())
            new.flush()
            os.fsync(new.fileno())
        read_settings(SiteSettings, beside_it)
        beside_it.replace(file)
    except OSError as error:
        raise Refused(
            Problem(
                "file-not-written",
                zh=f"无法写入：{error.strerror}；请手工加入所示的 [link] 表",
                en=f"cannot be written: {error.strerror}; add the [link] table by hand",
                place=str(file),
            )
        ) from error
    finally:
        beside_it.unlink(missing_ok=True)


# ── how far ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def history(kept: Kept) -> tuple[str, str]:
    """What will be sent, in words, in both languages."""
    if kept.rows == 0:
        return "还没有记录要送。", "There is no history to send yet."
    first, last = (
        datetime.fromtimestamp(wall + SHANGHAI_S, UTC).strftime("%Y-%m-%d %H:%M") for wall in (kept.first, kept.last)
    )
    return (
        f"将补送 {kept.rows} 条记录，{first} 至 {last}。",
        f"{kept.rows} rows of {first} to {last} will be sent.",
    )


def progress(health: Mapping[str, Any], hubs: Collection[NodeId]) -> tuple[bool, str, str]:
    """Whether all hubs have everything, and how far it is in words, from the node's ``/health``."""
    if health.get("alone"):
        return (
            False,
            "节点仍以旧配置独立运行：请重新启动它（通话不受影响，由新进程接管）",
            "the node still runs alone, on the old configuration: restart it (calls go on and are adopted)",
        )
    if not health.get("link"):
        return False, "链路未通", "the link is down"
    waiting = {hub: health.get("rows_waiting", {}).get(hub) for hub in hubs}
    if all(rows == 0 for rows in waiting.values()):
        return True, "全部记录已由省中心确认", "every row is acknowledged"
    left = ", ".join(f"{hub} {rows if rows is not None else '?'}" for hub, rows in waiting.items())
    return False, f"待确认 {left}", f"not yet acknowledged: {left}"
