"""Tests of subscribers' lines, asked for at a seat: which line of this city, by when it has to be done."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.masking import masked
from dataset.pages import LARGEST_PAGE
from dataset.records.line import LINES, Line, LineStatus
from federation.ports import Clock, Store
from site_node.core.line_test import LineTested, LineUnderTest
from site_node.ports import LineTest

WITHIN_S = 20.0
"""a test that takes longer is given up, so that whoever asked can go on talking"""


class LineTests:
    """Of the lines of one city. Without ``records`` any number is taken for a line of it."""

    def __init__(self, city: CityId, port: LineTest, records: Store | None, clock: Clock) -> None:
        self.city = city
        self._port = port
        self._records = records
        self._clock = clock

    async def test(self, number: str) -> LineTested:
        """Raises ``Refused``: 404 ``line-unknown``; 409 ``line-not-in-service``, ``line-test-busy``; 503
        ``line-test-failed``, ``line-test-late`` after ``WITHIN_S``, or while the records cannot be read.
        """
        return await self._in_time(number, self._port.test(await self._line(number)))

    async def _line(self, number: str) -> LineUnderTest:
        if self._records is None:
            return LineUnderTest(number=number)
        known = await self._records.get(LINES, (self.city, number))
        if known is None:
            raise _refused("line-unknown", "没有此号码的资料；请核对", "nothing is on record of this line", number, 404)
        if known.status in (LineStatus.ORDERED, LineStatus.CEASED):
            raise _refused(
                "line-not-in-service",
                "该号码未装或已拆，没有可测的线路",
                "the line is not installed yet, or was removed: there is nothing to test",
                number,
            )
        return LineUnderTest(
            number=number, exchange=known.exchange, cable=known.cable, data=await self._carries_data(known)
        )

    async def _carries_data(self, line: Line) -> bool:
        """Whether broadband comes over it: another line of the customer says so, or the line itself."""
        assert self._records is not None
        if line.over is not None:
            return True
        partition = (self.city, line.customer)
        page = await self._records.page(LINES, partition, index="by_customer", limit=LARGEST_PAGE)
        return any(one.over == line.number and one.status is LineStatus.ACTIVE for one in page.records)

    async def _in_time(self, number: str, test: Deferred[LineTested]) -> LineTested:
        timer = self._clock.call_later(WITHIN_S, test.cancel)
        try:
            return await test
        except CancelledError:
            raise _refused(
                "line-test-late",
                f"{WITHIN_S:g} 秒内没有测试结果，已放弃；请稍后再测",
                f"no result within {WITHIN_S:g} s, so it was given up: try again shortly",
                number,
                503,
            ) from None
        finally:
            if timer.active():
                timer.cancel()


def _refused(slug: str, zh: str, en: str, number: str, status: int = 409) -> Refused:
    return Refused(Problem(slug, zh=zh, en=en, place=masked(number)), status=status)
