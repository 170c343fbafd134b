"""What both forms of the store have in common: their tables, their refusals, and what they say of conflicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from dataset.puts import Outcome, Prepared, Put, Written, prepare_all
from dataset.tables import Record, Table

R = TypeVar("R", bound=Record)
log = Logger()


class Tables:
    """The tables of one store, by name."""

    def __init__(self, tables: Iterable[Table[Any]]) -> None:
        self.by_name = {table.name: table for table in tables}

    def known(self, table: Table[Any]) -> None:
        """Raise ``Refused`` (``table-unknown``) if ``table`` is none of them."""
        if self.by_name.get(table.name) is not table:
            names = ", ".join(sorted(self.by_name))
            raise Refused(
                Problem(
                    "table-unknown",
                    zh=f"没有表 {table.name}；有：{names}",
                    en=f"there is no table {table.name}; there are: {names}",
                    place=table.name,
                )
            )

    def prepared(self, batch: Sequence[Put]) -> list[Prepared]:
        """See ``dataset.puts.prepare_all``; raises ``table-unknown`` besides."""
        for one in batch:
            self.known(one.table)
        return prepare_all(tuple(batch))


def say_conflicts(batch: Sequence[Prepared], written: Written) -> int:
    """Tell the log of conflicts, without keys, which may be numbers of customers; how many there are."""
    counts = Counter(
        one.table.name for one, outcome in zip(batch, written.outcomes, strict=True) if outcome is Outcome.CONFLICT
    )
    for table, count in counts.items():
        log.warn(
            "{count} records of {table} came with a revision that another content has; both are kept",
            count=count,
            table=table,
            event="record-conflict",
        )
    return counts.total()


def stopped(name: str) -> Refused:
    """What whoever still waits is told when the store stops."""
    return Refused(
        Problem(
            "store-stopped",
            zh="资料库已关闭；请在节点重新启动后重试",
            en="the store is closed; try again when the node runs again",
            place=name,
        ),
        status=503,
    )


def readable(table: Table[R], data: bytes | None) -> R:
    """The record in ``data``. Raises ``Refused`` (``record-damaged``); None: its bytes are not those written."""
    try:
        if data is not None:
            return table.read(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    raise Refused(
        Problem(
            "record-damaged",
            zh="该记录在磁盘上已损坏或由较新的版本写成；请从归属局或备份重新写入",
            en="the record is damaged on disk, or of a form that only a newer version knows; "
            "put it again from its owner or a backup",
            place=table.name,
        ),
        status=503,
    )
