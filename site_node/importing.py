"""Records of other systems into a city's store: what ``python -m site_node import`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from twisted.internet.defer import Deferred

from dataset.calendar import midnight
from dataset.errors import Problem, Refused
from dataset.ids import NodeId
from dataset.importing import RowMapping, parse_mapping
from dataset.records.catalogue import EVERY
from dataset.records.directory import DIRECTORY, spelled
from federation.node.configuration import beside, read_file
from federation.node.csv_import import Progress, Source, import_csv
from federation.node.number_plan import load_plan
from federation.node.program import directory
from federation.node.province import load_province
from federation.node.sqlite_thread import FromThreads
from federation.node.store_sqlite import SqliteStore
from site_node.program import STORE, city_of
from site_node.settings import SiteSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line says."""

    config: Path
    mapping: Path
    data: Path
    plan: Path | None
    """None: the one beside the province file"""
    as_of: date | None
    """the day that the data are of; None: when the file was last changed"""


def import_file(
    reactor: FromThreads, settings: SiteSettings, wanted: Wanted, told: Callable[[Progress], None]
) -> Deferred[Progress]:
    """Import the file into the city's store, which no other process may have open meanwhile.

    Errbacks with ``Refused``: ``store-in-use``, everything that is wrong with the mapping, and as ``import_csv``.
    """
    return Deferred.fromCoroutine(_import(reactor, settings, wanted, told))


async def _import(
    reactor: FromThreads, settings: SiteSettings, wanted: Wanted, told: Callable[[Progress], None]
) -> Progress:
    province, _ = load_province(beside(str(wanted.config), settings.province))
    city = city_of(province, settings, wanted.config)
    mapping_bytes = read_file(wanted.mapping)
    mapping = _mapping(settings, wanted, mapping_bytes)
    if mapping.text.constants.get("city", city) != city:
        raise Refused(
            Problem(
                "import-city",
                zh=f"对照表写的是城市 {mapping.text.constants['city']}，本节点是 {city}",
                en=f"the mapping is for the city {mapping.text.constants['city']}, this node is {city}",
                place=str(wanted.mapping),
            )
        )
    source = Source(
        file=wanted.data, mapping=mapping, mapping_bytes=mapping_bytes, revision=_revision(wanted.data, wanted.as_of)
    )
    path = directory(beside(str(wanted.config), settings.data)) / STORE
    store = SqliteStore(path, NodeId(city), EVERY, reactor)
    try:
        return await import_csv(store, source, told)
    finally:
        await store.stop()


def _mapping(settings: SiteSettings, wanted: Wanted, data: bytes) -> RowMapping:
    plan = load_plan(beside(str(wanted.config), settings.province), wanted.plan)
    tables = {table.name: table for table in EVERY}
    return parse_mapping(data, str(wanted.mapping), tables, plan, {DIRECTORY.name: spelled})


def _revision(data: Path, as_of: date | None) -> int:
    """Seconds since 1970: of two files of one source, the later has the higher one."""
    if as_of is not None:
        return int(midnight(as_of))
    try:
        return int(data.stat().st_mtime)
    except OSError as error:
        raise Refused(
            Problem(
                "import-file",
                zh=f"无法读取文件（应为 CSV）：{error.strerror}",
                en=f"the file cannot be read (a CSV is expected): {error.strerror}",
                place=str(data),
            )
        ) from error


def shown(progress: Progress) -> str:
    """A line about how far it has come, in both languages."""
    share = 100 * progress.at // progress.size if progress.size else 100
    return (
        f"{share:3}%  {progress.rows:,} 行 rows：{progress.written:,} 写入 written，"
        f"{progress.unchanged:,} 未变 unchanged，{progress.older:,} 已有更新 older，{progress.bad:,} 有误 bad"
    )
